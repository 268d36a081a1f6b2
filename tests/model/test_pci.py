# SPDX-License-Identifier: BSD-2-Clause
"""Slots and functions, and that devices stay where they are."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chyves.errors import Invalid, Precondition
from chyves.model.pci import (
    FREE_SLOTS,
    Device,
    Devices,
    Place,
    format_places,
    lay_out,
    parse_places,
    slot_arguments,
)


def kind(word: str, *names: str, slots: int = 0) -> Devices:
    return Devices(word, f"{word}s", [Device(name, f"{word},{name}") for name in names], slots)


def disks(count: int, slots: int = 0) -> Devices:
    return kind("disk", *(f"disk{n}" for n in range(count)), slots=slots)


def nics(count: int) -> Devices:
    return kind("net", *(f"tap{50 + n}" for n in range(count)))


def arguments(kinds: list[Devices], kept: str = "", *, consolidate: bool = False) -> list[str]:
    return slot_arguments(kinds, lay_out(kinds, parse_places(kept), consolidate=consolidate))


def places(arguments: list[str]) -> list[tuple[int, int, str]]:
    found = [re.fullmatch(r"(\d+)(?::(\d))?,(.*)", argument) for argument in arguments]
    return [(int(m[1]), int(m[2] or 0), m[3]) for m in found if m]


def layout(kinds: list[Devices], kept: str = "", *, consolidate: bool = False) -> str:
    return format_places(lay_out(kinds, parse_places(kept), consolidate=consolidate))


def test_each_device_has_its_own_slot_and_kinds_follow_each_other() -> None:
    kinds = [disks(2), kind("usb", "tablet"), nics(1), kind("hda", "hda")]
    assert arguments(kinds) == [
        "4,disk,disk0",
        "5,disk,disk1",
        "6,usb,tablet",
        "7,net,tap50",
        "8,hda,hda",
    ]


def test_a_kind_without_devices_takes_no_slot() -> None:
    assert arguments([disks(0), nics(1)]) == ["4,net,tap50"]
    assert arguments([]) == []


def test_what_does_not_fit_shares_slots() -> None:
    placed = places(arguments([disks(34), nics(1)]))
    assert placed[:3] == [(4, 0, "disk,disk0"), (4, 1, "disk,disk1"), (5, 0, "disk,disk2")]
    assert placed[33] == (20, 1, "disk,disk33")
    assert placed[34] == (21, 0, "net,tap50")


def test_consolidated_devices_fill_their_slots() -> None:
    placed = places(arguments([disks(34), nics(1)], consolidate=True))
    assert [(slot, function) for slot, function, _ in placed[:9]] == [
        *((4, function) for function in range(8)),
        (5, 0),
    ]
    assert placed[33] == (8, 1, "disk,disk33")
    assert placed[34] == (9, 0, "net,tap50")


def test_devices_kept_within_a_few_slots() -> None:
    assert [place[:2] for place in places(arguments([disks(3, slots=3)]))] == [
        (4, 0),
        (5, 0),
        (6, 0),
    ]
    four = places(arguments([disks(4, slots=3), nics(1)]))
    assert [place[:2] for place in four] == [(4, 0), (4, 1), (5, 0), (5, 1), (6, 0)]
    assert max(slot for slot, _, _ in places(arguments([disks(24, slots=3)]))) == 6
    assert len(arguments([disks(25, slots=3)])) == 25


def test_one_device_too_many_is_refused_by_name() -> None:
    most = len(FREE_SLOTS) * 8
    assert len(arguments([disks(most - 8), nics(8)])) == most
    with pytest.raises(Precondition) as refusal:
        arguments([disks(most - 8), nics(9)])
    assert refusal.value.message == (
        "too many devices: 208 disks, 9 nets do not fit in 27 PCI slots of 8 functions"
    )
    assert "unset pci_slots" in (refusal.value.hint or "")


def test_a_new_disk_renumbers_nothing() -> None:
    before = layout([disks(1), nics(2)])
    assert before == "4=disk:disk0,5=net:tap50,6=net:tap51"
    assert layout([disks(2), nics(2)], before) == f"{before},7=disk:disk1"
    assert layout([disks(1), kind("usb", "tablet"), nics(2)], before) == f"{before},7=usb:tablet"


def test_disks_of_uefi_stay_within_their_slots_beside_others() -> None:
    before = layout([disks(1, slots=3), nics(1)])
    after = layout([disks(4, slots=3), nics(1)], before)
    assert after == "4=disk:disk0,4:1=disk:disk2,4:2=disk:disk3,5=net:tap50,6=disk:disk1"


def test_what_goes_leaves_the_others_where_they_are() -> None:
    before = layout([disks(2), nics(2)])
    assert layout([kind("disk", "disk1"), nics(2)], before) == (
        "5=disk:disk1,6=net:tap50,7=net:tap51"
    )


def test_a_new_interface_takes_the_place_of_one_that_is_gone() -> None:
    """A clone has taps of its own, and its system finds them where it knew the old ones."""
    before = layout([disks(1), nics(2)])
    assert layout([disks(1), kind("net", "tap70", "tap71")], before) == (
        "4=disk:disk0,5=net:tap70,6=net:tap71"
    )


def test_a_slot_is_never_left_without_its_first_function() -> None:
    assert layout([kind("disk", "disk1"), nics(1)], "4=disk:disk0,4:1=disk:disk1,5=net:tap50") == (
        "4=disk:disk1,5=net:tap50"
    )


def test_functions_of_one_card_have_a_slot_of_their_own() -> None:
    card = Devices(
        "pci", "PCI devices", [Device("pcidev_1", "passthru,9/0/0", {2: "passthru,9/0/2"})]
    )
    assert arguments([disks(1), card, nics(1)]) == [
        "4,disk,disk0",
        "5,passthru,9/0/0",
        "5:2,passthru,9/0/2",
        "6,net,tap50",
    ]
    assert arguments([nics(1), card], "4=pci:pcidev_1,4:1=net:tap50")[:2] == [
        "4,net,tap50",
        "5,passthru,9/0/0",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "3=disk:disk0",
        "31=net:tap1",
        "4:8=disk:a",
        "4=disk",
        "4=disk:a,4=disk:b",
        "4=d:a,5=d:a",
        "x",
    ],
)
def test_layouts_that_are_none(text: str) -> None:
    with pytest.raises(Invalid) as refusal:
        parse_places(text)
    assert refusal.value.hint


def test_a_layout_is_written_in_the_order_of_the_bus() -> None:
    assert format_places(parse_places("10=net:vale0:1,4:1=disk:a/b=c.img,4:0=disk:disk0")) == (
        "4=disk:disk0,4:1=disk:a/b=c.img,10=net:vale0:1"
    )
    assert parse_places("") == {}
    assert parse_places("7:2=net:tap5") == {"net:tap5": Place(7, 2)}


COUNTS = st.lists(st.tuples(st.integers(0, 40), st.sampled_from([0, 0, 3])), max_size=5)
ALPHABET = "abcde"


def some(counts: list[tuple[int, int]]) -> list[Devices]:
    return [
        kind(word, *(f"{word}{i}" for i in range(count)), slots=slots)
        for word, (count, slots) in zip(ALPHABET, counts, strict=False)
    ]


def assert_sound(kinds: list[Devices], written: list[str]) -> None:
    placed = places(written)
    assert sorted(model for _, _, model in placed) == sorted(
        device.model for kind in kinds for device in kind.devices
    )
    used = [(slot, function) for slot, function, _ in placed]
    assert len(set(used)) == len(used)
    assert {slot for slot, _ in used} <= set(FREE_SLOTS)
    assert all((slot, 0) in used for slot, _ in used)
    for slot in {slot for slot, _ in used}:
        assert len({model.split(",")[0] for s, _, model in placed if s == slot}) == 1


@given(COUNTS, st.booleans())
def test_every_device_gets_a_place_of_its_own(
    counts: list[tuple[int, int]], consolidate: bool
) -> None:
    kinds = some(counts)
    assert_sound(kinds, arguments(kinds, consolidate=consolidate))


@given(COUNTS, COUNTS, st.booleans())
def test_no_device_that_stays_is_moved_by_one_that_comes(
    first: list[tuple[int, int]], more: list[tuple[int, int]], consolidate: bool
) -> None:
    before = some(first)
    kept = lay_out(before, {}, consolidate=consolidate)
    both = [
        (max(a[0], b[0]), a[1]) for a, b in zip(first, [*more, *first[len(more) :]], strict=False)
    ]
    after = some(both)
    try:
        found = lay_out(after, kept, consolidate=consolidate)
    except Precondition:
        return
    assert_sound(after, slot_arguments(after, found))
    assert {key: found[key] for key in kept} == kept


@given(COUNTS, st.sets(st.integers(0, 200)), st.booleans())
def test_a_layout_with_gaps_is_sound(
    counts: list[tuple[int, int]], gone: set[int], consolidate: bool
) -> None:
    before = some(counts)
    kept = lay_out(before, {}, consolidate=consolidate)
    numbered = enumerate((kind, device) for kind in before for device in kind.devices)
    stay = {device.model for number, (_, device) in numbered if number not in gone}
    after = [
        kind._replace(devices=[device for device in kind.devices if device.model in stay])
        for kind in before
    ]
    found = lay_out(after, kept, consolidate=consolidate)
    assert_sound(after, slot_arguments(after, found))
