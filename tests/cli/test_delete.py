# SPDX-License-Identifier: BSD-2-Clause
"""``delete`` of guests that others depend on, or that depend on themselves."""

import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest

from chyves.errors import Exit
from chyves.simulator.control import fill
from chyves.simulator.world import Machine, World
from tests.cli.conftest import Chyves
from tests.cli.runs import Runs, run_on
from tests.faults.killing import killed_everywhere

GUESTS = "tank/chyves/guests"


@pytest.fixture
def family(chyves: Chyves) -> Iterator[Runs]:
    """A guest, one that is cloned from it, and one that is cloned from that."""
    with run_on(chyves) as runs:
        runs.create("base")
        runs.install("base")
        chyves("base clone kid -cu -q")
        chyves("kid clone grand -cu -q")
        yield runs


def names(chyves: Chyves) -> set[str]:
    return {guest["name"] for guest in chyves.json("list")}


@pytest.mark.parametrize("runs", ["base", "grand"])
def test_force_deletes_no_clone_of_a_family_of_which_one_stays(family: Runs, runs: str) -> None:
    chyves = family.chyves
    chyves("other create 1M -q")
    chyves(f"{runs} start")
    done = chyves("base,other delete force --yes", code=Exit.BUSY)
    assert f"chyves: base: cannot delete {runs} while it runs" in done.said[0]
    assert done.out == "other: deleted\n"
    assert names(chyves) == {"base", "kid", "grand"}


def test_force_names_what_is_no_guest_and_deletes_nothing(family: Runs) -> None:
    chyves = family.chyves
    chyves.run("zfs", "snapshot", f"{GUESTS}/base/disk0@s")
    chyves.run("zfs", "clone", f"{GUESTS}/base/disk0@s", f"{GUESTS}/volume")
    done = chyves("base delete force --yes", code=Exit.CONFLICT)
    assert f"others are cloned from it: {GUESTS}/volume" in done.said[0].replace(
        "it: volume", f"it: {GUESTS}/volume"
    )
    assert names(chyves) == {"base", "kid", "grand"}
    chyves("other create 1M -q")
    assert chyves("base,other delete --yes", code=Exit.CONFLICT).out == "other: deleted\n"


def test_a_dry_run_of_force_is_what_the_real_one_does(family: Runs) -> None:
    plan = family.chyves("base delete force --dry-run").out.splitlines()
    assert len([line for line in plan if line.startswith("zfs rename")]) == 3
    out = family.chyves("base delete force --yes").out
    assert out == "grand: deleted\nkid: deleted\nbase: deleted\n"


@pytest.mark.parametrize("line", ["web delete", "web delete force", "all delete"])
def test_a_guest_that_has_a_clone_of_its_own_disk(guests: Chyves, line: str) -> None:
    guests("web snapshot @s -q")
    guests.run("zfs", "clone", f"{GUESTS}/web/disk0@s", f"{GUESTS}/web/disk1")
    guests(f"{line} --yes -q")
    assert "web" not in names(guests)
    assert not any("web" in name for name in guests.datasets("tank/chyves"))


def test_a_family_on_a_full_pool_can_be_deleted(chyves: Chyves) -> None:
    chyves("base create 500M -q")
    chyves("base clone kid -cu -q")
    fill(chyves.host.world, "tank")
    chyves("base delete force --yes -q")
    assert names(chyves) == set()
    assert chyves.datasets() == {GUESTS}


def test_all_that_is_cloned_from_a_guest_is_named(guests: Chyves) -> None:
    guests("web snapshot @one -q")
    for line in ("web clone new -cu", "web clone old,older -cu @one", "web snapshot @two"):
        guests(f"{line} -q")
    for line in ("web delete --yes", "web disk delete disk0 --yes", "web move pool2"):
        guests("dataset pool2 install -q") if line.startswith("web move") else None
        why = guests.refused(line, code=Exit.CONFLICT).splitlines()[0]
        named = set(why.rpartition(": ")[2].split(", "))
        assert named == {"new", "old", "older"}, line


@pytest.mark.parametrize("line", ["web delete", "web delete force", "web delete keepnet"])
def test_what_chyves_did_not_make_is_not_deleted(guests: Chyves, line: str) -> None:
    guests.run("zfs", "create", f"{GUESTS}/web/img/more")
    guests.run("zfs", "create", f"{GUESTS}/web/backup")
    guests.run("zfs", "create", "-V", "1M", f"{GUESTS}/web/data")
    assert guests.refused(f"{line} --yes", code=Exit.CONFLICT) == (
        f"web: chyves did not make {GUESTS}/web/backup, {GUESTS}/web/data\n"
        "hint: rename them to elsewhere first, or destroy them yourself"
    )
    assert guests.refused(f"{line} --dry-run", code=Exit.CONFLICT)
    for name in ("backup", "data"):
        guests.run("zfs", "rename", f"{GUESTS}/web/{name}", f"tank/{name}")
    assert guests(f"{line} --yes").out == "web: deleted\n"


def test_a_family_is_asked_for_once(guests: Chyves) -> None:
    guests("web clone kid -cu -q")
    assert guests.refused("web delete force", code=Exit.NOT_PERMITTED) == (
        "web: not without a confirmation: Delete web and kid with all disks and snapshots?\n"
        "hint: add --yes to go ahead"
    )
    guests("all delete force --yes -q")
    assert names(guests) == set()
    guests("web create 1M -q")
    guests("web clone kid -cu -q")
    assert guests("web,kid delete force", code=Exit.NOT_PERMITTED).err.count("confirmation") == 2


