# SPDX-License-Identifier: BSD-2-Clause
"""``move``: a guest is on one pool, then on the other, and never on none or on both."""

import pytest

from chyves.errors import Exit
from chyves.simulator.programs import execute_captured
from chyves.simulator.world import World
from tests.cli.conftest import Chyves
from tests.cli.plans import guest_runs, same_as_the_real_run

WEB, MOVED = "tank/chyves/guests/web", "pool2/chyves/guests/web"
TOMBSTONE = "tank/chyves/.deleted-web-20261123000000keepnet"


@pytest.fixture
def pools(guests: Chyves) -> Chyves:
    guests("dataset pool2 install -q")
    return guests


def places(chyves: Chyves) -> dict[str, str]:
    return {guest["name"]: guest["pool"] for guest in chyves.json("list")}


def test_everything_goes_along(pools: Chyves) -> None:
    pools("web set notes=mine -q")
    pools("defaults set disk_compression=zle -q")
    pools("web disk add 2M -q")
    pools.run("zfs", "create", f"{WEB}/img/sub")
    pools.host.path("/chyves/tank/guests/web/img/sub/raw").write_text("image")
    pools("web snapshot @kept -q")
    with pools.host.path(f"/dev/zvol/{WEB}/disk0").open("r+b") as device:
        device.write(b"data")
    below = {name.removeprefix(WEB) for name in pools.datasets(WEB)}
    values, bridges = pools.json("web get all"), pools.json("list bridges")
    pools("web move pool2")
    assert {name.removeprefix(MOVED) for name in pools.datasets(MOVED)} == below
    assert not [name for name in pools.datasets("tank/chyves") if "web" in name]
    assert pools.json("web get all") == values
    assert pools.json("list bridges") == bridges
    assert pools.host.path(f"/dev/zvol/{MOVED}/disk0").read_bytes()[:4] == b"data"
    assert pools.file("/chyves/pool2/guests/web/img/sub/raw") == "image"
    assert pools.zfs("compression", f"{MOVED}/disk1") == "zle"
    assert pools.zfs("refreservation", f"{MOVED}/disk1") != "0"
    pools("web snapshot rollback @kept -y")
    assert pools.host.path(f"/dev/zvol/{MOVED}/disk0").read_bytes()[:4] == bytes(4)


def test_and_back_again(pools: Chyves) -> None:
    below = {name.removeprefix(WEB) for name in pools.datasets(WEB)}
    pools("web move pool2")
    pools("web move primary")
    assert {name.removeprefix(WEB) for name in pools.datasets(WEB)} == below


def test_a_template_stays_one(pools: Chyves) -> None:
    pools("web set template=yes -q")
    pools("web move pool2")
    assert pools.zfs("readonly", f"{MOVED}/disk0") == "on"
    pools("web set template=no")


def test_a_running_guest_stays(pools: Chyves) -> None:
    with guest_runs(pools, "web"):
        pools.refused("web move pool2", code=Exit.BUSY)


@pytest.mark.parametrize("way", ["-ce", "-cu"])
def test_neither_a_clone_nor_its_origin_is_moved(pools: Chyves, way: str) -> None:
    pools(f"web clone new {way} -q")
    assert "new" in pools.refused("web move pool2", code=Exit.CONFLICT)
    assert "ZFS clones of" in pools.refused("new move pool2", code=Exit.CONFLICT)


def test_other_refusals(pools: Chyves) -> None:
    pools.refused("web move pool9", code=Exit.NOT_FOUND)
    pools.refused("nobody move pool2", code=Exit.NOT_FOUND)
    pools.run("zfs", "create", MOVED)
    assert "is no guest" in pools("web move pool2", code=Exit.CONFLICT).err
    assert places(pools) == {"db": "tank", "web": "tank"}


def test_where_there_is_no_room_nothing_is_left(pools: Chyves) -> None:
    pools.run("zfs", "create", "-V", "56G", "pool2/full")
    pools("web disk add 8G -q")
    before = pools.state()
    for dry in ("", " --dry-run"):
        done = pools(f"web move pool2{dry}", code=Exit.PRECONDITION)
        assert done.said[0] == "chyves: web: cannot move web: out of space"
    assert pools.changed(before) == set()


def test_properties_that_lead_to_the_old_place_are_named(pools: Chyves) -> None:
    pools("web set notes=/chyves/tank/guests/web/img/data description=/chyves/tank/guests/web2 -q")
    done = pools("web move pool2")
    assert done.said == ["chyves: web: notes still leads to /chyves/tank/guests/web"]


