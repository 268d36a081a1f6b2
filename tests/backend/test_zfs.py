# SPDX-License-Identifier: BSD-2-Clause
"""What chyves makes of an answer of zfs(8) that says two things."""

from pathlib import Path

import pytest

from chyves.backend import zfs
from chyves.errors import Conflict, Precondition
from chyves.simulator.control import fill
from chyves.simulator.host import SimulatedHost
from chyves.simulator.world import Machine, World


@pytest.fixture(params=["13.2", "14.3"])
def full(tmp_path: Path, request: pytest.FixtureRequest) -> SimulatedHost:
    """A full pool, where ZFS has no room for the folder to mount something on. What is renamed and
    not mounted is a failure of zfs(8) on FreeBSD 13, and none on 14."""
    world = World.make(tmp_path / "host", Machine(release=request.param, pools={"tank": 1 << 30}))
    host = SimulatedHost(world)
    for name in ("web", "db"):
        zfs.create_filesystem(host, f"tank/{name}")
    fill(world, "tank")
    return host


def test_what_is_renamed_and_cannot_be_mounted_is_renamed(full: SimulatedHost) -> None:
    with pytest.raises(Precondition, match="tank/www cannot be mounted"):
        zfs.rename(full, "tank/web", "tank/www")
    zfs.put_aside(full, "tank/db", "tank/gone")
    assert zfs.exists(full, "tank/www")
    assert zfs.exists(full, "tank/gone")


def test_what_is_refused_and_cannot_be_mounted_again_is_refused(full: SimulatedHost) -> None:
    with pytest.raises(Conflict, match="already exists"):
        zfs.put_aside(full, "tank/web", "tank/db")
    found = zfs.dataset(full, "tank/web")
    assert found is not None
    assert not found.is_mounted
    with pytest.raises(Conflict):
        zfs.rename(full, "tank/db", "tank/web")
