# SPDX-License-Identifier: BSD-2-Clause
"""What is done to whole pools: the plan of a dry run is what is run, and it is told as JSON."""

import json

import pytest
from click.shell_completion import ShellComplete

from chyves.app import App
from chyves.cli import _root
from tests.cli.conftest import Chyves
from tests.cli.original import make_guest, make_pool
from tests.cli.plans import same_as_the_real_run


@pytest.fixture
def stocked_pools(stocked: Chyves) -> Chyves:
    """The host ``stocked`` with mail on the secondary pool2."""
    stocked("dataset pool2 install -q")
    stocked("mail create 1M pool2 -q")
    return stocked


LINES = [
    ([], "dataset pool2 offline"),
    (["dataset pool2 offline"], "dataset pool2 online"),
    ([], "dataset pool2 promote"),
    ([], "dataset pool2 uninstall force"),
    (["dataset pool2 uninstall force --yes"], "dataset tank uninstall force"),
]


@pytest.mark.parametrize(("first", "line"), LINES)
def test_the_plan_is_what_is_run(first: list[str], line: str, stocked_pools: Chyves) -> None:
    for other in first:
        stocked_pools(other)
    before = stocked_pools.state()
    assert stocked_pools.json(f"{line} --dry-run") is None
    assert stocked_pools.state() == before
    assert same_as_the_real_run(stocked_pools, line)


def test_the_plan_of_an_upgrade_is_what_is_run(bare: Chyves) -> None:
    make_pool(bare, "tank", "primary", "0001")
    make_guest(bare, "tank", "g1", 50, "0100")
    make_guest(bare, "tank", "g2", 51, "0202")
    bare.run("zfs", "set", "readonly=on", "tank/chyves/guests/g2")
    assert same_as_the_real_run(bare, "dataset tank upgrade")


@pytest.mark.parametrize(("first", "line"), LINES)
def test_what_was_done_is_told_as_json(first: list[str], line: str, stocked_pools: Chyves) -> None:
    for other in first:
        stocked_pools(other)
    told = json.loads(stocked_pools(f"{line} --yes --json").out)
    assert (told["ok"], told["changed"]) == (True, True)
    assert [result["target"] for result in told["results"]] == [line.split()[1]]


def test_a_second_time_there_is_nothing_to_do(stocked_pools: Chyves) -> None:
    for line in ("dataset pool2 offline", "dataset pool2 online", "dataset pool2 promote"):
        stocked_pools(line)
        told = json.loads(stocked_pools(f"{line} --json").out)
        assert (told["ok"], told["changed"]) == (True, False)


def test_the_words_are_completed() -> None:
    completion = ShellComplete(_root(), {"obj": App()}, "chyves", "_CHYVES_COMPLETE")
    found = completion.get_completions(["dataset", "tank"], "o")
    assert [item.value for item in found] == ["offline", "online"]
