# SPDX-License-Identifier: BSD-2-Clause
"""``disk``: volumes are added, resized and deleted; files below ``img`` are disks as well."""

import pytest

from chyves.errors import Exit
from tests.cli.conftest import Chyves
from tests.cli.plans import guest_runs, same_as_the_real_run

ROOT = "tank/chyves/guests/web"
IMAGES = "/chyves/tank/guests/web/img"


def disks(chyves: Chyves) -> dict[str, int]:
    """Return the disks of web in their order, with their sizes."""
    found = {guest["name"]: guest["disks"] for guest in chyves.json("list")}
    return {disk["name"]: disk["size"] for disk in found["web"]}


def image(chyves: Chyves, name: str, size: int) -> None:
    file = chyves.host.path(f"{IMAGES}/{name}")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(bytes(size))


# -- volumes ------------------------------------------------------------------------------------


def test_gaps_are_not_filled(guests: Chyves) -> None:
    guests("web disk add 1M")
    guests("web disk add 1M")
    guests("web disk delete disk1 -y")
    assert guests("web disk add 1M").out == "web: disk3 added, 1M\n"
    assert list(disks(guests)) == ["disk0", "disk2", "disk3"]


def test_it_is_as_the_defaults_want_disks(guests: Chyves) -> None:
    guests("web disk add 64M")
    assert guests.zfs("refreservation", f"{ROOT}/disk1") != "0"
    guests("defaults set disk_sparse=yes disk_compression=zle disk_volblocksize=4096")
    guests("web disk add 64M")
    assert guests.zfs("refreservation", f"{ROOT}/disk2") == "0"
    assert guests.zfs("compression", f"{ROOT}/disk2") == "zle"
    assert guests.zfs("volblocksize", f"{ROOT}/disk2") == "4096"
    guests("mail create 64M")
    assert guests.zfs("refreservation", "tank/chyves/guests/mail/disk0") == "0"


def test_a_new_disk_has_nothing_of_an_earlier_one_of_its_number(guests: Chyves) -> None:
    stale = ["disk1_notes=old", "disk1_description=old", "virtio_block_options_disk1=ro"]
    config = guests.host.path("/chyves/tank/guests/web/.config/.cfg")
    config.write_text(config.read_text() + "".join(f"{line}\n" for line in stale))
    guests("web disk add 1M")
    assert not [name for name in guests.json("web get all")["web"] if "disk1" in name]


@pytest.mark.parametrize("name", ["disk1_notes", "disk1_description", "virtio_block_options_disk1"])
def test_what_is_said_of_a_disk_that_is_not_there(name: str, guests: Chyves) -> None:
    before = guests.state()
    why = guests.refused(f"web set cpu=2 {name}=ro", code=Exit.NOT_FOUND)
    assert why == "web: web has no disk1\nhint: disks of web: disk0"
    assert guests.state() == before
    guests("web disk add 1M -q")
    assert guests(f"web set {name}=ro").out == f"web: set {name}=ro\n"


def test_a_deleted_disk_takes_its_notes_along(guests: Chyves) -> None:
    guests("web disk add 1M")
    guests("web disk disk1 notes mine")
    guests("web disk disk0 notes stays")
    guests("web disk delete disk1 -y")
    values = guests.json("web get all")["web"]
    assert "disk1_notes" not in values
    assert values["disk0_notes"] == "stays"


def test_a_running_guest_finds_a_new_disk_later_and_keeps_the_others(guests: Chyves) -> None:
    with guest_runs(guests, "web"):
        assert "web finds disk1 when it is stopped and started" in guests("web disk add 1M").err
        guests.refused("web disk delete disk1 -y", code=Exit.BUSY)
        guests.refused("web disk resize disk1 2M", code=Exit.BUSY)
    assert disks(guests) == {"disk0": 1 << 20, "disk1": 1 << 20}


def test_a_disk_does_not_grow_beyond_the_pool(guests: Chyves) -> None:
    for dry in ("", " --dry-run"):
        done = guests(f"web disk resize disk0 10T{dry}", code=Exit.PRECONDITION)
        assert done.said[0] == f"chyves: web: cannot resize '{ROOT}/disk0': out of space"
    guests("defaults set disk_sparse=yes -q")
    guests("web disk add 1M -q")
    guests("web disk resize disk1 10T -q")
    assert disks(guests) == {"disk0": 1 << 20, "disk1": 10 << 40}


@pytest.mark.parametrize("name", ["img", "logs", ".config", "disk", "disk0@x", "../db/disk0", "-"])
@pytest.mark.parametrize("line", ["delete {} -y", "resize {} 2M"])
def test_only_disks_can_be_deleted_or_resized(guests: Chyves, name: str, line: str) -> None:
    why = guests.refused(f"web disk {line.format(name)}", code=Exit.USAGE)
    assert "disks of web: disk0" in why


