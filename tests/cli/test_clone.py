# SPDX-License-Identifier: BSD-2-Clause
"""``clone``: what it has of its origin, what is its own, and what stays behind."""

import json
import re
from pathlib import Path

import pytest

from chyves.errors import Exit
from tests.cli.conftest import Chyves
from tests.cli.plans import guest_runs, same_as_the_real_run

ROOT = "tank/chyves/guests"
LINKED, SENT = ("-ce", "-cu"), ("-ie", "-iu")
EXACT, UNIQUE = ("-ce", "-ie"), ("-cu", "-iu")
WAYS = (*LINKED, *SENT)


def node(chyves: Chyves, guest: str, pool: str = "tank") -> Path:
    return chyves.host.path(f"/dev/zvol/{pool}/chyves/guests/{guest}/disk0")


def write(chyves: Chyves, guest: str, data: bytes) -> None:
    with node(chyves, guest).open("r+b") as device:
        device.write(data)


def read(chyves: Chyves, guest: str, pool: str = "tank") -> bytes:
    return node(chyves, guest, pool).read_bytes()[:4]


def values(chyves: Chyves, guest: str) -> dict[str, str]:
    found: dict[str, str] = chyves.json(f"{guest} get all")[guest]
    return found


def snapshots(chyves: Chyves) -> set[str]:
    return {name for name in chyves.datasets() if "@" in name}


# -- disks and files ----------------------------------------------------------------------------


@pytest.mark.parametrize("way", WAYS)
def test_it_has_the_disks_and_files_and_neither_changes_the_other(guests: Chyves, way: str) -> None:
    guests.run("zfs", "create", f"{ROOT}/web/img/sub")
    guests.host.path("/chyves/tank/guests/web/img/sub/raw").write_text("image")
    write(guests, "web", b"then")
    guests(f"web clone new {way}")
    write(guests, "web", b"now ")
    assert read(guests, "new") == b"then"
    assert guests.file("/chyves/tank/guests/new/img/sub/raw") == "image"
    write(guests, "new", b"mine")
    assert read(guests, "web") == b"now "
    parts = ("", "/.config", "/logs", "/img", "/img/sub", "/disk0")
    found = {name for name in guests.datasets(f"{ROOT}/new") if "@" not in name}
    assert found == {f"{ROOT}/new{part}" for part in parts}


@pytest.mark.parametrize("way", SENT)
def test_an_independent_one_leaves_no_snapshot_behind_and_brings_none(
    guests: Chyves, way: str
) -> None:
    guests("web snapshot @early -q")
    before = guests.datasets()
    guests(f"web clone new {way}")
    assert {name for name in snapshots(guests) if "/new" in name} == set()
    assert {name for name in guests.datasets() if "/new" not in name} == before
    guests("web delete -y")
    assert guests.zfs("origin", f"{ROOT}/new/disk0") == "-"


@pytest.mark.parametrize("way", WAYS)
def test_it_has_the_variables_and_hooks_of_its_origin(guests: Chyves, way: str) -> None:
    folder = guests.host.path("/chyves/tank/guests/web")
    (folder / "uefi-vars.fd").write_bytes(b"boot order")
    (folder / "hooks").mkdir()
    (folder / "hooks/prestart").touch(mode=0o755)
    guests(f"web clone new {way}")
    assert guests.file("/chyves/tank/guests/new/uefi-vars.fd") == "boot order"
    hook = guests.host.path("/chyves/tank/guests/new/hooks/prestart")
    assert hook.stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize("way", LINKED)
def test_what_linked_ones_depend_on_goes_with_the_last_of_them(guests: Chyves, way: str) -> None:
    guests("web snapshot @mine -q")
    before = guests.datasets()
    guests(f"web clone new,newer {way} -q")
    guests("new delete -y -q")
    assert len({name for name in guests.datasets() - before if "/web" in name}) == 2
    guests("newer delete -y -q")
    assert guests.datasets() == before


