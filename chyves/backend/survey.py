# SPDX-License-Identifier: BSD-2-Clause
"""What there is on a host: datasets and property files, read by two programs however many guests
there are."""

import os
from collections.abc import Iterable, Mapping

from chyves.backend import zfs
from chyves.backend.host import Host
from chyves.backend.inventory import Inventory, Pool
from chyves.backend.store import read_config
from chyves.model import layout, places
from chyves.model.config import ConfigFile
from chyves.model.guest import Guest
from chyves.model.properties import Scope, initial_values


def read_inventory(host: Host) -> Inventory:
    """Read everything, with two programs however many guests there are; and once more if
    something was missing, which another chyves may just have taken away."""
    first = _read_all(host)
    has_primary = any(pool.role == layout.PoolRole.PRIMARY for pool in first.pools)
    is_whole = has_primary or not first.pools
    missing = first.problems or first.unreadable
    return first if is_whole and not missing else _read_all(host)


def _read_all(host: Host) -> Inventory:
    tops = zfs.top_datasets(host)
    away = [name for name in tops if name.endswith(f"/{layout.AWAY}")]
    gone = [name for name in tops if name.endswith(f"/{layout.UNINSTALLED}")]
    roots = [name for name in tops if name.endswith("/chyves")]
    all_roots = [*roots, *away, *gone]
    datasets = {d.name: d for d in zfs.datasets(host, all_roots)} if all_roots else {}
    leaving = tuple(name.partition("/")[0] for name in gone if datasets[name].is_leaving)
    problems: list[str] = []
    pools = [
        Pool(root.partition("/")[0], config)
        for root in roots
        if (config := _pool_config(host, datasets[root], problems)) is not None
    ]
    resting = [pool for pool in pools if pool.role == layout.PoolRole.OFFLINE]
    hiding = [layout.root_dataset(pool.name) for pool in resting] + away
    hidden = guests_away(host, [d for d in datasets.values() if _is_below(d.name, hiding)])
    misplaced = tuple(
        name
        for name in away
        if datasets[name].mountpoint != layout.away_mountpoint(name.partition("/")[0])
        and layout.root_dataset(name.partition("/")[0]) not in datasets
    )
    datasets = {name: d for name, d in datasets.items() if not _is_below(name, hiding + gone)}
    there = [
        (place, dataset)
        for dataset in datasets.values()
        if isinstance(place := places.classify(dataset.name), places.GuestRoot)
        and not (dataset.is_volume or dataset.is_unfinished or _is_on_its_way(dataset, datasets))
    ]
    active = _with_roles(pool for pool in pools if pool not in resting)
    offline = (*resting, *(_pool_away(host, root) for root in away))
    found = _with_guests(host, active, datasets, there, problems)
    half_away = tuple(layout.root_dataset(pool.name) for pool in resting) + misplaced
    return found._replace(offline=offline, hidden=hidden, leaving=leaving, half_away=half_away)


def _with_roles(pools: Iterable[Pool]) -> tuple[Pool, ...]:
    """Return the pools with the roles that they have now: one that another primary pool has been
    promoted over is secondary, whatever its own file still says."""
    known = tuple(pools)
    before = {
        pool.config.get(layout.PROMOTED_OVER)
        for pool in known
        if pool.role == layout.PoolRole.PRIMARY
    }
    role = {"dataset_role": layout.PoolRole.SECONDARY}
    return tuple(
        pool._replace(config=pool.config.set(role)) if pool.name in before else pool
        for pool in known
    )


def _is_on_its_way(dataset: zfs.Dataset | None, datasets: Mapping[str, zfs.Dataset]) -> bool:
    """Tell whether a guest that is moved here is still where it was."""
    return dataset is not None and dataset.awaits != "" and dataset.awaits not in datasets


def never_left(dataset: zfs.Dataset, datasets: Mapping[str, zfs.Dataset]) -> bool:
    """Tell whether a guest was to be moved here and is still where it was, for all to see. Where
    neither it nor its tombstone can be seen, because its pool is away, nobody knows."""
    source = places.moved_from(dataset.awaits)
    return bool(source) and dataset.awaits not in datasets and source in datasets


def _is_below(name: str, roots: Iterable[str]) -> bool:
    """Tell whether a dataset is one of ``roots`` or below one."""
    return any(name == root or name.startswith(f"{root}/") for root in roots)


def _pool_away(host: Host, root: str) -> Pool:
    """Return what has been put away as an offline pool, whatever its file says of its role."""
    name = root.partition("/")[0]
    config = _read(host, f"{layout.away_mountpoint(name)}/.config/pool.cfg", [])
    return Pool(name, config.set({"dataset_role": layout.PoolRole.OFFLINE}))


def guests_away(host: Host, datasets: Iterable[zfs.Dataset]) -> tuple[Guest, ...]:
    """Return the guests of pools that are put away, as far as they can be read."""
    found = []
    for dataset in datasets:
        pool, _, *parts = dataset.name.split("/")
        if len(parts) == 2 and parts[0] == "guests" and dataset.mountpoint:
            config = _read(host, f"{dataset.mountpoint}/.config/.cfg", [])
            found.append(Guest(parts[1], pool, config, {}, {}))
    return tuple(found)


