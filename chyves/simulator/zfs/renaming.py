# SPDX-License-Identifier: BSD-2-Clause
"""``zfs rename``."""

from typing import NamedTuple

from chyves.simulator.programs import Io
from chyves.simulator.world import World
from chyves.simulator.zfs import mounting, names, nodes
from chyves.simulator.zfs.creating import check_parent, create_ancestors
from chyves.simulator.zfs.datasets import Datasets
from chyves.simulator.zfs.errors import RefusedError, UsageError
from chyves.simulator.zfs.moves import Moves, changing
from chyves.simulator.zfs.names import ANYTHING, DATASETS, FILESYSTEM, SNAPSHOT, VOLUME
from chyves.simulator.zfs.options import Options
from chyves.simulator.zfs.privilege import is_root


class Outcome(NamedTuple):
    """Why nothing was renamed, if so, and the complaints of what could not be mounted again, which
    does not count as a failure since OpenZFS 2.2."""

    refusal: str = ""
    unmounted: tuple[str, ...] = ()


def zfs_rename(world: World, arguments: list[str], io: Io) -> int:
    """``zfs rename``."""
    options = Options(arguments, "pruf")
    letters = {letter for letter, _ in options}
    if not options.rest:
        raise UsageError("missing source dataset argument")
    if len(options.rest) < 2:
        raise UsageError("missing target dataset argument")
    if len(options.rest) > 2:
        raise UsageError("too many arguments")
    old, new = options.rest
    if {"r", "p"} <= letters:
        raise UsageError("-p and -r options are mutually exclusive")
    if {"u", "p"} <= letters:
        raise UsageError("-u and -p options are mutually exclusive")
    if "r" in letters and "@" not in old:
        raise UsageError("source dataset for recursive rename must be a snapshot")
    kinds = ANYTHING
    if letters & {"u", "p"}:
        kinds = frozenset({FILESYSTEM}) if "u" in letters else DATASETS
    with world.reading():
        kind = Datasets(world).open(old, kinds)["type"]
    if "p" in letters and not names.fault(new, frozenset({kind})):
        create_ancestors(world, new)
    if old == new:
        return 0
    outcome = Outcome()
    with changing(world) as (datasets, moves):
        if kind == SNAPSHOT:
            _rename_snapshots(datasets, old, new, recursive="r" in letters)
        else:
            outcome = rename(
                datasets, moves, old, new, keep_mounts="u" in letters, force="f" in letters
            )
    for complaint in filter(None, (outcome.refusal, *outcome.unmounted)):
        io.err(complaint)
    unmounted_fails = world.release.major <= 13
    return 1 if outcome.refusal or (outcome.unmounted and unmounted_fails) else 0


def _rename_snapshots(datasets: Datasets, old: str, new: str, *, recursive: bool) -> None:
    name, _, label = old.partition("@")
    where, delimiter, new_label = new.rpartition("@")
    action = f"cannot rename to '{new}'"
    if delimiter and where and where != name:
        raise RefusedError(f"{action}: snapshots must be part of same dataset")
    if why := names.fault(f"{name}@{new_label}", frozenset({SNAPSHOT}), modifying=True):
        raise RefusedError(f"{action}: {why}")
    affected = [
        each
        for each in (datasets.tree(name) if recursive else [name])
        if f"{each}@{label}" in datasets
    ]
    for each in affected:
        if not is_root():
            raise RefusedError(f"cannot rename '{each}@{label}': permission denied")
        if f"{each}@{new_label}" in datasets:
            why = "dataset already exists"
            if recursive:
                why = "a child dataset already has a snapshot with the new name"
            raise RefusedError(f"cannot rename '{each}@{label}': {why}")
    for each in affected:
        _rename_record(datasets, f"{each}@{label}", f"{each}@{new_label}")


def _rename_record(datasets: Datasets, old: str, new: str) -> None:
    """Give a record another name, and tell the clones of a snapshot."""
    for clone in datasets.clones(old) if "@" in old else ():
        datasets.table[clone] = {**datasets[clone], "origin": new}
    datasets.table[new] = datasets[old]
    del datasets.table[old]
    datasets.forget()


