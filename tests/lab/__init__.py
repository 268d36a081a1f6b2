# SPDX-License-Identifier: BSD-2-Clause
"""A virtual machine with a real OpenZFS, and what is proved in it: see docs/lab.md."""
