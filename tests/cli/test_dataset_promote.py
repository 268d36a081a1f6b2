# SPDX-License-Identifier: BSD-2-Clause
"""``dataset <pool> promote``: another pool becomes primary, and nothing is lost."""

import json
from pathlib import Path

import pytest

from chyves.errors import Exit
from chyves.simulator import faults
from chyves.simulator.control import fill
from chyves.simulator.world import Machine, World
from tests.cli.conftest import Chyves
from tests.cli.original import make_guest, make_pool, write
from tests.cli.runs import Runs


@pytest.fixture
def two(guests: Chyves, tmp_path: Path) -> Chyves:
    """Web and db on the primary pool tank, which has a medium; mail on the secondary pool2."""
    guests("dataset pool2 install -q")
    guests("mail create 1M pool2 -q")
    medium = tmp_path / "disc.iso"
    medium.write_bytes(b"boot me" * 1000)
    guests("iso import -q", str(medium))
    write(guests, "/chyves/tank/logs/202601.log", "long ago\n")
    write(guests, "/chyves/tank/ISO/README", "mine\n")
    return guests


def roles(chyves: Chyves) -> dict[str, str]:
    return {pool["name"]: pool["role"] for pool in chyves.json("list pools")}


def test_everything_that_a_primary_pool_has_moves(two: Chyves) -> None:
    before = {
        name.removeprefix("/chyves/tank"): digest
        for name, digest in two.state().items()
        if name.startswith(("/chyves/tank/ISO", "/chyves/tank/Firmware", "/chyves/tank/logs"))
    }
    settings, defaults = two.json("list global"), two.json("list defaults")
    media = [(one["name"], one["size"]) for one in two.json("iso list")]
    assert media == [("disc.iso", 7000), ("null.iso", 0)]
    assert two("dataset pool2 promote").out == "pool2: primary, in place of tank\n"
    now = two.state()
    assert {name: now[f"/chyves/pool2{name}"] for name in before} == before
    assert two.json("list global")["pool2"]["global"] == settings["tank"]["global"]
    assert two.json("list defaults") == defaults
    assert [(one["name"], one["size"]) for one in two.json("iso list")] == media
    assert two.zfs("compression", "pool2/chyves/logs") == "on"


def test_what_was_set_by_hand_moves_too(two: Chyves) -> None:
    for value in ("quota=2G", "compression=off", "my:note=keep this", "canmount=noauto"):
        two.run("zfs", "set", value, "tank/chyves/ISO")
    two("web set virtio_9p_0=iso=/chyves/tank/ISO description=/chyves/tank/ISO2 -q")
    done = two("dataset pool2 promote")
    assert done.said == ["chyves: web: virtio_9p_0 still leads to /chyves/tank/ISO"]
    found = [two.zfs(name, "pool2/chyves/ISO") for name in ("quota", "compression", "my:note")]
    assert found == [str(2 << 30), "off", "keep this"]
    assert two.zfs("chyves:unfinished", "pool2/chyves/ISO") == "-"
    assert two.zfs("mounted", "pool2/chyves/ISO") == "yes", "its files are in it"


def test_the_old_one_becomes_an_ordinary_secondary_pool(two: Chyves) -> None:
    two("dataset pool2 promote")
    assert roles(two) == {"pool2": "primary", "tank": "secondary"}
    tops = {name for name in two.datasets("tank/chyves") if name.count("/") == 2}
    assert {name.partition("@")[0] for name in tops} == {
        "tank/chyves/.config",
        "tank/chyves/guests",
    }
    assert not two.host.path("/chyves/tank/.config/global.cfg").exists()
    assert not two.host.path("/chyves/tank/guests/.defaults").exists()
    assert two.file("/chyves/tank/.config/pool.cfg").endswith("dataset_role=secondary\n")
    assert two.file("/chyves/pool2/.config/pool.cfg").endswith("dataset_role=primary\n")
    assert [guest["name"] for guest in two.json("list")] == ["db", "mail", "web"]
    two("dataset tank uninstall force --yes")
    assert two("new create 1M").out == "new: created on pool2, 1M, tap53, nmdm53\n"


def test_there_and_back_again(two: Chyves) -> None:
    before = two.state()
    two("dataset pool2 promote")
    assert two("dataset pool2 promote").out == "pool2: is the primary pool\n"
    assert two("dataset primary promote").out == "pool2: is the primary pool\n"
    two("dataset tank promote")
    changed = {name for name in two.changed(before) if not name.startswith("zfs ")}
    assert changed == set()


def test_a_pool_of_chyves_0_2_0_is_promoted(bare: Chyves) -> None:
    make_pool(bare, "tank", "primary")
    make_pool(bare, "pool2", "secondary")
    make_guest(bare, "pool2", "g4", 53)
    bare("dataset pool2 promote")
    assert roles(bare) == {"pool2": "primary", "tank": "secondary"}


