# SPDX-License-Identifier: BSD-2-Clause
"""``upgrade``: pools and guests that an older chyves has made."""

from collections.abc import Iterable, Mapping

import click

from chyves.app import App
from chyves.backend import facts, locks, store, zfs
from chyves.backend.inventory import Inventory, Pool
from chyves.backend.survey import refresh
from chyves.commands.options import Changing
from chyves.errors import Precondition
from chyves.model import layout, upgrades
from chyves.model.guest import Guest

UPGRADE = "upgrade"


@click.command("upgrade", cls=Changing)
@click.pass_obj
def upgrade(app: App) -> None:
    """Give guests of older versions the properties that they lack."""
    inventory = app.inventory
    inventory.require_current()
    upgrade_guests(app, inventory, inventory.select(app.selector), inventory.defaults)


def upgrade_pool(app: App, name: str) -> None:
    """Bring a pool and its guests up to date.

    The version in the pool's property file comes last and makes it true. A guest that cannot be
    upgraded is told and does not hold its pool back.
    """
    inventory = app.inventory
    pool = inventory.pool(name)
    with app.report.item(pool.name):
        steps = upgrades.pool_steps(pool.version)
        with locks.host_lock(app.host):
            defaults = _bring_defaults(app, refresh(app.host, inventory), pool)
        guests = [guest for guest in inventory.guests if guest.pool == pool.name]
        upgrade_guests(app, inventory, guests, defaults)
        if steps:
            with locks.host_lock(app.host):
                store.set_values(
                    app.host,
                    layout.pool_config(pool.name),
                    {"dataset_version": layout.DATASET_VERSION},
                )
        said = f"upgraded from {pool.version} to" if steps else "is of version"
        app.report.done(
            pool.name,
            f"{said} {layout.DATASET_VERSION}",
            changed=bool(steps),
            old=pool.version,
            new=layout.DATASET_VERSION,
        )


def _bring_defaults(app: App, inventory: Inventory, pool: Pool) -> Mapping[str, str]:
    """Return the defaults as they are once the primary pool is up to date; write them if it is
    this pool that is upgraded. The caller holds the host's lock."""
    primary = next(
        (other for other in inventory.pools if other.role == layout.PoolRole.PRIMARY), None
    )
    if primary is None:
        return {}
    osreldate = facts.gather_facts(app.host, ()).osreldate
    try:
        wanted = upgrades.upgrade_primary(
            primary.version, inventory.defaults, inventory.globals, osreldate
        )
    except Precondition:
        return inventory.defaults
    if primary.name == pool.name:
        if wanted.defaults:
            store.set_values(app.host, layout.defaults_config(pool.name), wanted.defaults)
        if wanted.globals:
            store.set_values(app.host, layout.global_config(pool.name), wanted.globals)
        for note in wanted.notes:
            app.report.warn(note)
    return {**inventory.defaults, **wanted.defaults}


def upgrade_guests(
    app: App, inventory: Inventory, guests: Iterable[Guest], defaults: Mapping[str, str]
) -> None:
    """Bring guests up to date, each under its lock; they may run."""
    for guest in guests:
        with app.report.item(guest.name), locks.guest_lock(app.host, guest.name):
            upgrade_guest(app, inventory, store.current(app.host, guest), defaults)


def upgrade_guest(
    app: App, inventory: Inventory, guest: Guest, defaults: Mapping[str, str]
) -> None:
    """Write what a guest lacks, and with it its version; the caller holds its lock."""
    old = guest.config.get("chyves_guest_version", "")
    wanted = upgrades.upgrade_guest(guest.config, defaults)
    dataset = inventory.datasets[layout.guest_dataset(guest.pool, guest.name)]
    if wanted.shows_snapshots:
        zfs.set_property(app.host, f"{dataset.name}/.config", "snapdir", "visible")
    if wanted.values or dataset.unfinished == UPGRADE:
        _write(app, dataset, guest, wanted.values)
    if bargs := wanted.values.get("bargs"):
        app.report.warn(f"{guest.name}: bargs is {bargs} now, was {guest.config['bargs']}")
    said = f"upgraded from {old} to" if wanted.values else "is of version"
    app.report.done(
        guest.name,
        f"{said} {layout.GUEST_VERSION}",
        changed=bool(wanted.values),
        old=old,
        new=layout.GUEST_VERSION,
    )


def _write(app: App, dataset: zfs.Dataset, guest: Guest, values: Mapping[str, str]) -> None:
    """Write a guest's properties. A template is made writable for that moment; the mark on it
    stays if this is killed, so that the next upgrade makes it read-only again."""
    path = layout.guest_config(guest.pool, guest.name)
    if not dataset.is_read_only and dataset.unfinished != UPGRADE:
        store.set_values(app.host, path, values)
        return
    zfs.set_property(app.host, dataset.name, zfs.UNFINISHED, UPGRADE)
    zfs.set_property(app.host, dataset.name, "readonly", "off")
    try:
        store.set_values(app.host, path, values)
    finally:
        zfs.set_property(app.host, dataset.name, "readonly", "on")
        zfs.inherit_property(app.host, dataset.name, zfs.UNFINISHED)
