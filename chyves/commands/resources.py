# SPDX-License-Identifier: BSD-2-Clause
"""``iso`` and ``firmware``: files that guests boot from, each in a dataset of its own."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import click

from chyves.app import App
from chyves.backend import guests, locks, zfs
from chyves.backend.inventory import Inventory
from chyves.commands.delete import refuse_foreign
from chyves.commands.forms import misunderstood
from chyves.commands.options import Mixed, argument
from chyves.errors import Busy, ChyvesError, Conflict, Invalid, NotFound, Precondition
from chyves.model import kinds, layout, places

UEFI_FIRMWARE = "uefi_firmware"

WORDS = "list|import <source>|rename <name> <new>|delete <name>"

checksum_option = click.option(
    "--checksum",
    metavar="SUM",
    help="What the file has to be: its MD5, SHA1, SHA256 or SHA512.",
)


@click.command("iso", cls=Mixed)
@argument("words", nargs=-1, metavar=f"[{WORDS}]")
@checksum_option
@click.pass_obj
def iso(app: App, words: tuple[str, ...], checksum: str | None) -> None:
    """Keep installation media on the primary pool."""
    _dispatch(app, "ISO", words, checksum)


@click.command("firmware", cls=Mixed)
@argument("words", nargs=-1, metavar=f"[{WORDS}]")
@checksum_option
@click.pass_obj
def firmware(app: App, words: tuple[str, ...], checksum: str | None) -> None:
    """Keep UEFI firmware on the primary pool."""
    _dispatch(app, "Firmware", words, checksum)


def _dispatch(app: App, kind: str, words: tuple[str, ...], checksum: str | None) -> None:
    if checksum is not None and words[:1] != ("import",):
        raise Invalid("--checksum is for import", hint=f"chyves {kind.lower()} {WORDS}")
    match words:
        case ("list",):
            show(app, kind)
        case ("import", source):
            from chyves.commands.importing import import_resource

            import_resource(app, kind, source, checksum)
        case ("rename", old, new):
            rename(app, kind, old, new)
        case ("delete", name):
            delete(app, kind, name)
        case _:
            raise misunderstood(kind.lower(), words)


def show(app: App, kind: str) -> None:
    """Print the resources of a kind with their sizes."""
    inventory = app.inventory
    found = _resources(app, inventory, kind)
    app.report.data = [
        {"name": name, "size": size, "path": layout.resource_file(pool, kind, name)}
        for name, pool, size in found
    ]
    title = "ISO" if kind == "ISO" else "UEFI Firmware"
    rows = [
        (name, str(size) if app.output.exact else kinds.format_bytes(size))
        for name, _, size in found
    ]
    app.output.table((title, "Size"), rows)


def _resources(app: App, inventory: Inventory, kind: str) -> list[tuple[str, str, int]]:
    found = []
    pools = {p.name for p in inventory.pools if p.role == layout.PoolRole.PRIMARY}
    for dataset in inventory.datasets.values():
        place = places.classify(dataset.name)
        if dataset.is_unfinished or (place and place.pool not in pools):
            continue
        if isinstance(place, places.Resource) and place.kind == kind:
            path = app.host.path(layout.resource_file(place.pool, kind, place.name))
            if path.is_file():
                found.append((place.name, place.pool, path.stat().st_size))
    return found


def current(app: App) -> Inventory:
    """Return what there is now that a lock is held. Raises Precondition."""
    inventory = app.inventory
    inventory.require_current()
    return inventory


def require_new(inventory: Inventory, kind: str, name: str) -> None:
    pool = inventory.primary().name
    there = inventory.datasets.get(layout.resource_dataset(pool, kind, name))
    if there and not there.is_unfinished:
        raise Conflict(
            f"{kind} {name} is there already",
            hint=f"chyves {kind.lower()} delete {name}, or take another name",
        )


def _existing(app: App, inventory: Inventory, kind: str, name: str) -> str:
    """Return the pool of a resource. Raises NotFound."""
    found = {known: pool for known, pool, _ in _resources(app, inventory, kind)}
    if name not in found:
        raise _unknown(app, inventory, kind, name)
    return found[name]


def _unknown(app: App, inventory: Inventory, kind: str, name: str) -> NotFound:
    known = ", ".join(known for known, _, _ in _resources(app, inventory, kind))
    return NotFound(f"no such {kind} resource: {name}", hint=f"there are: {known or 'none'}")


def rename(app: App, kind: str, old: str, new: str) -> None:
    """Rename a resource. The rename of its dataset makes it true: until then its file has both
    names in there, so that neither side of it lacks its file."""
    app.require_root()
    kinds.component(new)
    with app.report.item(old), ExitStack() as held:
        for name in sorted({old, new}):
            held.enter_context(locks.resource_lock(app.host, kind, name))
        inventory = current(app)
        if not _is_renamed(app, inventory, kind, old, new):
            _rename(app, inventory, kind, old, new)
        pool = inventory.primary().name
        stale = f"{os.path.dirname(layout.resource_file(pool, kind, new))}/{old}"
        app.host.note(f"rm {stale}", lambda: app.host.path(stale).unlink())
        app.report.done(old, f"renamed to {new}")


def _is_renamed(app: App, inventory: Inventory, kind: str, old: str, new: str) -> bool:
    """Tell whether a rename was killed when only the old name was left to be taken away."""
    pool = inventory.primary().name
    after = app.host.path(layout.resource_file(pool, kind, new))
    datasets = inventory.datasets
    return (
        layout.resource_dataset(pool, kind, old) not in datasets
        and layout.resource_dataset(pool, kind, new) in datasets
        and os.path.isfile(os.path.join(after.parent, old))
    )


def _rename(app: App, inventory: Inventory, kind: str, old: str, new: str) -> None:
    pool = _existing(app, inventory, kind, old)
    _require_free(app, inventory, kind, old)
    require_new(inventory, kind, new)
    app.output.confirm(f"Rename {old} to {new}?")
    before = layout.resource_file(pool, kind, old)
    also = f"{os.path.dirname(before)}/{new}"
    app.host.note(f"ln {before} {also}", lambda: _link(app, before, also))
    try:
        with _in_use(old, before):
            zfs.rename(
                app.host,
                layout.resource_dataset(pool, kind, old),
                layout.resource_dataset(pool, kind, new),
            )
    except ChyvesError:
        app.host.path(also).unlink(missing_ok=True)
        raise


def _link(app: App, before: str, also: str) -> None:
    app.host.path(also).unlink(missing_ok=True)
    app.host.path(also).hardlink_to(app.host.path(before))


def _require_free(app: App, inventory: Inventory, kind: str, name: str) -> None:
    """Raise Busy if a running guest has the medium in its drive, Conflict if a guest, also one of a
    pool that is offline, or a new one is set to boot with this firmware, Precondition for the
    medium that is chyves' own."""
    if kind == layout.ISO and name == "null.iso":
        raise Precondition(
            "null.iso belongs to chyves: UEFI guests start with it", hint="it takes no room"
        )
    if kind == layout.ISO:
        _require_no_reader(app, inventory, name)
        return
    known = (*inventory.guests, *inventory.hidden)
    users = [guest.name for guest in known if guest.config.get(UEFI_FIRMWARE) == name]
    if users:
        raise Conflict(
            f"guests boot with {name}: {', '.join(users)}",
            hint=f"chyves <guest> set {UEFI_FIRMWARE}=- lets go of it",
        )
    if inventory.defaults.get(UEFI_FIRMWARE) == name:
        raise Conflict(
            f"new guests boot with {name}",
            hint=f"chyves defaults set {UEFI_FIRMWARE}=- lets go of it",
        )