def test_nothing_moves_while_a_guest_runs(two: Chyves) -> None:
    Runs(two).install("web")
    two("web start -q")
    assert "guests run: web" in two("dataset pool2 promote", code=Exit.BUSY).err
    assert roles(two) == {"pool2": "secondary", "tank": "primary"}


def test_what_is_in_the_way_is_named(two: Chyves) -> None:
    two.run("zfs", "create", "pool2/chyves/logs")
    refused = two.refused("dataset pool2 promote", code=Exit.CONFLICT)
    assert "pool2/chyves/logs exists already" in refused


@pytest.mark.parametrize("name", ["ISO/disc.iso/mine", "logs/mine"])
def test_what_chyves_did_not_make_is_named(two: Chyves, name: str) -> None:
    two.run("zfs", "create", f"tank/chyves/{name}")
    refused = two.refused("dataset pool2 promote", code=Exit.CONFLICT)
    assert f"chyves did not make tank/chyves/{name}" in refused


def test_snapshots_that_would_be_lost_are_named(two: Chyves) -> None:
    two.run("zfs", "snapshot", "tank/chyves/ISO/disc.iso@mine")
    refused = two.refused("dataset pool2 promote", code=Exit.CONFLICT)
    assert "snapshots would be lost: tank/chyves/ISO/disc.iso@mine" in refused


def test_room_is_asked_for_first(two: Chyves) -> None:
    quota = int(two.zfs("used", "pool2/chyves")) + (1 << 20)
    two.run("zfs", "set", f"quota={quota}", "pool2/chyves")
    with two.host.path("/chyves/tank/ISO/disc.iso/disc.iso").open("wb") as medium:
        medium.write(b"x" * (3 << 20))
    assert "no room" in two.refused("dataset pool2 promote", code=Exit.PRECONDITION)


def test_what_fails_before_the_switch_is_taken_back(two: Chyves) -> None:
    before = two.state()
    programs = 0
    while roles(two)["tank"] == "primary":
        programs += 1
        faults.order(World(two.directory), "fail", programs)
        two("dataset pool2 promote", code=Exit.HOST)
        faults.cancel(World(two.directory))
        if roles(two)["tank"] == "primary":
            assert {name for name in two.changed(before) if "/chyves/pool2/" not in name} == set()
    assert programs > 5
    assert two("dataset pool2 promote").out == "pool2: primary\n"


def test_dry_run_changes_nothing(two: Chyves) -> None:
    before = two.state()
    plan = two("dataset pool2 promote --dry-run").out.splitlines()
    assert two.state() == before
    assert "# cp -Rp /chyves/tank/ISO/disc.iso/ /chyves/pool2/ISO/disc.iso" in plan
    assert "# dataset_role=primary promoted_over=tank in /chyves/pool2/.config/pool.cfg" in plan
    assert "zfs destroy tank/chyves/ISO/disc.iso" in plan


def test_a_copy_that_was_killed_is_named(guests: Chyves) -> None:
    guests("dataset pool2 install -q")
    guests.run("zfs", "create", "-o", "chyves:unfinished=promote", "pool2/chyves/logs")
    assert guests("list").said == [
        "chyves: pool2/chyves: its promotion is not finished; "
        "chyves dataset pool2 promote completes it"
    ]
    guests("dataset pool2 promote -y -q")
    assert guests("list").said == []


def test_no_other_pool_takes_the_place_of_a_primary_one_that_is_away(tmp_path: Path) -> None:
    World.make(tmp_path / "host", Machine(pools=dict.fromkeys(("tank", "pool2", "pool3"), 1 << 30)))
    two = Chyves(tmp_path / "host")
    two("dataset tank install -q")
    two("dataset pool2 install -q")
    two.run("zpool", "export", "tank")
    before = two.state()
    assert two.refused("mail create 1M pool2", code=Exit.PRECONDITION) == (
        "the primary pool is not here, only pool2\nhint: zpool import shows what can be"
    )
    done = two("dataset pool3 install", code=Exit.NOT_PERMITTED)
    assert done.said[0].startswith("chyves: the primary pool that pool2 belongs to is not here")
    assert two.state() == before
    assert two("dataset pool3 install --yes").out == "pool3: set up as primary pool\n"


def test_what_fails_behind_the_turning_point_says_so(two: Chyves) -> None:
    fill(World(two.directory), "tank")
    done = two("dataset pool2 promote --json", code=Exit.PRECONDITION)
    assert json.loads(done.out)["changed"]
    why, hint = done.said[-2:]
    assert why.startswith("chyves: pool2: cannot write /chyves/tank/.config/pool.cfg: ")
    assert hint == (
        "hint: pool2 is the primary pool already; once that is mended, "
        "chyves dataset pool2 promote completes it"
    )
    assert roles(two) == {"pool2": "primary", "tank": "secondary"}
    two.run("zfs", "set", "reservation=none", "tank/ballast")
    assert two("dataset pool2 promote").out == "pool2: primary\n"
