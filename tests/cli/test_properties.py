# SPDX-License-Identifier: BSD-2-Clause
"""Every property on the command line, and what else happens when some of them are set."""

from pathlib import Path

import pytest

from chyves.errors import Exit
from chyves.model.properties import Scope, find, properties_of
from tests.cli.conftest import Chyves
from tests.model.test_properties import EXAMPLES, UUID

OWNERS = {Scope.GLOBAL: "global", Scope.DEFAULTS: "defaults", Scope.GUEST: "web"}

FILES = {
    Scope.GLOBAL: "/chyves/tank/.config/global.cfg",
    Scope.DEFAULTS: "/chyves/tank/guests/.defaults",
    Scope.GUEST: "/chyves/tank/guests/web/.config/.cfg",
}
CFG = FILES[Scope.GUEST]

KEPT_AS = {"1.5G": "1536M"}


def listed(chyves: Chyves, scope: Scope, name: str) -> str:
    """Return the value of a property as ``list`` shows it."""
    if scope is Scope.GUEST and name == "groups":  # a word of list of its own
        return ",".join(group["name"] for group in chyves.json("list groups"))
    if scope is Scope.GUEST:
        return str({row["guest"]: row["value"] for row in chyves.json(f"list {name}")}["web"])
    if scope is Scope.DEFAULTS:
        return str(chyves.json("list defaults")[name])
    return str(chyves.json("list global")["tank"]["global"][name])


def prepare(chyves: Chyves, tmp_path: Path, scope: Scope, name: str) -> None:
    """Meet what the property depends on."""
    if name == "net_ifaces":
        chyves("global set network_design_mode=system -q")
    elif (scope, name) == (Scope.DEFAULTS, "bridge"):
        chyves("network bridge5 private -q")
    elif "disk{n}" in name:
        chyves.run("zfs", "create", "-s", "-V", "1M", "tank/chyves/guests/web/disk5")
    elif (scope, name) == (Scope.GUEST, "uefi_firmware"):
        (tmp_path / "BHYVE_UEFI.fd").write_bytes(b"firmware")
        chyves("firmware import", str(tmp_path / "BHYVE_UEFI.fd"), "-q")


@pytest.mark.parametrize(("scope", "name", "good", "bad", "reason"), EXAMPLES)
def test_property(
    scope: Scope, name: str, good: str, bad: str, reason: str, guests: Chyves, tmp_path: Path
) -> None:
    """Set it to nonsense, to a good value, look at it, and unset it where a guest may lack it."""
    prepare(guests, tmp_path, scope, name)
    row = find(name.replace("{n}", "5"), scope)
    assert row
    name, owner, file = name.replace("{n}", "5"), OWNERS[scope], FILES[scope]

    complaint, hint = guests.refused(f"{owner} set", f"{name}={bad}", code=Exit.USAGE).splitlines()
    assert complaint.startswith(f"{owner}: {name}")
    assert reason in hint

    before, old = guests.state(), guests.file(file)
    value = KEPT_AS.get(good, good)
    done = guests(f"{owner} set", f"{name}={good}")
    assert done.out.removeprefix(f"{owner}: ").removesuffix(f" {name}={value}\n") in ("set", "has")
    assert guests.changed(before) <= {file}
    assert f"{name}={value}\n" in guests.file(file)
    assert guests(f"{owner} get", name).out == f"{owner}'s {name}={value}\n"
    assert guests.json(f"{owner} get", name) == {owner: {name: value}}
    assert listed(guests, scope, name) == value
    others = [line for line in old.splitlines() if not line.startswith(f"{name}=")]
    assert [s for s in guests.file(file).splitlines() if not s.startswith(f"{name}=")] == others

    if row.may_be_unset(scope):
        assert guests(f"{owner} unset", name).out == f"{owner}: {name} removed\n"
        assert guests.file(file) == "".join(f"{line}\n" for line in others)
    else:
        why = guests.refused(f"{owner} unset", name, code=Exit.USAGE)
        assert f" cannot do without {name}\nhint: " in why
        assert "may be unset: " in why


@pytest.mark.parametrize(
    ("scope", "name"),
    [(scope, row.name) for scope in OWNERS for row in properties_of(scope) if row.managed],
)
def test_what_chyves_keeps_is_not_set_by_hand(scope: Scope, name: str, guests: Chyves) -> None:
    name = name.replace("{n}", "0")
    why = guests.refused(f"{OWNERS[scope]} set", f"{name}=1", code=Exit.USAGE)
    assert f"{name} is not set by hand" in why