def rename(
    datasets: Datasets, moves: Moves, old: str, new: str, *, keep_mounts: bool, force: bool
) -> Outcome:
    """Rename a dataset with all below it. Raises RefusedError if nothing was touched; a name that
    is taken is noticed only behind an unmount."""
    action = f"cannot rename to '{new}'"
    names.check(action, new, frozenset({datasets[old]["type"]}))
    check_parent(datasets, f"cannot create '{new}'", new)
    if names.pool_of(old) != names.pool_of(new):
        raise RefusedError(f"{action}: datasets must be within same pool")
    if names.is_below(new, old):
        raise RefusedError(
            f"{action}: New dataset name cannot be a descendant of current dataset name"
        )
    tree = datasets.tree(old)
    if not is_root():
        raise RefusedError(f"cannot rename '{old}': permission denied")
    if datasets[old]["type"] == FILESYSTEM and datasets.mountpoint(old) in ("none", "legacy"):
        keep_mounts = True
    mounted = [] if keep_mounts else [name for name in tree if "mounted" in datasets[name]]
    if new in datasets:
        why = f"cannot rename '{old}': dataset already exists"
        return Outcome(why, _remount(datasets, moves, mounted))
    _check_names(datasets, old, new, tree)
    if not keep_mounts and _move_whole(datasets, moves, old, new, mounted, force=force):
        return Outcome()
    mounting.unmount_all(datasets, moves, mounted, force=force)
    for name in reversed(tree):
        if datasets[name]["type"] == FILESYSTEM and not keep_mounts:
            mounting.remove_mountpoint(datasets, moves, name)
    _rename_tree(datasets, moves, old, new, tree)
    renamed = [_renamed(name, old, new) for name in mounted]
    return Outcome(unmounted=tuple(mounting.mount_all(datasets, moves, renamed)))


def _remount(datasets: Datasets, moves: Moves, mounted: list[str]) -> tuple[str, ...]:
    """Unmount filesystems and mount them again, as before and behind a rename that is refused;
    returns complaints."""
    mounting.unmount_all(datasets, moves, mounted)
    for name in reversed(mounted):
        mounting.remove_mountpoint(datasets, moves, name)
    return tuple(mounting.mount_all(datasets, moves, mounted))


def _check_names(datasets: Datasets, old: str, new: str, tree: list[str]) -> None:
    longest = max(
        len(_renamed(each, old, new).encode())
        for name in tree
        for each in (name, *datasets.snapshots(name))
    )
    if longest > 255 or any(names.is_too_deep(_renamed(each, old, new)) for each in tree):
        raise RefusedError(f"cannot rename '{old}': dataset name is too long")


def _renamed(name: str, old: str, new: str) -> str:
    return new + name[len(old) :]


def _move_whole(
    datasets: Datasets, moves: Moves, old: str, new: str, mounted: list[str], *, force: bool
) -> bool:
    """Rename a tree whose directory follows its name by moving that directory, if possible."""
    if old not in mounted or datasets.own(old, "mountpoint") is not None:
        return False
    source = datasets[old]["mounted"]
    above = datasets.mountpoint(names.parent_of(new))
    target = f"{above.rstrip('/')}/{new.rpartition('/')[2]}"
    place = datasets.world.path(target)
    if not above.startswith("/") or target in datasets.mounts() or datasets.mounts_below(target):
        return False
    if mounting.no_room_for_folders(datasets, names.parent_of(new)):
        return False
    if place.exists() and (not place.is_dir() or any(place.iterdir())):
        return False
    paths = {datasets[name]["mounted"] for name in mounted}
    follow = all(path == source or path.startswith(f"{source}/") for path in paths)
    if not follow or set(datasets.mounts_below(source)) - paths:
        return False
    if any(
        datasets.own(name, "mountpoint") is not None or _hides_something(datasets, name)
        for name in mounted
    ):
        return False
    for path in sorted(paths, reverse=True):
        if not force and mounting.is_busy(datasets, path):
            raise RefusedError(f"cannot unmount '{path}': pool or dataset is busy")
    moves.discard(place)
    moves.move(datasets.world.path(source), place)
    for name in mounted:
        datasets.change(name, mounted=target + datasets[name]["mounted"][len(source) :])
    _rename_tree(datasets, moves, old, new, datasets.tree(old))
    return True


def _hides_something(datasets: Datasets, name: str) -> bool:
    return mounting.covered(datasets, name).is_dir()


def _rename_tree(datasets: Datasets, moves: Moves, old: str, new: str, tree: list[str]) -> None:
    """Rename records, nodes and what refers to them."""
    volumes = [name for name in tree if datasets[name]["type"] == VOLUME]
    for name in volumes:
        nodes.vanish(datasets, moves, name)
        nodes.follow(datasets, name, _renamed(name, old, new))
    snapshots = [each for name in tree for each in datasets.snapshots(name)]
    bookmarks = [each for name in tree for each in datasets.bookmarks(name)]
    for snapshot in snapshots:
        for clone in datasets.clones(snapshot):
            origin = _renamed(snapshot, old, new)
            datasets.table[clone] = {**datasets.table[clone], "origin": origin}
    for name in (*tree, *snapshots, *bookmarks):
        datasets.table[_renamed(name, old, new)] = datasets.table[name]
        del datasets.table[name]
    datasets.forget()
    for name in volumes:
        nodes.refresh(datasets, moves, _renamed(name, old, new))