def _require_no_reader(app: App, inventory: Inventory, name: str) -> None:
    path = layout.resource_file(inventory.primary().name, layout.ISO, name)
    held = guests.held(app.host, inventory.names)
    readers = [guest for guest, has in held.items() if has.in_drive == path]
    if readers:
        raise Busy(
            f"{name} is in the drive of {', '.join(readers)}",
            hint=f"chyves {','.join(readers)} stop",
        )


@contextmanager
def _in_use(name: str, path: str) -> Iterator[None]:
    """Say what it most likely is that has a resource open. Raises Busy."""
    try:
        yield
    except Busy:
        raise Busy(f"{name} is in use", hint=f"fstat {path} tells") from None


def delete(app: App, kind: str, name: str) -> None:
    """Delete a resource, unless a guest is set to use it; or what a broken import has left, also
    one of chyves 0.2.0, which left a dataset without its file."""
    app.require_root()
    with app.report.item(name), locks.resource_lock(app.host, kind, name):
        inventory = current(app)
        pool = inventory.primary().name
        dataset = layout.resource_dataset(pool, kind, name)
        if not _is_resource(inventory, dataset):
            raise _unknown(app, inventory, kind, name)
        _require_free(app, inventory, kind, name)
        refuse_foreign(one for one in inventory.datasets if one.startswith(f"{dataset}/"))
        path = layout.resource_file(pool, kind, name)
        what = name if app.host.path(path).is_file() else f"{dataset}, which has no file {name}"
        app.output.confirm(f"Delete {what}?")
        with _in_use(name, path):
            zfs.destroy(app.host, dataset, recursive=True)
        app.report.done(name, "deleted")


def _is_resource(inventory: Inventory, dataset: str) -> bool:
    """Tell whether there is such a dataset, and it is one for a resource."""
    is_there = dataset in inventory.datasets
    return is_there and isinstance(places.classify(dataset), places.Resource)
