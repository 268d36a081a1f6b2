# SPDX-License-Identifier: BSD-2-Clause
"""The property files: one read for all guests, atomic writes."""

import os
import re
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from chyves.backend import zfs
from chyves.backend.host import Host
from chyves.errors import Conflict, Invalid, NotFound, Precondition
from chyves.model import layout
from chyves.model.config import ConfigFile
from chyves.model.guest import Guest, boot_order, members, named_twice
from chyves.model.selector import ALL, BOOT, GROUP, parse_selector


class Pool(NamedTuple):
    """A pool with chyves on it; ``role`` is primary, secondary or offline."""

    name: str
    config: ConfigFile

    @property
    def role(self) -> str:
        return self.config.get("dataset_role") or "-"

    @property
    def version(self) -> str:
        return self.config.get("dataset_version") or "-"


class Inventory(NamedTuple):
    """All that chyves keeps on a host. ``datasets`` are by name; ``problems`` are sentences about
    what could not be read. No command sees the ``hidden`` guests, which are on ``offline`` pools;
    their numbers stay theirs. Of ``unreadable`` guests the properties are there and cannot be
    read. Pools that are ``leaving`` are half uninstalled; ``half_away`` are datasets that are being
    put away and are not yet, or not where they are to be."""

    pools: tuple[Pool, ...]
    globals: ConfigFile
    defaults: ConfigFile
    guests: tuple[Guest, ...]
    datasets: Mapping[str, zfs.Dataset]
    problems: tuple[str, ...]
    offline: tuple[Pool, ...] = ()
    hidden: tuple[Guest, ...] = ()
    unreadable: tuple[Guest, ...] = ()
    leaving: tuple[str, ...] = ()
    half_away: tuple[str, ...] = ()

    @property
    def names(self) -> list[str]:
        """The names of all guests, in the order people expect."""
        return [guest.name for guest in self.guests]

    def primary(self) -> Pool:
        """Return the primary pool. Raises Precondition if there is none, or more than one."""
        primaries = [pool for pool in self.pools if pool.role == layout.PoolRole.PRIMARY]
        if not primaries:
            raise Precondition(
                "chyves is not set up on any pool", hint="chyves dataset <pool> install"
            )
        if len(primaries) > 1:
            names = ", ".join(pool.name for pool in primaries)
            raise Precondition(f"more than one primary pool: {names}", hint="export one of them")
        return primaries[0]

    def require_current(self) -> None:
        """Raise Precondition unless there is a primary pool and all pools have this version."""
        self.primary()
        for pool in self.pools:
            if pool.version < layout.DATASET_VERSION:
                raise Precondition(
                    f"the dataset on {pool.name} is of version {pool.version}, "
                    f"older than {layout.DATASET_VERSION}",
                    hint=f"chyves dataset {pool.name} upgrade",
                )
            if pool.version > layout.DATASET_VERSION:
                raise Precondition(
                    f"the dataset on {pool.name} is of version {pool.version}, "
                    f"newer than {layout.DATASET_VERSION}",
                    hint="it was made by a newer chyves: upgrade this one",
                )

    def why_unreadable(self, guest: Guest) -> Precondition:
        """Return what is to be said of a guest whose properties cannot be read."""
        config = f"{layout.guest_dataset(guest.pool, guest.name)}/.config"
        file = layout.guest_config(guest.pool, guest.name)
        if self.datasets[config].is_mounted:
            folder = file.removesuffix("/.cfg")
            hint = f"put back {file}; snapshots have it in {folder}/.zfs/snapshot"
        else:
            hint = f"zfs mount {config}"
        return Precondition("its properties cannot be read", hint=hint)

    def require_readable(self, *names: str) -> None:
        """Raise Precondition if the properties of one of these guests, or of any if none is named,
        cannot be read: nobody knows then what is its."""
        for guest in self.unreadable:
            if guest.name in names or not names:
                error = self.why_unreadable(guest)
                said = f"the properties of {guest.name} cannot be read"
                raise Precondition(said, hint=error.hint)

    def pool(self, name: str) -> Pool:
        """Return the pool of that name (``primary`` is the primary one). Raises NotFound."""
        if name == "primary":
            return self.primary()
        for pool in self.pools:
            if pool.name == name:
                return pool
        known = ", ".join(pool.name for pool in self.pools) or "none"
        if any(pool.name == name for pool in self.offline):
            raise Precondition(f"{name} is offline", hint=f"chyves dataset {name} online")
        raise NotFound(
            f"chyves is not set up on a pool {name}",
            hint=f"pools with chyves: {known}; chyves dataset {name} install sets it up",
        )

    def guest(self, name: str) -> Guest:
        """Return one guest. Raises NotFound; Conflict if two pools have one of that name."""
        found = [guest for guest in self.guests if guest.name == name]
        if not found:
            self.require_readable(name)
            parse_selector(name, self.names)
            raise NotFound(f"no such guest: {name}", hint="chyves list shows all")
        if len(found) > 1:
            pools = " and ".join(guest.pool for guest in found)
            raise Conflict(
                f"there is a guest {name} on {pools}",
                hint="rename or destroy one of the datasets; chyves cannot know which is meant",
            )
        return found[0]

    def select(self, selector: str, *, whatever: bool = False) -> list[Guest]:
        """Return the guests a selector names; ``whatever`` their properties are, even those that
        cannot be read. A name that two pools have is left out unless it is said itself.

        Raises NotFound, Invalid, Conflict; Precondition if there is no pool they could be on, or
        the properties of one that is named cannot be read.
        """
        if not self.pools and selector != ALL:
            self.primary()
        known = self
        if whatever:
            known = self._replace(guests=(*self.guests, *self.unreadable), unreadable=())
        for name in selector.split(","):
            if name not in known.names:
                known.require_readable(name)
        groups = known.groups() if GROUP in selector else {}
        boot = boot_order(known.guests) if BOOT in selector else ()
        names = parse_selector(selector, known.names, groups, boot)
        unsure = set(named_twice(known.guests)) - set(selector.split(","))
        return [known.guest(name) for name in names if name not in unsure]

    def groups(self) -> dict[str, list[str]]:
        """Return the names of the guests of each group."""
        return members(self.guests)

    def single(self, selector: str) -> Guest:
        """Return the one guest a selector names. Raises NotFound, Invalid, Conflict."""
        chosen = self.select(selector)
        if len(chosen) != 1:
            raise Invalid("this takes one guest", hint="name one guest, not a list or all")
        return chosen[0]

    def disks(self, guest: Guest) -> list[zfs.Dataset]:
        """Return the volumes of a guest, disk2 before disk10."""
        return self.disks_by_guest().get((guest.pool, guest.name), [])

    def disk(self, guest: Guest, name: str) -> zfs.Dataset:
        """Return one volume of a guest. Raises Invalid for a name that no disk has, NotFound."""
        disks = {volume.name.rpartition("/")[2]: volume for volume in self.disks(guest)}
        hint = f"disks of {guest.name}: {', '.join(disks) or 'none'}"
        if not re.fullmatch(r"disk[0-9]{1,5}", name):
            raise Invalid(f"{name} is no disk{{n}}", hint=hint)
        if name not in disks:
            raise NotFound(f"{guest.name} has no {name}", hint=hint)
        return disks[name]

    def disks_by_guest(self) -> dict[tuple[str, str], list[zfs.Dataset]]:
        """Return the volumes of all guests, by pool and guest."""
        found: dict[tuple[str, str], list[zfs.Dataset]] = {}
        for dataset in self.datasets.values():
            if dataset.is_volume:
                place = layout.classify(dataset.name)
                if isinstance(place, layout.GuestPart):
                    found.setdefault((place.pool, place.guest), []).append(dataset)
        for volumes in found.values():
            volumes.sort(key=lambda volume: layout.version_key(volume.name))
        return found


