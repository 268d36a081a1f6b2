# SPDX-License-Identifier: BSD-2-Clause
"""Failures on order: the n-th command fails, or its caller is killed just before or after it."""

import json
import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from chyves.simulator.world import World

ACTS = ("fail", "kill-before", "kill-after")


def order(world: World, act: str, countdown: int) -> None:
    """Let the ``countdown``-th command from now (1 is the next) fail or kill its caller."""
    path = world.directory / "faults.json"
    path.write_text(json.dumps({"act": act, "countdown": countdown}))


def cancel(world: World) -> None:
    (world.directory / "faults.json").unlink(missing_ok=True)


@contextmanager
def around(world: World, argv: Sequence[str], caller: int) -> Iterator[str]:
    """Surround one command; yields the error text when it is to fail instead of being run."""
    act = _due(world)
    if act == "kill-before":
        os.kill(caller, signal.SIGKILL)
    yield f"{argv[0]}: failed as ordered" if act == "fail" else ""
    if act == "kill-after":
        os.kill(caller, signal.SIGKILL)


def _due(world: World) -> str:
    path = world.directory / "faults.json"
    if not path.exists():
        return ""
    with world.changing():
        fault = json.loads(path.read_text())
        fault["countdown"] -= 1
        path.write_text(json.dumps(fault))
    return str(fault["act"]) if fault["countdown"] == 0 else ""
