# SPDX-License-Identifier: BSD-2-Clause
"""What verbs that were killed have left, and what completes it: ``list`` tells."""

from chyves.app import App
from chyves.backend import locks, zfs
from chyves.backend.inventory import Inventory
from chyves.backend.survey import never_left
from chyves.model import layout, places

SWEPT = "the next create or delete clears it away"


def warn_of_unfinished(app: App, inventory: Inventory) -> None:
    """Name each dataset that a verb has left halfway; not those that somebody is at work on, or
    was until a moment ago."""
    for dataset in inventory.datasets.values():
        if not (dataset.unfinished or "/chyves/." in dataset.name):
            continue  # most are neither marked nor out of sight
        place = places.classify(dataset.name)
        said = _what(dataset, place, inventory)
        if (
            said
            and place
            and not locks.is_held(app.host, _lock_of(place))
            and zfs.dataset(app.host, dataset.name) == dataset
        ):
            app.report.warn(f"{dataset.name}: {said}")
    of_pools = _of_pools(inventory)
    if of_pools and not locks.is_held(app.host, layout.HOST_LOCK):
        for name, verb, what in of_pools:
            app.report.warn(
                f"{name}: {what} is not finished; "
                f"chyves dataset {name.partition('/')[0]} {verb} completes it"
            )


def _of_pools(inventory: Inventory) -> list[tuple[str, str, str]]:
    """Return the datasets of pools with the verbs that were killed, and what these do."""
    promoted = {pool.name for pool in inventory.pools if layout.PROMOTED_OVER in pool.config}
    promoted |= {
        name.partition("/")[0]
        for name, dataset in inventory.datasets.items()
        if dataset.unfinished == zfs.PROMOTE
    }
    leaving = [one.name for one in inventory.datasets.values() if one.is_leaving]
    roots = [name for name in leaving if isinstance(places.classify(name), places.Root)]
    hidden = [layout.uninstalled_dataset(pool) for pool in inventory.leaving]
    return [
        *((layout.root_dataset(pool), "promote", "its promotion") for pool in sorted(promoted)),
        *((name, "uninstall", "its uninstall") for name in (*roots, *hidden)),
        *((name, "offline", "putting it away") for name in inventory.half_away),
    ]


def _what(dataset: zfs.Dataset, place: places.Place | None, inventory: Inventory) -> str:
    """Return what is not finished, and what completes it; empty if nothing is."""
    match place:
        case places.Deleted(guest=guest):
            return f"the delete or move of {guest} is not finished; {SWEPT}"
        case places.Staged(guest=guest):
            return f"the clone or move to {guest} is not finished; {SWEPT}"
        case places.GuestRoot(guest=guest) if dataset.is_unfinished:
            return f"the create of {guest} is not finished; {SWEPT}"
        case places.GuestRoot(guest=guest) if dataset.half_rolled_back:
            label = dataset.half_rolled_back
            return (
                f"the rollback of {guest} is not finished; "
                f"chyves {guest} snapshot rollback {label} completes it"
            )
        case places.GuestRoot(pool, guest) if never_left(dataset, inventory.datasets):
            return f"the move of {guest} is not finished; chyves {guest} move {pool} completes it"
        case places.GuestRoot(_, guest) if _is_on_its_way(dataset, inventory):
            away = dataset.awaits.partition("/")[0]
            return (
                f"the move of {guest} is not finished, and its old pool {away} cannot be seen; "
                f"when that is back the next create or delete knows what to do, and if it is gone "
                f"for good, 'zfs inherit {zfs.UNFINISHED} {dataset.name}' makes this the guest"
            )
        case places.Root(pool) if dataset.is_unfinished:
            return f"the install is not finished; chyves dataset {pool} install completes it"
        case places.Resource(_, kind, name) if dataset.is_unfinished:
            return (
                f"the import of {name} is not finished; chyves {kind.lower()} import completes it"
            )
    return ""


def _is_on_its_way(dataset: zfs.Dataset, inventory: Inventory) -> bool:
    return dataset.awaits != "" and dataset.awaits not in inventory.datasets


def _lock_of(place: places.Place) -> str:
    """Return the lock of whoever is at work on something."""
    match place:
        case places.GuestRoot(_, guest) | places.Deleted(_, guest) | places.Staged(_, guest):
            return layout.guest_lock(guest)
        case places.Resource(_, kind, name):
            return layout.resource_lock(kind, name)
    return layout.HOST_LOCK
