# SPDX-License-Identifier: BSD-2-Clause
"""``dataset <pool> offline`` and ``online``: a pool is put away with its guests, and taken back."""

import pytest

from chyves.errors import Exit
from chyves.simulator import faults
from chyves.simulator.world import World
from tests.cli.conftest import Chyves
from tests.cli.original import make_guest, make_pool, write
from tests.cli.runs import Runs

POOL = "/chyves/pool2/.config/pool.cfg"


@pytest.fixture
def two(guests: Chyves) -> Chyves:
    """Web and db on the primary pool tank, mail on the secondary pool2."""
    guests("dataset pool2 install -q")
    guests("mail create 1M pool2 -q")
    return guests


def test_offline_pool_and_its_guests_are_out_of_sight(two: Chyves) -> None:
    network = two.run("ifconfig", "-a")
    globals_ = two.file("/chyves/tank/.config/global.cfg")
    assert two("dataset pool2 offline").out == "pool2: offline\n"
    assert "pool2/chyves_offline/guests/mail/disk0" in two.datasets("pool2")
    assert "pool2/chyves" not in two.datasets("pool2")
    assert two.zfs("mountpoint", "pool2/chyves_offline") == "/chyves/.offline/pool2"
    assert not any(two.host.path("/chyves/pool2").rglob("*"))
    assert [guest["name"] for guest in two.json("list")] == ["db", "web"]
    assert "no such guest: mail" in two.refused("mail set ram=1G", code=Exit.NOT_FOUND)
    assert two.json("list pools") == [
        {"name": "tank", "role": "primary", "version": "0005"},
        {"name": "pool2", "role": "offline", "version": "0005"},
    ]
    assert two.run("ifconfig", "-a") == network
    assert two.file("/chyves/tank/.config/global.cfg") == globals_
    assert "pool2 is offline" in two.refused("new create 1M pool2", code=Exit.PRECONDITION)


def test_online_brings_everything_back_as_it_was(two: Chyves) -> None:
    before = two.state()
    two("dataset pool2 offline")
    assert two("dataset pool2 offline").out == "pool2: is offline\n"
    assert two("dataset pool2 online").out == "pool2: online\n"
    changed = two.changed(before)
    assert changed <= {"/chyves/.offline", "/chyves/.offline/pool2"}
    assert two("dataset pool2 online").out == "pool2: is online\n"
    two("mail set ram=1G")


def test_numbers_of_hidden_guests_stay_theirs(two: Chyves) -> None:
    two("dataset pool2 offline")
    assert two("new create 1M").out == "new: created on tank, 1M, tap53, nmdm53\n"
    assert two("web set serial=nmdm52", code=Exit.CONFLICT).out == ""
    two("dataset pool2 online")
    assert two.json("list serial")[1:3] == [
        {"guest": "mail", "value": "nmdm52"},
        {"guest": "new", "value": "nmdm53"},
    ]


def test_primary_pool_is_never_put_away(two: Chyves) -> None:
    for pool in ("tank", "primary"):
        assert "is the primary pool" in two.refused(
            f"dataset {pool} offline", code=Exit.PRECONDITION
        )


def test_offline_is_refused_where_its_name_is_taken(two: Chyves) -> None:
    two.run("zfs", "create", "-o", "mountpoint=none", "pool2/chyves_offline")
    refused = two.refused("dataset pool2 offline", code=Exit.CONFLICT)
    assert "pool2/chyves_offline exists already" in refused
    assert [guest["name"] for guest in two.json("list")] == ["db", "mail", "web"]


def test_nothing_is_put_away_while_a_guest_runs(two: Chyves) -> None:
    Runs(two).install("mail")
    two("mail start -q")
    assert "guests run: mail" in two("dataset pool2 offline", code=Exit.BUSY).err
    two("mail reclaim")
    two("dataset pool2 offline")


