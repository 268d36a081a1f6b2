# SPDX-License-Identifier: BSD-2-Clause
"""What a rollback takes back, what it leaves, and how snapshots refuse guests of two times."""

import json
from typing import NoReturn

import pytest

from chyves.backend import zfs
from chyves.errors import Exit, Precondition
from tests.cli.conftest import Chyves
from tests.cli.plans import same_as_the_real_run

ROOT = "tank/chyves/guests/web"


def test_a_disk_that_was_added_since_stays_and_is_named(guests: Chyves) -> None:
    guests("web snapshot @one -q")
    guests("web disk add 1M -q")
    done = guests("web snapshot rollback @one --yes")
    assert done.said == [f"chyves: {ROOT}/disk1 is not in @one: it stays as it is now"]
    assert f"{ROOT}/disk1" in guests.datasets(ROOT)


def test_what_became_a_template_since_is_none_again(guests: Chyves) -> None:
    guests("web snapshot @one -q")
    guests("web set template=yes -q")
    assert guests("web snapshot rollback @one --yes").out == "web: rolled back to @one\n"
    assert guests.zfs("readonly", ROOT) == "off"
    guests("web set cpu=2 -q")


def test_what_was_a_template_is_read_only_again(guests: Chyves) -> None:
    guests("web set template=yes -q")
    guests("web snapshot @one -q")
    guests("web set template=no -q")
    guests("web snapshot rollback @one --yes -q")
    assert guests.zfs("readonly", ROOT) == "on"
    assert guests("web get template").out == "web's template=yes\n"
    guests("web snapshot rollback @one --yes -q")
    assert guests.zfs("readonly", ROOT) == "on"


def test_a_guest_of_two_times_gets_no_snapshot(guests: Chyves) -> None:
    guests("web snapshot @one -q")
    guests.run("zfs", "set", f"{zfs.UNFINISHED}={zfs.ROLLBACK}@one tap50", ROOT)
    done = guests("all snapshot @two", code=Exit.PRECONDITION)
    assert done.out == "db: snapshot @two taken\n"
    assert "chyves: web: its rollback to @one was not finished" in done.err
    assert f"{ROOT}@two" not in guests.datasets(ROOT)
    guests("web snapshot rollback @one --yes -q")
    guests("web snapshot @two -q")


def snapshots(chyves: Chyves) -> list[str]:
    listing = chyves.run("zfs", "list", "-H", "-r", "-t", "snapshot", "-o", "name", ROOT)
    return sorted({name.removeprefix(ROOT) for name in listing.split()})


def test_a_rollback_leaves_nothing_of_later_snapshots_on_disks_of_later(guests: Chyves) -> None:
    guests("web snapshot @a -q")
    guests("web disk add 1M -q")
    for label in ("@b", "@c"):
        guests(f"web snapshot {label} -q")
    guests.run("zfs", "snapshot", f"{ROOT}/disk1@own")
    guests("web snapshot rollback @a --yes -q")
    assert [name for name in snapshots(guests) if not name.endswith("@a")] == ["/disk1@own"]
    guests("web snapshot @b -q")


def test_a_range_takes_along_what_came_later(guests: Chyves) -> None:
    guests("web snapshot @a -q")
    guests("web disk add 1M -q")
    for label in ("@b", "@c", "@d"):
        guests(f"web snapshot {label} -q")
    guests("web snapshot delete @a%c --yes -q")
    assert {name.partition("@")[2] for name in snapshots(guests)} == {"d"}
    assert "/disk1@d" in snapshots(guests)


def test_a_tap_that_is_replaced_by_a_rollback_keeps_its_address(guests: Chyves) -> None:
    guests("web set tap50_mac=58:9c:fc:00:00:01 tap50_mtu=1400 -q")
    guests("web snapshot @a -q")
    guests("network web remove tap50 -q")
    guests("network db add tap50 -q")
    guests("web snapshot rollback @a --yes -q")
    (web,) = [one for one in guests.json("list") if one["name"] == "web"]
    kept = {name: value for name, value in web["properties"].items() if name.startswith("tap")}
    tap = web["properties"]["net_ifaces"]
    assert tap != "tap50"
    assert kept == {f"{tap}_mac": "58:9c:fc:00:00:01", f"{tap}_mtu": "1400"}


