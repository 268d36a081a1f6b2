# SPDX-License-Identifier: BSD-2-Clause
"""Pools that chyves 0.2.0 made, with clones and a template, are picked up as they are."""

from collections.abc import Iterable
from typing import NamedTuple

import pytest

from chyves.errors import Exit
from tests.cli.conftest import Chyves
from tests.cli.lines import READING
from tests.cli.original import DATA, DEFAULTS, GLOBAL, GUEST, POOL, config, write
from tests.cli.plans import same_as_the_real_run

NUMBERS = {"g1": 50, "g2": 51, "g3": 52, "g4": 53, "c1": 54, "c2": 55, "c3": 56}
"""Of tap and null-modem pair."""

POOLS = {name: "pool2" if name == "g4" else "tank" for name in NUMBERS}

GLOBALS = GLOBAL.replace("=tap50,tap51,tap53\n", "=tap50,tap51,tap52,tap53,tap54,tap55\n")


class Made(NamedTuple):
    """A line of zfs-list.txt; ``-`` is nothing."""

    name: str
    type: str
    mountpoint: str
    volsize: str
    volmode: str
    volblocksize: str
    readonly: str
    origin: str
    compression: str
    refreservation: str


def made() -> list[Made]:
    text = (DATA / "zfs-list.txt").read_text()
    return [Made(*line.split("\t")) for line in text.splitlines()]


def create(chyves: Chyves, wanted: Iterable[Made]) -> None:
    """Make the datasets in the order in which chyves 0.2.0 can have made them."""
    rows = [row for row in wanted if "/" in row.name]
    for row in rows:
        if row.type == "volume" and row.origin == "-":
            options = ["-V", row.volsize, "-o", f"volblocksize={row.volblocksize}"]
            chyves.run("zfs", "create", *options, "-o", f"volmode={row.volmode}", row.name)
        elif row.type == "filesystem" and row.origin == "-":
            root = ["-o", f"mountpoint={row.mountpoint}"] if row.name.count("/") == 1 else []
            logs = ["-o", "compression=on"] if row.compression == "on" else []
            chyves.run("zfs", "create", *root, *logs, row.name)
    for row in rows:
        if row.type == "snapshot" and "/c1/" not in row.name:
            chyves.run("zfs", "snapshot", row.name)
    for row in rows:
        if row.origin != "-":
            chyves.run("zfs", "clone", row.origin, row.name)


def guest_text(name: str) -> str:
    number = NUMBERS[name]
    text = GUEST.replace("tap53", f"tap{number}").replace("nmdm53", f"nmdm{number}")
    text = text.replace("d649e44c", f"d649e4{number}")
    return text.replace("template=no", "template=yes") if name == "g3" else text


@pytest.fixture
def old(bare: Chyves) -> Chyves:
    """The host as chyves 0.2.0 left it."""
    create(bare, made())
    write(bare, "/chyves/pool2/.config/pool.cfg", POOL)
    write(bare, "/chyves/tank/.config/pool.cfg", POOL.replace("secondary", "primary"))
    write(bare, "/chyves/tank/.config/global.cfg", GLOBALS)
    write(bare, "/chyves/tank/guests/.defaults", DEFAULTS)
    write(bare, "/chyves/tank/ISO/null.iso/null.iso", "")
    for name, pool in POOLS.items():
        write(bare, config(pool, name), guest_text(name))
    bare.run("zfs", "set", "readonly=on", "tank/chyves/guests/g3")
    return bare


def test_everything_can_be_looked_at_and_is_left_as_it_is(old: Chyves) -> None:
    before = old.state()
    assert [line.split()[:2] for line in old("list -H").out.splitlines()] == [
        [name, POOLS[name]] for name in sorted(NUMBERS)
    ]
    assert old("list pools -H").out == "pool2\tsecondary\t0005\ntank\tprimary\t0005\n"
    assert old("list iso -H").out == "null.iso\t0B\n"
    bridge = old("list bridges -H").out.split("\t")
    assert bridge[:3] == ["bridge0", "-", "tap50,tap51,tap52,tap53,tap54,tap55"]
    assert [row["guest"] for row in old.json("list snapshots")] == [
        *["c2"] * 3,
        *["c3"] * 3,
        *["g1"] * 2,
    ]
    for line in ("list defaults", "list global", "list properties", "list disks", "list uuid"):
        assert old(line).said == []
    assert old.state() == before


