# SPDX-License-Identifier: BSD-2-Clause
"""Guests that do not exist any more, or not yet: taken away by the verb that put them out of sight,
or by the next one if that was killed."""

import time
from contextlib import suppress

from chyves.app import App
from chyves.backend import locks, store, wiring, zfs
from chyves.backend.inventory import Inventory
from chyves.backend.survey import never_left, refresh
from chyves.errors import Busy, ChyvesError, Precondition
from chyves.model import layout, places
from chyves.model.config import ConfigFile
from chyves.model.guest import Guest


def sweep(app: App, inventory: Inventory) -> list[str]:
    """Finish the deletes and clear away the creates and clones that were killed; return the names
    of the guests. What somebody is at work on is left to him."""
    found = []
    for dataset in inventory.datasets.values():
        place = places.classify(dataset.name)
        if isinstance(place, places.Deleted | places.Staged) or (
            isinstance(place, places.GuestRoot)
            and (dataset.is_unfinished or never_left(dataset, inventory.datasets))
        ):
            with app.report.item(place.guest), locks.free_guest_lock(app.host, place.guest) as free:
                if free:
                    app.output.say(f"{place.guest}: clearing away what was left unfinished")
                    take_away(app, inventory, place)
                    found.append(place.guest)
    return found


def take_away(
    app: App,
    inventory: Inventory,
    place: places.Deleted | places.Staged | places.GuestRoot,
) -> None:
    """Take a leftover away, if it still is one; the caller holds the guest's lock."""
    name = places.leftover_dataset(place)
    dataset = zfs.dataset(app.host, name)
    if dataset is None or (isinstance(place, places.GuestRoot) and not _is_none_yet(app, dataset)):
        return
    path = f"{dataset.mountpoint}/.config/.cfg"
    if isinstance(place, places.Deleted):
        _let_arrive(app, inventory, name)
        if not app.host.path(path).exists():
            _bring_properties_back(app, name)
    try:
        config = store.read_config(app.host, path)
    except OSError:
        config = ConfigFile()
    guest = Guest(place.guest, place.pool, config, inventory.defaults, inventory.globals)
    keep_taps = isinstance(place, places.Deleted) and place.stamp.endswith(layout.KEEPNET)
    discard(app, inventory, guest, name, keep_taps=keep_taps)


def _bring_properties_back(app: App, tombstone: str) -> None:
    """Mount the properties of a guest that was deleted from a pool too full for that: there is room
    once the disks are gone."""
    _make_room(app, tombstone)
    for part in zfs.datasets(app.host, [tombstone]):
        if part.mountpoint and not part.is_mounted:
            try:
                zfs.mount(app.host, part.name)
            except ChyvesError as error:
                app.report.warn(f"taps it had may stay on their bridge: {error.message}")


def _is_none_yet(app: App, dataset: zfs.Dataset) -> bool:
    if not dataset.awaits:
        return dataset.is_unfinished
    names = (dataset.awaits, places.moved_from(dataset.awaits))
    there = {name: one for name in names if (one := zfs.dataset(app.host, name))}
    return never_left(dataset, there)


def _let_arrive(app: App, inventory: Inventory, tombstone: str) -> None:
    """Take the mark off a guest that was moved, whatever its name is by now; without its tombstone
    it would be none."""
    roots = [layout.root_dataset(pool.name) for pool in inventory.pools]
    for arrived in zfs.datasets(app.host, roots):
        if arrived.awaits == tombstone and isinstance(
            places.classify(arrived.name), places.GuestRoot
        ):
            zfs.inherit_property(app.host, arrived.name, zfs.UNFINISHED)


def discard(
    app: App, inventory: Inventory, guest: Guest, dataset: str, *, keep_taps: bool = False
) -> None:
    """Let go of a guest's taps, and destroy what is out of sight already.

    The properties go last: they tell a delete that is said again which taps there are. Where the
    pool is too full to write down that these are free, there is room once the disks are gone.
    """
    if not keep_taps:
        try:
            _release_taps(app, inventory, guest)
        except Precondition:
            _make_room(app, dataset)
            _release_taps(app, inventory, guest)
    destroy_patiently(app, dataset)
    store.forget_rollback(app.host, guest)
    if app.host.plan is None:
        app.host.path(layout.state_file(guest.name)).unlink(missing_ok=True)


def _release_taps(app: App, inventory: Inventory, guest: Guest) -> None:
    with locks.host_lock(app.host):
        wiring.release_taps(app.host, refresh(app.host, inventory), guest)


def _make_room(app: App, dataset: str) -> None:
    """Destroy the disks of a guest, and wait for the room that they took."""
    for part in zfs.datasets(app.host, [dataset]):
        path = part.name.removeprefix(dataset).lstrip("/")
        if path and "/" not in path and path != ".config":
            destroy_patiently(app, part.name)
    zfs.wait_until_free(app.host, dataset.partition("/")[0])


def destroy_patiently(app: App, dataset: str) -> None:
    """A device may be held for a moment after bhyve has ended."""
    for _ in range(20):
        with suppress(Busy):
            zfs.destroy(app.host, dataset, recursive=True)
            return
        time.sleep(0.1)
    zfs.destroy(app.host, dataset, recursive=True)