def test_what_a_linked_one_depends_on_is_no_snapshot_of_the_guest(guests: Chyves) -> None:
    guests("web set revert_to_snapshot_method=start -q")
    guests("web clone new -cu -q")
    assert "web has no snapshots" in guests("web snapshot rollback -y", code=Exit.NOT_FOUND).err
    guests("web snapshot @mine -q")
    guests("web snapshot rollback -y -q")
    assert "rollback tank/chyves/guests/web/disk0@mine" in guests("web start --dry-run").out


def test_snapshots_that_chyves_0_2_0_left_for_clones_are_not_gone_back_to(guests: Chyves) -> None:
    write(guests, "web", b"then")
    guests("web snapshot @mine -q")
    guests.run("zfs", "snapshot", "-r", f"{ROOT}/web@chyves-clone-process-x")
    write(guests, "web", b"now ")
    guests("web set revert_to_snapshot_method=start -q")
    assert "newer than @mine" in guests("web start --dry-run", code=Exit.CONFLICT).err
    guests("web snapshot rollback -y -q")
    assert read(guests, "web") == b"then"


@pytest.mark.parametrize("way", LINKED)
def test_a_linked_one_depends_on_a_snapshot_that_stays(guests: Chyves, way: str) -> None:
    guests(f"web clone new {way}")
    origin = guests.zfs("origin", f"{ROOT}/new/disk0")
    assert re.fullmatch(rf"{ROOT}/web/disk0@chyves-clone-process-[0-9a-f-]{{36}}", origin)
    assert guests.zfs("origin", f"{ROOT}/new/.config") == "-"
    assert guests.zfs("origin", f"{ROOT}/new/logs") == "-"
    assert "new" in guests.refused("web delete -y", code=Exit.CONFLICT)


def test_disks_keep_how_they_were_made(guests: Chyves) -> None:
    guests("defaults set disk_volblocksize=4096 disk_compression=zle -q")
    guests("web disk add 8M -q")
    guests("web clone new -iu")
    for name in ("volsize", "volblocksize", "compression", "refreservation"):
        assert guests.zfs(name, f"{ROOT}/new/disk1") == guests.zfs(name, f"{ROOT}/web/disk1")
    assert guests.zfs("snapdir", f"{ROOT}/new/.config") == "visible"


@pytest.mark.parametrize("way", WAYS)
def test_from_a_snapshot_disks_and_properties_are_as_of_then(guests: Chyves, way: str) -> None:
    write(guests, "web", b"then")
    guests("web set notes=then -q")
    guests("web snapshot @then -q")
    write(guests, "web", b"now ")
    guests("web set notes=now -q")
    before = snapshots(guests)
    guests(f"web clone new {way} @then")
    assert (read(guests, "new"), values(guests, "new")["notes"]) == (b"then", "then")
    assert snapshots(guests) == before


def test_what_came_after_the_snapshot_is_not_cloned(guests: Chyves) -> None:
    guests("web snapshot @then -q")
    guests("web disk add 1M -q")
    assert "web/disk1 has no snapshot @then" in guests("web clone new @then").err
    assert f"{ROOT}/new/disk1" not in guests.datasets()


@pytest.mark.parametrize("way", SENT)
def test_on_another_pool(guests: Chyves, way: str) -> None:
    guests("dataset pool2 install -q")
    write(guests, "web", b"data")
    guests(f"web clone new {way} pool2")
    assert read(guests, "new", "pool2") == b"data"
    assert {one["name"]: one["pool"] for one in guests.json("list")}["new"] == "pool2"


# -- properties ---------------------------------------------------------------------------------


@pytest.mark.parametrize("way", EXACT)
def test_an_exact_one_differs_in_its_creation_only(guests: Chyves, way: str) -> None:
    guests("web set tap50_mac=58:9c:fc:00:00:01 rcboot=3 -q")
    guests(f"web clone new {way}")
    old, new = values(guests, "web"), values(guests, "new")
    assert new.pop("creation").startswith("Cloned from web on ")
    old.pop("creation")
    assert new == old


