# SPDX-License-Identifier: BSD-2-Clause
"""Leaves to the lab what only runs in the lab."""

import os

collect_ignore = [] if os.environ.get("CHYVES_LAB") else ["inside"]
