# SPDX-License-Identifier: BSD-2-Clause
"""Processes of a simulated host, as children of the test."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from chyves.simulator.world import World

_LIVE = """
import sys
from pathlib import Path
from chyves.simulator.world import World
with World(Path(sys.argv[1])).process(sys.argv[2]):
    print("alive", flush=True)
    sys.stdin.read()
"""


@contextmanager
def living(world: World, title: str) -> Iterator[int]:
    """Let a process of this title live for the time of the block; yields its pid."""
    child = subprocess.Popen(
        [sys.executable, "-I", "-c", _LIVE, str(world.directory), title],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        assert child.stdout is not None
        assert child.stdout.readline() == b"alive\n"
        yield child.pid
    finally:
        child.kill()
        child.communicate()
