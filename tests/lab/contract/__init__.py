# SPDX-License-Identifier: BSD-2-Clause
"""What the simulated zfs has in common with a real one: scenarios that both are put through."""