@pytest.mark.parametrize("way", UNIQUE)
def test_a_unique_one_has_numbers_of_its_own(guests: Chyves, way: str) -> None:
    guests("network bridge7 private -q")
    guests("network web add tap bridge7 -q")
    guests("network web add vale0:p1 -q")
    guests("network web add vale0:p2 -q")
    guests("web set tap50_mac=58:9c:fc:00:00:01 rcboot=3 revert_to_snapshot_method=start -q")
    guests("web set tap50_mtu=9000 -q")
    guests("web set loader=uefi uefi_console_output=vnc ram=512M -q")
    guests(f"web clone new {way}")
    old, new = values(guests, "web"), values(guests, "new")
    assert old["net_ifaces"] == "tap50,tap52,vale0:p1,vale0:p2"
    own = {
        "net_ifaces": "tap53,tap54,vale0,vale0:1",
        "serial": "nmdm52",
        "uefi_vnc_port": "5901",
        "rcboot": "0",
        "revert_to_snapshot_method": "off",
    }
    assert {name: new[name] for name in own} == own
    assert new["uuid"] != old["uuid"]
    assert not {"tap50_mac", "tap50_mtu"} & new.keys()
    assert new["tap53_mtu"] == "9000"
    same = old.keys() - own.keys() - {"uuid", "creation", "tap50_mac", "tap50_mtu"}
    assert {name: new[name] for name in same} == {name: old[name] for name in same}


def test_its_taps_join_the_bridges_of_the_old_ones(guests: Chyves) -> None:
    guests("network bridge7 private -q")
    guests("network web add tap bridge7 -q")
    guests("web clone new,newer -cu")
    found = {
        bridge["name"]: {tap["name"]: tap["guest"] for tap in bridge["taps"]}
        for bridge in guests.json("list bridges")
    }
    assert found == {
        "bridge0": {"tap50": "web", "tap51": "db", "tap53": "new", "tap55": "newer"},
        "bridge7": {"tap52": "web", "tap54": "new", "tap56": "newer"},
    }
    shown = guests.run("ifconfig", "bridge7")
    assert all(f"member: {tap} " in shown for tap in ("tap52", "tap54", "tap56"))


def test_where_the_admin_arranges_the_network_none_is_touched(guests: Chyves) -> None:
    guests("global set network_design_mode=system -q")
    before = guests.run("ifconfig", "-a")
    guests("web clone new")
    assert values(guests, "new")["net_ifaces"] == "tap52"
    assert guests.run("ifconfig", "-a") == before


@pytest.mark.parametrize("way", WAYS)
def test_of_a_template(guests: Chyves, way: str) -> None:
    guests("web set template=yes -q")
    guests(f"web clone new {way}")
    assert values(guests, "web")["template"] == "yes"
    template = "yes" if way in EXACT else "no"
    assert values(guests, "new")["template"] == template
    readonly = "on" if way in EXACT else "off"
    assert guests.zfs("readonly", f"{ROOT}/new/disk0") == readonly


def test_the_default_way_is_a_property(guests: Chyves) -> None:
    guests("global set default_clone_flag=-ce -q")
    assert "(-ce)" in guests("web clone new").out


# -- refusals -----------------------------------------------------------------------------------


def test_a_running_one_is_cloned_with_a_word_of_warning(guests: Chyves) -> None:
    with guest_runs(guests, "web"):
        assert "as after a power cut" in guests("web clone new").err


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("web clone db", Exit.CONFLICT),
        ("web clone db,db", Exit.USAGE),
        ("web clone a,a", Exit.USAGE),
        ("web clone all", Exit.USAGE),
        ("web,db clone new", Exit.USAGE),
        ("web clone new -cx", Exit.USAGE),
        ("web clone new pool9", Exit.NOT_FOUND),
        ("web clone new @never", Exit.NOT_FOUND),
        ("web clone new @a @b", Exit.USAGE),
        ("nobody clone new", Exit.NOT_FOUND),
        ("web clone new -cu pool2", Exit.USAGE),
    ],
)
def test_nothing_is_done(guests: Chyves, line: str, code: Exit) -> None:
    guests("dataset pool2 install -q")
    guests.refused(line, code=code)


