# SPDX-License-Identifier: BSD-2-Clause
"""What the tests of the command line ask of zfs and zpool, and what the simulated ones answer:
``pytest -p tests.lab.histories`` writes it down, to be put to a real zfs (replay.py).

Each simulated host keeps its history, from when it was made, in a file that is copied with the
host; it ends where another process asks zfs, and says so. What is seen of them is in
``CHYVES_HISTORIES``. ``CHYVES_RELEASE`` is the release of FreeBSD of hosts whose test wants none.
"""

import io
import json
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from heapq import heapify, heappop, heappush
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import pytest

from chyves.simulator import programs
from chyves.simulator.programs import Io, Main, Program
from chyves.simulator.world import Machine, World
from chyves.simulator.zfs import zfs as simulated_zfs
from chyves.simulator.zfs import zpool as simulated_zpool
from tests.lab.contract.session import Step, text_of

FILE = "history.jsonl"

ANOTHER_PROCESS = "another process asked, or one was killed"

LOOKS = {"get", "holds", "list", "version"}
"""Verbs of zfs and zpool that change nothing."""

Turn = tuple[str, str, int, str]
"""What was changed before, what is asked, the exit code and the complaint."""


class History(NamedTuple):
    """All that was asked of a host, from the beginning; ``pools`` are the pools that it was made
    with, and their sizes in bytes. ``cut`` tells why it is not known what came after it, if more
    did."""

    pools: dict[str, int]
    steps: tuple[tuple[tuple[str, ...], Step], ...]
    cut: str = ""


@pytest.fixture(autouse=True, scope="session")
def histories() -> Iterator[None]:
    """Let all that is asked of zfs and zpool be written down."""
    make = World.make

    def made(directory: Path, machine: Machine | None = None) -> World:
        machine = machine or Machine()
        if machine.release == Machine.release:
            machine = replace(machine, release=os.environ["CHYVES_RELEASE"])
        world = make(directory, machine)
        (directory / FILE).write_text(json.dumps(machine.pools) + "\n")
        return world

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(World, "make", made)
        for name in ("zfs", "zpool"):
            patch.setitem(programs.PROGRAMS, name, Program(__name__, name))
        yield


def zfs(world: World, arguments: list[str], streams: Io) -> int:
    return _noted(world, simulated_zfs.zfs, ["zfs", *arguments], streams)


def zpool(world: World, arguments: list[str], streams: Io) -> int:
    return _noted(world, simulated_zpool.zpool, ["zpool", *arguments], streams)


def _noted(world: World, program: Main, argv: list[str], streams: Io) -> int:
    """Run a program, and note it with its answer, but for the streams that it sends."""
    sends = argv[1:2] == ["send"] and "-n" not in argv
    out, err = io.BytesIO(), io.BytesIO()
    code = program(world, argv[1:], Io(streams.stdin, streams.stdout if sends else out, err))
    streams.stdout.write(out.getvalue())
    streams.stderr.write(err.getvalue())
    step = Step(" ".join(argv), code, text_of(out.getvalue()), text_of(err.getvalue()))
    file = world.directory / FILE
    if file.exists() and not _has_all(world, file):
        with file.open("a") as history:
            history.write(json.dumps(ANOTHER_PROCESS) + "\n")
        file.unlink()
    if file.exists():
        with file.open("a") as history:
            history.write(json.dumps([argv, step]) + "\n")
        _let_see(file)
    return code


def _has_all(world: World, file: Path) -> bool:
    """Tell whether a history has all that the host was asked before this program; what other
    processes ask, or are killed in, it has not."""
    asked = (world.directory / "commands.log").read_bytes().splitlines()
    of_zfs = [line for line in asked if line.startswith((b'["zfs"', b'["zpool"'))]
    return len(of_zfs) == len(file.read_bytes().splitlines())


def _let_see(file: Path) -> None:
    status = file.stat()
    if status.st_nlink == 1:
        os.link(file, Path(os.environ["CHYVES_HISTORIES"], str(status.st_ino)))


def gather(directory: Path, target: Path) -> tuple[int, int]:
    """Write those histories of a directory into one file, a line each, that together have all that
    is in any of them, and those that begin alike one behind the other. Return how many these are,
    and how many there were, without those that another begins with."""
    found = sorted((read(file.read_text()) for file in directory.iterdir()), key=_asked)
    longest = [
        history
        for history, following in zip(found, [*found[1:], None], strict=False)
        if following is None or not _begins(following, history)
    ]
    chosen = _cover([_turns(history) for history in longest])
    lines = (json.dumps(longest[place]) + "\n" for place in sorted(chosen))
    target.write_text("".join(lines))
    return len(chosen), len(longest)


def _cover(parts: Sequence[frozenset[Turn]]) -> list[int]:
    """Return the places of a few of the sets that have all members of all of them: each time the
    one with most that is new."""
    left: set[Turn] = set().union(*parts)
    heap = [(-len(part), place) for place, part in enumerate(parts)]
    heapify(heap)
    chosen = []
    while left:
        _, place = heappop(heap)
        new = len(parts[place] & left)
        if heap and -heap[0][0] > new:
            heappush(heap, (-new, place))
            continue
        left -= parts[place]
        chosen.append(place)
    return chosen


def _turns(history: History) -> frozenset[Turn]:
    """Return what was asked in a history, with how it ended and what was changed before, whatever
    pools, guests, media, snapshots and sizes are called, and however many are named."""
    pools = (rf"\b{re.escape(pool)}\b" for pool in history.pools)
    names = re.compile("|".join([*pools, _NAMES]))
    found, before = set(), ""
    for argv, answer in history.steps:
        words = [names.sub("N", word) for word in argv]
        shape = " ".join(word for word, _ in groupby(words))
        found.add((before, shape, answer.code, names.sub("N", answer.err)))
        if argv[1] not in LOOKS:
            before = shape
    return frozenset(found)


_NAMES = (
    r"(?<=guests/)[\w.-]+|(?<=ISO/)[\w./-]+|(?<=Firmware/)[\w./-]+|(?<=[.]new-)[\w.-]+"
    r"|(?<=[.]deleted-)[\w.-]+|@[\w.%,-]+|[0-9a-f-]{36}|\d+[KMGT]?"
)


def read(text: str) -> History:
    """Return a history that was written a line each step, or, by gather(), as one line."""
    first, *lines = [json.loads(line) for line in text.splitlines()]
    if isinstance(first, dict):
        cut = lines.pop() if lines and isinstance(lines[-1], str) else ""
        first = first, lines, cut
    pools, steps, cut = first
    return History(pools, tuple((tuple(argv), Step(*step)) for argv, step in steps), cut)


def _asked(history: History) -> tuple[str, list[tuple[str, ...]]]:
    return json.dumps(history.pools, sort_keys=True), [argv for argv, _ in history.steps]


def _begins(history: History, beginning: History) -> bool:
    (pools, asked), (same_pools, first) = _asked(history), _asked(beginning)
    return pools == same_pools and asked[: len(first)] == first
