# SPDX-License-Identifier: BSD-2-Clause
"""A simulated host for each test, and a way to type commands at it."""

import io
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

from chyves.backend.run import Result
from chyves.simulator.programs import Io, execute
from chyves.simulator.world import Machine, World

Type = Callable[..., Result]


def run(world: World, *argv: str, stdin: bytes = b"") -> Result:
    """Run a program of the host; its output is text, decoded as it is for chyves."""
    code, out, err = run_bytes(world, *argv, stdin=stdin)
    return Result(argv, code, out.decode(errors="surrogateescape"), err.decode())


def run_bytes(world: World, *argv: str, stdin: bytes = b"") -> tuple[int, bytes, bytes]:
    out, err = io.BytesIO(), io.BytesIO()
    code = execute(world, argv, Io(io.BytesIO(stdin), out, err))
    return code, out.getvalue(), err.getvalue()


@pytest.fixture
def make_world(tmp_path: Path) -> Callable[..., World]:
    """Make hosts: of a release, with pools (name to size in bytes)."""
    made = 0

    def make(release: str = "13.2", **pools: int) -> World:
        nonlocal made
        made += 1
        machine = Machine(release=release, pools=pools or {"tank": 8053063680})
        return World.make(tmp_path / f"host{made}", machine)

    return make


@pytest.fixture
def world(make_world: Callable[..., World]) -> World:
    """A FreeBSD 13.2 with the pool ``tank``, of the size it had in the transcripts."""
    return make_world()


@pytest.fixture
def shell(world: World) -> Type:
    """Type a command line at the host; arguments are quoted as in a shell."""

    def type_line(line: str, stdin: bytes = b"") -> Result:
        return run(world, *shlex.split(line), stdin=stdin)

    return type_line
