# SPDX-License-Identifier: BSD-2-Clause
"""``rename``: a guest gets another name."""

from contextlib import ExitStack
from functools import partial

import click

from chyves.app import App
from chyves.backend import guests, locks, net, wiring, zfs
from chyves.backend.inventory import Inventory
from chyves.commands import leftovers
from chyves.commands.options import Changing, argument
from chyves.errors import Conflict
from chyves.model import boot, layout, network
from chyves.model.config import ConfigFile
from chyves.model.guest import Guest
from chyves.model.selector import check_new_names

FOLDERS = 1 << 20
"""Bytes that a pool needs for the folders of the new name to be made."""


@click.command("rename", cls=Changing)
@argument("new")
@click.pass_obj
def rename(app: App, new: str) -> None:
    """Give a stopped guest another name; disks, snapshots, properties, clones and taps stay its
    own."""
    inventory = app.inventory
    inventory.require_current()
    old = inventory.single(app.selector).name
    leftovers.sweep(app, inventory)
    with app.report.item(old), ExitStack() as held:
        for name in sorted({old, new}):
            held.enter_context(locks.guest_lock(app.host, name))
        inventory = app.inventory
        rename_guest(app, inventory, inventory.guest(old), new)


def rename_guest(app: App, inventory: Inventory, guest: Guest, new: str) -> None:
    """Rename one guest; the caller holds the locks of both names.

    The rename of its dataset makes it true, with all below it or not at all; what only follows it
    goes before, so that nothing is left to do afterwards.
    """
    inventory.require_readable(new)
    check_new_names([new], inventory.names)
    before = layout.guest_dataset(guest.pool, guest.name)
    after = layout.guest_dataset(guest.pool, new)
    for pool in inventory.pools:
        if (there := layout.guest_dataset(pool.name, new)) in inventory.datasets:
            raise Conflict(f"{there} exists and is no guest", hint="rename or destroy it yourself")
    guests.require_down(app.host, guest.name, "rename it")
    zfs.require_room(app.host, guest.pool, FOLDERS, f"rename {guest.name}")
    app.output.confirm(f"Rename {guest.name} to {new}?")
    with _taken_along(app, inventory, guest, new) as undo:
        zfs.rename(app.host, before, after)
        undo.pop_all()
    app.report.touched()
    warn_of_paths(app, new, guest.config, layout.guest_mountpoint(guest.pool, guest.name))
    for other, first in boot.followers(guest.name, inventory.guests).items():
        after_it = ",".join((*first, new))
        app.report.warn(
            f"{other} still comes after {guest.name}: chyves {other} set rcboot_after={after_it}"
        )
    disks = [disk.name.removeprefix(before) for disk in inventory.disks(guest)]
    zfs.wait_for_nodes(app.host, [after + disk for disk in disks])
    app.report.done(guest.name, f"renamed to {new}", new=new)


def _taken_along(app: App, inventory: Inventory, guest: Guest, new: str) -> ExitStack:
    """Let the names of its taps and what is known of its last run go ahead; closing takes it
    back."""
    undo = ExitStack()
    if wiring.is_automatic(inventory):
        with locks.host_lock(app.host):
            change = network.rename_guest(guest.name, new, guest.taps(), net.interfaces(app.host))
            undo = net.apply(app.host, change.steps)
    for path_of in (layout.state_file, layout.bhyve_log):
        before, after = path_of(guest.name), path_of(new)
        if app.host.path(before).exists():
            app.host.note(f"mv {before} {after}", partial(_move, app, before, after))
            undo.callback(_move, app, after, before)
    return undo


def _move(app: App, before: str, after: str) -> None:
    app.host.path(before).replace(app.host.path(after))


def warn_of_paths(app: App, guest: str, config: ConfigFile, folder: str) -> None:
    """Name the properties that have the old place in them: chyves changes no path by guessing."""
    for name, value in config.items():
        if f"{folder}/" in f"{value}/":
            app.report.warn(f"{guest}: {name} still leads to {folder}")
