# SPDX-License-Identifier: BSD-2-Clause
"""A FreeBSD host in a directory: the same programs, answered in Python."""
