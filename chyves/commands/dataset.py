# SPDX-License-Identifier: BSD-2-Clause
"""``dataset``: what is done to a pool as a whole; ``install`` sets chyves up on it."""

import time
import uuid
from collections.abc import Callable

import click

from chyves import __version__
from chyves.app import App
from chyves.backend import locks, snapshots, store, zfs
from chyves.backend.inventory import Inventory
from chyves.commands.offline import bring_online, take_offline
from chyves.commands.options import Changing, argument
from chyves.commands.promote import promote
from chyves.commands.uninstall import is_half_uninstalled, uninstall
from chyves.commands.upgrade import upgrade_pool
from chyves.errors import Conflict, HostError, Invalid, NotFound
from chyves.model import layout, places
from chyves.model.properties import Scope, initial_values

CONFIG_SNAPSHOT = "chyves-install-inital-settings-version"
"""Spelled as chyves 0.2.0 spelled it."""


@click.command("dataset", cls=Changing)
@argument("pool")
@argument("action")
@argument("force", required=False, metavar="[force]")
@click.pass_obj
def dataset(app: App, pool: str, action: str, force: str | None) -> None:
    """Set chyves up on a pool, upgrade what an older one has made there, put the pool away and
    take it back, make it primary, or take chyves off it."""
    if action == "uninstall" and force in (None, "force"):
        uninstall(app, pool, force=force == "force")
        return
    if action not in ACTIONS or force:
        known = "|".join([*ACTIONS, "uninstall [force]"])
        said = f"{action} {force or ''}".strip()
        raise Invalid(f"no such dataset command: {said}", hint=f"chyves dataset <pool> {known}")
    ACTIONS[action](app, pool)


def install_pool(app: App, pool: str) -> None:
    """Set chyves up on a pool: the first one becomes primary, the others hold guests only."""
    with app.report.item(pool):
        inventory = app.inventory
        _check(app, inventory, pool)
        _ask_about_another(app, inventory, pool)
        with locks.host_lock(app.host):
            install(app, pool)


def _ask_about_another(app: App, inventory: Inventory, pool: str) -> None:
    """Ask before a pool takes the place of a primary one that is not imported."""
    if inventory.pools and not _other_primary(inventory, pool):
        names = ", ".join(one.name for one in inventory.pools)
        app.report.warn(
            f"the primary pool that {names} belongs to is not here: with another one chyves works "
            "with neither once it is back"
        )
        app.output.confirm(f"Make {pool} the primary pool for good?")


def install(app: App, pool: str) -> None:
    """Create the datasets and property files of a pool.

    They are marked as unfinished, and no pool of chyves, until all is there. An install that
    failed or was killed is run again.
    """
    inventory = app.inventory
    role = "secondary" if _other_primary(inventory, pool) else "primary"
    _check(app, inventory, pool)
    have = set(inventory.datasets)
    for name, options in _datasets(pool, role):
        if name not in have:
            zfs.create_filesystem(app.host, name, options)
    if role == "primary":
        _write_primary_files(app, pool)
    now = time.strftime("%a %b %d %H:%M:%S UTC %Y", time.gmtime())
    pool_values = {
        **initial_values(Scope.POOL),
        "creation": f"Dataset originally created on {now} by chyves {__version__} "
        f"using dataset version {layout.DATASET_VERSION}",
        "dataset_version": layout.DATASET_VERSION,
        "dataset_role": role,
    }
    if role == "primary" and not _has_install_snapshot(app, pool):
        label = f"{time.strftime('%Y%m%d', time.gmtime())}-{CONFIG_SNAPSHOT}-{__version__}"
        snapshots.take(app.host, [f"{layout.config_dataset(pool)}@{label}"])
    store.create_config(app.host, layout.pool_config(pool), pool_values)
    _verify_mounted(app, pool)
    zfs.inherit_property(app.host, layout.root_dataset(pool), zfs.UNFINISHED)
    app.report.done(pool, f"set up as {role} pool", role=role)