def test_a_dry_run_of_a_rollback_knows_the_taps_that_come_back(guests: Chyves) -> None:
    guests("network web add tap -q")
    guests("web snapshot @two -q")
    guests("network web remove tap52 -q")
    guests("network web remove tap50 -q")
    guests("network db add tap50 -q")
    lines = guests("web snapshot rollback @two --dry-run").out.splitlines()
    assert "# net_ifaces=tap53,tap52 in /chyves/tank/guests/web/.config/.cfg" in lines
    steps = same_as_the_real_run(guests, "web snapshot rollback @two")
    assert [step for step in steps if step.startswith("zfs rollback")]


def test_a_disk_that_was_deleted_since_does_not_come_back(guests: Chyves) -> None:
    guests("web disk add 1M -q")
    guests("web disk disk1 notes mine -q")
    guests("web disk disk0 notes first -q")
    guests("web snapshot @two -q")
    guests("web disk delete disk1 -y -q")
    warning = "chyves: web: disk1 was deleted since: it does not come back"
    assert warning in guests("web snapshot rollback @two --dry-run").said
    assert guests("web snapshot rollback @two -y").said == [warning]
    values = guests.json("web get all")["web"]
    assert (values["disk0_notes"], "disk1_notes" in values) == ("first", False)


def test_what_was_lost_is_in_the_json(guests: Chyves) -> None:
    for label in ("one", "two", "three", "four"):
        guests(f"web snapshot @{label} -q")
    for line, lost in (
        ("rollback @three", ["@four"]),
        ("delete @one%two", ["@one", "@two"]),
        ("rollback @three", []),
    ):
        for how in ("--dry-run", "--yes"):
            (result,) = json.loads(guests(f"web snapshot {line} {how} --json").out)["results"]
            assert result["destroyed"] == lost


def test_a_snapshot_leaves_room_for_the_name_that_a_deleted_guest_has(guests: Chyves) -> None:
    done = guests(f"all snapshot @{'x' * 230}", code=Exit.USAGE)
    assert [line.partition(":")[2] for line in done.said[::2]] == [
        f" {name}: the name of the snapshot is too long: @{'x' * 230}" for name in ("db", "web")
    ]
    longest = int(done.said[1].split()[3])
    guests(f"db snapshot @{'x' * longest} -q")
    guests(f"db snapshot @{'x' * (longest + 1)}", code=Exit.USAGE)
    guests("db delete keepnet -y -q")
    assert guests.datasets() == {name for name in guests.datasets() if "/db" not in name}


def test_a_guest_whose_snapshot_has_too_long_a_name_says_how_it_can_go(guests: Chyves) -> None:
    guests.run("zfs", "snapshot", "-r", f"{ROOT}@{'x' * 220}")
    done = guests("web delete -y", code=Exit.USAGE)
    assert done.said[0].endswith("name is too long")
    assert done.said[1].endswith("chyves web rename <shorter>")


def test_one_that_has_a_snapshot_of_that_name_keeps_no_other_from_it(guests: Chyves) -> None:
    guests("web snapshot @one -q")
    dry = guests("web,db snapshot @one --dry-run", code=Exit.CONFLICT)
    done = guests("web,db snapshot @one", code=Exit.CONFLICT)
    assert done.out == "db: snapshot @one taken\n"
    assert done.said == [
        "chyves: web: there is a snapshot @one already",
        "hint: take another name",
    ]
    assert dry.said == done.said
    assert dry.out == done.out + "zfs snapshot -r tank/chyves/guests/db@one\n"


def test_a_snapshot_of_the_guest_alone_leaves_its_properties(guests: Chyves) -> None:
    """As by hand, without -r."""
    guests.run("zfs", "snapshot", f"{ROOT}@top")
    guests("web set cpu=2 -q")
    assert same_as_the_real_run(guests, "web snapshot rollback @top")
    assert guests("web get cpu").out == "web's cpu=2\n"


