# SPDX-License-Identifier: BSD-2-Clause
"""``delete``: guests, with all they have."""

import time
from collections.abc import Iterable, Mapping, Sequence

import click

from chyves.app import App
from chyves.backend import guests, locks, snapshots, store, zfs
from chyves.backend.inventory import Inventory
from chyves.commands import leftovers
from chyves.commands.options import Changing, argument
from chyves.errors import ChyvesError, Conflict, Invalid
from chyves.model import boot, layout, places
from chyves.model.guest import Guest
from chyves.model.history import refuse_held


@click.command("delete", cls=Changing)
@argument("how", required=False, metavar="[force|keepnet]")
@click.pass_obj
def delete(app: App, how: str | None) -> None:
    """Delete guests with their disks, snapshots and taps; with force the guests cloned from them
    too, with keepnet not the taps."""
    if how not in (None, "force", layout.KEEPNET):
        raise Invalid(f"no such way to delete: {how}", hint="chyves <guest> delete [force|keepnet]")
    inventory = app.inventory
    inventory.require_current()
    finished = leftovers.sweep(app, inventory)
    if finished:
        inventory = app.inventory
    chosen = _select(app, inventory, finished)
    doomed = (_families if how == "force" else _clones_first)(app, inventory, chosen)
    going = {(guest.pool, guest.name) for guest in doomed}
    staying = [one for one in inventory.guests if (one.pool, one.name) not in going]
    for guest in doomed:
        with app.report.item(guest.name), locks.guest_lock(app.host, guest.name):
            asks = how != "force"  # which has asked for all of a family
            delete_guest(app, inventory, guest, keep_taps=how == layout.KEEPNET, asks=asks)
            _warn_of_followers(app, guest, staying)


def _select(app: App, inventory: Inventory, finished: Sequence[str]) -> list[Guest]:
    """Return the guests that are named. Those whose delete was finished just now are done; one that
    is no guest, as when a line that was killed is said again, keeps no other from its turn."""
    gone = inventory.nobody(app.selector)
    done = [name for name in gone if name in finished]
    for name in done:
        app.report.done(name, "deleted")
    rest = [word for word in app.selector.split(",") if word not in gone]
    if not any(rest):
        unknown = [name for name in gone if name not in done]
        return inventory.select(",".join(unknown)) if unknown else []
    for name in gone:
        if name not in done:
            with app.report.item(name):
                inventory.guest(name)
    return inventory.select(",".join(rest))


def delete_guest(
    app: App, inventory: Inventory, guest: Guest, *, keep_taps: bool, asks: bool
) -> None:
    """Delete one guest; the caller holds its lock.

    The rename that takes it out of sight makes it true: ``zfs destroy -r`` can stop halfway, a
    rename cannot. What is left is cleared away by the next delete or create.
    """
    guest = store.current(app.host, guest)
    guests.require_down(app.host, guest.name, "delete it")
    dataset = layout.guest_dataset(guest.pool, guest.name)
    _require_own(inventory, guest)
    refuse_dependants(app, dataset, "delete them first; delete force takes guests along")
    if asks:
        app.output.confirm(f"Delete {guest.name} with all its disks and snapshots?")
    stamp = time.strftime("%Y%m%d%H%M%S") + (layout.KEEPNET if keep_taps else "")
    hidden = layout.deleted_dataset(guest.pool, guest.name, stamp)
    try:
        zfs.put_aside(app.host, dataset, hidden)
    except Invalid as error:
        error.hint = f"it has a snapshot of a long name: chyves {guest.name} rename <shorter>"
        raise
    app.report.touched()
    try:
        leftovers.discard(app, inventory, guest, hidden, keep_taps=keep_taps)
    except ChyvesError as error:
        error.hint = "the guest is gone; the next delete clears away what is left of it"
        raise
    app.report.done(guest.name, "deleted")


def _require_own(inventory: Inventory, guest: Guest) -> None:
    """Raise Conflict if there is something below a guest that chyves did not make."""
    below = f"{layout.guest_dataset(guest.pool, guest.name)}/"
    there = {name: places.classify(name) for name in inventory.datasets if name.startswith(below)}
    refuse_foreign(
        name
        for name, place in there.items()
        if isinstance(place, places.GuestPart) and not place.is_own
    )


