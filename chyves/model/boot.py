# SPDX-License-Identifier: BSD-2-Clause
"""In which order guests start with the host, and stop with it."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import NamedTuple

from chyves.errors import Invalid
from chyves.model.guest import Guest
from chyves.model.layout import version_key


class Turn(NamedTuple):
    """A guest's place at boot.

    ``rank`` is its ``rcboot``, the highest first, 0 for a guest that does not start with the host;
    ``after`` has the guests that run before it is started; ``delay`` is in seconds, once it runs.
    """

    name: str
    rank: int = 0
    after: tuple[str, ...] = ()
    delay: int = 0


class Order(NamedTuple):
    """The turns in the order of starting, with what could not be followed, in sentences."""

    turns: tuple[Turn, ...]
    notes: tuple[str, ...]


def turn(guest: Guest) -> tuple[Turn, str]:
    """Return a guest's place at boot, and what is wrong with its properties, or nothing."""
    try:
        after = guest.checked("rcboot_after") if guest.value("rcboot_after") else ""
        names = tuple(dict.fromkeys(after.split(","))) if after else ()
        return Turn(guest.name, guest.rcboot, names, int(guest.checked("rcboot_delay"))), ""
    except Invalid as error:
        return Turn(guest.name), error.message


def order(guests: Iterable[Guest]) -> Order:
    """Return the order in which guests start: the highest ``rcboot`` first, equals by name, but
    each behind those that it comes after. A circle of those is not followed, and told."""
    found = [turn(guest) for guest in guests]
    turns = sorted((one for one, _ in found), key=lambda t: (-t.rank, version_key(t.name)))
    known = {one.name: one for one in turns}
    notes = [problem for _, problem in found if problem]
    placed: dict[str, Turn] = {}

    def place(one: Turn, waiting: tuple[str, ...]) -> None:
        if one.name in waiting:
            circle = " and ".join(dict.fromkeys(waiting[waiting.index(one.name) :]))
            notes.append(f"{circle} cannot each come after the other: rcboot_after is not followed")
            return
        for name in one.after:
            if name in known and name not in placed:
                place(known[name], (*waiting, one.name))
        placed.setdefault(one.name, one)

    for one in turns:
        place(one, ())
    return Order(tuple(placed.values()), tuple(dict.fromkeys(notes)))


def require_order(guest: Guest, everybody: Iterable[Guest]) -> list[str]:
    """Return what is worth knowing about the guests that one is to come after.

    Raises Invalid if that leads back to it: it would come after itself.
    """
    own, _ = turn(guest)
    known = {one.name: turn(one)[0] for one in everybody} | {own.name: own}
    seen = {own.name}

    def follow(way: tuple[str, ...]) -> None:
        for name in known[way[-1]].after:
            if name == own.name:
                said = " after ".join((*way, name))
                raise Invalid(f"rcboot_after: {said}", hint="a guest cannot come after itself")
            if name in known and name not in seen:
                seen.add(name)
                follow((*way, name))

    follow((own.name,))
    return [f"{name} is no guest: it is not waited for" for name in own.after if name not in known]


def followers(name: str, everybody: Iterable[Guest]) -> dict[str, tuple[str, ...]]:
    """Return the guests that come after another one, each with the others that it comes after."""
    turns = (turn(guest)[0] for guest in everybody)
    return {
        one.name: tuple(other for other in one.after if other != name)
        for one in turns
        if name in one.after
    }


def starting(everything: Order) -> Order:
    """Return the part of an order that starts with the host, with a note for each guest that comes
    after one that does not."""
    chosen = tuple(one for one in everything.turns if one.rank)
    names = {one.name for one in chosen}
    notes = [
        f"{one.name} comes after {name}, which does not start with the host"
        for one in chosen
        for name in one.after
        if name not in names
    ]
    return Order(chosen, (*everything.notes, *notes))


def waves(everything: Order) -> list[list[str]]:
    """Return the guests in the order of stopping, which is that of starting backwards: those of
    one wave have the same ``rcboot``, none comes after another, and can stop side by side."""
    depth = _depths(everything.turns)
    runs = groupby(everything.turns, key=lambda one: (one.rank, depth[one.name]))
    return [[one.name for one in run] for _, run in runs][::-1]


def _depths(turns: Sequence[Turn]) -> Mapping[str, int]:
    """Return how long the chain of guests is that each comes after."""
    depth: dict[str, int] = {}
    for one in turns:
        depth[one.name] = max((depth[name] + 1 for name in one.after if name in depth), default=0)
    return depth
