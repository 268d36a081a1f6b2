# SPDX-License-Identifier: BSD-2-Clause
"""``iso`` and ``firmware``: files that guests boot from, each in a dataset of its own."""

import os
import shutil
import stat
from contextlib import ExitStack, suppress
from pathlib import Path

import click

from chyves.app import App
from chyves.backend import locks, store, zfs
from chyves.commands.forms import misunderstood
from chyves.commands.options import Mixed
from chyves.errors import ChyvesError, Conflict, Invalid, NotFound, Precondition
from chyves.model import kinds, layout

WORDS = "list|import <file>|rename <name> <new>|delete <name>"


@click.command("iso", cls=Mixed)
@click.argument("words", nargs=-1, metavar=f"[{WORDS}]")
@click.pass_obj
def iso(app: App, words: tuple[str, ...]) -> None:
    """Keep installation media on the primary pool."""
    _dispatch(app, "ISO", words)


@click.command("firmware", cls=Mixed)
@click.argument("words", nargs=-1, metavar=f"[{WORDS}]")
@click.pass_obj
def firmware(app: App, words: tuple[str, ...]) -> None:
    """Keep UEFI firmware on the primary pool."""
    _dispatch(app, "Firmware", words)


def _dispatch(app: App, kind: str, words: tuple[str, ...]) -> None:
    match words:
        case ("list",):
            show(app, kind)
        case ("import", source):
            import_file(app, kind, source)
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


def _resources(app: App, inventory: store.Inventory, kind: str) -> list[tuple[str, str, int]]:
    found = []
    pools = {p.name for p in inventory.pools if p.role == layout.PoolRole.PRIMARY}
    for dataset in inventory.datasets.values():
        place = layout.classify(dataset.name)
        if dataset.is_unfinished or (place and place.pool not in pools):
            continue
        if isinstance(place, layout.Resource) and place.kind == kind:
            path = app.host.path(layout.resource_file(place.pool, kind, place.name))
            if path.is_file():
                found.append((place.name, place.pool, path.stat().st_size))
    return found


def import_file(app: App, kind: str, source: str) -> None:
    """Copy a local file in. Its dataset is marked as unfinished, and no resource, until the copy is
    whole."""
    app.require_root()
    path = Path(source)
    name = kinds.component(path.name)
    size = _size_of_regular_file(path)
    with app.report.item(name), locks.resource_lock(app.host, kind, name):
        inventory = _current(app)
        pool = inventory.primary().name
        dataset = layout.resource_dataset(pool, kind, name)
        _require_new(inventory, kind, name)
        if dataset in inventory.datasets:
            zfs.destroy(app.host, dataset)
        _require_room(app, pool, size)
        mark = {zfs.UNFINISHED: zfs.MAKERS[layout.Resource]}
        zfs.create_filesystem(app.host, dataset, mark)
        try:
            target = layout.resource_file(pool, kind, name)
            app.host.note(f"cp {source} {target}", lambda: _copy(app, path, target))
            zfs.inherit_property(app.host, dataset, zfs.UNFINISHED)
        except BaseException:
            with suppress(ChyvesError):
                zfs.destroy(app.host, dataset)
            raise
        app.report.done(name, f"imported, {kinds.format_bytes(size)}", size=size)


def _current(app: App) -> store.Inventory:
    """Return what there is now that a lock is held. Raises Precondition."""
    inventory = app.inventory
    inventory.require_current()
    return inventory


def _require_room(app: App, pool: str, size: int) -> None:
    free = zfs.available(app.host, layout.root_dataset(pool))
    if size > free:
        raise Precondition(
            f"{pool} has no room for it: {kinds.format_bytes(size)} wanted, "
            f"{kinds.format_bytes(free)} free",
            hint="zfs list -o space shows what takes the room",
        )


def _size_of_regular_file(path: Path) -> int:
    try:
        status = path.stat()
    except OSError as error:
        raise NotFound(f"{path}: {error.strerror}", hint="import takes a local file") from None
    if not stat.S_ISREG(status.st_mode):
        raise Invalid(f"{path} is not a regular file", hint="import takes a local file")
    return status.st_size


