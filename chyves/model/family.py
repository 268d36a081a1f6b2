# SPDX-License-Identifier: BSD-2-Clause
"""Which guests are ZFS clones of which."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from chyves.model import layout, places


class Link(NamedTuple):
    """A guest with a dataset that is a clone of a snapshot of the parent's. The parent is a guest,
    or the name of a dataset that is none's."""

    guest: str
    parent: str
    snapshot: str


class Branch(NamedTuple):
    """A guest (or dataset) and its clones; ``snapshot`` is that of its parent, empty at a root."""

    name: str
    snapshot: str
    clones: tuple["Branch", ...]


def links(origins: Iterable[tuple[str, str]]) -> list[Link]:
    """Return who is cloned from whom, each pair once, by the datasets and their origins."""
    found: dict[tuple[str, str], Link] = {}
    for dataset, origin in origins:
        source, _, label = origin.partition("@")
        guest, parent = _guest_of(dataset), _guest_of(source) or source
        if guest and guest != parent:
            found.setdefault((guest, parent), Link(guest, parent, f"@{label}"))
    by_name = {
        link: (layout.version_key(link.parent), layout.version_key(link.guest))
        for link in found.values()
    }
    return sorted(by_name, key=by_name.__getitem__)


def _guest_of(dataset: str) -> str:
    place = places.classify(dataset)
    return place.guest if isinstance(place, places.GuestRoot | places.GuestPart) else ""


def trees(known: Iterable[Link]) -> list[Branch]:
    """Return the trees of clones. Where disks were promoted one by one two guests can be clones of
    each other: such a ring begins with its first guest, and a guest does not occur below itself."""
    below: dict[str, list[Link]] = {}
    for link in known:
        below.setdefault(link.parent, []).append(link)
    cloned = {link.guest for one in below.values() for link in one}
    roots = [name for name in below if name not in cloned]
    seen: set[str] = set()
    found = [_branch(name, "", below, (), seen) for name in roots]
    found.extend(_branch(name, "", below, (), seen) for name in below if name not in seen)
    return found


def _branch(
    name: str,
    snapshot: str,
    below: dict[str, list[Link]],
    above: tuple[str, ...],
    seen: set[str],
) -> Branch:
    seen.add(name)
    path = (*above, name)
    clones = (
        _branch(link.guest, link.snapshot, below, path, seen)
        for link in below.get(name, ())
        if link.guest not in path
    )
    return Branch(name, snapshot, tuple(clones))


def rows(branch: Branch, depth: int = 0, parent: str = "-") -> Iterator[tuple[int, Link]]:
    """Yield each guest of a tree, parents before their clones, with its generation: 0 for the root,
    which has no parent and no snapshot (-)."""
    yield depth, Link(branch.name, parent, branch.snapshot or "-")
    for clone in branch.clones:
        yield from rows(clone, depth + 1, branch.name)
