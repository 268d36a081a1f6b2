# SPDX-License-Identifier: BSD-2-Clause
"""Who runs the command: ``CHYVES_SIMULATE_USER``, root unless it says otherwise."""

import os


def is_root() -> bool:
    return os.environ.get("CHYVES_SIMULATE_USER", "root") == "root"
