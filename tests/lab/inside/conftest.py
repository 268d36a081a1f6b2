# SPDX-License-Identifier: BSD-2-Clause
"""A pool of this machine, and a host on it with and without libzfs_core."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from chyves.backend import zfsacts, zfscore
from chyves.backend.host import Host
from chyves.backend.run import RealRunner, Result
from chyves.simulator.world import Machine, World
from tests.cli.conftest import Chyves, Put, put
from tests.lab import warm
from tests.lab.contract.realsession import RealSession
from tests.lab.contract.session import text_of

__all__ = ["put"]


class WarmRunner(RealRunner):
    """Programs of this machine, started at little cost."""

    def run(self, argv: Sequence[str], *, timeout: float | None = None) -> Result:
        code, out, err = warm.run(argv, seconds=timeout or warm.SECONDS)
        return Result(tuple(argv), code, text_of(out), text_of(err))


@pytest.fixture(scope="module")
def sitting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealSession]:
    """A sitting at this machine, which has the pool tank for the time."""
    with RealSession(tmp_path_factory.mktemp("sitting")) as session:
        yield session


@pytest.fixture
def session(sitting: RealSession) -> Iterator[RealSession]:
    """The same, with an empty pool."""
    yield sitting
    listing = text_of(warm.run(["zfs", "list", "-H", "-o", "name", "-d", "1", "tank"])[1])
    for dataset in listing.split()[1:]:
        code, _, complaint = warm.run(["zfs", "destroy", "-R", dataset])
        assert code == 0 or b"does not exist" in complaint, complaint


WITHOUT_LIBRARY = os.environ.get("CHYVES_LAB") == "2.1"
"""Whether a whole chyves is to do without libzfs_core on this machine: with one release it does."""

both_ways = pytest.mark.parametrize("host", ["libzfs_core", "zfs"], indirect=True)
"""For tests of what chyves does through libzfs_core, or zfs(8) without it."""


@pytest.fixture
def host(
    request: pytest.FixtureRequest, session: RealSession, monkeypatch: pytest.MonkeyPatch
) -> Host:
    """This machine, which is changed through libzfs_core where chyves can, or by zfs(8) alone."""
    way = getattr(request, "param", "libzfs_core")
    if way == "zfs":
        monkeypatch.setattr(zfscore, "load", lambda: None)
    else:
        assert zfscore.load() is not None
    host = Host(WarmRunner())
    assert (zfsacts.core(host) is None) == (way == "zfs")
    return host


@pytest.fixture
def one_pool(put: Put) -> Chyves:
    """A host with chyves on its only pool."""

    def make(directory: Path) -> Chyves:
        World.make(directory, Machine(pools={"tank": 64 << 30}))
        chyves = Chyves(directory)
        chyves("dataset tank install -q")
        return chyves

    return put("one-pool", make)
