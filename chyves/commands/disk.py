# SPDX-License-Identifier: BSD-2-Clause
"""``disk``: a guest's volumes; its files below ``img`` are listed with them."""

import re
from collections.abc import Callable, Collection
from functools import partial

import click

from chyves.app import App
from chyves.backend import guests, locks, store, zfs
from chyves.backend.inventory import Inventory
from chyves.commands import info
from chyves.commands.create import create_disk
from chyves.commands.delete import refuse_dependants
from chyves.commands.forms import misunderstood
from chyves.commands.options import Mixed, argument, refuse_empty
from chyves.errors import Invalid, NotPermitted, Precondition
from chyves.model import kinds, layout
from chyves.model.config import ConfigFile
from chyves.model.guest import Guest
from chyves.model.properties import Context, Scope, disk_of, validate

Act = Callable[[App, Inventory, Guest], None]


@click.command("disk", cls=Mixed)
@argument("words", nargs=-1, may_be_empty=True, metavar="list|add|delete|resize|disk{n} ...")
@click.pass_obj
def disk(app: App, words: tuple[str, ...]) -> None:
    """List the disks of a guest, add one, or delete, resize or annotate one."""
    refuse_empty(words[:2])  # a text may be
    match words:
        case ("list",):
            inventory = app.inventory
            info.show(app, inventory, [inventory.single(app.selector)], "zdn")
        case ("add",):
            _change(app, partial(add, size_word=""))
        case ("add", size_word):
            _change(app, partial(add, size_word=size_word))
        case ("delete", name):
            _change(app, partial(delete, name=name))
        case ("resize", name, size_word):
            _change(app, partial(resize, name=name, size_word=size_word))
        case (name, ("description" | "notes") as what, *text) if text:
            _change(app, partial(annotate, name=name, what=what, text=" ".join(text)))
        case _:
            raise misunderstood("disk", words)


def _change(app: App, act: Act) -> None:
    app.require_root()
    inventory = app.inventory
    inventory.require_current()
    name = inventory.single(app.selector).name
    with app.report.item(name), locks.guest_lock(app.host, name):
        inventory = app.inventory
        guest = inventory.guest(name)
        if guest.is_template:
            raise Precondition(
                "a template is read-only", hint=f"chyves {name} set template=no comes first"
            )
        act(app, inventory, guest)


def add(app: App, inventory: Inventory, guest: Guest, *, size_word: str) -> None:
    """Give a guest one more disk, as the defaults want disks.

    Its number is one above the highest; what an earlier disk of that number has left among the
    properties goes first.
    """
    size = kinds.size_bytes(size_word or inventory.defaults.get("size") or "8G")
    root = layout.guest_dataset(guest.pool, guest.name)
    name = f"disk{_next_number(inventory, guest)}"
    _forget(app, guest, name)
    volumes = [volume.name for volume in inventory.disks(guest)]
    if mode := zfs.volmode_of_each(app.host, root, volumes):
        zfs.set_property(app.host, root, "volmode", mode)
    size = create_disk(app, inventory.defaults, f"{root}/{name}", size)
    if not guests.status(app.host, guest.name).is_down:
        app.report.warn(f"{guest.name} finds {name} when it is stopped and started again")
    said = f"{name} added, {kinds.format_bytes(size)}"
    app.report.done(guest.name, said, disk=name, size=size)


def delete(app: App, inventory: Inventory, guest: Guest, *, name: str) -> None:
    """Delete a disk with its snapshots, and what the guest's properties say of it."""
    volume = inventory.disk(guest, name)
    guests.require_down(app.host, guest.name, f"delete {name}")
    refuse_dependants(app, volume.name, f"delete them first; the snapshots have {name} too")
    app.output.confirm(f"Delete {name} of {guest.name} with all its snapshots?")
    zfs.destroy(app.host, volume.name, recursive=True)
    _forget(app, guest, name)
    app.report.done(guest.name, f"{name} deleted", disk=name)