@pytest.mark.parametrize("line", ["web clone new", "web clone new @then", "web clone a,b"])
def test_where_there_is_no_room_nothing_is_left(guests: Chyves, line: str) -> None:
    guests(f"web disk add {'30G' if 'a,b' in line else '40G'} -q")
    guests("web snapshot @then -q")
    before = guests.state()
    for dry in ("", " --dry-run"):
        done = guests(line + dry, code=Exit.PRECONDITION)
        assert done.said[::2] == [
            f"chyves: {name}: cannot clone web: out of space" for name in line.split()[2].split(",")
        ]
        assert "free; zfs list -o space shows" in done.said[1]
    assert guests.changed(before) == set()
    guests("web clone linked -cu -q")


def test_names_that_are_taken_stop_no_others(guests: Chyves) -> None:
    done = guests("web clone db,new,web", code=Exit.CONFLICT)
    assert [line for line in done.said if "hint" not in line] == [
        "chyves: db: guest db exists already",
        "chyves: web: guest web exists already",
    ]
    assert done.out.startswith("new: cloned from web ")


def test_properties_that_lead_to_the_origin_are_named(guests: Chyves) -> None:
    folder = "/chyves/tank/guests/web"
    guests(f"web set notes={folder}/img/data description=/chyves/tank/guests/web2/x -q")
    guests("web snapshot @then -q")
    guests("web set notes=none -q")
    warning = [f"chyves: new: notes still leads to {folder}"]
    assert guests("web clone new @then --dry-run").said == warning
    assert guests("web clone new @then").said == warning
    assert guests("web clone newer").said == []


# -- plans and leftovers ------------------------------------------------------------------------


@pytest.mark.parametrize("way", WAYS)
def test_a_dry_run_says_what_the_real_run_does(guests: Chyves, way: str) -> None:
    steps = same_as_the_real_run(guests, f"web clone new,newer {way}")
    assert f"zfs rename tank/chyves/.new-new-X {ROOT}/new" in steps


def test_a_dry_run_knows_the_taps_that_a_snapshot_has(guests: Chyves) -> None:
    guests("network web add tap -q")
    guests("web snapshot @two -q")
    guests("network web remove tap52 -q")
    steps = same_as_the_real_run(guests, "web clone new @two")
    assert [step for step in steps if " create " in step] == [
        "ifconfig tap52 create description 'chyves-tap new'",
        "ifconfig tap53 create description 'chyves-tap new'",
    ]


def test_one_that_was_killed_is_cleared_away_by_the_next(guests: Chyves) -> None:
    before = guests.datasets("tank/chyves")
    guests.run("zfs", "snapshot", "-r", f"{ROOT}/web@chyves-transfer-x")
    guests.run("zfs", "create", "tank/chyves/.new-new-20261123000000")
    staged = "tank/chyves/.new-new-20261123000000/disk0"
    guests.run("zfs", "clone", f"{ROOT}/web/disk0@chyves-transfer-x", staged)
    guests("web clone new -q")
    assert {name for name in guests.datasets("tank/chyves") if "/new" not in name} == before


def test_json_tells_what_was_chosen(guests: Chyves) -> None:
    guests("web snapshot @then -q")
    (result,) = json.loads(guests("web clone new @then --json").out)["results"]
    result.pop("uuid")
    result.pop("result")
    assert result == {
        "target": "new",
        "changed": True,
        "source": "web",
        "snapshot": "@then",
        "way": "-iu",
        "pool": "tank",
        "net_ifaces": "tap52",
        "serial": "nmdm52",
    }


def test_a_tap_that_a_guest_has_twice_is_one_of_its_clone(guests: Chyves) -> None:
    """As chyves 0.2.0 left guests behind a rollback."""
    file = guests.host.path("/chyves/tank/guests/web/.config/.cfg")
    file.write_text(
        file.read_text().replace("net_ifaces=tap50\n", "net_ifaces=tap50,vale0,tap50\n")
    )
    done = guests("web start -n", code=Exit.PRECONDITION)
    assert "chyves network web remove <interface>" in done.err
    guests("web clone new -cu")
    assert guests("new get net_ifaces").out == "new's net_ifaces=tap52,vale0\n"
    guests("network web remove tap50 -q")
    guests("web start -n")
