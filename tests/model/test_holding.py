# SPDX-License-Identifier: BSD-2-Clause
"""What a running guest has for itself."""

import json
from dataclasses import replace

import pytest

from chyves.model.bhyve import Media, Problem
from chyves.model.facts import Memory
from chyves.model.holding import Holding, given_back, holding, kept_holding, shared
from chyves.model.hostchecks import without
from tests.model.test_bhyve import FACTS, UEFI, VNC, make_guest

MINE = {
    **UEFI,
    **VNC,
    "pcidev_1": "passthru,6/0/0",
    "pcidev_2": "passthru,7/0/0",
    "tpm": "/dev/tpm0",
    "bargs": "-S",
}
OTHER = {
    "serial": "nmdm51",
    "uuid": "2c5a9a3e-51f3-11ee-8d2a-0cc47aaf1bd3",
    "uefi_vnc_port": "5901",
}


def problem(**properties: str) -> Problem | None:
    other = make_guest(**(UEFI | VNC | OTHER | properties))
    return shared("web", holding(make_guest(**MINE), FACTS), "db", holding(other, FACTS))


def test_two_guests_that_have_nothing_in_common() -> None:
    assert problem() is None
    assert problem(pcidev_7="passthru,6/0/1", tpm="/dev/tpm1") is None
    assert shared("web", holding(make_guest(), FACTS), "db", Holding(serial="nmdm9")) is None


@pytest.mark.parametrize(
    ("properties", "message", "hint"),
    [
        ({"serial": "nmdm50"}, "serial port, nmdm50", "set serial=nmdm<n>, or chyves db stop"),
        ({"uuid": make_guest().value("uuid").upper()}, "UUID, 2c5a", "set uuid="),
        ({"pcidev_7": "passthru,7/0/0,rom=x"}, "device of the host, 7/0/0", "set pcidev_"),
        ({"tpm": "/dev/tpm0"}, "device of the host, /dev/tpm0", "set tpm="),
        ({"uefi_vnc_port": VNC["uefi_vnc_port"]}, "VNC port, ", "set uefi_vnc_port="),
    ],
)
def test_what_two_running_guests_cannot_share(
    properties: dict[str, str], message: str, hint: str
) -> None:
    found = problem(**properties)
    assert found is not None
    assert f"db is running with the same {message}" in found.message
    assert hint in found.hint


def test_what_a_supervisor_has_kept_is_read_again() -> None:
    has = holding(make_guest(**MINE), FACTS)
    kept = json.loads(json.dumps(has._asdict()))
    assert kept_holding({"holding": kept | {"of_later": 1}}) == has
    assert kept_holding({}) == Holding()


def test_a_medium_is_in_the_drive_until_it_is_taken_out() -> None:
    has = holding(make_guest(**MINE), FACTS, Media("/iso"))
    state = {"holding": has._asdict()}
    assert kept_holding(state).in_drive == kept_holding(state).medium == "/iso"
    assert kept_holding({**state, "ejected": True}).in_drive == ""


@pytest.mark.parametrize("bargs", ["", "-S"])
def test_the_memory_that_comes_back_is_what_was_taken(bargs: str) -> None:
    guest = make_guest(ram="2G", bargs=bargs)
    facts = replace(FACTS, available=Memory(free=8 << 30, cache=0, wirable=16 << 30))
    has = holding(guest, facts)
    assert given_back(has, without(guest, facts)) == facts
    assert given_back(has, replace(facts, available=None)).available is None