def _copy(app: App, source: Path, target: str) -> None:
    app.host.may_write(target)
    final = app.host.path(target)
    try:
        shutil.copyfile(source, final)
        with final.open("rb") as copied:
            os.fsync(copied.fileno())
    except OSError as error:
        raise Precondition(
            f"cannot copy {source}: {error.strerror}", hint=f"see that {source} can be read"
        ) from error


def _require_new(inventory: store.Inventory, kind: str, name: str) -> None:
    pool = inventory.primary().name
    there = inventory.datasets.get(layout.resource_dataset(pool, kind, name))
    if there and not there.is_unfinished:
        raise Conflict(
            f"there is a {kind} resource {name} already",
            hint=f"chyves {kind.lower()} delete {name}, or rename the file",
        )


def _existing(app: App, inventory: store.Inventory, kind: str, name: str) -> str:
    """Return the pool of a resource. Raises NotFound."""
    found = {known: pool for known, pool, _ in _resources(app, inventory, kind)}
    if name not in found:
        raise NotFound(
            f"no such {kind} resource: {name}",
            hint=f"there are: {', '.join(found) or 'none'}",
        )
    return found[name]


def rename(app: App, kind: str, old: str, new: str) -> None:
    """Rename a resource. The rename of its dataset makes it true: until then its file has both
    names in there, so that neither side of it lacks its file."""
    app.require_root()
    kinds.component(new)
    with app.report.item(old), ExitStack() as held:
        for name in sorted({old, new}):
            held.enter_context(locks.resource_lock(app.host, kind, name))
        inventory = _current(app)
        if not _is_renamed(app, inventory, kind, old, new):
            _rename(app, inventory, kind, old, new)
        pool = inventory.primary().name
        stale = f"{os.path.dirname(layout.resource_file(pool, kind, new))}/{old}"
        app.host.note(f"rm {stale}", lambda: app.host.path(stale).unlink())
        app.report.done(old, f"renamed to {new}")


def _is_renamed(app: App, inventory: store.Inventory, kind: str, old: str, new: str) -> bool:
    """Tell whether a rename was killed when only the old name was left to be taken away."""
    pool = inventory.primary().name
    after = app.host.path(layout.resource_file(pool, kind, new))
    datasets = inventory.datasets
    return (
        layout.resource_dataset(pool, kind, old) not in datasets
        and layout.resource_dataset(pool, kind, new) in datasets
        and os.path.isfile(os.path.join(after.parent, old))
    )


def _rename(app: App, inventory: store.Inventory, kind: str, old: str, new: str) -> None:
    pool = _existing(app, inventory, kind, old)
    _require_unused(inventory, kind, old)
    _require_new(inventory, kind, new)
    app.output.confirm(f"Rename {old} to {new}?")
    before = layout.resource_file(pool, kind, old)
    also = f"{os.path.dirname(before)}/{new}"
    app.host.note(f"ln {before} {also}", lambda: _link(app, before, also))
    zfs.rename(
        app.host,
        layout.resource_dataset(pool, kind, old),
        layout.resource_dataset(pool, kind, new),
    )


def _link(app: App, before: str, also: str) -> None:
    app.host.path(also).unlink(missing_ok=True)
    app.host.path(also).hardlink_to(app.host.path(before))


def _require_unused(inventory: store.Inventory, kind: str, name: str) -> None:
    """Raise Conflict if a guest is set to boot with this firmware."""
    users = [guest.name for guest in inventory.guests if guest.value("uefi_firmware") == name]
    if kind == layout.FIRMWARE and users:
        raise Conflict(
            f"guests boot with {name}: {', '.join(users)}",
            hint="chyves <guest> set uefi_firmware=- lets go of it",
        )


def delete(app: App, kind: str, name: str) -> None:
    """Delete a resource, unless a guest is set to use it."""
    app.require_root()
    with app.report.item(name), locks.resource_lock(app.host, kind, name):
        inventory = _current(app)
        pool = _existing(app, inventory, kind, name)
        if kind == "ISO" and name == "null.iso":
            raise Precondition(
                "null.iso belongs to chyves: UEFI guests start with it", hint="it takes no room"
            )
        _require_unused(inventory, kind, name)
        app.output.confirm(f"Delete {name}?")
        zfs.destroy(app.host, layout.resource_dataset(pool, kind, name), recursive=True)
        app.report.done(name, "deleted")