@pytest.mark.parametrize("line", READING)
def test_no_reading_verb_writes_anything(line: str, old: Chyves) -> None:
    before = old.state()
    old(line.replace("web", "g1"))
    assert old.state() == before


def test_info_shows_clones_templates_and_disks(old: Chyves) -> None:
    header, *lines = old("info -ctz").out.splitlines()
    assert header.split() == ["Guest/Disks", "Size", "Template", "Clone"]
    rows = {}
    guest = ""
    for line in lines:
        cells = line.split(maxsplit=3)
        guest = guest if line.startswith(" ") else cells[0]
        rows[guest if guest == cells[0] else f"{guest}/{cells[0]}"] = cells[1:]
    assert rows["c1"][1:] == ["NO", "Child of g1"]
    assert rows["c1/disk1"] == ["256M", "-", "Child of g1"]
    assert rows["c2/disk0"] == ["1G", "-", "NO"]
    assert rows["g3"][1:] == ["YES", "NO"]
    assert rows["g4/disk0"] == ["512M", "-", "NO"]
    assert len(rows) == len(NUMBERS) + 11
    assert old("info -a").said == []


def test_get_all_shows_what_is_in_the_file(old: Chyves) -> None:
    shown = old.json("all get all")
    for name in NUMBERS:
        text = guest_text(name)
        assert shown[name] == dict(line.split("=", 1) for line in text.splitlines())


def test_set_changes_its_line_and_nothing_else(old: Chyves) -> None:
    before = old.state()
    old("g4 set ram=1G -q")
    assert old.file(config("pool2", "g4")) == guest_text("g4").replace("ram=256M", "ram=1G")
    assert old.changed(before) == {config("pool2", "g4")}
    old("global set stdout_level=1 -q")
    assert old.file("/chyves/tank/.config/global.cfg") == GLOBALS.replace(
        "stdout_level=2", "stdout_level=1"
    )
    old("defaults set cpu=2 -q")
    assert old.file("/chyves/tank/guests/.defaults") == DEFAULTS.replace("cpu=1", "cpu=2")


def test_a_template_is_still_one(old: Chyves) -> None:
    why = old.refused("g3 set cpu=2", code=Exit.PRECONDITION)
    assert why.startswith("g3: a template is read-only\n")
    old("g3 set template=no cpu=2 -q")
    assert old.zfs("readonly", "tank/chyves/guests/g3/.config") == "off"


def test_clones_keep_what_they_are_clones_of(old: Chyves) -> None:
    why = old.refused("g1 delete --yes", code=Exit.CONFLICT)
    assert why.startswith("g1: others are cloned from it: c1\n")
    assert old("c1 delete --yes").out == "c1: deleted\n"
    assert old("g1 delete --yes").out == "g1: deleted\n"
    assert "bridge0_tap_members=tap51,tap52,tap53,tap55\n" in old.file(
        "/chyves/tank/.config/global.cfg"
    )


def test_new_guests_get_numbers_of_their_own(old: Chyves) -> None:
    assert old("new create 1M").out == "new: created on tank, 1M, tap57, nmdm57\n"


def test_new_disks_appear_as_the_others_of_a_guest(old: Chyves) -> None:
    """chyves 0.2.0 said of each volume that the host is not to look for partitions on it."""
    for line in ("g1 clone n1 -cu", "n1 disk add 1M", "g1 disk add 1M", "g1 clone n2 -cu"):
        steps = [step for step in same_as_the_real_run(old, line) if "volmode" in step]
        assert len(steps) == (line in ("g1 clone n1 -cu", "g1 disk add 1M")), line
    for name in ("n1/disk0", "n1/disk2", "g1/disk2", "n2/disk0", "n2/disk2"):
        assert old.zfs("volmode", f"tank/chyves/guests/{name}") == "dev"


def test_new_disks_do_not_change_how_others_appear(old: Chyves) -> None:
    steps = same_as_the_real_run(old, "c1 disk add 1M")
    assert not any("volmode" in step for step in steps)
    for disk in ("disk0", "disk2"):
        assert old.zfs("volmode", f"tank/chyves/guests/c1/{disk}") == "default"
