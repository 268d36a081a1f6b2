# SPDX-License-Identifier: BSD-2-Clause
"""Lists, and the columns of ``info``: every combination of flags, and what is in the cells."""

import os
import re
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chyves.backend import adoption
from chyves.errors import Exit
from chyves.model import layout
from chyves.simulator.world import World
from tests.cli.conftest import Chyves
from tests.cli.plans import guest_runs
from tests.cli.runs import Runs
from tests.cli.test_output import Golden, normal
from tests.cli.test_synopsis import COLUMNS

FLAGS = "abcdklnprstuvwzH"


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Chyves:
    """Two guests: one has a screen and empty values, one a file as a disk and odd blanks."""
    chyves = Chyves(tmp_path_factory.mktemp("flags") / "host")
    chyves("dataset tank install -q")
    chyves("web,db create 1M -q")
    chyves("db set loader=uefi uefi_console_output=vnc description= notes= -q")
    chyves("web set", "description=one blank", "-q")
    chyves.host.path("/chyves/tank/guests/web/img/a b.raw").write_bytes(bytes(512))
    return chyves


def headers_of(flags: str) -> list[str]:
    chosen = COLUMNS if "a" in flags else [flag for flag in COLUMNS if flag in flags]
    return [header for flag in chosen for header in COLUMNS[flag]]


@settings(max_examples=40, deadline=None)
@given(flags=st.text(FLAGS, max_size=8), typed=st.booleans())
def test_info_with_any_flags(host: Chyves, flags: str, typed: bool) -> None:
    """Typed or as the default, in any order, with any repetition: the same columns in each row."""
    default = f"-{flags}" if flags else ""
    host("global set -q", f"default_info_flags={default}")
    done = host("info", f"-{flags}") if flags and typed else host("info")
    lines = done.out.splitlines()
    rows = 2 if "k" in flags else 5
    titles = ["Guest" if "k" in flags else "Guest/Disks", *headers_of(flags)]
    if "H" in flags:
        assert len(lines) == rows
        if "w" not in flags:
            assert {line.count("\t") for line in lines} == {len(titles) - 1 + ("k" not in flags)}
    else:
        assert len(lines) == rows + 1
        if "w" in flags:
            assert max(map(len, lines)) <= 80
        else:
            assert re.split(r"  +", lines[0]) == titles
            for line in lines[1:]:
                assert len(re.split(r"  +", line.strip())) == len(titles), line
    assert ("no columns were asked for" in done.err) is (not headers_of(flags) and "H" not in flags)


def test_the_same_flags_for_list(host: Chyves) -> None:
    host("global set default_list_flags=-uwkH -q")
    assert host("list").out.splitlines()[0].split("\t")[:2] == ["db", "vnc"]
    host("global set default_list_flags=-skdp -q")
    assert host("list").out.startswith("Guest  Pool")


@pytest.mark.parametrize(("name", "usual"), [("list", "-skdp"), ("info", "-h")])
def test_flags_that_a_hand_has_written(name: str, usual: str, guests: Chyves) -> None:
    told = guests(name).out
    guests.by_hand(f"default_{name}_flags", "-kpxQ")
    done = guests(name)
    assert done.out == told
    assert done.said[0].startswith(f"chyves: global default_{name}_flags: ")
    assert f"and counts as {usual}; chyves global set default_{name}_flags=" in done.said[0]


# -- processes ----------------------------------------------------------------------------------


@pytest.fixture
def runs(chyves: Chyves) -> Iterator[Runs]:
    runs = Runs(chyves)
    yield runs
    runs.end()


def test_processes_of_guests_that_run(runs: Runs) -> None:
    chyves = runs.chyves
    runs.create("web-2,web,nobody")
    medium = runs.medium()
    chyves(f"web,web-2 start {medium}")
    found = chyves.json("list processes")
    assert [(one["guest"], one["process"]) for one in found] == [
        ("web", "bhyve"),
        ("web", "supervisor"),
        ("web-2", "bhyve"),
        ("web-2", "supervisor"),
    ]
    assert found[0]["pid"] == runs.seen("web")["pid"]
    assert found[1]["pid"] == runs.seen("web")["supervisor"]
    assert all(one["memory"] > 0 and one["cpu_seconds"] >= 0 for one in found)
    assert [one["pid"] for one in chyves.json("list processes web")] == [
        one["pid"] for one in found[:2]
    ]
    rows = [row.split("\t") for row in chyves("list processes web -Hp").out.splitlines()]
    assert [row[:3] for row in rows] == [
        ["web", one["process"], str(one["pid"])] for one in found[:2]
    ]
    assert chyves.json("list processes nobody") == []


def test_who_is_at_a_console(guests: Chyves) -> None:
    """The A is that of chyves 0.2.0."""
    serial = guests.json("web get serial")["web"]["serial"]
    with World(guests.directory).process(f"cu -l /dev/{serial}B -s 9600"):
        (console,) = guests.json("list processes")
        assert (console["guest"], console["process"]) == ("web", "console")
        assert guests.json("list processes db") == []
        shown = {row.split("\t")[0]: row for row in guests("info -kvH").out.splitlines()}
        assert shown["web"].endswith(f"\t{serial} (A)")
        assert "(A)" not in shown["db"]
        assert [one["console"] for one in guests.json("list")] == [None, console["pid"]]


def test_a_vm_of_no_guest_is_shown(guests: Chyves) -> None:
    """As after somebody has destroyed the datasets of a guest that runs."""
    with World(guests.directory).process("bhyve: chy-lost"):
        assert [one["guest"] for one in guests.json("list processes")] == ["lost"]
        assert guests.json("list processes web") == []


