# SPDX-License-Identifier: BSD-2-Clause
"""Tests that run inside the lab's machine, on a real ZFS: ``make lab``."""
