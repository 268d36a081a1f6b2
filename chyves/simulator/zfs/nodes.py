# SPDX-License-Identifier: BSD-2-Clause
"""The device nodes of volumes, in /dev/zvol.

Two oddities of a real FreeBSD 13.2 (transcripts ``zfs-zvol-nodes*.txt``), where they depend on
timing, are simulated by fixed rules:

* A volume that is created or cloned with its own ``volmode``, where that means another mode than
  it would have inherited, gets no node. Only a rename, or an import of the pool, brings it.
* ``zfs set volmode`` (and ``zfs inherit volmode``) acts one step late: it makes or removes the
  node as the value before demanded.
"""

import os
from pathlib import Path

from chyves.simulator.opened import holders
from chyves.simulator.zfs import contents, names
from chyves.simulator.zfs.datasets import Datasets
from chyves.simulator.zfs.moves import Moves

_MODES = {"1": "full", "2": "dev", "3": "none"}


def device(name: str) -> str:
    """Return the path of the node of a volume."""
    return f"/dev/zvol/{name}"


def is_open(datasets: Datasets, name: str) -> bool:
    """Tell whether a living process has the volume open."""
    return bool(holders(datasets.world, device(name)))


def mode(datasets: Datasets, name: str) -> str:
    """Return the volmode in force for a volume (or for one that inherits from ``name``):
    ``full``, ``dev`` or ``none``."""
    chosen = datasets.effective(name, "volmode", "default")[0]
    if chosen == "default":
        record = datasets.world.table("sysctl").get("vfs.zfs.vol.mode")
        chosen = _MODES.get(str(record["value"]) if record else "1", "full")
    return "full" if chosen == "geom" else chosen


def appear_for_new(datasets: Datasets, moves: Moves, name: str) -> None:
    """Make the node of a volume that was just created or cloned, if it gets one."""
    if datasets.own(name, "volmode") is not None:
        inherited = mode(datasets, names.parent_of(name))
        if mode(datasets, name) != inherited:
            return
    refresh(datasets, moves, name)


def refresh(datasets: Datasets, moves: Moves, name: str) -> None:
    """Make or remove the node as the volmode in force demands."""
    if mode(datasets, name) == "none" or " " in name or datasets[name].get("incomplete"):
        vanish(datasets, moves, name)
        return
    node = _path(datasets, name)
    target = os.path.relpath(contents.stored(datasets.world, datasets[name]), node.parent)
    if os.path.islink(node):
        if os.readlink(node) == target:
            return
        moves.discard(node)
    moves.link(node, target)


def vanish(datasets: Datasets, moves: Moves, name: str) -> None:
    """Remove the node of a volume and the directories it leaves empty."""
    node = _path(datasets, name)
    moves.discard(node)
    moves.later(lambda: _prune(node.parent, datasets.world.path("/dev")))


def _prune(directory: Path, top: Path) -> None:
    while directory != top and directory.is_dir() and not any(directory.iterdir()):
        directory.rmdir()
        directory = directory.parent


def follow(datasets: Datasets, old: str, new: str) -> None:
    """Let processes that have the volume open have it open under its new name."""
    opened = datasets.world.table("opened")
    record = opened.get(device(old))
    if record:
        opened[device(new)] = record
        del opened[device(old)]


def _path(datasets: Datasets, name: str) -> Path:
    return datasets.world.path(device(name))
