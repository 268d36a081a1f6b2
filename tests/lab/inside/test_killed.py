# SPDX-License-Identifier: BSD-2-Clause
"""chyves on a real ZFS, killed before each step of a verb: zfs tells what is true, and the same
line said again completes it."""

import os
import signal
from collections.abc import Callable
from itertools import count
from typing import Any, NamedTuple

import pytest

from chyves.backend import zfs
from chyves.errors import Exit
from chyves.simulator.host import SimulatedHost
from tests.cli.conftest import Chyves, bare, chyves, put

__all__ = ["bare", "chyves", "put"]

CREATE = ("{guest} create 1M -q",)
SNAPPED = (*CREATE, "{guest} snapshot @one -q")
GUEST = "tank/chyves/guests/{guest}"
PARTS = frozenset({GUEST, *(f"{GUEST}/{part}" for part in (".config", "disk0", "img", "logs"))})


class Verb(NamedTuple):
    """A line, what is said before it, the datasets that the guest has once it is done (and is then
    called ``name``), and how it ends when it is said again after that."""

    line: str
    before: tuple[str, ...]
    after: frozenset[str]
    done: Exit = Exit.OK
    name: str = "{guest}"


VERBS = {
    "create": Verb("{guest} create 1M", (), PARTS, Exit.CONFLICT),
    "snapshot": Verb("{guest} snapshot @one", CREATE, PARTS, Exit.CONFLICT),
    "rollback": Verb("{guest} snapshot rollback @one", SNAPPED, PARTS),
    "delete": Verb("{guest} delete", CREATE, frozenset(), Exit.NOT_FOUND),
    "rename": Verb("{guest} rename {guest}x", CREATE, PARTS, Exit.NOT_FOUND, "{guest}x"),
}


@pytest.mark.parametrize("verb", VERBS.values(), ids=list(VERBS))
def test_a_verb_is_killed_before_each_step(verb: Verb, chyves: Chyves) -> None:
    for step in count(1):
        guest = f"g{step}"
        for line in verb.before:
            chyves(line.format(guest=guest))
        line = f"{verb.line.format(guest=guest)} --yes"
        killed = _killed(chyves, line, step)
        if killed:
            _complete(chyves, line, verb.done)
        name = verb.name.format(guest=guest)
        assert _datasets(chyves, guest, name) == {part.format(guest=name) for part in verb.after}
        _require_nothing_unfinished(chyves)
        if not killed:
            return


def _datasets(chyves: Chyves, *guests: str) -> set[str]:
    """Return the datasets that guests of these names have, without snapshots."""
    names = {name for name in chyves.datasets() if "@" not in name}
    return {name for name in names if set(name.split("/")[3:4]) & set(guests)}


def _complete(chyves: Chyves, line: str, done: Exit) -> None:
    try:
        chyves(line)
    except AssertionError:
        chyves(line, code=done)


def _require_nothing_unfinished(chyves: Chyves) -> None:
    marks = chyves.run(
        "zfs", "get", "-H", "-r", "-s", "local", "-o", "name", zfs.UNFINISHED, "tank"
    )
    assert marks == ""


def _killed(chyves: Chyves, line: str, step: int) -> bool:
    """Run a line in a child that is killed before its n-th step; tell whether it had so many."""
    child = os.fork()
    if child == 0:
        code = 99
        try:
            _kill_before(step)
            chyves(line)
            code = 0
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return os.WTERMSIG(status) == signal.SIGKILL
    assert os.WEXITSTATUS(status) == 0, f"{line} failed"
    return False


def _kill_before(step: int) -> None:
    left = step

    def counted(act: Callable[..., Any]) -> Callable[..., Any]:
        def counting(*words: Any, **named: Any) -> Any:
            nonlocal left
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return act(*words, **named)

        return counting

    for name in ("try_change", "note"):
        setattr(SimulatedHost, name, counted(getattr(SimulatedHost, name)))
