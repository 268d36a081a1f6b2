# SPDX-License-Identifier: BSD-2-Clause
"""Numbers that only one guest can have: the next one, and what is taken."""

from collections.abc import Callable, Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chyves.errors import Precondition
from chyves.model.numbers import Taken, conflicts, in_use, next_port, next_serial, next_tap

WEB: Mapping[str, str] = {
    "net_ifaces": "tap50,vale0:1,tap52",
    "serial": "nmdm50",
    "uefi_vnc_port": "5900",
    "uuid": "d649e44c-e75c-11f1-be6f-589cfc004e3e",
    "tap50_mac": "58:9c:fc:00:00:01",
    "cpu": "5900",
}
BARE: Mapping[str, str] = {"net_ifaces": "-", "serial": "", "uuid": ""}


def test_the_first_guest_gets_the_offsets() -> None:
    taken = in_use([])
    assert next_tap(taken, 50) == "tap50"
    assert next_serial(taken, 50) == "nmdm50"
    assert next_port(taken, 5900) == "5900"


def test_the_next_is_one_above_the_highest() -> None:
    taken = in_use([("web", WEB), ("db", BARE)])
    assert next_tap(taken, 50) == "tap53"
    assert next_serial(taken, 50) == "nmdm51"
    assert next_port(taken, 5900) == "5901"


def test_guests_without_a_tap_do_not_matter() -> None:
    assert next_tap(in_use([("db", BARE)]), 50) == "tap50"


def test_taps_of_bridges_and_of_the_host_are_taken() -> None:
    globals_ = {"bridge0_tap_members": "tap50,tap60", "bridge1_tap_members": "-", "tap_x": "tap90"}
    assert next_tap(in_use([("web", WEB)], globals_), 50) == "tap61"
    assert next_tap(in_use([("web", WEB)], globals_, ["em0", "tap70", "tape99"]), 50) == "tap71"


def test_numbers_start_at_the_offset() -> None:
    assert next_tap(in_use([], {}, ["tap0"]), 50) == "tap50"
    assert next_tap(in_use([("web", WEB)]), 100) == "tap100"


def test_a_gap_is_used_when_the_highest_is_taken() -> None:
    taken = in_use([("a", {"net_ifaces": "tap32767"}), ("b", {"net_ifaces": "tap50"})])
    assert next_tap(taken, 50) == "tap51"
    taken = in_use([("a", {"uefi_vnc_port": "65535"})])
    assert next_port(taken, 65534) == "65534"


def test_when_none_is_left_it_says_so() -> None:
    with pytest.raises(Precondition, match="from 65535 to 65535"):
        next_port(in_use([("a", {"uefi_vnc_port": "65535"})]), 65535)


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("net_ifaces", "tap9,tap52", "tap52 is an interface of web"),
        ("serial", "nmdm50", "nmdm50 is the serial port of web"),
        ("uefi_vnc_port", "5900", "5900 is the VNC port of web"),
        ("uefi_vnc_port", "05900", "5900 is the VNC port of web"),
        ("uuid", WEB["uuid"].upper(), f"{WEB['uuid']} is the UUID of web"),
        ("tap7_mac", "58:9C:FC:00:00:01", "58:9c:fc:00:00:01 is a MAC address of web"),
    ],
)
def test_what_another_guest_has_is_taken(name: str, value: str, sentence: str) -> None:
    taken = in_use([("web", WEB), ("db", BARE)])
    assert conflicts(taken, "db", {**BARE, name: value}) == [sentence]
    assert conflicts(taken, "web", {**WEB, name: WEB.get(name, "")}) == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("net_ifaces", "tap5,tap500"),
        ("net_ifaces", "vale0:2"),
        ("net_ifaces", "vale0"),
        ("net_ifaces", "-"),
        ("serial", "nmdm5"),
        ("uefi_vnc_port", "590"),
        ("cpu", "5900"),
    ],
)
def test_what_nobody_else_has_is_free(name: str, value: str) -> None:
    assert conflicts(in_use([("web", WEB)]), "db", {name: value}) == []


def test_a_guest_can_have_a_mac_address_once() -> None:
    twice = {"tap1_mac": "58:9c:fc:00:00:09", "tap2_mac": "58:9c:fc:00:00:09"}
    sentence = "58:9c:fc:00:00:09 is a MAC address of db twice"
    assert conflicts(in_use([("db", twice)]), "db", twice) == [sentence]
    assert conflicts(in_use([]), "db", twice, ["tap2_mac"]) == [sentence]
    assert conflicts(in_use([]), "db", twice, ["cpu"]) == []


def test_all_owners_are_named() -> None:
    taken = in_use([("web", WEB), ("copy", WEB), ("db", BARE)])
    assert conflicts(taken, "db", {"serial": "nmdm50"}) == [
        "nmdm50 is the serial port of copy and web"
    ]


GUESTS = st.lists(
    st.fixed_dictionaries(
        {
            "net_ifaces": st.lists(st.integers(0, 70), max_size=3).map(
                lambda numbers: ",".join(f"tap{n}" for n in numbers) or "-"
            ),
            "serial": st.integers(0, 70).map(lambda n: f"nmdm{n}"),
            "uefi_vnc_port": st.integers(5880, 5920).map(str),
        }
    ),
    max_size=6,
)


@given(GUESTS, st.integers(0, 100))
def test_the_next_is_never_taken_and_never_below_the_offset(
    guests: list[dict[str, str]], offset: int
) -> None:
    taken = in_use((f"g{i}", guest) for i, guest in enumerate(guests))
    choices: list[tuple[str, Callable[[Taken, int], str], int]] = [
        ("net_ifaces", next_tap, offset),
        ("serial", next_serial, offset),
        ("uefi_vnc_port", next_port, 5800 + offset),
    ]
    for name, choose, first in choices:
        chosen = choose(taken, first)
        assert conflicts(taken, "new", {name: chosen}) == []
        assert int(chosen.lstrip("tapnmd")) >= first
