# SPDX-License-Identifier: BSD-2-Clause
"""Where the devices of a guest sit on its PCI bus: slots and functions.

The first layout is made from the devices alone. It is kept with the guest (``pci_slots``), and what
comes later finds room beside it: no device that stays is ever moved, because systems know their
disks and interfaces by their place.
"""

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from chyves.errors import Invalid, Precondition

HOSTBRIDGE_SLOT = 0
FRAME_BUFFER_SLOT = 2
OPTICAL_SLOT = 3
LPC_SLOT = 31

FREE_SLOTS = tuple(range(4, 31))
"""What the fixed devices leave; slot 1 has always been left alone."""

FUNCTIONS = 8
"""Functions of a PCI slot."""


class Place(NamedTuple):
    """Where a device is on bus 0."""

    slot: int
    function: int = 0

    def __str__(self) -> str:
        return f"{self.slot}:{self.function}" if self.function else str(self.slot)


class Device(NamedTuple):
    """A device: its name among those of its kind, and what bhyve is told behind the slot:
    ``virtio-net,tap50``. One with ``more`` functions has a slot of its own."""

    name: str
    model: str
    more: Mapping[int, str] = {}


class Devices(NamedTuple):
    """Devices of one kind, in the order in which the guest shall find them.

    Kinds never share a slot. ``title`` is their name in the plural. ``slots`` is how many slots the
    kind may take, as far as eight functions in each suffice; 0 is any.
    """

    kind: str
    title: str
    devices: Sequence[Device]
    slots: int = 0

    def names(self) -> list[str]:
        """Return the keys by which the places of the devices are kept."""
        return [f"{self.kind}:{device.name}" for device in self.devices]


Places = dict[str, Place]
"""Places of devices by ``<kind>:<name>``."""


def parse_places(text: str) -> Places:
    """Read a layout such as ``4=disk:disk0,5:1=net:tap50``. Raises Invalid."""
    places: Places = {}
    for item in filter(None, text.split(",")):
        match = re.fullmatch(r"([0-9]{1,2})(?::([0-7]))?=([a-z]+:\S+)", item)
        if not match or int(match[1]) not in FREE_SLOTS:
            raise Invalid(
                f"no place of a device: {item!r}",
                hint="valid: <slot 4-30>[:<function 0-7>]=<kind>:<name>, with commas between",
            )
        place = Place(int(match[1]), int(match[2] or 0))
        if place in places.values() or match[3] in places:
            raise Invalid(f"twice in one layout: {item!r}", hint="each device has one place")
        places[match[3]] = place
    return places


def format_places(places: Mapping[str, Place]) -> str:
    """Write a layout in the order of the bus."""
    ordered = sorted(places.items(), key=lambda item: item[1])
    return ",".join(f"{place}={key}" for key, place in ordered)


def lay_out(
    kinds: Sequence[Devices], kept: Mapping[str, Place], *, consolidate: bool = False
) -> Places:
    """Return a place for each device.

    What has a place in ``kept`` stays there. A device that is new takes the place that one of its
    kind has left, or a free slot, or a free function beside its own kind. With ``consolidate`` a
    kind fills its slots first.

    Raises Precondition if the devices do not fit; none is ever left out.
    """
    kinds = [kind for kind in kinds if kind.devices]
    bus = _Bus(kinds, kept)
    if not bus.places:
        return _first_layout(kinds, consolidate)
    for kind in kinds:
        for device in kind.devices:
            bus.find_room(kind, device, consolidate)
    bus.fill_function_0()
    return bus.places


def slot_arguments(kinds: Sequence[Devices], places: Mapping[str, Place]) -> list[str]:
    """Return the values of bhyve's ``-s`` in the order of the bus."""
    found: dict[Place, str] = {}
    for kind in kinds:
        for key, device in zip(kind.names(), kind.devices, strict=True):
            found[places[key]] = device.model
            for function, model in device.more.items():
                found[Place(places[key].slot, function)] = model
    return [f"{place},{found[place]}" for place in sorted(found)]


