# SPDX-License-Identifier: BSD-2-Clause
"""``dataset <pool> offline`` and ``online``: put a pool away with its guests, and take it back.

A pool is offline if its ``dataset_role`` says so, or if its dataset is called ``chyves_offline``.
So it is the role that is written first on the way out, and last on the way back, and what a kill
leaves between them is offline.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from chyves.app import App
from chyves.backend import guests, locks, store, zfs
from chyves.backend.inventory import Inventory
from chyves.backend.survey import refresh
from chyves.commands import leftovers
from chyves.errors import Busy, Conflict, Precondition
from chyves.model import layout
from chyves.model.guest import Guest
from chyves.model.layout import PoolRole


def take_offline(app: App, name: str) -> None:
    """Hide a secondary pool and its guests from all commands."""
    with app.report.item(name):
        inventory = app.inventory
        if _is_offline(inventory, name):
            with locks.host_lock(app.host):
                changed = _put_away(app, name, ExitStack())
            app.report.done(name, "is offline", changed=changed)
            return
        pool = inventory.pool(name)
        if pool.role == PoolRole.PRIMARY:
            raise Precondition(
                f"{pool.name} is the primary pool",
                hint="chyves dataset <pool> promote makes another one primary",
            )
        require_no_promotion(inventory, name)
        if leftovers.sweep(app, inventory):
            inventory = app.inventory
        with pool_at_rest(app, inventory, name), ExitStack() as undo:
            _write_role(app, layout.root_mountpoint(name), PoolRole.OFFLINE)
            undo.callback(_write_role, app, layout.root_mountpoint(name), PoolRole.SECONDARY)
            _put_away(app, name, undo)
            undo.pop_all()
        app.report.done(name, "offline", guests=[g.name for g in guests_on(inventory, name)])


def require_no_promotion(inventory: Inventory, name: str) -> None:
    """Raise Precondition while the pool still has what belongs to the new primary one."""
    for pool in inventory.pools:
        if pool.config.get(layout.PROMOTED_OVER) == name:
            raise Precondition(
                f"the promotion of {pool.name} over {name} was interrupted",
                hint=f"chyves dataset {pool.name} promote completes it",
            )


def _is_offline(inventory: Inventory, name: str) -> bool:
    """Tell whether a pool is offline, and has not been set up again meanwhile."""
    is_active = any(pool.name == name for pool in inventory.pools)
    return not is_active and any(pool.name == name for pool in inventory.offline)


def _put_away(app: App, name: str, undo: ExitStack) -> bool:
    """Take the dataset of an offline pool out of the way; tell whether that was to be done."""
    root, away = layout.root_dataset(name), layout.away_dataset(name)
    there = zfs.dataset(app.host, away)
    waiting = zfs.dataset(app.host, root)
    if there and waiting:
        raise Conflict(f"{away} exists already", hint="rename it, or destroy it yourself")
    if waiting:
        zfs.rename(app.host, root, away)
        undo.callback(zfs.rename, app.host, away, root)
    if there is None or there.mountpoint != layout.away_mountpoint(name):
        zfs.set_property(app.host, away, "mountpoint", layout.away_mountpoint(name))
        return True
    return False


def bring_online(app: App, name: str) -> None:
    """Take an offline pool back, as a secondary one."""
    with app.report.item(name), locks.host_lock(app.host):
        inventory = app.inventory
        if not any(pool.name == name for pool in inventory.offline):
            inventory.pool(name)
            app.report.done(name, "is online", changed=False)
            return
        away = zfs.dataset(app.host, layout.away_dataset(name))
        if away:
            _require_place(app, inventory, name)
        _require_no_clash(inventory, name)
        with ExitStack() as undo:
            if away:
                _take_back(app, away, name, undo)
            _write_role(app, layout.root_mountpoint(name), PoolRole.SECONDARY)
            undo.pop_all()
        back = [guest.name for guest in inventory.hidden if guest.pool == name]
        app.report.done(name, "online", guests=back)


def _require_place(app: App, inventory: Inventory, name: str) -> None:
    """Raise Conflict if another chyves has been set up on the pool meanwhile."""
    root = layout.root_dataset(name)
    if zfs.dataset(app.host, root):
        raise Conflict(
            f"{root} exists: chyves has been set up on {name} again",
            hint=f"chyves dataset {name} uninstall, or rename one of them",
        )


def _require_no_clash(inventory: Inventory, name: str) -> None:
    names = {guest.name for guest in inventory.hidden if guest.pool == name}
    clashes = [guest.name for guest in inventory.guests if guest.name in names]
    if clashes:
        raise Conflict(
            f"there are other guests of the same name: {', '.join(clashes)}",
            hint="chyves <guest> rename <new> gives them another",
        )


def _take_back(app: App, away: zfs.Dataset, name: str, undo: ExitStack) -> None:
    """Give the dataset its place and its name back; its role keeps it offline."""
    home = layout.root_mountpoint(name)
    if away.mountpoint != home:
        zfs.set_property(app.host, away.name, "mountpoint", home)
        undo.callback(zfs.set_property, app.host, away.name, "mountpoint", away.mountpoint)
    if app.host.plan is None and not app.host.path(layout.pool_config(name)).is_file():
        raise Precondition(
            f"{layout.pool_config(name)} is missing", hint=f"zfs mount {away.name}/.config"
        )
    if app.host.plan is None:
        _write_role(app, home, PoolRole.OFFLINE)
    root = layout.root_dataset(name)
    zfs.rename(app.host, away.name, root)
    undo.callback(zfs.rename, app.host, root, away.name)


def _write_role(app: App, mountpoint: str, role: PoolRole) -> None:
    path = f"{mountpoint}/.config/pool.cfg"
    said = f"dataset_role={role}"
    if app.host.plan is not None:
        app.host.plan.append(f"# {said} in {path}")
        return
    store.change_config(
        app.host, path, lambda config: config.set({"dataset_role": role}), what=said
    )


def guests_on(inventory: Inventory, pool: str) -> list[Guest]:
    return [guest for guest in inventory.guests if guest.pool == pool]


@contextmanager
def pool_at_rest(app: App, inventory: Inventory, pool: str) -> Iterator[None]:
    """Hold the locks of a pool's guests, none of which runs, and the host's."""
    with guests_at_rest(app, guests_on(inventory, pool)), locks.host_lock(app.host):
        known = {guest.name for guest in guests_on(inventory, pool)}
        now = {guest.name for guest in guests_on(refresh(app.host, inventory), pool)}
        if now != known:
            raise Busy(f"guests of {pool} come or go right now", hint="try again")
        yield


@contextmanager
def guests_at_rest(app: App, chosen: Sequence[Guest]) -> Iterator[None]:
    """Hold the locks of guests. Raises Busy if one of them runs."""
    names = sorted(guest.name for guest in chosen)
    with ExitStack() as held:
        for name in names:
            held.enter_context(locks.guest_lock(app.host, name))
        found = guests.statuses(app.host, names)
        running = [name for name in names if not found[name].is_down]
        if running:
            raise Busy(f"guests run: {', '.join(running)}", hint=f"chyves {','.join(running)} stop")
        left = [name for name in names if found[name].has_vm]
        if left:
            raise Busy(
                f"VMs of guests are left in the kernel: {', '.join(left)}",
                hint=f"chyves {','.join(left)} reclaim",
            )
        yield