def test_other_vms_are_not_shown(guests: Chyves) -> None:
    with World(guests.directory).process("bhyve: freebsd"):
        assert guests.json("list processes") == []


def test_processes_of_an_unknown_guest(guests: Chyves) -> None:
    why = guests.refused("list processes we", code=Exit.NOT_FOUND)
    assert why == "no such guest: we\nhint: did you mean web?"


# -- clones -------------------------------------------------------------------------------------


def test_clones_on_two_pools(guests: Chyves, golden: Golden) -> None:
    guests("dataset pool2 install -q")
    guests("gold create 1M pool2 -q")
    guests("gold clone red,blue -cu -q")
    guests("blue clone sky -cu -q")
    guests("web clone copy -iu -q")
    (tree,) = guests.json("list clones")
    assert tree["name"] == "gold"
    assert [(one["name"], [two["name"] for two in one["clones"]]) for one in tree["clones"]] == [
        ("blue", ["sky"]),
        ("red", []),
    ]
    golden("json/list-clones-of-two.json", normal(guests("list clones --json").out))
    indented = [line.split("  @")[0].rstrip() for line in guests("list clones").out.splitlines()]
    assert [re.sub(r"(\w)  .*", r"\1", line) for line in indented][1:] == [
        "gold",
        "   blue",
        "      sky",
        "   red",
    ]


# -- what is not as it should be ----------------------------------------------------------------


@pytest.fixture
def twice(guests: Chyves) -> Chyves:
    """A guest db on two pools, as after a replica was received in the wrong place."""
    guests("dataset pool2 install -q")
    guests("all set rcboot=1 -q")
    guests("all group add :prod -q")
    for part in ("", "/.config"):
        guests.run("zfs", "create", f"pool2/chyves/guests/db{part}")
    copy = guests.host.path("/chyves/pool2/guests/db/.config/.cfg")
    copy.write_text(guests.file("/chyves/tank/guests/db/.config/.cfg"))
    return guests


def test_a_name_on_two_pools_is_listed_and_said(twice: Chyves) -> None:
    done = twice("list -H")
    assert [row.split("\t")[:2] for row in done.out.splitlines()] == [
        ["db", "pool2"],
        ["db", "tank"],
        ["web", "tank"],
    ]
    assert "chyves: db: there is a guest db on pool2 and tank; rename or destroy " in done.err


@pytest.mark.parametrize("selector", ["all", "rcboot", ":prod", "web,rcboot"])
def test_a_name_on_two_pools_keeps_no_other_from_its_turn(selector: str, twice: Chyves) -> None:
    done = twice(f"{selector} set cpu=2", code=Exit.CONFLICT)
    assert done.out == "web: set cpu=2\n"
    assert "chyves: db: there is a guest db on pool2 and tank" in done.said


@pytest.mark.parametrize("selector", ["db", "web,db", ":prod,db"])
def test_a_name_on_two_pools_means_neither(selector: str, twice: Chyves) -> None:
    before = twice.state()
    assert "there is a guest db on pool2 and tank\n" in twice(f"{selector} start", code=4).err
    assert twice.state() == before


@pytest.mark.parametrize("line", ["db stop", "all stop", "db reclaim", "rcboot stop --within 20"])
def test_what_runs_is_stopped_whatever_has_its_name(line: str, twice: Chyves) -> None:
    with guest_runs(twice, "db"):
        plan = twice(f"{line} --dry-run")
        assert "db" in plan.out
    assert "db: not running\n" in twice(line).out


def test_a_guest_whose_bhyve_opens_its_devices_is_starting(guests: Chyves) -> None:
    with guest_runs(guests, "web"):
        state = {"supervisor": os.getpid(), "phase": "running", "pid": os.getpid()}
        adoption.keep(guests.host, layout.state_file("web"), state)
        row = guests("list -H").out.split("web\t")[1].partition("\n")[0]
        assert "STARTING" in row
        (web,) = [one for one in guests.json("list") if one["name"] == "web"]
        assert (web["phase"], web["pid"]) == ("starting", None)


def test_a_broken_file_is_shown_and_keeps_no_other_from_its_turn(guests: Chyves) -> None:
    file = guests.host.path("/chyves/tank/guests/db/.config/.cfg")
    broken = b"\xff\0junk\n=x\nno equals\ncpu=abc\nrcboot=often\ngroups=,, :x y,\nserial=nmdm5\n"
    file.write_bytes(broken)
    for line in ("list", "info -a", "list rcboot", "db get all", "list groups", "list clones"):
        assert guests(line).out
    assert "often" in guests("list").out
    assert guests("db,web set notes=x").out == "db: set notes=x\nweb: set notes=x\n"
    guests("web stop -q")


def test_a_guest_whose_file_is_gone_is_named(guests: Chyves) -> None:
    guests.host.path("/chyves/tank/guests/db/.config/.cfg").unlink()
    done = guests("list")
    assert "put back /chyves/tank/guests/db/.config/.cfg" in done.err
    assert guests("all set cpu=2", code=Exit.PRECONDITION).out == "web: set cpu=2\n"


def test_w_goes_by_the_terminal(guests: Chyves, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "30")
    whole = guests("info -aH").out
    assert guests("info -awH").out == whole
    lines = guests("info -aw").out.splitlines()
    assert 20 < max(map(len, lines)) <= 30
    assert not any(line.endswith(" ") for line in lines)
