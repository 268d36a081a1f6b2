# SPDX-License-Identifier: BSD-2-Clause
"""``move``: guests go to another pool.

No act changes two pools at once, so the copy comes in place among the guests of its new pool under
a mark: it is no guest until what the mark names, the tombstone of the one on the old pool, is
there. The rename that makes the tombstone is therefore what moves the guest. Killed before it, the
guest is where it was and the next verb clears the copy away; killed after it, the guest is where
it was to go, and the next verb takes off the mark, then destroys the tombstone. At no time are
there two guests of the name, or none.
"""

import time
import uuid
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from functools import partial

import click

from chyves.app import App
from chyves.backend import guests, locks, snapshots, zfs
from chyves.backend.inventory import Inventory
from chyves.commands import leftovers
from chyves.commands.clone import drop_transfers
from chyves.commands.create import require_no_dataset
from chyves.commands.delete import refuse_dependants
from chyves.commands.options import Changing, argument
from chyves.commands.rename import warn_of_paths
from chyves.errors import ChyvesError, Conflict
from chyves.model import layout, places
from chyves.model.guest import Guest


@click.command("move", cls=Changing)
@argument("pool")
@click.pass_obj
def move(app: App, pool: str) -> None:
    """Take stopped guests to another pool, with their snapshots."""
    inventory = app.inventory
    inventory.require_current()
    home = inventory.pool(pool).name
    chosen = inventory.select(app.selector)
    leftovers.sweep(app, inventory)
    for name in [guest.name for guest in chosen]:
        with app.report.item(name), locks.guest_lock(app.host, name):
            inventory = app.inventory
            guest = inventory.guest(name)
            if guest.pool == home:
                app.report.done(name, f"is on {home}", changed=False, pool=home)
            else:
                move_guest(app, inventory, guest, home)


def move_guest(app: App, inventory: Inventory, guest: Guest, pool: str) -> None:
    """Move one guest; the caller holds its lock."""
    source = layout.guest_dataset(guest.pool, guest.name)
    target = layout.guest_dataset(pool, guest.name)
    parts = {
        name.removeprefix(source): part
        for name, part in sorted(inventory.datasets.items())
        if name == source or name.startswith(f"{source}/")
    }
    guests.require_down(app.host, guest.name, "move it")
    guests.require_whole(guest.name, inventory.datasets.get(source))
    refuse_dependants(app, source, "delete them first")
    _refuse_clone(guest, source, parts)
    require_no_dataset(inventory, guest.name, pool)
    drop_transfers(app, source)
    needed = zfs.space_used(app.host, [source])[source]
    zfs.require_room(app.host, pool, needed, f"move {guest.name}")
    stamp = time.strftime("%Y%m%d%H%M%S")
    hidden = layout.deleted_dataset(guest.pool, guest.name, stamp + layout.KEEPNET)
    with ExitStack() as undo:
        for place in (
            places.Staged(pool, guest.name, stamp),
            places.GuestRoot(pool, guest.name),
        ):
            undo.callback(_take_away, app, inventory, place)
        _copy(app, guest, source, layout.staged_dataset(pool, guest.name, stamp), parts, undo)
        staged = layout.staged_dataset(pool, guest.name, stamp)
        zfs.set_property(app.host, staged, zfs.UNFINISHED, zfs.MOVE + hidden)
        zfs.rename(app.host, staged, target)
        zfs.put_aside(app.host, source, hidden)
        undo.pop_all()
    app.report.touched()
    zfs.inherit_property(app.host, target, zfs.UNFINISHED)
    leftovers.destroy_patiently(app, hidden)
    zfs.wait_for_nodes(app.host, [target + path for path, one in parts.items() if one.is_volume])
    folder = layout.guest_mountpoint(guest.pool, guest.name)
    warn_of_paths(app, guest.name, guest.config, folder)
    app.report.done(guest.name, f"moved from {guest.pool} to {pool}", pool=pool)


def _refuse_clone(guest: Guest, source: str, parts: Mapping[str, zfs.Dataset]) -> None:
    """Raise Conflict if the guest is on ZFS clones: those are on the pool of their origin."""
    origins = [one.origin for one in parts.values() if one.origin]
    if origins:
        raise Conflict(
            f"its disks are ZFS clones of {origins[0]}",
            hint=f"chyves {guest.name} clone <new> -iu makes one that is independent",
        )


def _copy(
    app: App,
    guest: Guest,
    source: str,
    staged: str,
    parts: Mapping[str, zfs.Dataset],
    undo: ExitStack,
) -> None:
    """Copy the guest with all its snapshots out of sight, and mount it."""
    label = f"{layout.TRANSFER}{uuid.uuid4()}"
    snapshots.take(app.host, [source + label])
    undo.callback(_drop_snapshot, app, source)
    size = partial(_bytes, app, source + label)
    with app.output.progress(guest.name, size) as told:
        snapshots.copy(app.host, source + label, staged, told, replicate=True)
    folder = layout.guest_mountpoint(guest.pool, guest.name)
    for path, part in parts.items():
        if part.mountpoint == folder + path:
            zfs.mount(app.host, staged + path)
    zfs.destroy(app.host, staged + label, recursive=True)


def _bytes(app: App, snapshot: str) -> int:
    if app.host.plan is not None:
        return 0
    return snapshots.copied_bytes(app.host, [snapshot], replicate=True)


def _drop_snapshot(app: App, source: str) -> None:
    with suppress(ChyvesError):
        drop_transfers(app, source)


def _take_away(app: App, inventory: Inventory, place: places.Staged | places.GuestRoot) -> None:
    with suppress(ChyvesError):
        leftovers.take_away(app, inventory, place)