@pytest.mark.parametrize(
    "line", ["delete disk7 -y", "resize disk7 2M", "disk7 notes x", "disk7 description x"]
)
def test_a_disk_that_is_not_there(guests: Chyves, line: str) -> None:
    assert "web has no disk7" in guests.refused(f"web disk {line}", code=Exit.NOT_FOUND)


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("", "chyves help disk"),
        ("list x", "chyves <guest> disk list"),
        ("add 1M tank", "chyves <guest> disk add [<size>]"),
        ("delete", "chyves <guest> disk delete disk{n}"),
        ("resize disk0", "chyves <guest> disk resize disk{n} <size>"),
        ("disk0", "chyves <guest> disk disk{n} description|notes <text>"),
        ("disk0 notes", "chyves <guest> disk disk{n} description|notes <text>"),
        ("remove disk0", "valid: list, add, delete, resize"),
    ],
)
def test_other_words_are_refused(guests: Chyves, line: str, hint: str) -> None:
    assert guests.refused(f"web disk {line}", code=Exit.USAGE).endswith(f"\nhint: {hint}")


def test_it_takes_one_guest(guests: Chyves) -> None:
    guests.refused("web,db disk add 1M", code=Exit.USAGE)
    guests.refused("all disk list", code=Exit.USAGE)


def test_a_disk_that_others_need_is_not_deleted(guests: Chyves) -> None:
    guests("web snapshot @kept")
    guests.run("zfs", "clone", f"{ROOT}/disk0@kept", "tank/elsewhere")
    assert "tank/elsewhere" in guests.refused("web disk delete disk0 -y", code=Exit.CONFLICT)
    guests.run("zfs", "destroy", "tank/elsewhere")
    guests.run("zfs", "hold", "mine", f"{ROOT}/disk0@kept")
    guests.refused("web disk delete disk0 -y", code=Exit.BUSY)
    guests.run("zfs", "release", "mine", f"{ROOT}/disk0@kept")
    guests("web disk delete disk0 -y")
    assert disks(guests) == {}


def test_deleting_asks_first(guests: Chyves) -> None:
    guests.refused("web disk delete disk0", code=Exit.NOT_PERMITTED)


def test_no_disk_where_there_is_no_room(guests: Chyves) -> None:
    before = guests.datasets()
    assert "out of space" in guests("web disk add 1T", code=Exit.PRECONDITION).err
    assert guests.datasets() == before


def test_a_template_keeps_its_disks(guests: Chyves) -> None:
    guests("web set template=yes")
    for line in ("add 1M", "delete disk0 -y", "resize disk0 2M", "disk0 notes x"):
        assert "template=no" in guests.refused(f"web disk {line}", code=Exit.PRECONDITION)


# -- resize -------------------------------------------------------------------------------------


def test_growing_keeps_what_is_on_it(guests: Chyves) -> None:
    node = guests.host.path(f"/dev/zvol/{ROOT}/disk0")
    node.write_bytes(b"data" + bytes((1 << 20) - 4))
    guests("web disk resize disk0 2M")
    assert node.read_bytes()[:4] == b"data"
    assert disks(guests) == {"disk0": 2 << 20}


def test_shrinking_warns_and_wants_yes(guests: Chyves) -> None:
    guests("web disk resize disk0 4M")
    done = guests("web disk resize disk0 2M", code=Exit.NOT_PERMITTED)
    assert "from 4M to 2M all that lies behind the new end of disk0 is lost" in done.err
    assert "--yes" in done.err
    assert disks(guests) == {"disk0": 4 << 20}
    done = guests("web disk resize disk0 2M -y")
    assert "is lost" in done.err
    assert done.out == "web: disk0 resized from 4M to 2M\n"
    assert disks(guests) == {"disk0": 2 << 20}


def test_a_number_alone_is_megabytes_and_the_same_size_is_no_change(guests: Chyves) -> None:
    guests("web disk resize disk0 3")
    before = guests.state()
    assert guests("web disk resize disk0 3M").out == "web: disk0 has 3M\n"
    assert guests.state() == before


def test_a_size_between_two_blocks_is_refused_with_the_next(guests: Chyves) -> None:
    why = guests.refused("web disk resize disk0 1025K", code=Exit.USAGE)
    assert "block size of disk0, 16K" in why
    assert "1040K" in why
    guests("web disk resize disk0 1040K")
    guests.refused("web disk resize disk0 lots", code=Exit.USAGE)


# -- files --------------------------------------------------------------------------------------


