# SPDX-License-Identifier: BSD-2-Clause
"""``create``: new guests."""

import time
import uuid
from collections.abc import Mapping
from contextlib import suppress

import click

from chyves import __version__
from chyves.app import App
from chyves.backend import locks, net, numbers, store, wiring, zfs
from chyves.backend.facts import gather_facts
from chyves.backend.inventory import Inventory
from chyves.backend.survey import refresh
from chyves.commands import leftovers
from chyves.commands.options import Changing, argument
from chyves.errors import ChyvesError, Conflict, Invalid
from chyves.model import kinds, layout, network, places
from chyves.model.interfaces import Interface
from chyves.model.properties import Context, Scope, initial_values, validate
from chyves.model.selector import check_new_names


@click.command("create", cls=Changing)
@argument("size", required=False)
@argument("pool", required=False)
@click.pass_obj
def create(app: App, size: str | None, pool: str | None) -> None:
    """Create guests, each with one disk, one interface on the default bridge and a console."""
    inventory = app.inventory
    inventory.require_current()
    names = check_new_names(app.selector.split(","), ())
    home = inventory.pool(pool or "primary").name
    size_bytes = _size(inventory.defaults.get("size") or "8G" if size is None else size)
    leftovers.sweep(app, inventory)
    for name in names:
        with app.report.item(name), locks.guest_lock(app.host, name):
            create_guest(app, name, home, size_bytes)


def _size(text: str) -> int:
    try:
        return kinds.size_bytes(text)
    except Invalid as error:
        error.hint += "; chyves <guest> create [<size>] [<pool>]"
        raise


def create_guest(app: App, name: str, pool: str, size: int) -> None:
    """Create one guest; the caller holds its lock.

    It is marked as unfinished, and no guest, until all of it is there. A create that fails takes
    everything back; what one that was killed has left is cleared away by the next.
    """
    inventory = app.inventory
    require_free(inventory, name, pool)
    dataset = layout.guest_dataset(pool, name)
    _make_root(app, inventory.defaults, dataset)
    try:
        size = _make_datasets(app, inventory.defaults, dataset, size)
        values = _settle(app, inventory, name, pool)
        zfs.inherit_property(app.host, dataset, zfs.UNFINISHED)
    except BaseException:
        with suppress(ChyvesError):
            leftovers.take_away(app, inventory, places.GuestRoot(pool, name))
        raise
    app.report.done(
        name,
        f"created on {pool}, {kinds.format_bytes(size)}, {values['net_ifaces']}, "
        f"{values['serial']}",
        pool=pool,
        size=size,
        net_ifaces=values["net_ifaces"],
        serial=values["serial"],
        uuid=values["uuid"],
    )


def require_free(inventory: Inventory, name: str, pool: str) -> None:
    """Look again now that the lock is held."""
    inventory.require_readable(name)
    check_new_names([name], inventory.names)
    require_no_dataset(inventory, name, pool)


def require_no_dataset(inventory: Inventory, name: str, pool: str) -> None:
    """Raise Conflict if a dataset is where the guest is to be."""
    there = inventory.datasets.get(layout.guest_dataset(pool, name))
    if there:
        raise Conflict(f"{there.name} exists and is no guest", hint="rename or destroy it yourself")


def _make_root(app: App, defaults: Mapping[str, str], dataset: str) -> None:
    """Make the guest's own dataset."""
    mark = {zfs.UNFINISHED: zfs.MAKERS[places.GuestRoot]}
    zfs.create_filesystem(app.host, dataset, mark | _root_options(defaults))


def _root_options(defaults: Mapping[str, str]) -> dict[str, str]:
    """Return the zfs properties of a guest's own dataset.

    volmode is set on it and inherited by its volumes: FreeBSD often makes no node for a volume
    that has its own (seen on 13.2).
    """
    volmode = defaults.get("disk_volmode") or "inherit"
    return {} if volmode == "inherit" else {"volmode": volmode}


def _make_datasets(app: App, defaults: Mapping[str, str], dataset: str, size: int) -> int:
    """Make what is below a guest's dataset; return the size of its disk."""
    zfs.create_filesystem(app.host, f"{dataset}/.config", {"snapdir": "visible"})
    zfs.create_filesystem(app.host, f"{dataset}/logs", {"compression": "on"})
    zfs.create_filesystem(app.host, f"{dataset}/img")
    return create_disk(app, defaults, f"{dataset}/disk0", size)


def _settle(app: App, inventory: Inventory, name: str, pool: str) -> dict[str, str]:
    """Write the properties of a new guest, which takes its numbers, and join its bridge."""
    with locks.host_lock(app.host):
        inventory = refresh(app.host, inventory)
        actual = net.interfaces(app.host)
        values = _new_values(inventory, name, actual)
        store.create_config(app.host, layout.guest_config(pool, name), values)
        _join_bridge(app, inventory, name, values["net_ifaces"], actual)
    return values


def create_disk(app: App, defaults: Mapping[str, str], volume: str, size: int) -> int:
    """Create a volume of ``size`` bytes, or of as many as fill its last block, as the defaults want
    disks; return its size."""
    options = _volume_options(defaults)
    block = int(kinds.block_size(options.get("volblocksize") or "512"))
    size = -(-size // block) * block
    sparse = defaults.get("disk_sparse") == "yes"
    zfs.create_volume(app.host, volume, size, options, sparse=sparse)
    return size


def _volume_options(defaults: Mapping[str, str]) -> dict[str, str]:
    """Return the zfs properties of a new disk that the defaults set."""
    names = ("volblocksize", "dedup", "compression", "primarycache", "secondarycache")
    values = {name: defaults.get(f"disk_{name}") or "inherit" for name in names}
    return {name: value for name, value in values.items() if value != "inherit"}


def _new_values(inventory: Inventory, name: str, actual: Mapping[str, Interface]) -> dict[str, str]:
    """Return the properties of a new guest, with numbers that nobody has."""
    now = time.strftime("%a %b %d %H:%M:%S UTC %Y", time.gmtime())
    values = initial_values(Scope.GUEST, inventory.defaults) | {
        "chyves_guest_version": layout.GUEST_VERSION,
        "creation": f"Created on {now} by chyves {__version__}",
        "net_ifaces": numbers.free_tap(inventory, actual, name),
        "serial": numbers.next_serial(inventory),
        "uuid": str(uuid.uuid4()),
    }
    context = Context(
        current=values,
        defaults=inventory.defaults,
        globals=inventory.globals,
        taken=numbers.taken(inventory),
    )
    brought = validate(Scope.GUEST, "loader", values["loader"], context)
    return values | {assignment.name: assignment.value for assignment in brought}


def _join_bridge(
    app: App,
    inventory: Inventory,
    name: str,
    tap: str,
    actual: Mapping[str, Interface],
) -> None:
    if not wiring.is_automatic(inventory):
        return
    known = wiring.associations(inventory)
    change = network.add_tap(
        name,
        (),
        tap,
        known.default,
        known,
        actual,
        owners={},
        bridged_addresses=gather_facts(app.host, ()).bridged_addresses,
    )
    wiring.carry_out(app.host, inventory, change)
