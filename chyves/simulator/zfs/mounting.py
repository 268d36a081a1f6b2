# SPDX-License-Identifier: BSD-2-Clause
"""Mounting and unmounting: a filesystem's content moves to its mountpoint and back."""

import errno
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from chyves.simulator.opened import holders
from chyves.simulator.zfs import contents, names, writing
from chyves.simulator.zfs.datasets import Datasets
from chyves.simulator.zfs.errors import RefusedError
from chyves.simulator.zfs.moves import Moves
from chyves.simulator.zfs.space import available, is_limited

_FOLDER = 128 << 10
"""So many bytes at least ZFS reserves for the time in which a folder is made (OpenZFS 2.1: none is
made where reservations have left less than what an empty filesystem takes)."""


def is_mountable(datasets: Datasets, name: str) -> bool:
    """Tell whether zfs(8) would mount this filesystem by itself at all."""
    return (
        datasets[name]["type"] == names.FILESYSTEM
        and datasets.mountpoint(name).startswith("/")
        and datasets.value(name, "canmount") != "off"
        and datasets.value(name, "jailed") == "off"
    )


def mount(datasets: Datasets, moves: Moves, name: str) -> None:
    """Mount a filesystem at its mountpoint, if it has one. Raises RefusedError."""
    if not is_mountable(datasets, name):
        return
    path = datasets.mountpoint(name)
    target = datasets.world.path(path)
    if path == "/" or path in datasets.mounts():
        raise RefusedError(f"cannot mount '{name}': mountpoint or dataset is busy")
    if not os.path.lexists(target) and (why := _no_folder(datasets, path)):
        raise RefusedError(f"cannot mount '{path}': failed to create mountpoint: {why}")
    if os.path.lexists(target) and not target.is_dir():
        raise RefusedError(f"cannot mount '{name}': Not a directory")
    if target.is_dir() and any(target.iterdir()):
        if datasets.value(name, "overlay") == "off":
            raise RefusedError(f"cannot mount '{path}': directory is not empty")
        moves.move(target, covered(datasets, name))
    elif target.is_dir():
        moves.discard(target)
    moves.move(contents.stored(datasets.world, datasets[name]), target)
    datasets.change(name, mounted=path)


def _no_folder(datasets: Datasets, path: str) -> str:
    """Return why the filesystem in which a mountpoint would be made refuses a new folder, if it
    does."""
    mounts = datasets.mounts()
    above = path.rpartition("/")[0]
    while above and above not in mounts:
        above = above.rpartition("/")[0]
    name = mounts.get(above)
    if name and datasets.value(name, "readonly") == "on":
        return "Read-only file system"
    return no_room_for_folders(datasets, name) if name else ""


def no_room_for_folders(datasets: Datasets, name: str) -> str:
    """Return why a filesystem is too full for a folder, if it is."""
    if is_limited(datasets, name) and writing.full(datasets, name) == errno.EDQUOT:
        return "Disc quota exceeded"
    return "No space left on device" if available(datasets, name) < _FOLDER else ""


def unmount(datasets: Datasets, moves: Moves, name: str, *, force: bool = False) -> None:
    """Unmount a filesystem, if it is mounted. Raises RefusedError if it is busy."""
    path = datasets[name].get("mounted")
    if path is None:
        return
    check_idle(datasets, path, force=force)
    target = datasets.world.path(path)
    moves.move(target, contents.stored(datasets.world, datasets[name]))
    hidden = covered(datasets, name)
    if hidden.is_dir():
        moves.move(hidden, target)
    else:
        moves.make_directory(target)
    datasets.change(name, mounted=None)


def covered(datasets: Datasets, name: str) -> Path:
    """Return where that is kept which the mounted filesystem hides."""
    return datasets.world.store / f"{datasets[name]['content']}.covered"


def check_idle(datasets: Datasets, path: str, *, force: bool = False) -> None:
    """Raise RefusedError if a filesystem mounted at ``path`` cannot be unmounted now."""
    if datasets.mounts_below(path) or (not force and is_busy(datasets, path)):
        raise RefusedError(f"cannot unmount '{path}': pool or dataset is busy")


def is_busy(datasets: Datasets, path: str) -> bool:
    """Tell whether a process has the mountpoint, or a file of that filesystem, open."""
    inside = f"{path}/"
    for opened in list(datasets.world.table("opened")):
        if (opened == path or opened.startswith(inside)) and holders(datasets.world, opened):
            deeper = any(
                opened == mount or opened.startswith(f"{mount}/")
                for mount in datasets.mounts_below(path)
            )
            if not deeper:
                return True
    return False


def unmount_all(
    datasets: Datasets, moves: Moves, mounted: Sequence[str], *, force: bool = False
) -> None:
    """Unmount filesystems, deepest mountpoint first. Raises RefusedError at the first that is
    busy; the transaction then has to be undone."""
    for name in sorted(mounted, key=lambda name: datasets[name]["mounted"], reverse=True):
        unmount(datasets, moves, name, force=force)


def mount_all(datasets: Datasets, moves: Moves, unmounted: Sequence[str]) -> Iterator[str]:
    """Mount filesystems, shallowest mountpoint first; yields the complaints of those that fail."""
    for name in sorted(unmounted, key=datasets.mountpoint):
        try:
            mount(datasets, moves, name)
        except RefusedError as refused:
            yield refused.message


def remove_mountpoint(datasets: Datasets, moves: Moves, name: str) -> None:
    """Remove the directory a filesystem was mounted on, unless someone chose it or uses it."""
    if not is_mountable(datasets, name) or datasets.own(name, "mountpoint") is not None:
        return
    directory = datasets.world.path(datasets.mountpoint(name))
    if directory.is_dir() and not any(directory.iterdir()):
        moves.discard(directory)