def test_a_dry_run_says_what_the_real_run_does(pools: Chyves) -> None:
    steps = same_as_the_real_run(pools, "web move pool2")
    assert steps[-3:] == [
        "zfs rename tank/chyves/guests/web tank/chyves/.deleted-web-Xkeepnet",
        f"zfs inherit chyves:unfinished {MOVED}",
        "zfs destroy -r tank/chyves/.deleted-web-Xkeepnet",
    ]


def arrive(chyves: Chyves) -> None:
    """Bring a guest to where a move that is killed has it just before it is true."""
    chyves.run("zfs", "snapshot", "-r", f"{WEB}@chyves-transfer-x")
    host = chyves.host
    staged = "pool2/chyves/.new-web-20261123000000"
    source = ("zfs", "send", "-R", f"{WEB}@chyves-transfer-x")
    assert host.pipe(source, ("zfs", "receive", staged), lambda _: None).code == 0
    chyves.run("zfs", "destroy", "-r", f"{staged}@chyves-transfer-x")
    chyves.run("zfs", "set", f"chyves:unfinished=move {TOMBSTONE}", staged)
    chyves.run("zfs", "rename", staged, MOVED)


def test_the_copy_is_no_guest_before_the_old_one_has_gone(pools: Chyves) -> None:
    arrive(pools)
    assert places(pools) == {"db": "tank", "web": "tank"}
    pools("web set notes=still -q")
    pools("web snapshot @one -q")
    pools("web snapshot rollback @one -y -q")
    pools("web rename shop -y -q")
    assert places(pools) == {"db": "tank", "shop": "tank"}
    pools("new create 1M -q")
    assert MOVED not in pools.datasets("pool2/chyves")


def test_it_is_the_guest_as_soon_as_the_old_one_has_gone(pools: Chyves) -> None:
    arrive(pools)
    pools.run("zfs", "rename", WEB, TOMBSTONE)
    assert places(pools) == {"db": "tank", "web": "pool2"}
    assert pools("web move pool2").out == "web: is on pool2\n"
    assert places(pools) == {"db": "tank", "web": "pool2"}
    assert TOMBSTONE not in pools.datasets("tank/chyves")
    assert pools.zfs("chyves:unfinished", MOVED) == "-"
    code, out, _ = execute_captured(World(pools.directory), ("ifconfig", "tap50"))
    assert (code, "chyves-tap web" in out.decode()) == (0, True)


def arrived(pools: Chyves) -> None:
    """Kill a move right behind the rename that makes it true."""
    arrive(pools)
    pools.run("zfs", "rename", WEB, TOMBSTONE)


def test_a_guest_that_has_just_moved_may_be_renamed(pools: Chyves) -> None:
    arrived(pools)
    pools("web rename shop -y -q")
    for name in ("new", "more"):
        pools(f"{name} create 1M -q")
        assert places(pools)["shop"] == "pool2"
    assert TOMBSTONE not in pools.datasets("tank/chyves")


def test_one_that_was_renamed_by_hand_is_a_guest_all_the_same(pools: Chyves) -> None:
    arrived(pools)
    pools.run("zfs", "rename", MOVED, f"{MOVED}x")
    pools("new create 1M -q")
    pools("more create 1M -q")
    assert places(pools)["webx"] == "pool2"


@pytest.mark.parametrize("line", ["offline", "uninstall force"])
def test_its_old_pool_may_go(pools: Chyves, line: str) -> None:
    """The move of web back to tank has been killed; it is on tank, its tombstone on pool2."""
    arrived(pools)
    pools("web move pool2 -q")
    pools("web move tank -q")
    stone = TOMBSTONE.replace("tank/", "pool2/")
    pools.run("zfs", "create", stone)
    pools.run("zfs", "set", f"chyves:unfinished=move {stone}", WEB)
    pools(f"dataset pool2 {line} --yes -q")
    pools("new create 1M -q")
    assert places(pools)["web"] == "tank"


def test_while_its_old_pool_cannot_be_seen_nothing_is_destroyed(pools: Chyves) -> None:
    """Whether the move came to its end is not known then."""
    stone = "pool9/chyves/.deleted-web-20261123000000keepnet"
    pools.run("zfs", "set", f"chyves:unfinished=move {stone}", WEB)
    pools("new create 1M -q")
    assert f"{WEB}/disk0" in pools.datasets("tank/chyves")
    warning = pools("list").err
    assert "the move of web is not finished, and its old pool pool9 cannot be seen" in warning
    pools.run("zfs", "inherit", "chyves:unfinished", WEB)
    assert places(pools)["web"] == "tank"