def read_inventory(host: Host) -> Inventory:
    """Read everything, with two programs however many guests there are; and once more if
    something was missing, which another chyves may just have taken away."""
    first = _read_all(host)
    has_primary = any(pool.role == layout.PoolRole.PRIMARY for pool in first.pools)
    is_whole = has_primary or not first.pools
    return first if is_whole and not first.problems else _read_all(host)


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
    places = [
        (place, dataset)
        for dataset in datasets.values()
        if isinstance(place := layout.classify(dataset.name), layout.GuestRoot)
        and not (dataset.is_volume or dataset.is_unfinished or _is_on_its_way(dataset, datasets))
    ]
    active = _with_roles(pool for pool in pools if pool not in resting)
    offline = (*resting, *(_pool_away(host, root) for root in away))
    found = _with_guests(host, active, datasets, places, problems)
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
    source = layout.moved_from(dataset.awaits)
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
    places = []
    for pool in pools:
        folder = host.path(layout.guests_folder(pool.name))
        with os.scandir(folder) as entries:
            names = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
        names += _planned_guests(host, pool.name, names)
        for name in names:
            known = inventory.datasets.get(layout.guest_dataset(pool.name, name))
            if not _is_on_its_way(known, inventory.datasets):
                places.append((layout.GuestRoot(pool.name, name), None))
    left = {pool.name for pool in pools}
    hidden = (*inventory.hidden, *(one for one in inventory.guests if one.pool not in left))
    found = _with_guests(host, _with_roles(pools), inventory.datasets, places, [])
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
    places: Iterable[tuple[layout.GuestRoot, zfs.Dataset | None]],
    problems: list[str],
) -> Inventory:
    globals_, defaults = ConfigFile(), ConfigFile()
    for pool in pools:
        if pool.role == layout.PoolRole.PRIMARY:
            globals_ = _read(host, layout.global_config(pool.name), problems)
            defaults = _read(host, layout.defaults_config(pool.name), problems)
    guests, unreadable = [], []
    for place, dataset in places:
        config = _guest_config(host, place, dataset, datasets, problems)
        if config is not None:
            guests.append(Guest(place.guest, place.pool, config, defaults, globals_))
        elif _has_properties(place, datasets):
            unreadable.append(Guest(place.guest, place.pool, ConfigFile(), defaults, globals_))
    guests.sort(key=lambda guest: (layout.version_key(guest.name), guest.pool))
    for name, on in named_twice(guests).items():
        problems.append(f"there is a guest {name} on {' and '.join(on)}: only lists show them")
    found = Inventory(pools, globals_, defaults, tuple(guests), datasets, tuple(problems))
    return found._replace(unreadable=tuple(unreadable))