def test_a_guest_boots_from_its_own_disk(guests: Chyves) -> None:
    """And not from a volume that somebody has made there."""
    guests.run("zfs", "create", "-V", "1M", f"{GUESTS}/web/data")
    disks = [disk["name"] for disk in guests.json("web disk list")[0]["disks"]]
    assert disks == ["disk0", "data"]


def test_a_dry_run_lets_go_of_a_tap_that_a_family_shares(guests: Chyves) -> None:
    guests("web clone twin -ce -q")
    plan = guests("web delete force --dry-run").out.splitlines()
    before = len(guests.commands())
    guests("web delete force --yes -q")
    run = [" ".join(argv) for argv in guests.commands()[before:] if argv[0] == "ifconfig"]
    changes = [line for line in run if len(line.split()) > 2]
    assert changes == [line for line in plan if line.startswith("ifconfig")]
    assert "ifconfig tap50 destroy" in changes


def test_force_of_a_guest_and_its_clone_minds_no_clones_of_others(guests: Chyves) -> None:
    for line in ("web clone kid -ce", "db clone other -ce"):
        guests(f"{line} -q")
    assert guests("web,kid delete force --yes").out == "kid: deleted\nweb: deleted\n"
    assert names(guests) == {"db", "other"}


def test_what_is_below_a_guest_whose_name_begins_alike_is_none_of_its(guests: Chyves) -> None:
    guests("webx create 1M -q")
    guests.run("zfs", "create", "-V", "1M", f"{GUESTS}/webx/data")
    guests("web delete --yes -q")
    assert names(guests) == {"db", "webx"}


def test_a_guest_that_goes_as_well_is_not_named_as_one_that_came_after(guests: Chyves) -> None:
    guests("mail create 1M -q")
    for name in ("db", "mail"):
        guests(f"{name} set rcboot=1 rcboot_after=web -q")
    after = "came after web, which is gone: chyves mail unset rcboot_after"
    assert guests("web,db delete --yes").said == [f"chyves: mail {after}"]


@pytest.fixture
def full(tmp_path: Path) -> Chyves:
    """A full pool of FreeBSD 13, where ZFS renames and then cannot mount. What is deleted makes
    room: a clone in which nothing was written makes next to none."""
    World.make(tmp_path / "host", Machine(release="13.2", pools={"tank": 1 << 30}))
    chyves = Chyves(tmp_path / "host")
    for line in ("dataset tank install", "web,db create 1M", "db clone kid -cu"):
        chyves(f"{line} -q")
    with chyves.host.path(f"/dev/zvol/{GUESTS}/kid/disk0").open("r+b") as disk:
        disk.write(os.urandom(1 << 19))
        os.fsync(disk.fileno())
    fill(World(chyves.directory), "tank")
    return chyves


def test_guests_on_a_full_pool_that_cannot_be_mounted_again(full: Chyves) -> None:
    assert full("web delete --yes").out == "web: deleted\n"
    assert "tap50" not in full.run("ifconfig", "-l").split()
    assert "bridge0_tap_members=tap51,tap52\n" in full.file("/chyves/tank/.config/global.cfg")
    fill(World(full.directory), "tank")
    assert full("db delete force --yes").out == "kid: deleted\ndb: deleted\n"
    assert full.datasets("tank/chyves/guests") == {GUESTS}


def test_a_killed_delete_on_a_full_pool_leaves_nothing_to_the_next(full: Chyves) -> None:
    for host in killed_everywhere(full, "web delete --yes -q"):
        if "web" in names(host):
            host("web delete --yes")
        host("kid delete --yes")
        assert not [one for one in host.datasets("tank/chyves") if "web" in one or "kid" in one]
        assert "bridge0_tap_members=tap51\n" in host.file("/chyves/tank/.config/global.cfg")
        assert "tap50" not in host.run("ifconfig", "-l").split()


def test_what_a_killed_delete_has_left_goes_also_where_it_cannot_be_mounted(full: Chyves) -> None:
    host = next(islice(killed_everywhere(full, "web delete --yes -q"), 1, None))
    left = min(one for one in host.datasets("tank/chyves") if ".deleted" in one)
    host.run("zfs", "set", "canmount=off", left)
    assert "taps it had may stay on their bridge" in host("kid delete --yes").err
    assert not [one for one in host.datasets("tank/chyves") if "web" in one or "kid" in one]


def test_a_full_pool_that_cannot_be_mounted_again_is_left(full: Chyves) -> None:
    assert full("dataset tank uninstall force --yes").out == "tank: uninstalled\n"
    assert full.datasets("tank") == {"tank", "tank/ballast"}


def test_a_killed_delete_of_several_is_completed_by_saying_it_again(guests: Chyves) -> None:
    guests("mail create 1M -q")
    for host in killed_everywhere(guests, "web,db,mail delete --yes -q"):
        unfinished = " ".join(host.datasets("tank/chyves"))
        gone = {one for one in ("web", "db", "mail") if one not in unfinished}
        host("web,db,mail delete --yes", code=Exit.NOT_FOUND if gone else Exit.OK)
        assert names(host) == set()
        assert host.datasets(GUESTS) == {GUESTS}
    guests("web,nobody delete --yes", code=Exit.NOT_FOUND)
    assert names(guests) == {"db", "mail"}
    before = guests.state()
    guests("nobody,none delete --yes", code=Exit.NOT_FOUND)
    for line in ("db,, delete --yes", "all, delete --yes"):
        guests(line, code=Exit.USAGE)
    assert guests.state() == before
