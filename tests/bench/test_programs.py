# SPDX-License-Identifier: BSD-2-Clause
"""The number of programs that a command starts, whatever the number of guests."""

import pytest

from tests.bench import SimulatedHost, make_host

FEW, MANY = 1, 60


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> dict[int, SimulatedHost]:
    return {n: make_host(tmp_path_factory.mktemp("bench") / "host", n) for n in (FEW, MANY)}


@pytest.mark.parametrize(
    ("words", "at_most"),
    [
        (("version",), 0),
        (("help",), 0),
        (("list",), 2),
        (("list", "rcboot"), 2),
        (("list", "clones"), 2),
        (("list", "groups"), 2),
        (("list", "processes"), 2),
        (("list", "disks"), 3),
        (("list", "bridges"), 3),
        (("list", "snapshots"), 3),
        (("host",), 10),
        (("info", "-a"), 3),
        (("all", "get", "all"), 2),
    ],
)
def test_reading_starts_as_many_programs_for_one_guest_as_for_many(
    words: tuple[str, ...], at_most: int, hosts: dict[int, SimulatedHost]
) -> None:
    assert hosts[FEW].programs(*words) == hosts[MANY].programs(*words) <= at_most


def test_set_starts_as_many_programs_for_one_guest_as_for_many(
    hosts: dict[int, SimulatedHost],
) -> None:
    words = ("all", "set", "notes=x")
    assert hosts[FEW].programs(*words) == hosts[MANY].programs(*words)