def test_properties_of_pools_are_shown_and_not_set(guests: Chyves) -> None:
    shown = guests.json("list global tank")["tank"]["pool"]
    assert set(shown) == {row.name for row in properties_of(Scope.POOL)}
    for name in shown:
        for owner in OWNERS.values():
            if name != "creation" or owner != "web":
                code = Exit.NOT_FOUND
                guests.refused(f"{owner} set", f"{name}=x", code=code)


# -- what setting one brings along --------------------------------------------------------------


def test_uefi_brings_the_properties_that_a_guest_lacks(guests: Chyves) -> None:
    old = guests.file(CFG)
    done = guests("web set loader=uefi")
    assert done.out == "web: set uefi_console_output=serial uefi_firmware=- loader=uefi\n"
    assert guests.file(CFG) == old.replace("loader=bhyveload", "loader=uefi") + (
        "uefi_console_output=serial\nuefi_firmware=-\n"
    )
    guests("web set loader=bhyveload -q")
    assert guests("web set loader=uefi").out == "web: set loader=uefi\n"


def test_vnc_brings_the_rest_with_the_next_free_port(guests: Chyves) -> None:
    guests("db set loader=uefi uefi_console_output=vnc -q")
    guests("web set uefi_vnc_res=640x480 -q")
    old = guests.file(CFG)
    done = guests("web set loader=uefi uefi_console_output=vnc")
    assert done.out == (
        "web: set uefi_console_output=vnc uefi_firmware=- loader=uefi uefi_vnc_client=print "
        "uefi_vnc_client_custom_cmd= uefi_vnc_pause_until_client_connect=no uefi_vnc_port=5901 "
        "uefi_vnc_mouse_type=ps2 uefi_vnc_ip=127.0.0.1\n"
    )
    assert "uefi_vnc_port=5900\n" in guests.file(CFG.replace("/web/", "/db/"))
    assert guests.file(CFG).startswith(old.replace("loader=bhyveload", "loader=uefi"))


def test_defaults_get_no_properties_along(guests: Chyves) -> None:
    assert guests("defaults set loader=uefi uefi_console_output=vnc").out == (
        "defaults: set loader=uefi uefi_console_output=vnc\n"
    )
    guests("mail create 1M -q")
    assert guests("mail get uefi_vnc_port").out == "mail's uefi_vnc_port=5900\n"


def test_a_template_is_read_only_until_it_is_none(guests: Chyves) -> None:
    before = guests.state()
    assert guests("web set template=yes").out == "web: set template=yes\n"
    root = "tank/chyves/guests/web"
    for part in ("", "/.config", "/disk0", "/img", "/logs"):
        assert guests.zfs("readonly", root + part) == "on"
    assert guests.zfs("readonly", "tank/chyves/guests/db") == "off"
    why = guests.refused("web set cpu=2", code=Exit.PRECONDITION)
    assert why == ("web: a template is read-only\nhint: chyves web set template=no comes first")
    assert guests("web set template=yes").out == "web: has template=yes\n"
    assert guests("web set template=no cpu=2").out == "web: set template=no cpu=2\n"
    assert guests.zfs("readonly", f"{root}/disk0") == "off"
    guests("web set cpu=1 -q")
    assert guests.state() == before


def test_worth_knowing_is_said_on_stderr(guests: Chyves) -> None:
    done = guests("web set uefi_vnc_ip=0.0.0.0")
    assert done.said == [
        "chyves: web: whoever reaches this host reaches the guest's screen: "
        "VNC asks for no password"
    ]


# -- numbers that only one guest can have -------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("serial", "nmdm51"),
        ("uefi_vnc_port", "5950"),
        ("net_ifaces", "tap60,tap51"),
        ("uuid", UUID),
        ("tap50_mac", "58:9c:fc:00:00:07"),
    ],
)
def test_what_another_guest_has_is_refused(name: str, value: str, guests: Chyves) -> None:
    guests("global set network_design_mode=system -q")
    guests("db set", f"uuid={UUID}", "uefi_vnc_port=5950", "tap51_mac=58:9c:fc:00:00:07", "-q")
    why = guests.refused("web set", f"{name}={value}", code=Exit.CONFLICT)
    assert why.startswith(f"web: {name}: ")
    assert "db" in why


@pytest.mark.parametrize("name", ["serial=nmdm70", f"uuid={UUID}", "uefi_vnc_port=6000"])
def test_one_number_for_several_guests_is_refused_for_all_but_the_first(
    name: str, guests: Chyves
) -> None:
    done = guests("web,db set", name, code=Exit.CONFLICT)
    assert done.out == f"web: set {name}\n"
    assert done.said[0].startswith("chyves: db: ")


def test_net_ifaces_are_left_to_the_network_command(guests: Chyves) -> None:
    why = guests.refused("web set net_ifaces=tap99", code=Exit.USAGE)
    assert "chyves network <guest> add tap" in why


