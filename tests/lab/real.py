# SPDX-License-Identifier: BSD-2-Clause
"""Hosts whose zfs and zpool are real, and all else simulated: ``pytest -p tests.lab.real`` gives
such ones to any test that makes a simulated host.

Their pools are files; what is in them is mounted below the root of the simulated host.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import pytest

from chyves.backend import zfscore
from chyves.simulator import programs
from chyves.simulator.host import SimulatedHost
from chyves.simulator.programs import Io, Program
from chyves.simulator.world import Machine, World
from tests import prepared
from tests.lab import pools, warm


@pytest.fixture(autouse=True)
def real_pools(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Give the hosts that a test makes real pools."""
    with with_real_pools(monkeypatch):
        yield


@contextmanager
def with_real_pools(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Give the hosts that are made from now on real pools, until the end of the block."""
    before = pools.names()
    make = World.make

    def made(directory: Path, machine: Machine | None = None) -> World:
        _export_all(directory)
        world = make(directory, machine)
        (world.root / "dev" / "zvol").symlink_to("/dev/zvol")
        for pool, size in world.machine.pools.items():
            _create(world, pool, size)
        return world

    for name in ("zfs", "zpool"):
        monkeypatch.setitem(programs.PROGRAMS, name, Program("tests.lab.real", name))
    monkeypatch.setattr(World, "make", made)
    monkeypatch.setattr(prepared, "lay_aside", _export_all)
    monkeypatch.setattr(prepared, "take_up", _import_all)
    try:
        yield
    finally:
        for pool in pools.names():
            if pool not in before:
                pools.destroy(pool)


def use_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let hosts with real pools be changed through libzfs_core where chyves can."""
    assert zfscore.load() is not None
    monkeypatch.setattr(SimulatedHost, "has_this_zfs", True)


def _create(world: World, pool: str, size: int) -> None:
    (world.root / pool).rmdir()
    pools.create(world.directory / f"{pool}.img", size, "-R", str(world.root))


def _export_all(_: Path) -> None:
    """Export the pools of the host before: there is one at a time."""
    for pool in pools.names():
        pools.patiently("zpool", "export", "-f", pool)


def _import_all(directory: Path) -> None:
    """Import the pools that are files of a host."""
    where = ("-d", str(directory), "-R", str(World(directory).root), "-o", "cachefile=none")
    for vdev in sorted(directory.glob("*.img")):
        pools.done("zpool", "import", "-f", *where, vdev.stem)


def zfs(world: World, arguments: list[str], io: Io) -> int:
    """``zfs`` of this machine; paths below the host's root are shown as the host has them."""
    return _run(world, ["zfs", *arguments], io)


def zpool(world: World, arguments: list[str], io: Io) -> int:
    """``zpool`` of this machine."""
    return _run(world, ["zpool", *arguments], io)


def _run(world: World, argv: list[str], io: Io) -> int:
    code, out, complaint = warm.run(argv, io.stdin.read())
    _write(world, out, io.stdout)
    _write(world, complaint, io.stderr)
    return code


def _write(world: World, said: bytes, stream: BinaryIO) -> None:
    root = str(world.root).encode()
    stream.write(said.replace(root + b"/", b"/").replace(root, b"/"))
