# SPDX-License-Identifier: BSD-2-Clause
"""What is wanted: pure values and decisions, without I/O, clock or subprocess."""
