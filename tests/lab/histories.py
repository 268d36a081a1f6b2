# SPDX-License-Identifier: BSD-2-Clause
"""What the tests of the command line ask of zfs and zpool, and what the simulated ones answer:
``pytest -p tests.lab.histories`` writes it down, to be put to a real zfs (replay.py).

Each simulated host keeps its history, from when it was made, in a file that is copied with the
host; what is seen of them is in ``CHYVES_HISTORIES``. ``CHYVES_RELEASE`` is the release of FreeBSD
of hosts whose test wants none.
"""

import io
import json
import os
from collections.abc import Iterator
from dataclasses import replace
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


class History(NamedTuple):
    """All that was asked of a host, from the beginning; ``pools`` are the pools that it was made
    with, and their sizes in bytes."""

    pools: dict[str, int]
    steps: tuple[tuple[tuple[str, ...], Step], ...]


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
    if file.exists():
        with file.open("a") as history:
            history.write(json.dumps([argv, step]) + "\n")
        _let_see(file)
    return code


def _let_see(file: Path) -> None:
    status = file.stat()
    if status.st_nlink == 1:
        os.link(file, Path(os.environ["CHYVES_HISTORIES"], str(status.st_ino)))


def gather(directory: Path, target: Path) -> int:
    """Write the histories of a directory into one file, a line each, and return how many they are:
    none that another begins with, and those that begin alike one behind the other."""
    found = sorted((read(file.read_text()) for file in directory.iterdir()), key=_asked)
    longest = [
        history
        for history, following in zip(found, [*found[1:], None], strict=True)
        if following is None or not _begins(following, history)
    ]
    target.write_text("".join(json.dumps(history) + "\n" for history in longest))
    return len(longest)


def read(text: str) -> History:
    """Return a history that was written a line each step, or, by gather(), as one line."""
    first, *lines = [json.loads(line) for line in text.splitlines()]
    pools, steps = (first, lines) if isinstance(first, dict) else first
    return History(pools, tuple((tuple(argv), Step(*step)) for argv, step in steps))


def _asked(history: History) -> tuple[str, list[tuple[str, ...]]]:
    return json.dumps(history.pools, sort_keys=True), [argv for argv, _ in history.steps]


def _begins(history: History, beginning: History) -> bool:
    (pools, asked), (same_pools, first) = _asked(history), _asked(beginning)
    return pools == same_pools and asked[: len(first)] == first
