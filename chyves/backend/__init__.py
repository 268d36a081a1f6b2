# SPDX-License-Identifier: BSD-2-Clause
"""How it is done: the only code that touches the machine."""