def _read(host: Host, path: str, problems: list[str]) -> ConfigFile:
    try:
        return read_config(host, path)
    except OSError as error:
        problems.append(f"{path}: {error.strerror}")
        return ConfigFile()


def _pool_config(host: Host, root: zfs.Dataset, problems: list[str]) -> ConfigFile | None:
    """Read a pool's properties; a pool in the making is none yet."""
    if root.is_unfinished:
        return None
    path = layout.pool_config(root.name.partition("/")[0])
    try:
        return read_config(host, path)
    except OSError as error:
        problems.append(f"{path}: {error.strerror}; is {root.name} mounted?")
        return None


def _guest_config(
    host: Host,
    place: layout.GuestRoot,
    dataset: zfs.Dataset | None,
    datasets: Mapping[str, zfs.Dataset],
    problems: list[str],
) -> ConfigFile | None:
    """Read a guest's properties; a dataset without them is no guest."""
    path = layout.guest_config(place.pool, place.guest)
    try:
        return read_config(host, path)
    except OSError as error:
        if dataset and not _has_properties(place, datasets):
            problems.append(f"{path}: {error.strerror}; is {dataset.name} mounted, or no guest?")
        return None


def _has_properties(place: layout.GuestRoot, datasets: Mapping[str, zfs.Dataset]) -> bool:
    """Tell whether there is a dataset for the properties of a guest."""
    return f"{layout.guest_dataset(place.pool, place.guest)}/.config" in datasets


