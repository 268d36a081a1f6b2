# SPDX-License-Identifier: BSD-2-Clause
"""Tests of this checkout, run in the lab's machine."""

import sys
from collections.abc import Sequence
from pathlib import Path

from tests.guests.linux import tiny_linux
from tests.lab import machine
from tests.lab.cache import Built

PYTEST = (sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--color=no", "--timeout=900")

REAL = (*PYTEST, "--durations=10", "-p", "pytest_timeout", "-p", "tests.lab.real")
"""The same with real pools. In the machine each plugin is named: to look for others takes long."""

ROOMY = "12G"
"""Memory for what is run by hand: a thousand guests have four thousand filesystems mounted."""

LIMIT = 10_000.0
"""Seconds that a machine may take for all it is asked."""


def run_within(
    built: Built,
    release: str,
    command: Sequence[str],
    out: Path,
    group: int,
    memory: str = "3G",
    seconds: float = LIMIT,
) -> int:
    """Run a command in the machine of a release, with a guest and libzfs_core at hand; return its
    exit code. Raises machine.Died."""
    environment = {
        "CHYVES_LAB": release,
        "CHYVES_LAB_GUEST": str(tiny_linux()),
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "PYTHONPATH": "/opt/lab/python",
    }
    return machine.run(
        built,
        command,
        out=out,
        group=group,
        seconds=seconds,
        memory=memory,
        environment=environment,
        say=lambda line: print(f"{release}: {line}", flush=True),
    )
