# SPDX-License-Identifier: BSD-2-Clause
"""A guest's values, and where they come from."""

from dataclasses import replace

import pytest

from chyves.errors import Invalid
from chyves.model.config import ConfigFile
from chyves.model.guest import Guest, Loader, Origin, boot_order, members
from tests.tools import CHECKOUT

G4 = (CHECKOUT / "tests/data/chyves-0.2.0/g4.cfg").read_text()


def guest(**properties: str) -> Guest:
    """A guest of chyves 0.2.0 with some properties changed."""
    return Guest(
        "g4",
        "tank",
        ConfigFile.parse(G4).set(properties),
        {"uefi_vnc_ip": "10.0.0.1", "cpu": "8", "size": "16G"},
        {"eject_iso_on_n_reboot": "3", "stdout_level": "1"},
    )


def test_a_guest_of_chyves_0_2_0_is_understood() -> None:
    g4 = guest()
    assert (g4.cpu, g4.ram_bytes, g4.loader) == (1, 256 << 20, Loader.BHYVELOAD)
    assert (g4.serial, g4.net_ifaces(), g4.rcboot) == ("nmdm53", ("tap53",), 0)
    assert (g4.is_template, g4.has_vnc, g4.firmware, g4.mac("tap53")) == (False, False, "", "")
    assert g4.version_problem() is None


@pytest.mark.parametrize(
    ("name", "value", "origin"),
    [
        ("cpu", "1", Origin.GUEST),
        ("bhyveload_flags", "", Origin.GUEST),
        ("uefi_vnc_ip", "10.0.0.1", Origin.DEFAULTS),
        ("eject_iso_on_n_reboot", "3", Origin.GLOBAL),
        ("uefi_vnc_res", "800x600", Origin.BUILT_IN),
        ("uefi_vnc_port", "", Origin.BUILT_IN),
        ("size", "", Origin.BUILT_IN),
        ("stdout_level", "", Origin.BUILT_IN),
        ("tap53_mac", "", Origin.BUILT_IN),
        ("nonsense", "", Origin.BUILT_IN),
    ],
)
def test_a_value_comes_from_the_nearest_file(name: str, value: str, origin: Origin) -> None:
    assert guest().value(name) == value
    assert guest().origin(name) is origin


def test_the_guests_own_value_wins() -> None:
    own = guest(eject_iso_on_n_reboot="0", uefi_vnc_ip="::1", my_own="x")
    assert own.eject_after == 0
    assert own.value("uefi_vnc_ip") == "::1"
    assert own.value("my_own") == own.checked("my_own") == "x"
    assert guest().eject_after == 3


def test_interfaces_are_in_the_guests_order() -> None:
    several = guest(net_ifaces="tap9,vale0:1,tap10", tap10_mac="58:9C:FC:00:00:01")
    assert several.net_ifaces() == ("tap9", "vale0:1", "tap10")
    assert several.taps() == ("tap9", "tap10")
    assert several.mac("tap10") == "58:9c:fc:00:00:01"
    assert several.mac("tap1") == ""
    assert guest(net_ifaces="-").net_ifaces() == guest(net_ifaces="").net_ifaces() == ()


@pytest.mark.parametrize(
    ("loader", "output", "has_vnc"),
    [("uefi", "vnc", True), ("uefi", "serial", False), ("bhyveload", "vnc", False)],
)
def test_only_uefi_has_a_screen(loader: str, output: str, has_vnc: bool) -> None:
    assert guest(loader=loader, uefi_console_output=output).has_vnc is has_vnc


def test_firmware_is_a_name_or_none() -> None:
    assert guest(uefi_firmware="BHYVE_UEFI.fd").firmware == "BHYVE_UEFI.fd"
    assert guest(uefi_firmware="-").firmware == ""


@pytest.mark.parametrize(
    ("name", "value", "attribute"),
    [
        ("cpu", "abc", "cpu"),
        ("cpu", "", "cpu"),
        ("ram", "0", "ram_bytes"),
        ("loader", "lilo", "loader"),
        ("serial", "", "serial"),
        ("uefi_firmware", "../x", "firmware"),
        ("eject_iso_on_n_reboot", "-1", "eject_after"),
    ],
)
def test_a_bad_value_in_the_file_is_named_and_never_used(
    name: str, value: str, attribute: str
) -> None:
    with pytest.raises(Invalid) as refusal:
        getattr(guest(**{name: value}), attribute)
    assert refusal.value.message.startswith(f"{name} of g4: ")
    assert f"chyves g4 set {name}=" in refusal.value.hint


@pytest.mark.parametrize(
    ("version", "problem", "hint"),
    [
        ("0300", "", ""),
        ("0299", "older than 0300", "chyves g4 upgrade"),
        ("0301", "newer than 0300", "upgrade this one"),
        ("1000", "newer than 0300", "upgrade this one"),
        ("", "no chyves_guest_version", "damaged"),
        ("3", "no chyves_guest_version", "damaged"),
        ("abcd", "no chyves_guest_version", "damaged"),
    ],
)
def test_guests_of_other_versions_are_not_started(version: str, problem: str, hint: str) -> None:
    found = guest(chyves_guest_version=version).version_problem()
    assert problem in (found.message if found else "")
    assert hint in (found.hint if found else "")
    assert bool(found) is bool(problem)


def test_a_guest_without_a_version_is_not_started() -> None:
    bare = Guest("g4", "tank", ConfigFile.parse("cpu=1\n"), {}, {})
    assert bare.version_problem() is not None


def named(name: str, **properties: str) -> Guest:
    return replace(guest(**properties), name=name)


def test_guests_of_a_group_and_those_that_start_at_boot() -> None:
    guests = [
        named("a10", rcboot="2", groups="web,db"),
        named("a2", rcboot="2", groups=":db, web ,"),
        named("b", rcboot="10", groups="-"),
        named("c", rcboot="-"),
        named("d", rcboot="yes", groups="web10,web2"),
        named("e", rcboot=""),
    ]
    assert boot_order(guests) == ["b", "a2", "a10", "d"]
    assert members(guests) == {
        "db": ["a10", "a2"],
        "web": ["a10", "a2"],
        "web2": ["d"],
        "web10": ["d"],
    }
    assert list(members(guests)) == ["db", "web", "web2", "web10"]