def _other_primary(inventory: Inventory, pool: str) -> bool:
    return any(other.role == "primary" and other.name != pool for other in inventory.pools)


def _check(app: App, inventory: Inventory, pool: str) -> None:
    """Refuse a pool that is not there, has chyves already, or has something else in its place."""
    tops = zfs.top_datasets(app.host)
    if pool not in (name.partition("/")[0] for name in tops):
        pools = ", ".join(name for name in tops if "/" not in name) or "none"
        raise NotFound(f"no such pool: {pool}", hint=f"pools: {pools}")
    if any(known.name == pool for known in inventory.pools):
        raise Conflict(f"chyves is already set up on {pool}", hint="chyves list pools")
    if is_half_uninstalled(app, pool):
        raise Conflict(
            f"an uninstall of {pool} was interrupted",
            hint=f"chyves dataset {pool} uninstall completes it",
        )
    root = inventory.datasets.get(layout.root_dataset(pool))
    if layout.away_dataset(pool) in tops or (root is None and layout.root_dataset(pool) in tops):
        raise Conflict(f"{pool} is offline", hint=f"chyves dataset {pool} online")
    if root and not root.is_unfinished:
        raise Conflict(f"{root.name} exists and was not made by chyves", hint="rename it first")
    folder = app.host.path(layout.root_mountpoint(pool))
    if not root and folder.is_dir() and any(folder.iterdir()):
        raise Conflict(
            f"{layout.root_mountpoint(pool)} is not empty", hint="move what is in it elsewhere"
        )


def _datasets(pool: str, role: str) -> list[tuple[str, dict[str, str]]]:
    root = layout.root_dataset(pool)
    options = {
        "mountpoint": layout.root_mountpoint(pool),
        zfs.UNFINISHED: zfs.MAKERS[places.Root],
    }
    wanted: list[tuple[str, dict[str, str]]] = [
        (root, options),
        (layout.config_dataset(pool), {}),
        (layout.guests_dataset(pool), {}),
    ]
    if role == "primary":
        wanted += [
            (layout.logs_dataset(pool), {"compression": "on"}),
            (layout.resource_dataset(pool, "Firmware"), {}),
            (layout.resource_dataset(pool, "ISO"), {}),
            (layout.resource_dataset(pool, "ISO", "null.iso"), {}),
        ]
    return wanted


def _write_primary_files(app: App, pool: str) -> None:
    today = time.strftime("%Y%m%d", time.gmtime())
    globals_ = {
        **initial_values(Scope.GLOBAL),
        "check_for_updates_last_check": today,
        "check_for_updates_unique_id": str(uuid.uuid4()),
    }
    store.create_config(app.host, layout.defaults_config(pool), initial_values(Scope.DEFAULTS))
    store.create_config(app.host, layout.global_config(pool), globals_)
    null = layout.resource_file(pool, "ISO", "null.iso")
    app.host.note(f"an empty {null}", lambda: store.write_file(app.host, null, ""))


def _has_install_snapshot(app: App, pool: str) -> bool:
    config = layout.config_dataset(pool)
    if app.host.plan is not None:
        return False
    return any(CONFIG_SNAPSHOT in taken.name for taken in snapshots.taken(app.host, [config]))


def _verify_mounted(app: App, pool: str) -> None:
    """``zfs create`` exits with 0 where it could not mount."""
    if app.host.plan is not None:
        return
    for made in zfs.datasets(app.host, [layout.root_dataset(pool)]):
        if not made.is_volume and not made.is_mounted:
            raise HostError(f"{made.name} is not mounted", hint=f"zfs mount {made.name}")


ACTIONS: dict[str, Callable[[App, str], None]] = {
    "install": install_pool,
    "offline": take_offline,
    "online": bring_online,
    "promote": promote,
    "upgrade": upgrade_pool,
}
