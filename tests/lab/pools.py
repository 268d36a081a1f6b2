# SPDX-License-Identifier: BSD-2-Clause
"""Pools of this machine, each of them a file."""

import time
from pathlib import Path

from tests.lab import warm
from tests.lab.contract.session import text_of

NOT_EMBEDDED = ("-o", "feature@embedded_data=disabled")
"""Small blocks are blocks of their own then. Those that are in the pointer to them ZFS unpacks each
time it looks up a property, which took a fifth of all time; else they are the same."""

DEADLINE = 20.0


def create(vdev: Path, size: int, *options: str) -> None:
    """Make a file of that many bytes, and a pool of it that has its name."""
    with vdev.open("wb") as file:
        file.truncate(size)
    done("zpool", "create", "-f", *NOT_EMBEDDED, *options, vdev.stem, str(vdev))


def destroy(pool: str) -> None:
    """Destroy a pool as soon as its volumes are closed by those who look at new devices, and wait
    until their nodes are gone. Its file stays."""
    patiently("zpool", "destroy", "-f", pool)
    deadline = time.monotonic() + DEADLINE
    while Path("/dev/zvol", pool).exists() and time.monotonic() < deadline:
        time.sleep(0.05)


def names() -> list[str]:
    """Return the pools that there are."""
    return text_of(done("zpool", "list", "-H", "-o", "name")).split()


def patiently(*argv: str) -> None:
    """Run a program again and again until it succeeds. Raises TimeoutError."""
    deadline = time.monotonic() + DEADLINE
    while time.monotonic() < deadline:
        code, _, complaint = warm.run(argv)
        if not code:
            return
        time.sleep(0.1)
    raise TimeoutError(f"{argv}: {text_of(complaint)}")


def done(*argv: str) -> bytes:
    """Run a program that has to succeed; return its output."""
    code, out, complaint = warm.run(argv)
    assert code == 0, complaint
    return out
