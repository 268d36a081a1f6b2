# SPDX-License-Identifier: BSD-2-Clause
"""Where the devices of a guest sit on its PCI bus: slots and functions.

Computed afresh for each guest, from its devices alone.
"""

from collections.abc import Sequence
from typing import NamedTuple

from chyves.errors import Precondition

HOSTBRIDGE_SLOT = 0
FRAME_BUFFER_SLOT = 2
OPTICAL_SLOT = 3
LPC_SLOT = 31

FREE_SLOTS = tuple(range(4, 31))
"""What the fixed devices leave; slot 1 has always been left alone."""

FUNCTIONS = 8
"""Functions of a PCI slot."""


class Devices(NamedTuple):
    """Devices of one kind, in the order in which the guest shall find them.

    ``models`` are what follows the slot: ``virtio-net,tap50``. Kinds never share a slot. ``slots``
    is how many slots the kind may take, as far as eight functions in each suffice; 0 is any.
    """

    kind: str
    models: Sequence[str]
    slots: int = 0


def slot_arguments(
    kinds: Sequence[Devices], *, consolidate: bool = False, free: Sequence[int] = FREE_SLOTS
) -> list[str]:
    """Return the values of bhyve's ``-s`` for devices that have no fixed place.

    Each device gets a slot of its own as long as there are enough of ``free``; then the kind that
    takes most slots puts more devices in each. With ``consolidate`` every kind fills its slots.

    Raises Precondition if the devices do not fit; none is ever left out.
    """
    kinds = [kind for kind in kinds if kind.models]
    density = [FUNCTIONS if consolidate else _least_density(kind) for kind in kinds]
    while _slots_needed(kinds, density) > len(free):
        crowded = [i for i, count in enumerate(density) if count < FUNCTIONS]
        if not crowded:
            raise _too_many(kinds, len(free))
        widest = max(crowded, key=lambda i: _slots(kinds[i], density[i]))
        density[widest] += 1
    arguments, slots = [], iter(free)
    for kind, count in zip(kinds, density, strict=True):
        for number, model in enumerate(kind.models):
            function = number % count
            if function == 0:
                slot = next(slots)
            arguments.append(f"{slot}:{function},{model}" if function else f"{slot},{model}")
    return arguments


def _slots(kind: Devices, density: int) -> int:
    return -(-len(kind.models) // density)


def _slots_needed(kinds: Sequence[Devices], density: Sequence[int]) -> int:
    return sum(map(_slots, kinds, density))


def _least_density(kind: Devices) -> int:
    """Return how many devices share a slot so that the kind stays within its slots, if it can."""
    if kind.slots == 0:
        return 1
    density = max(1, -(-len(kind.models) // kind.slots))
    return density if density <= FUNCTIONS else 1


def _too_many(kinds: Sequence[Devices], free: int) -> Precondition:
    found = ", ".join(f"{len(kind.models)} {kind.kind}" for kind in kinds)
    return Precondition(
        f"too many devices: {found} do not fit in {free} PCI slots of {FUNCTIONS} functions",
        hint="remove some of them",
    )
