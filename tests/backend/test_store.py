# SPDX-License-Identifier: BSD-2-Clause
"""Property files that are read again."""

from pathlib import Path

import pytest

from chyves.backend import store
from chyves.simulator.host import SimulatedHost
from chyves.simulator.world import World

FILE = "/tmp/some.cfg"


@pytest.fixture
def host(tmp_path: Path) -> SimulatedHost:
    host = SimulatedHost(World.make(tmp_path / "host"))
    store.write_file(host, FILE, "cpu=1\n")
    return host


def test_what_is_as_it_was_is_not_parsed_again(host: SimulatedHost) -> None:
    assert store.read_config(host, FILE) is store.read_config(host, FILE)


def test_what_another_has_written_is_seen(host: SimulatedHost) -> None:
    assert store.read_config(host, FILE)["cpu"] == "1"
    store.write_file(SimulatedHost(World(host.world.directory)), FILE, "cpu=2\n")
    assert store.read_config(host, FILE)["cpu"] == "2"
    host.path(FILE).unlink()
    with pytest.raises(FileNotFoundError):
        store.read_config(host, FILE)
