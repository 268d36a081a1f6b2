# SPDX-License-Identifier: BSD-2-Clause
"""bhyve virtual-machine manager for FreeBSD with ZFS."""

__version__ = "1.0.0.dev0"
