# SPDX-License-Identifier: BSD-2-Clause
"""Slots and functions."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chyves.errors import Precondition
from chyves.model.pci import FREE_SLOTS, Devices, slot_arguments


def disks(count: int, slots: int = 0) -> Devices:
    return Devices("disks", [f"ahci-hd,/d{n}" for n in range(count)], slots)


def nics(count: int) -> Devices:
    return Devices("network interfaces", [f"virtio-net,tap{50 + n}" for n in range(count)])


def places(arguments: list[str]) -> list[tuple[int, int, str]]:
    found = [re.fullmatch(r"(\d+)(?::(\d))?,(.*)", argument) for argument in arguments]
    return [(int(m[1]), int(m[2] or 0), m[3]) for m in found if m]


def test_each_device_has_its_own_slot_and_kinds_follow_each_other() -> None:
    kinds = [disks(2), Devices("tablet", ["xhci,tablet"]), nics(1), Devices("other", ["hda"])]
    assert slot_arguments(kinds) == [
        "4,ahci-hd,/d0",
        "5,ahci-hd,/d1",
        "6,xhci,tablet",
        "7,virtio-net,tap50",
        "8,hda",
    ]


def test_a_kind_without_devices_takes_no_slot() -> None:
    assert slot_arguments([disks(0), nics(1)]) == ["4,virtio-net,tap50"]
    assert slot_arguments([]) == []


def test_what_does_not_fit_shares_slots() -> None:
    placed = places(slot_arguments([disks(34), nics(1)]))
    assert placed[:3] == [(4, 0, "ahci-hd,/d0"), (4, 1, "ahci-hd,/d1"), (5, 0, "ahci-hd,/d2")]
    assert placed[33] == (20, 1, "ahci-hd,/d33")
    assert placed[34] == (21, 0, "virtio-net,tap50")


def test_consolidated_devices_fill_their_slots() -> None:
    placed = places(slot_arguments([disks(34), nics(1)], consolidate=True))
    assert [(slot, function) for slot, function, _ in placed[:9]] == [
        *((4, function) for function in range(8)),
        (5, 0),
    ]
    assert placed[33] == (8, 1, "ahci-hd,/d33")
    assert placed[34] == (9, 0, "virtio-net,tap50")


def test_devices_kept_within_a_few_slots() -> None:
    assert [place[:2] for place in places(slot_arguments([disks(3, slots=3)]))] == [
        (4, 0),
        (5, 0),
        (6, 0),
    ]
    four = places(slot_arguments([disks(4, slots=3), nics(1)]))
    assert [place[:2] for place in four] == [(4, 0), (4, 1), (5, 0), (5, 1), (6, 0)]
    assert max(slot for slot, _, _ in places(slot_arguments([disks(24, slots=3)]))) == 6
    assert len(slot_arguments([disks(25, slots=3)])) == 25


def test_one_device_too_many_is_refused_by_name() -> None:
    most = len(FREE_SLOTS) * 8
    assert len(slot_arguments([disks(most - 8), nics(8)])) == most
    with pytest.raises(Precondition) as refusal:
        slot_arguments([disks(most - 8), nics(9)])
    assert refusal.value.message == (
        "too many devices: 208 disks, 9 network interfaces "
        "do not fit in 27 PCI slots of 8 functions"
    )


@given(
    st.lists(st.tuples(st.integers(0, 40), st.sampled_from([0, 0, 3])), max_size=5), st.booleans()
)
def test_every_device_gets_a_place_of_its_own(
    counts: list[tuple[int, int]], consolidate: bool
) -> None:
    kinds = [
        Devices(f"kind{n}", [f"model{n}.{i}" for i in range(count)], slots)
        for n, (count, slots) in enumerate(counts)
    ]
    placed = places(slot_arguments(kinds, consolidate=consolidate))
    assert [model for _, _, model in placed] == [model for kind in kinds for model in kind.models]
    used = [(slot, function) for slot, function, _ in placed]
    assert len(set(used)) == len(used)
    assert {slot for slot, _ in used} <= set(FREE_SLOTS)
    assert all((slot, 0) in used for slot, _ in used)
    for slot in {slot for slot, _ in used}:
        assert len({model.split(".")[0] for s, _, model in placed if s == slot}) == 1
