# SPDX-License-Identifier: BSD-2-Clause
"""A pool of this machine, and a host on it with and without libzfs_core."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from chyves.backend import zfsacts, zfscore
from chyves.backend.host import Host
from chyves.backend.run import RealRunner, Result
from tests.lab import warm
from tests.lab.contract.realsession import RealSession
from tests.lab.contract.session import text_of


class WarmRunner(RealRunner):
    """Programs of this machine, started at little cost."""

    def run(self, argv: Sequence[str], *, timeout: float | None = None) -> Result:
        code, out, err = warm.run(argv, seconds=timeout or warm.SECONDS)
        return Result(tuple(argv), code, text_of(out), text_of(err))


@pytest.fixture
def session(tmp_path: Path) -> Iterator[RealSession]:
    """A sitting at this machine, which has the pool tank for the time."""
    with RealSession(tmp_path) as session:
        yield session


@pytest.fixture(params=["libzfs_core", "zfs"])
def host(
    request: pytest.FixtureRequest, session: RealSession, monkeypatch: pytest.MonkeyPatch
) -> Host:
    """This machine, whose ZFS is asked through libzfs_core where chyves can, or always zfs(8)."""
    if request.param == "zfs":
        monkeypatch.setattr(zfscore, "load", lambda: None)
    else:
        assert zfscore.load() is not None
    host = Host(WarmRunner())
    assert (zfsacts.core(host) is None) == (request.param == "zfs")
    return host