def resize(app: App, inventory: Inventory, guest: Guest, *, name: str, size_word: str) -> None:
    """Make a disk larger; or smaller, if that is said twice."""
    size = kinds.size_bytes(size_word)
    volume = inventory.disk(guest, name)
    guests.require_down(app.host, guest.name, f"resize {name}")
    block = zfs.block_size(app.host, volume.name)
    if size % block:
        raise Invalid(
            f"{size_word} is no multiple of the block size of {name}, {kinds.format_bytes(block)}",
            hint=f"the next is {-(-size // block) * block >> 10}K",
        )
    before, after = kinds.format_bytes(volume.volsize), kinds.format_bytes(size)
    if size == volume.volsize:
        app.report.done(guest.name, f"{name} has {after}", changed=False, disk=name, size=size)
        return
    if size < volume.volsize:
        _warn_of_loss(app, guest, name, f"{before} to {after}")
    elif zfs.is_thick(app.host, volume.name):
        more = size - volume.volsize
        zfs.require_room(app.host, guest.pool, more, f"resize '{volume.name}'")
    zfs.set_property(app.host, volume.name, "volsize", str(size))
    said = f"{name} resized from {before} to {after}"
    app.report.done(guest.name, said, disk=name, size=size)


def _warn_of_loss(app: App, guest: Guest, name: str, change: str) -> None:
    """Tell what shrinking does. Raises NotPermitted unless --yes was given: ZFS cuts without a
    word."""
    app.report.warn(
        f"{guest.name}: from {change} all that lies behind the new end of {name} is lost, for "
        "good; the file system in it has to be made smaller first, by the guest"
    )
    if not app.output.yes:
        raise NotPermitted(f"{name} was not shrunk", hint="add --yes to cut it off")


def annotate(
    app: App, inventory: Inventory, guest: Guest, *, name: str, what: str, text: str
) -> None:
    """Write the description or the notes of a disk."""
    inventory.disk(guest, name)
    key = f"{name}_{what}"
    validate(Scope.GUEST, key, text, Context(current=guest.config))
    changed = guest.config.get(key) != text
    store.set_values(app.host, layout.guest_config(guest.pool, guest.name), {key: text})
    said = f"{'set' if changed else 'has'} {key}={text}"
    app.report.done(guest.name, said, changed=changed, values={key: text})


def _next_number(inventory: Inventory, guest: Guest) -> int:
    root = layout.guest_dataset(guest.pool, guest.name)
    names = (name.removeprefix(f"{root}/disk") for name in inventory.datasets)
    return max((int(name) for name in names if re.fullmatch(r"[0-9]{1,5}", name)), default=-1) + 1


def forget_missing(app: App, inventory: Inventory, guest: Guest) -> None:
    """Take away what properties that came back say of disks that did not."""
    root = layout.guest_dataset(guest.pool, guest.name)
    named = {disk_of(key) for key in guest.config} - {""}
    for name in sorted(named, key=layout.version_key):
        if f"{root}/{name}" not in inventory.datasets:
            app.report.warn(f"{guest.name}: {name} was deleted since: it does not come back")
            _forget(app, guest, name)


def keep_as_they_were(app: App, guest: Guest, before: ConfigFile, names: Collection[str]) -> None:
    """Let properties that came back say of disks that stay what they said ``before``."""
    kept = {key: value for key, value in before.items() if disk_of(key) in names}
    wrong = [key for key in guest.config if disk_of(key) in names and key not in kept]
    path = layout.guest_config(guest.pool, guest.name)
    said = f"of {', '.join(names)} what was said before"
    store.change_config(app.host, path, lambda config: config.unset(wrong).set(kept), what=said)


def _forget(app: App, guest: Guest, name: str) -> None:
    """Take the properties of a disk away that is not there."""
    keys = [key for key in guest.config if disk_of(key) == name]
    if keys:
        path = layout.guest_config(guest.pool, guest.name)
        store.change_config(
            app.host, path, lambda config: config.unset(keys), what=f"nothing of {name}"
        )
