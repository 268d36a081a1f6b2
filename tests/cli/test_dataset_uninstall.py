# SPDX-License-Identifier: BSD-2-Clause
"""``dataset <pool> uninstall``: chyves goes, and nothing goes with it that it did not make."""

import pytest

from chyves.errors import Exit
from tests.cli.conftest import Chyves
from tests.cli.runs import Runs


@pytest.fixture
def two(guests: Chyves) -> Chyves:
    """Web and db on the primary pool tank, mail on the secondary pool2."""
    guests("dataset pool2 install -q")
    guests("mail create 1M pool2 -q")
    return guests


def test_guests_are_named_and_kept(two: Chyves) -> None:
    refused = two.refused("dataset pool2 uninstall --yes", code=Exit.CONFLICT)
    assert "there are guests on it: mail" in refused


def test_force_takes_the_guests_and_their_taps_along(two: Chyves) -> None:
    before = two.state()
    done = two("dataset pool2 uninstall force --yes")
    assert done.out == "pool2: uninstalled\n"
    assert two.datasets("pool2") == {"pool2"}
    assert not two.host.path("/chyves/pool2").exists()
    assert two.run("ifconfig", "-l").split() == ["em0", "lo0", "bridge0", "tap50", "tap51"]
    assert "bridge0_tap_members=tap50,tap51\n" in two.file("/chyves/tank/.config/global.cfg")
    others = {n for n in two.changed(before) if "pool2" not in n and "tap52" not in n}
    assert others == {"/chyves/tank/.config/global.cfg"}
    two("dataset pool2 install")


def test_nothing_goes_without_a_confirmation(two: Chyves) -> None:
    refused = two.refused("dataset pool2 uninstall force", code=Exit.NOT_PERMITTED)
    assert "guest mail" in refused


def test_primary_pool_goes_last(two: Chyves) -> None:
    refused = two.refused("dataset tank uninstall force --yes", code=Exit.PRECONDITION)
    assert "chyves is on pool2 too" in refused
    two("dataset pool2 offline")
    two.refused("dataset tank uninstall force --yes", code=Exit.PRECONDITION)
    two("dataset pool2 online")
    two("dataset pool2 uninstall force --yes")
    two("web snapshot @one")
    two.run("zfs", "clone", "tank/chyves/guests/web/disk0@one", "tank/chyves/guests/db/disk1")
    assert two("dataset primary uninstall force --yes").out == "tank: uninstalled\n"
    assert two.datasets("tank") == {"tank"}
    assert two.run("ifconfig", "-l").split() == ["em0", "lo0", "bridge0"]
    assert two.json("list pools") == []
    assert two("dataset tank install").out == "tank: set up as primary pool\n"


@pytest.mark.parametrize(
    "name", ["mine", "guests/mine", "guests/mail/mine", "ISO/x/mine", "guests/mail/disk0.old"]
)
def test_what_chyves_did_not_make_is_named_and_kept(two: Chyves, name: str) -> None:
    foreign = f"pool2/chyves/{name}"
    two.run("zfs", "create", "-p", foreign)
    before = two.state()
    done = two("dataset pool2 uninstall force --yes", code=Exit.CONFLICT)
    assert f"pool2: chyves did not make {foreign}\n" in done.err
    assert two.state() == before


def test_disks_below_img_are_the_guests_own(two: Chyves) -> None:
    two.run("zfs", "create", "pool2/chyves/guests/mail/img/big")
    two("dataset pool2 uninstall force --yes")


def test_clones_elsewhere_are_named(two: Chyves) -> None:
    two("mail snapshot @one")
    two.run("zfs", "clone", "pool2/chyves/guests/mail/disk0@one", "pool2/mine")
    refused = two.refused("dataset pool2 uninstall force --yes", code=Exit.CONFLICT)
    assert "pool2/mine is cloned from pool2/chyves/guests/mail/disk0@one" in refused


def test_held_snapshots_are_named(two: Chyves) -> None:
    two("mail snapshot @one")
    two.run("zfs", "hold", "mine", "pool2/chyves/guests/mail@one")
    refused = two.refused("dataset pool2 uninstall force --yes", code=Exit.BUSY)
    assert "pool2/chyves/guests/mail@one is held" in refused


def test_running_guests_are_named(two: Chyves) -> None:
    Runs(two).install("mail")
    two("mail start -q")
    refused = two("dataset pool2 uninstall force --yes", code=Exit.BUSY).err
    assert "guests run: mail" in refused
    assert "pool2/chyves" in two.datasets("pool2")


def test_dry_run_changes_nothing(two: Chyves) -> None:
    before = two.state()
    plan = two("dataset pool2 uninstall force --dry-run").out.splitlines()
    assert two.state() == before
    assert "zfs rename pool2/chyves pool2/chyves_uninstalled" in plan
    assert "zfs destroy -r pool2/chyves_uninstalled" in plan


def test_unknown_words_and_pools_are_refused(two: Chyves) -> None:
    two.refused("dataset pool2 uninstall now", code=Exit.USAGE)
    two.refused("dataset pool2 install force", code=Exit.USAGE)
    two.refused("dataset nopool uninstall", code=Exit.NOT_FOUND)
    two("dataset pool2 offline")
    two.refused("dataset pool2 uninstall force --yes", code=Exit.PRECONDITION)


def test_one_that_was_killed_is_named(guests: Chyves) -> None:
    guests("dataset pool2 install -q")
    for dataset in ("pool2/chyves", "pool2/chyves_uninstalled"):
        guests.run("zfs", "set", "chyves:unfinished=uninstall", "pool2/chyves")
        if dataset != "pool2/chyves":
            guests.run("zfs", "rename", "pool2/chyves", dataset)
        assert guests("list").said == [
            f"chyves: {dataset}: its uninstall is not finished; "
            "chyves dataset pool2 uninstall completes it"
        ]
    guests("dataset pool2 uninstall -y -q")
    assert guests("list").said == []
