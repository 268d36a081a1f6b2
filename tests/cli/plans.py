# SPDX-License-Identifier: BSD-2-Clause
"""A dry run against the real one, and a guest that runs without being started."""

import os
import re
import shlex
from collections.abc import Iterator
from contextlib import contextmanager

from chyves.backend import locks
from chyves.model import layout
from tests.cli.conftest import Chyves

LOOKS = {"list", "get", "holds", "-a"}
"""Second words of programs that only look."""


def same_as_the_real_run(chyves: Chyves, line: str, *more: str) -> list[str]:
    """Run a line dry and then for real, with --yes; return the programs that change something,
    which have to be the same."""
    before = len(chyves.commands())
    said = chyves(f"{line} --dry-run", *more).out.splitlines()
    assert not _changing(chyves.commands()[before:]), "a dry run changes nothing"
    planned = [step for step in said if step.startswith(("zfs ", "zpool ", "ifconfig "))]
    before = len(chyves.commands())
    chyves(f"{line} --yes", *more)
    ran = _changing(chyves.commands()[before:])
    assert _same(ran) == _same(planned)
    return _same(planned)


def _same(lines: list[str]) -> list[str]:
    """Leave out what no two runs have in common: UUIDs and stamps of time."""
    return [
        re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|\d{14}", "X", line) for line in lines
    ]


def _changing(commands: list[list[str]]) -> list[str]:
    found: list[str] = []
    for argv in commands:
        looks = argv[0] not in ("zfs", "zpool", "ifconfig") or argv[1] in LOOKS or "-n" in argv
        if not looks and len(argv) > 2:
            if argv[1] == "receive":
                found[-1] += f" | {shlex.join(argv)}"
            else:
                found.append(shlex.join(argv))
    return found


@contextmanager
def guest_runs(chyves: Chyves, name: str) -> Iterator[None]:
    """Hold the lock by which a guest runs."""
    descriptor = locks.open_lock(chyves.host, layout.run_lock(name))
    try:
        assert locks.take(descriptor)
        yield
    finally:
        os.close(descriptor)
