# SPDX-License-Identifier: BSD-2-Clause
"""``dataset <pool> uninstall``: take chyves off a pool.

The rename of ``<pool>/chyves`` makes it true; what is left after a kill is cleared away by the next
uninstall of that pool.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress

from chyves.app import App
from chyves.backend import locks, net, snapshots, store, wiring, zfs
from chyves.backend.inventory import Inventory, Pool
from chyves.backend.survey import guests_away, refresh
from chyves.commands import leftovers
from chyves.commands.delete import refuse_foreign
from chyves.commands.leftovers import destroy_patiently
from chyves.commands.offline import guests_on, pool_at_rest, require_no_promotion
from chyves.errors import Busy, Conflict, Precondition
from chyves.model import layout, network, places
from chyves.model.config import ConfigFile
from chyves.model.guest import Guest


def uninstall(app: App, name: str, *, force: bool) -> None:
    """Take chyves off a pool that has no guests, or with ``force`` with its guests."""
    with app.report.item(name):
        inventory = app.inventory
        if is_half_uninstalled(app, name):
            with locks.host_lock(app.host):
                _complete(app, inventory, name)
            app.report.done(name, "uninstalled")
            return
        if leftovers.sweep(app, inventory):
            inventory = app.inventory
        pool = inventory.pool(name)
        guests = guests_on(inventory, pool.name)
        _require_last(inventory, pool)
        require_no_promotion(inventory, pool.name)
        if guests and not force:
            raise Conflict(
                f"there are guests on it: {', '.join(guest.name for guest in guests)}",
                hint=f"delete them first, or: chyves dataset {name} uninstall force",
            )
        on_it = [guest.name for guest in inventory.unreadable if guest.pool == pool.name]
        if on_it:
            inventory.require_readable(*on_it)
        _require_own(app, inventory, pool.name)
        app.output.confirm(_question(inventory, pool.name, guests))
        with pool_at_rest(app, inventory, pool.name):
            _require_own(app, inventory, pool.name)
            root, hidden = layout.root_dataset(pool.name), layout.uninstalled_dataset(pool.name)
            zfs.set_property(app.host, root, zfs.UNFINISHED, zfs.UNINSTALL)
            zfs.put_aside(app.host, root, hidden)
            app.report.touched()
            _clear_away(app, inventory, pool.name, guests)
        app.report.done(pool.name, "uninstalled", guests=[guest.name for guest in guests])


def is_half_uninstalled(app: App, name: str) -> bool:
    """Tell whether an uninstall of the pool was killed."""
    hidden = zfs.dataset(app.host, layout.uninstalled_dataset(name))
    return hidden is not None and hidden.is_leaving


def _complete(app: App, inventory: Inventory, name: str) -> None:
    datasets = zfs.datasets(app.host, [layout.uninstalled_dataset(name)])
    _clear_away(app, inventory, name, guests_away(app.host, datasets))


def _require_last(inventory: Inventory, pool: Pool) -> None:
    """Raise Precondition if others need this pool."""
    others = [p.name for p in (*inventory.pools, *inventory.offline) if p.name != pool.name]
    if pool.role == layout.PoolRole.PRIMARY and others:
        raise Precondition(
            f"{pool.name} is the primary pool, and chyves is on {', '.join(others)} too",
            hint="uninstall it there first",
        )


def _require_own(app: App, inventory: Inventory, name: str) -> None:
    """Raise Conflict if there is something below that chyves did not make, or something elsewhere
    that depends on what it made; Busy if a snapshot is held."""
    root = layout.root_dataset(name)
    datasets = zfs.datasets(app.host, [root])
    known = {guest.name for guest in guests_on(inventory, name)}
    foreign = [one.name for one in datasets if not _is_own(one, known, datasets)]
    refuse_foreign(foreign)
    for snapshot in snapshots.taken(app.host, [root]):
        others = [clone for clone in snapshot.clones if not clone.startswith(f"{root}/")]
        if others:
            raise Conflict(
                f"{', '.join(others)} is cloned from {snapshot.name}",
                hint=f"zfs promote {others[0]}",
            )
        if snapshot.holds:
            raise Busy(f"{snapshot.name} is held", hint=f"zfs holds {snapshot.name}")


def _is_own(dataset: zfs.Dataset, guests: set[str], datasets: Sequence[zfs.Dataset]) -> bool:
    """Tell whether chyves made a dataset, or keeps it as part of a guest."""
    match places.classify(dataset.name):
        case places.Root() | places.Part() | places.Resource() | places.Deleted():
            return True
        case places.GuestRoot(_, guest):
            return guest in guests or dataset.is_unfinished
        case places.GuestPart(pool, guest, _) as part:
            root = layout.guest_dataset(pool, guest)
            making = any(one.name == root and one.is_unfinished for one in datasets)
            return part.is_own and (guest in guests or making)
    top = "/".join(dataset.name.split("/")[:3])
    return isinstance(places.classify(top), places.Deleted)


def _question(inventory: Inventory, name: str, guests: Sequence[Guest]) -> str:
    media = [
        place.name
        for dataset in inventory.datasets.values()
        if isinstance(place := places.classify(dataset.name), places.Resource)
        and place.pool == name
        and place.name != "null.iso"
    ]
    doomed = [f"guest {guest.name}" for guest in guests] + media
    return f"Take chyves off {name}, with all that is there: {', '.join(doomed) or 'nothing'}?"


def _clear_away(app: App, inventory: Inventory, name: str, guests: Sequence[Guest]) -> None:
    """Let go of the taps, and destroy what is out of sight; the caller holds the host's lock."""
    _release_taps(app, inventory, name, guests)
    destroy_patiently(app, layout.uninstalled_dataset(name))
    folder = layout.root_mountpoint(name)
    app.host.note(f"rmdir {folder}", lambda: _remove_folder(app, folder))


def _remove_folder(app: App, folder: str) -> None:
    with suppress(OSError):
        app.host.path(folder).rmdir()


def _release_taps(app: App, inventory: Inventory, name: str, guests: Sequence[Guest]) -> None:
    """Take the guests' taps off the bridges, on the host and in the plan, if there still is one."""
    left = inventory._replace(pools=tuple(pool for pool in inventory.pools if pool.name != name))
    left = refresh(app.host, left)
    hidden = tuple(guest for guest in left.hidden if guest.pool != name)
    staying = wiring.owners(left._replace(hidden=hidden))
    taps = {tap: "" for guest in guests for tap in guest.taps() if tap not in staying}
    plan: Mapping[str, str] = left.globals if left.pools else _own_plan(app, name)
    if not taps or plan.get("network_design_mode") == "system":
        return
    known = network.associations(plan)
    change = network.remove_interfaces(
        name, tuple(taps), tuple(taps), known, net.interfaces(app.host)
    )
    globals_ = change.globals if left.pools else {}
    wiring.carry_out(app.host, left, change._replace(guest={}, globals=globals_))


def _own_plan(app: App, name: str) -> Mapping[str, str]:
    """Return the global properties of a pool that was primary; it stays mounted to the end."""
    try:
        return store.read_config(app.host, layout.global_config(name))
    except OSError:
        return ConfigFile()