def test_files_come_behind_the_volumes_in_order(guests: Chyves) -> None:
    guests("web disk add 1M")
    guests.run("zfs", "create", f"{ROOT}/img/sub")
    for name in ("data10", "data2", "sub/more", "folder/deep"):
        image(guests, name, 4096)
    guests.host.path(f"{IMAGES}/link").symlink_to("data2")
    assert list(disks(guests)) == ["disk0", "disk1", "data2", "data10", "folder/deep", "sub/more"]
    found = {disk["name"]: disk for disk in guests.json("web disk list")[0]["disks"]}
    assert found["sub/more"]["dataset"] == f"{ROOT}/img/sub"
    assert found["folder/deep"]["dataset"] == f"{ROOT}/img"
    assert found["data2"]["size"] == 4096


def test_disks_of_one_name_are_all_attached(guests: Chyves) -> None:
    """A file, and volumes in other places, that are called as the guest's own disk."""
    for volume in ("img/disk0", "img/disk1", "more/disk0"):
        guests.run("zfs", "create", "-p", "-V", "1M", f"{ROOT}/{volume}")
    image(guests, "disk0", 4096)
    image(guests, "img/disk0", 4096)
    assert list(disks(guests)) == [
        "disk0",
        "img/disk0",
        "img/disk1",
        "more/disk0",
        "img/img/disk0",
        "img/img/img/disk0",
    ]
    bhyve = guests("web start -n").out.splitlines()[-1]
    volumes = [f"/dev/zvol/{ROOT}/{name}" for name in list(disks(guests))[:4]]
    for path in (*volumes, f"{IMAGES}/disk0", f"{IMAGES}/img/disk0"):
        assert f",{path} " in bhyve


def test_only_a_disk_of_the_guest_itself_is_ever_changed(guests: Chyves) -> None:
    for volume in ("img/disk0", "img/disk1", "img/sub/disk2"):
        guests.run("zfs", "create", "-p", "-V", "1M", f"{ROOT}/{volume}")
    before = guests.state()
    for name in ("disk1", "disk2"):
        for verb in (f"delete {name} --yes", f"resize {name} 2M", f"{name} notes x"):
            why = guests.refused(f"web disk {verb}", code=Exit.NOT_FOUND)
            assert f"web has no {name}" in why
            assert why.endswith("disks of web: disk0")
    guests.refused("web set virtio_block_options_disk1=ro", code=Exit.NOT_FOUND)
    guests.refused("web disk delete img/disk0 --yes", code=Exit.USAGE)
    assert guests.state() == before
    guests("web disk resize disk0 2M")
    assert guests.zfs("volsize", f"{ROOT}/img/disk0") == str(1 << 20)
    guests("web disk delete disk0 --yes")
    assert f"{ROOT}/img/disk0" in guests.datasets()
    assert f"{ROOT}/disk0" not in guests.datasets()


def test_they_are_attached(guests: Chyves) -> None:
    image(guests, "data.raw", 1 << 20)
    bhyve = guests("web start -n").out.splitlines()[-1]
    volume, file = f"ahci-hd,/dev/zvol/{ROOT}/disk0", f"ahci-hd,{IMAGES}/data.raw"
    assert 0 < bhyve.index(volume) < bhyve.index(file)


@pytest.mark.parametrize(("name", "reason"), [("my disk", "blank"), ("a,b", "comma")])
def test_names_that_bhyve_cannot_take_are_told_at_start(
    guests: Chyves, name: str, reason: str
) -> None:
    image(guests, name, 1 << 20)
    why = guests("web start -n", code=Exit.PRECONDITION).err
    assert name in why
    assert reason in why
    assert name in disks(guests)


def test_what_is_looked_at_starts_no_more_programs(guests: Chyves) -> None:
    image(guests, "data.raw", 4096)
    before = len(guests.commands())
    guests("list")
    assert len(guests.commands()) - before == 2


def test_a_dry_run_says_what_the_real_run_does(guests: Chyves) -> None:
    assert same_as_the_real_run(guests, "web disk add 2M") == [
        f"zfs create -V 2097152 -o volblocksize=16384 {ROOT}/disk1"
    ]
    assert same_as_the_real_run(guests, "web disk resize disk1 1M") == [
        f"zfs set volsize=1048576 {ROOT}/disk1"
    ]
    assert same_as_the_real_run(guests, "web disk delete disk1") == [f"zfs destroy -r {ROOT}/disk1"]


def test_a_disk_has_whole_blocks(guests: Chyves) -> None:
    added = guests.results("web disk add 1K")[0]
    assert (added["result"], added["size"]) == ("disk1 added, 16K", 16384)
    assert [disk["size"] for disk in guests.json("web disk list")[0]["disks"]][-1] == 16384
    guests("defaults set disk_volblocksize=inherit -q")
    assert guests("new create 1025K").out.startswith("new: created on tank, ")