def refuse_foreign(names: Iterable[str]) -> None:
    """Raise Conflict if there are datasets that chyves did not make."""
    if foreign := list(names):
        raise Conflict(
            f"chyves did not make {', '.join(foreign)}",
            hint="rename them to elsewhere first, or destroy them yourself",
        )


def _warn_of_followers(app: App, gone: Guest, others: Sequence[Guest]) -> None:
    """Name the guests that stay and were to come after one that is gone."""
    for other, first in boot.followers(gone.name, others).items():
        cure = f"set rcboot_after={','.join(first)}" if first else "unset rcboot_after"
        app.report.warn(f"{other} came after {gone.name}, which is gone: chyves {other} {cure}")


def refuse_dependants(app: App, dataset: str, hint: str) -> None:
    """Raise Conflict if a clone elsewhere depends on a snapshot at or below a dataset, Busy if one
    is held."""
    _refuse_dependants(app, [dataset], hint)


def _refuse_dependants(
    app: App, roots: Sequence[str], hint: str, going: Sequence[str] = ()
) -> None:
    """Raise Conflict, Busy for datasets that go together, with others that are ``going``."""
    taken = snapshots.taken(app.host, roots)
    above = tuple(f"{root}/" for root in (*roots, *going))
    others = [
        clone for snapshot in taken for clone in snapshot.clones if not clone.startswith(above)
    ]
    if others:
        raise Conflict(f"others are cloned from it: {', '.join(_owners(others))}", hint=hint)
    refuse_held(taken)


def _owners(datasets: Sequence[str]) -> list[str]:
    """Return the guests that own these datasets; a dataset that is no guest's goes by its name."""
    return list(
        dict.fromkeys(getattr(places.classify(name), "guest", "") or name for name in datasets)
    )


def _children(inventory: Inventory) -> dict[str, list[str]]:
    """Return which guests are cloned from which others."""
    names = inventory.names
    children: dict[str, list[str]] = {}
    for dataset in inventory.datasets.values():
        parent = _guest_of(dataset.origin.partition("@")[0])
        child = _guest_of(dataset.name)
        known = children.setdefault(parent, [])
        if parent != child and {parent, child} <= set(names) and child not in known:
            known.append(child)
    return children


def _guest_of(dataset: str) -> str:
    """Return the guest that a dataset is of; empty if it is of none, or out of sight."""
    place = places.classify(dataset)
    return place.guest if isinstance(place, places.GuestRoot | places.GuestPart) else ""


def _with_clones(
    inventory: Inventory, chosen: Sequence[Guest], children: Mapping[str, Sequence[str]]
) -> list[Guest]:
    """Return the guests with all that is cloned from them, the last clones first."""
    seen: set[str] = set()
    ordered: list[str] = []

    def visit(name: str) -> None:
        if name in seen:
            return
        seen.add(name)
        for child in children.get(name, []):
            visit(child)
        ordered.append(name)

    for guest in chosen:
        visit(guest.name)
    return [inventory.guest(name) for name in ordered]


def _families(app: App, inventory: Inventory, chosen: Sequence[Guest]) -> list[Guest]:
    """Return the guests with all that is cloned from them, the last clones first. One that cannot
    be deleted, or has a clone that cannot, is reported and left out with all its clones."""
    children = _children(inventory)
    doomed: list[Guest] = []
    for guest in chosen:
        with app.report.item(guest.name):
            everybody = _with_clones(inventory, [guest], children)
            family = [one for one in everybody if one not in doomed]
            if not family:
                continue
            for one in family:
                guests.require_down(app.host, one.name, f"delete {one.name}")
                _require_own(inventory, one)
            hint = "they are no guests: promote or destroy them yourself"
            _refuse_dependants(app, _roots(family), hint, going=_roots(doomed))
            names = " and ".join(one.name for one in reversed(family))
            app.output.confirm(f"Delete {names} with all disks and snapshots?")
            doomed += family
    return doomed


def _roots(chosen: Sequence[Guest]) -> list[str]:
    return [layout.guest_dataset(guest.pool, guest.name) for guest in chosen]


def _clones_first(_: App, inventory: Inventory, chosen: Sequence[Guest]) -> list[Guest]:
    """Return the same guests, in an order in which each may be deleted."""
    names = {guest.name for guest in chosen}
    family = _with_clones(inventory, chosen, _children(inventory))
    return [guest for guest in family if guest.name in names]
