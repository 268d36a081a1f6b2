# SPDX-License-Identifier: BSD-2-Clause
"""The number of programs that a command starts, whatever the number of guests."""

from pathlib import Path

import pytest

from chyves.simulator.world import Machine, World
from tests.cli.conftest import Chyves
from tests.cli.lines import READING

FEW, MANY = 1, 60

AT_MOST = {
    "debug": 16,
    "help": 0,
    "host": 11,
    "list": 2,
    "list clones": 2,
    "list groups": 2,
    "list processes": 2,
    "list ram": 2,
    "list rcboot": 2,
    "version": 0,
    "web get all": 2,
}
"""How many programs a line starts; any other at most USUAL."""

USUAL = 3


def make_host(directory: Path, guests: int) -> Chyves:
    """Make a host with so many guests, of which each but web is a ZFS clone, and has a snapshot."""
    World.make(directory, Machine(pools={"tank": 64 << 30}))
    chyves = Chyves(directory)
    chyves("dataset tank install -q")
    chyves("web create 1M -q")
    if guests > 1:
        chyves(f"web clone {','.join(f'guest{n}' for n in range(1, guests))} -cu -q")
    chyves("all snapshot @one -q")
    return chyves


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Chyves]:
    return {n: make_host(tmp_path_factory.mktemp("bench") / "host", n) for n in (FEW, MANY)}


def programs(chyves: Chyves, line: str) -> int:
    """Run a line and return how many programs of the host it has started."""
    before = len(chyves.commands())
    chyves(line)
    return len(chyves.commands()) - before


@pytest.mark.parametrize("line", [*READING, "list rcboot", "all get all"])
def test_reading_starts_as_many_programs_for_one_guest_as_for_many(
    line: str, hosts: dict[int, Chyves]
) -> None:
    few, many = (programs(hosts[guests], line) for guests in (FEW, MANY))
    assert few == many <= AT_MOST.get(line, USUAL)


def test_set_starts_as_many_programs_for_one_guest_as_for_many(hosts: dict[int, Chyves]) -> None:
    few, many = (programs(hosts[guests], "all set notes=x") for guests in (FEW, MANY))
    assert few == many