class _Bus:
    """What is taken while devices find their places."""

    def __init__(self, kinds: Sequence[Devices], kept: Mapping[str, Place]) -> None:
        self.kinds = kinds
        self.places: Places = {}
        self._owners: dict[int, str] = {}
        self._taken: set[Place] = set()
        names = {key for kind in kinds for key in kind.names()}
        self._left = {key: place for key, place in kept.items() if key not in names}
        for kind in kinds:
            for key, device in zip(kind.names(), kind.devices, strict=True):
                if key in kept and self._is_free(kind, device, kept[key]):
                    self._take(kind, device, kept[key])

    def find_room(self, kind: Devices, device: Device, consolidate: bool) -> None:
        """Give a device its place, if it has none. Raises Precondition."""
        if f"{kind.kind}:{device.name}" in self.places:
            return
        for place in self._candidates(kind, consolidate):
            if self._is_free(kind, device, place):
                self._take(kind, device, place)
                return
        raise _too_many(self.kinds)

    def fill_function_0(self) -> None:
        """Move the first device of a slot without function 0 there: no guest would see it."""
        firsts: dict[int, str] = {}
        for key, place in sorted(self.places.items(), key=lambda item: item[1]):
            firsts.setdefault(place.slot, key)
        for slot, key in firsts.items():
            self.places[key] = Place(slot)

    def _candidates(self, kind: Devices, consolidate: bool) -> list[Place]:
        left = [place for key, place in self._left.items() if key.startswith(f"{kind.kind}:")]
        empty = [Place(slot) for slot in FREE_SLOTS if slot not in self._owners]
        beside = [
            Place(slot, function)
            for slot in FREE_SLOTS
            if self._owners.get(slot) == kind.kind
            for function in range(1, FUNCTIONS)
        ]
        wanted = FREE_SLOTS[: kind.slots] if kind.slots else FREE_SLOTS
        rest = [*beside, *empty] if consolidate else [*empty, *beside]
        return [*sorted(left), *sorted(rest, key=lambda place: place.slot not in wanted)]

    def _is_free(self, kind: Devices, device: Device, place: Place) -> bool:
        owner = self._owners.get(place.slot)
        if device.more:
            return owner is None and place.function == 0
        return owner in (None, kind.kind) and place not in self._taken

    def _take(self, kind: Devices, device: Device, place: Place) -> None:
        self.places[f"{kind.kind}:{device.name}"] = place
        self._owners[place.slot] = "" if device.more else kind.kind
        self._taken.add(place)


def _first_layout(kinds: Sequence[Devices], consolidate: bool) -> Places:
    """Give each device a slot of its own as long as there are enough; then the kind that takes
    most slots puts more devices in each."""
    density = [_density(kind, consolidate) for kind in kinds]
    while sum(map(_slots, kinds, density)) > len(FREE_SLOTS):
        crowded = [i for i, kind in enumerate(kinds) if density[i] < FUNCTIONS and _shares(kind)]
        if not crowded:
            raise _too_many(kinds)
        density[max(crowded, key=lambda i: _slots(kinds[i], density[i]))] += 1
    places: Places = {}
    slots = iter(FREE_SLOTS)
    slot = 0
    for kind, count in zip(kinds, density, strict=True):
        for number, key in enumerate(kind.names()):
            function = number % count
            slot = slot if function else next(slots)
            places[key] = Place(slot, function)
    return places


def _density(kind: Devices, consolidate: bool) -> int:
    """Return how many devices of a kind share a slot at first, so that it stays within its slots
    if it can."""
    if not _shares(kind):
        return 1
    if consolidate:
        return FUNCTIONS
    density = -(-len(kind.devices) // kind.slots) if kind.slots else 1
    return density if density <= FUNCTIONS else 1


def _shares(kind: Devices) -> bool:
    return not any(device.more for device in kind.devices)


def _slots(kind: Devices, density: int) -> int:
    return -(-len(kind.devices) // density)


def _too_many(kinds: Sequence[Devices]) -> Precondition:
    counts: dict[str, int] = {}
    for kind in kinds:
        counts[kind.title] = counts.get(kind.title, 0) + len(kind.devices)
    found = ", ".join(f"{count} {title}" for title, count in counts.items())
    return Precondition(
        f"too many devices: {found} do not fit in {len(FREE_SLOTS)} PCI slots of "
        f"{FUNCTIONS} functions",
        hint="remove some of them, or unset pci_slots to lay them out anew",
    )