def test_nobody_goes_back_to_where_a_guest_has_no_properties(guests: Chyves) -> None:
    config = guests.host.path("/chyves/tank/guests/web/.config/.cfg")
    text = config.read_text()
    config.unlink()
    guests.run("zfs", "snapshot", "-r", f"{ROOT}@empty")
    config.write_text(text)
    guests("web snapshot @newer -q")
    for line in (
        "snapshot rollback @empty --yes",
        "snapshot rollback @empty -n",
        "clone new @empty",
    ):
        why = guests.refused(f"web {line}", code=Exit.PRECONDITION)
        assert "@empty has no properties of web" in why
    assert guests("web get cpu").out == "web's cpu=1\n"


def test_a_snapshot_that_only_a_disk_has_can_be_deleted(guests: Chyves) -> None:
    guests("web disk add 1M -q")
    for disk in ("disk0", "disk1"):
        guests.run("zfs", "snapshot", f"{ROOT}/{disk}@mine")
    guests.refused("web snapshot rollback @mine --yes", code=Exit.NOT_FOUND)
    guests.refused("web snapshot delete @%mine --yes", code=Exit.NOT_FOUND)
    assert same_as_the_real_run(guests, "web snapshot delete @mine")
    assert not [name for name in guests.datasets(ROOT) if "@" in name]


def test_several_snapshots_with_commas_between(guests: Chyves) -> None:
    for name in "abcdef":
        guests(f"web snapshot @{name} -q")
    guests.refused("web snapshot delete @a,nosuch --yes", code=Exit.NOT_FOUND)
    for wrong in ("@a,", "@a,,b", "@a@b", "a,b", "a%b"):
        guests.refused(f"web snapshot delete {wrong} --yes", code=Exit.USAGE)
    assert guests("web snapshot delete @a,c%d,f --yes").out.startswith("web: deleted @a,c%d,f, ")
    assert {name.partition("@")[2] for name in guests.datasets(ROOT)} == {"", "b", "e"}


def said_of_disks(chyves: Chyves) -> dict[str, str]:
    file = chyves.file("/chyves/tank/guests/web/.config/.cfg")
    lines = (line.partition("=") for line in file.splitlines() if "disk1" in line)
    return {name: value for name, _, value in lines}


def test_a_disk_that_was_added_since_keeps_what_is_said_of_it(guests: Chyves) -> None:
    guests("web snapshot @a -q")
    for line in ("disk add 1M", "set virtio_block_options_disk1=ro", "disk disk1 notes precious"):
        guests(f"web {line} -q")
    before = said_of_disks(guests)
    assert before["virtio_block_options_disk1"] == "ro"
    guests("web snapshot rollback @a --yes -q")
    assert said_of_disks(guests) == before


@pytest.mark.parametrize("broken_off", [False, True])
def test_a_disk_does_not_get_what_was_said_of_one_that_is_gone(
    broken_off: bool, guests: Chyves, monkeypatch: pytest.MonkeyPatch
) -> None:
    def kept() -> set[str]:
        return {path.name for path in guests.host.path("/chyves/tank/.config").iterdir()}

    for line in ("disk add 1M", "set virtio_block_options_disk1=ro", "disk disk1 notes old"):
        guests(f"web {line} -q")
    guests("web snapshot @a -q")
    for line in ("disk delete disk1 --yes", "disk add 2M", "disk disk1 notes new"):
        guests(f"web {line} -q")
    before, nothing_kept = said_of_disks(guests), kept()
    assert before["disk1_notes"] == "new"
    if broken_off:  # when the properties of then are there
        with monkeypatch.context() as patch:

            def full(*_: object) -> NoReturn:
                raise Precondition("out of space")

            patch.setattr("chyves.backend.numbers.settle_restored", full)
            guests("web snapshot rollback @a --yes", code=Exit.PRECONDITION)
        assert said_of_disks(guests)["disk1_notes"] == "old"
        assert kept() > nothing_kept
    guests("web snapshot rollback @a --yes -q")
    assert said_of_disks(guests) == before
    assert kept() == nothing_kept