def read_config(host: Host, path: str) -> ConfigFile:
    """Read a property file; bytes that are no UTF-8 survive. Raises OSError."""
    if path in host.planned:
        return ConfigFile.parse(host.planned[path])
    with host.path(path).open(encoding="utf-8", errors="surrogateescape", newline="") as file:
        return ConfigFile.parse(file.read())


def require_config(host: Host, path: str) -> ConfigFile:
    """Read a property file that is to be changed. Raises Precondition if it is lost."""
    try:
        return read_config(host, path)
    except OSError as error:
        raise Precondition(
            f"{path}: {error.strerror}",
            hint="put it back, from a snapshot or a backup; an empty file stands for what chyves "
            "has by itself",
        ) from error


def current(host: Host, guest: Guest) -> Guest:
    """Return the guest as its file has it now; whoever holds its lock sees what others have
    written since. Raises NotFound if it is gone."""
    try:
        config = read_config(host, layout.guest_config(guest.pool, guest.name))
    except FileNotFoundError:
        raise NotFound(
            f"no such guest any more: {guest.name}", hint="chyves list shows all"
        ) from None
    return Guest(guest.name, guest.pool, config, guest.defaults, guest.globals)


def plan_restored(host: Host, guest: Guest, label: str) -> None:
    """Let a dry run read the properties as a rollback to ``label`` would bring them back."""
    old = read_config(host, layout.snapshot_config(guest.pool, guest.name, label))
    host.planned[layout.guest_config(guest.pool, guest.name)] = old.text


def change_config(
    host: Host, path: str, change: Callable[[ConfigFile], ConfigFile], *, what: str
) -> None:
    """Change a property file; the caller holds the lock that guards it. ``what`` is said by a dry
    run. A reader sees the old file or the new one."""
    old = require_config(host, path)
    new = change(old)
    if new.text != old.text:
        _put(host, path, new.text, what)


def _put(host: Host, path: str, text: str, what: str) -> None:
    """Write a property file. A dry run notes it, and reads it from now on as it would be."""
    if host.plan is not None:
        host.planned[path] = text
    host.note(f"{what} in {path}", lambda: write_file(host, path, text))


def set_values(host: Host, path: str, values: Mapping[str, str]) -> None:
    """Set properties in a file; the caller holds the lock that guards it."""
    said = " ".join(f"{key}={value}" for key, value in values.items())
    change_config(host, path, lambda config: config.set(values), what=said)


def write_file(host: Host, path: str, text: str) -> None:
    """Write a file as a whole: a temporary file, fsync, rename, fsync of its folder.

    Raises Precondition if the file system refuses.
    """
    try:
        host.may_write(path)
        _replace(host, path, text)
    except OSError as error:
        raise Precondition(
            f"cannot write {path}: {error.strerror}", hint="see zfs get readonly,available,mounted"
        ) from error


def _replace(host: Host, path: str, text: str) -> None:
    file = host.path(path)
    fresh = file.with_name(f"{file.name}.new")
    mode = os.stat(file).st_mode & 0o777 if file.exists() else 0o644
    descriptor = os.open(
        fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, mode
    )
    with open(descriptor, "w", encoding="utf-8", errors="surrogateescape", newline="") as new:
        new.write(text)
        new.flush()
        os.fsync(new.fileno())
    fresh.replace(file)
    folder = os.open(file.parent, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def create_config(host: Host, path: str, values: Mapping[str, str]) -> None:
    """Write a new property file with these values in this order."""
    text = ConfigFile.parse("").set(values).text
    _put(host, path, text, f"{len(values)} properties")
