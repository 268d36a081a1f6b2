# SPDX-License-Identifier: BSD-2-Clause
"""A pool of this machine, and a host on it with and without libzfs_core."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from chyves.backend import zfs, zfscore
from chyves.backend.host import Host
from chyves.backend.run import RealRunner
from tests.lab.contract.realsession import RealSession


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
    host = Host(RealRunner())
    assert (zfs.core(host) is None) == (request.param == "zfs")
    return host