def test_firmware_has_to_be_imported(guests: Chyves, tmp_path: Path) -> None:
    (tmp_path / "UEFI.fd").write_bytes(b"firmware")
    guests("firmware import", str(tmp_path / "UEFI.fd"), "-q")
    why = guests.refused("web set uefi_firmware=UEFI.fs", code=Exit.NOT_FOUND)
    assert why.endswith("no such firmware: UEFI.fs\nhint: did you mean UEFI.fd?")


# -- what is removed ----------------------------------------------------------------------------


def test_several_are_removed_at_once(guests: Chyves) -> None:
    before = guests.state()
    guests("all set pcidev_1=virtio-rnd disk0_notes=x -q")
    assert guests("all unset pcidev_1 disk0_notes").out == (
        "db: pcidev_1, disk0_notes removed\nweb: pcidev_1, disk0_notes removed\n"
    )
    assert guests.state() == before
    assert guests("web unset pcidev_1 disk0_notes").out == "web: has no pcidev_1, disk0_notes\n"


def test_all_are_removed_or_none(guests: Chyves) -> None:
    guests("web set pcidev_1=virtio-rnd -q")
    guests.refused("web unset pcidev_1 cpu", code=Exit.USAGE)
    guests.refused("web unset pcidev_1 colour", code=Exit.NOT_FOUND)


def test_what_nobody_knows_is_removed_from_the_files_of_the_host(guests: Chyves) -> None:
    for owner, scope in (("global", Scope.GLOBAL), ("defaults", Scope.DEFAULTS)):
        path = guests.host.path(FILES[scope])
        before = path.read_text()
        path.write_text(f"{before}of_another_age=1\n")
        assert guests(f"{owner} unset of_another_age").out == f"{owner}: of_another_age removed\n"
        assert path.read_text() == before
        guests.refused(f"{owner} unset of_another_age", code=Exit.NOT_FOUND)


# -- names --------------------------------------------------------------------------------------


def test_an_unknown_name_is_refused_with_the_nearest(guests: Chyves) -> None:
    for owner in OWNERS.values():
        why = guests.refused(f"{owner} set", "rcbot=1", code=Exit.NOT_FOUND)
        assert f"{owner}: no such property: rcbot" in why
    assert "did you mean rcboot" in guests.refused("web get rcbot", code=Exit.NOT_FOUND)
    assert "did you mean rcboot" in guests.refused("web unset rcbot", code=Exit.NOT_FOUND)
    assert "did you mean rcboot" in guests.refused("list rcbot", code=Exit.USAGE)


def test_a_name_is_no_pattern(guests: Chyves) -> None:
    guests("global set restrict_new_property_names=off -q")
    for name in ("ram.*", "r m", "", "9lives", "-v", "ram\n"):
        guests.refused("web set --", f"{name}=1G", code=Exit.USAGE)


def test_a_property_of_another_scope_says_where_it_belongs(guests: Chyves) -> None:
    why = guests.refused("web set stdout_level=1", code=Exit.NOT_FOUND)
    assert "it is one of the host (global)" in why
    why = guests.refused("global set ram=1G", code=Exit.NOT_FOUND)
    assert "it is one of the defaults" in why


def test_new_names_where_they_are_allowed(guests: Chyves) -> None:
    guests("global set restrict_new_property_names=off -q")
    done = guests("web set", "colour= sky = blue ")
    assert done.said == ["chyves: web: colour is new: chyves does not know what it means"]
    assert guests.file(CFG).endswith("\ncolour= sky = blue \n")
    guests("global set restrict_new_property_names=on -q")
    assert guests("web set colour=green").out == "web: set colour=green\n"
    assert guests("list colour").out.splitlines()[1:] == ["db", "web     green"]
    assert guests("web unset colour").out == "web: colour removed\n"


def test_what_speaks_against_a_snapshot_to_go_back_to_is_said(guests: Chyves) -> None:
    none = ["chyves: web: web has no snapshot to go back to"]
    assert guests("web set revert_to_snapshot=@one").said == []
    assert guests("web set revert_to_snapshot_method=both").said == none
    assert guests("web set revert_to_snapshot=").said == none
    guests("web snapshot @one -q")
    for values in ("revert_to_snapshot=@one", "revert_to_snapshot_method=start cpu=2"):
        assert guests(f"web set {values}").said == []
    absent = guests("web set revert_to_snapshot=@two").said
    assert absent == ["chyves: web: no such snapshot: web@two"]
    guests("web snapshot @two -q")
    (newer,) = guests("web set revert_to_snapshot=@one").said
    assert "has snapshots newer than @one: @two" in newer