def test_online_is_refused_for_guests_of_the_same_name(two: Chyves) -> None:
    two("dataset pool2 offline")
    two("mail create 1M -q")
    refused = two.refused("dataset pool2 online", code=Exit.CONFLICT)
    assert "other guests of the same name: mail" in refused


def test_online_is_refused_where_its_place_is_taken(two: Chyves) -> None:
    two("dataset pool2 offline")
    two.run("zfs", "create", "pool2/chyves")
    assert "pool2/chyves exists" in two("dataset pool2 online", code=Exit.CONFLICT).err


def test_chyves_is_not_set_up_beside_a_pool_that_is_offline(two: Chyves) -> None:
    two("dataset pool2 offline")
    refused = two.refused("dataset pool2 install", code=Exit.CONFLICT)
    assert refused == "pool2: pool2 is offline\nhint: chyves dataset pool2 online"


def test_what_is_half_put_away_is_named(two: Chyves) -> None:
    for undone in ("pool2/chyves", "pool2/chyves_offline"):
        two("dataset pool2 offline")
        two.run("zfs", "set", "mountpoint=/chyves/pool2", "pool2/chyves_offline")
        if undone == "pool2/chyves":
            two.run("zfs", "rename", "pool2/chyves_offline", undone)
        assert two("list").said == [
            f"chyves: {undone}: putting it away is not finished; "
            "chyves dataset pool2 offline completes it"
        ]
        two("dataset pool2 offline")
        assert two("list").said == []
        two("dataset pool2 online")


@pytest.mark.parametrize("verb", ["offline", "online"])
def test_what_fails_is_taken_back(two: Chyves, verb: str) -> None:
    if verb == "online":
        two("dataset pool2 offline")
    start = len(two.commands())
    two(f"dataset pool2 {verb}")
    programs = len(two.commands()) - start
    two(f"dataset pool2 {'offline' if verb == 'online' else 'online'}")
    before = two.state()
    for number in range(1, programs + 1):
        faults.order(World(two.directory), "fail", number)
        two(f"dataset pool2 {verb}", code=Exit.HOST)
        faults.cancel(World(two.directory))
        assert two.changed(before) <= {"/chyves/.offline", "/chyves/.offline/pool2"}


def test_a_pool_that_was_renamed_by_hand_comes_online(bare: Chyves) -> None:
    make_pool(bare, "tank", "primary")
    make_pool(bare, "pool2", "secondary")
    make_guest(bare, "pool2", "g4", 53)
    bare.run("zfs", "rename", "pool2/chyves", "pool2/chyves_offline")
    assert bare.json("list") == []
    assert bare("dataset pool2 offline").out == "pool2: is offline\n"
    bare("dataset pool2 online")
    assert [guest["name"] for guest in bare.json("list")] == ["g4"]
    assert "dataset_role=secondary\n" in bare.file(POOL)


def test_a_role_written_by_hand_is_enough(two: Chyves) -> None:
    write(two, POOL, two.file(POOL).replace("secondary", "offline"))
    assert [guest["name"] for guest in two.json("list")] == ["db", "web"]
    assert "pool2 is offline" in two.refused("dataset pool2 install", code=Exit.CONFLICT)
    two("dataset pool2 online")
    assert [guest["name"] for guest in two.json("list")] == ["db", "mail", "web"]


@pytest.mark.parametrize("verb", ["offline", "online"])
def test_dry_run_changes_nothing(two: Chyves, verb: str) -> None:
    if verb == "online":
        two("dataset pool2 offline")
    before = two.state()
    plan = two(f"dataset pool2 {verb} --dry-run").out.splitlines()
    assert two.state() == before
    assert [line for line in plan if line.startswith("zfs rename")]


def test_unknown_pools_are_named(two: Chyves) -> None:
    for verb in ("offline", "online"):
        assert "not set up on a pool nopool" in two.refused(
            f"dataset nopool {verb}", code=Exit.NOT_FOUND
        )
