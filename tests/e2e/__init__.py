# SPDX-License-Identifier: BSD-2-Clause
"""The installed program as real processes: what a person, or a script, sees of it."""
