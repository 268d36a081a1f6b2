# SPDX-License-Identifier: BSD-2-Clause
"""What a dataset is to chyves, going by its name."""

import re
from typing import NamedTuple

from chyves.model import layout


class Root(NamedTuple):
    """``<pool>/chyves``."""

    pool: str


class Part(NamedTuple):
    """``.config``, ``guests``, ``logs``, ``ISO`` or ``Firmware`` of a pool."""

    pool: str
    name: str


class Resource(NamedTuple):
    """An ISO or a firmware; ``kind`` is ISO or FIRMWARE."""

    pool: str
    kind: str
    name: str


class GuestRoot(NamedTuple):
    """A guest as a whole."""

    pool: str
    guest: str


class GuestPart(NamedTuple):
    """Something below a guest; ``path`` is relative to it: ``.config`` (its properties), ``logs``,
    ``img`` (disks that are files), ``disk0``, or what a user has added."""

    pool: str
    guest: str
    path: str

    @property
    def is_own(self) -> bool:
        """Tell whether chyves makes such datasets, or lets them be made: below ``img`` there are
        what disks people like."""
        return bool(re.fullmatch(r"\.config|logs|img(/.*)?|disk[0-9]+", self.path))


class Deleted(NamedTuple):
    """A guest that is being deleted, and when that began."""

    pool: str
    guest: str
    stamp: str


class Staged(NamedTuple):
    """A guest that is being put together, and since when."""

    pool: str
    guest: str
    stamp: str


def leftover_dataset(place: GuestRoot | Deleted | Staged) -> str:
    """Return the dataset of a guest that does not exist any more, or not yet."""
    if isinstance(place, Deleted):
        return layout.deleted_dataset(place.pool, place.guest, place.stamp)
    if isinstance(place, Staged):
        return layout.staged_dataset(place.pool, place.guest, place.stamp)
    return layout.guest_dataset(place.pool, place.guest)


Place = Root | Part | Resource | GuestRoot | GuestPart | Deleted | Staged

_PARTS = frozenset({".config", "guests", "logs", layout.ISO, layout.FIRMWARE})


def classify(dataset: str) -> Place | None:
    """Return what a dataset is to chyves; None if it is nothing.

    ``<pool>/chyves`` has to be at the top of a pool: a replica that lies deeper is no guest. Names
    of snapshots and bookmarks are nothing.
    """
    pool, *rest = dataset.split("/")
    if not rest or rest[0] != "chyves" or "@" in dataset or "#" in dataset or "" in rest:
        return None
    match rest[1:]:
        case []:
            return Root(pool)
        case ["guests", guest]:
            return GuestRoot(pool, guest)
        case ["guests", guest, *path]:
            return GuestPart(pool, guest, "/".join(path))
        case [("ISO" | "Firmware") as kind, name]:
            return Resource(pool, kind, name)
        case [name] if name in _PARTS:
            return Part(pool, name)
        case [name] if name.startswith(".deleted-"):
            guest, _, stamp = name.removeprefix(".deleted-").rpartition("-")
            return Deleted(pool, guest, stamp) if guest and stamp else None
        case [name] if name.startswith(".new-"):
            guest, _, stamp = name.removeprefix(".new-").rpartition("-")
            return Staged(pool, guest, stamp) if guest and stamp else None
    return None


def moved_from(tombstone: str) -> str:
    """Return where the guest was that has left this tombstone; empty if it is none."""
    place = classify(tombstone)
    return layout.guest_dataset(place.pool, place.guest) if isinstance(place, Deleted) else ""