def refresh(host: Host, inventory: Inventory) -> Inventory:
    """Read the property files again, without asking zfs: whoever holds the host's lock sees what
    others have written since, and the guests in the making too."""
    pools = []
    for pool in inventory.pools:
        config = _read(host, layout.pool_config(pool.name), [])
        if config.get("dataset_role") in (layout.PoolRole.PRIMARY, layout.PoolRole.SECONDARY):
            pools.append(Pool(pool.name, config))
    there = []
    for pool in pools:
        folder = host.path(layout.guests_folder(pool.name))
        with os.scandir(folder) as entries:
            names = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
        names += _planned_guests(host, pool.name, names)
        for name in names:
            dataset = layout.guest_dataset(pool.name, name)
            known = inventory.datasets.get(dataset)
            if dataset not in host.planned_away and not _is_on_its_way(known, inventory.datasets):
                there.append((places.GuestRoot(pool.name, name), None))
    left = {pool.name for pool in pools}
    hidden = (*inventory.hidden, *(one for one in inventory.guests if one.pool not in left))
    found = _with_guests(host, _with_roles(pools), inventory.datasets, there, [])
    return found._replace(offline=inventory.offline, hidden=hidden, unreadable=inventory.unreadable)


def _planned_guests(host: Host, pool: str, there: Iterable[str]) -> list[str]:
    """Return the guests that a dry run would have made by now."""
    folder = f"{layout.guests_folder(pool)}/"
    names = [path.removeprefix(folder).partition("/")[0] for path in host.planned]
    return [
        name
        for name in names
        if name not in there and layout.guest_config(pool, name) in host.planned
    ]


def _with_guests(
    host: Host,
    pools: tuple[Pool, ...],
    datasets: Mapping[str, zfs.Dataset],
    there: Iterable[tuple[places.GuestRoot, zfs.Dataset | None]],
    problems: list[str],
) -> Inventory:
    globals_, defaults = ConfigFile(), ConfigFile()
    for pool in pools:
        if pool.role == layout.PoolRole.PRIMARY:
            globals_ = _read_shared(host, layout.global_config(pool.name), Scope.GLOBAL, problems)
            path = layout.defaults_config(pool.name)
            defaults = _read_shared(host, path, Scope.DEFAULTS, problems)
    guests, unreadable = [], []
    for place, dataset in there:
        config = _guest_config(host, place, dataset, datasets, problems)
        if config is not None:
            guests.append(Guest(place.guest, place.pool, config, defaults, globals_))
        elif _has_properties(place, datasets):
            unreadable.append(Guest(place.guest, place.pool, ConfigFile(), defaults, globals_))
    guests.sort(key=lambda guest: (layout.version_key(guest.name), guest.pool))
    found = Inventory(pools, globals_, defaults, tuple(guests), datasets, tuple(problems))
    return found._replace(unreadable=tuple(unreadable))


def _read(host: Host, path: str, problems: list[str]) -> ConfigFile:
    try:
        return read_config(host, path)
    except OSError as error:
        problems.append(f"{path}: {error.strerror}")
        return ConfigFile()


def _read_shared(host: Host, path: str, scope: Scope, problems: list[str]) -> ConfigFile:
    """Read a property file of the primary pool. One that has nothing of what each begins with was
    emptied: what it had is lost, not initial."""
    config = _read(host, path, problems)
    if host.path(path).is_file() and initial_values(scope).keys().isdisjoint(config):
        problems.append(
            f"{path} has nothing that such a file begins with: put it back; {layout.kept_in(path)}"
        )
    return config


def _pool_config(host: Host, root: zfs.Dataset, problems: list[str]) -> ConfigFile | None:
    """Read a pool's properties; a pool in the making is none yet. What is no role is told."""
    if root.is_unfinished:
        return None
    path = layout.pool_config(root.name.partition("/")[0])
    try:
        config = read_config(host, path)
    except OSError as error:
        problems.append(f"{path}: {error.strerror}; is {root.name} mounted?")
        return None
    if not config:
        problems.append(f"{path} is empty: put it back; {layout.kept_in(path)}")
        return None
    role = config.get("dataset_role") or ""
    if role not in list(layout.PoolRole):
        known = " or ".join((layout.PoolRole.PRIMARY, layout.PoolRole.SECONDARY))
        problems.append(f"{path}: dataset_role={role} is no role: write {known}")
    return config


def _guest_config(
    host: Host,
    place: places.GuestRoot,
    dataset: zfs.Dataset | None,
    datasets: Mapping[str, zfs.Dataset],
    problems: list[str],
) -> ConfigFile | None:
    """Read a guest's properties; a dataset without them is no guest, and a file that lacks what
    each guest has is damaged."""
    path = layout.guest_config(place.pool, place.guest)
    try:
        config = read_config(host, path)
        return config if "uuid" in config or "serial" in config else None
    except OSError as error:
        if dataset and not _has_properties(place, datasets):
            problems.append(f"{path}: {error.strerror}; is {dataset.name} mounted, or no guest?")
        return None


def _has_properties(place: places.GuestRoot, datasets: Mapping[str, zfs.Dataset]) -> bool:
    """Tell whether there is a dataset for the properties of a guest."""
    return f"{layout.guest_dataset(place.pool, place.guest)}/.config" in datasets
