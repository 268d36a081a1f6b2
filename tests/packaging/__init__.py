# SPDX-License-Identifier: BSD-2-Clause
"""What surrounds the program: packages, scripts, the manual, the completions."""
