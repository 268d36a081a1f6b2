# SPDX-License-Identifier: BSD-2-Clause
"""Text on volumes."""

import os
import time
from pathlib import Path

SECONDS = 20.0
LONGEST = 16


def write(node: Path, text: str) -> None:
    """Write to a volume, as soon as its node is there."""
    _wait_for(node)
    with node.open("r+b") as device:
        device.write(text.encode().ljust(LONGEST, b"\0"))
        os.fsync(device.fileno())


def read(node: Path) -> str:
    """Return what was written to a volume; nothing of it is kept between two looks."""
    _wait_for(node)
    with node.open("rb") as device:
        os.posix_fadvise(device.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        return device.read(LONGEST).rstrip(b"\0").decode()


def _wait_for(node: Path) -> None:
    deadline = time.monotonic() + SECONDS
    while not node.exists():
        assert time.monotonic() < deadline, f"{node} does not appear"
        time.sleep(0.01)
