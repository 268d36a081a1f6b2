# SPDX-License-Identifier: BSD-2-Clause
"""chyves on a real ZFS, killed before each step of a verb: zfs tells what is true, and the same
line said again completes it."""

import os
import signal
from collections.abc import Callable, Sequence
from itertools import count
from typing import Any, NamedTuple

from chyves.backend import zfs
from chyves.errors import Exit
from chyves.simulator.host import SimulatedHost
from tests.cli.conftest import Chyves, bare, chyves, put

__all__ = ["bare", "chyves", "put"]

GUEST = "tank/chyves/guests/{guest}"
PARTS = frozenset({GUEST, *(f"{GUEST}/{part}" for part in (".config", "disk0", "img", "logs"))})


class Verb(NamedTuple):
    """A line, the datasets that the guest has once it is done (and is then called ``name``), and
    how it ends when it is said again after that."""

    line: str
    after: frozenset[str]
    done: Exit = Exit.OK
    name: str = "{guest}"


VERBS = (
    Verb("{guest} create 1M", PARTS, Exit.CONFLICT),
    Verb("{guest} snapshot @one", PARTS, Exit.CONFLICT),
    Verb("{guest} snapshot rollback @one", PARTS),
    Verb("{guest} rename {guest}x", PARTS, Exit.NOT_FOUND, "{guest}x"),
    Verb("{guest}x delete", frozenset(), Exit.NOT_FOUND, "{guest}x"),
)
"""The life of a guest."""


def test_verbs_are_killed_before_each_step(chyves: Chyves) -> None:
    """In the n-th life each verb is killed before its n-th step, until no verb has so many. One
    guest lives after the other: the fewer datasets there are, the sooner zfs answers."""
    left: tuple[Verb, ...] = VERBS
    for step in count(1):
        left = _live(chyves, f"g{step}", step, left)
        if not left:
            return


def _live(chyves: Chyves, guest: str, step: int, left: Sequence[Verb]) -> tuple[Verb, ...]:
    """Return those of the verbs ``left`` that have had so many steps; others are just done, as far
    as they are needed."""
    killed = []
    for verb in VERBS[: VERBS.index(left[-1]) + 1]:
        line = f"{verb.line.format(guest=guest)} --yes"
        if verb not in left:
            chyves(line)
        elif _killed(chyves, line, step):
            _complete(chyves, line, verb.done)
            killed.append(verb)
        name = verb.name.format(guest=guest)
        assert _datasets(chyves, guest, name) == {part.format(guest=name) for part in verb.after}
        _require_nothing_unfinished(chyves)
    if VERBS[-1] not in left:
        chyves(f"{name} delete --yes")
    return tuple(killed)


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
