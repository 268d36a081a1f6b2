# SPDX-License-Identifier: BSD-2-Clause
"""Pools: records in ``world.table("zpool")``, each with the root filesystem of its name."""

import secrets
import time

from chyves.simulator.world import World
from chyves.simulator.zfs import contents, mounting, nodes
from chyves.simulator.zfs.datasets import Datasets
from chyves.simulator.zfs.errors import RefusedError
from chyves.simulator.zfs.moves import Moves
from chyves.simulator.zfs.names import FILESYSTEM, VOLUME


def create(world: World, name: str, size: int) -> None:
    """Make a pool of ``size`` bytes on a disk of the host, its root filesystem mounted at
    ``/name``. To be called within a transaction of ``world``."""
    device = f"da{len(world.table('zpool'))}"
    moves = Moves(world)
    add(Datasets(world), moves, name, size, device, {})
    moves.finish()


def add(
    datasets: Datasets,
    moves: Moves,
    name: str,
    size: int,
    device: str,
    local: dict[str, str | None],
) -> None:
    """Record a pool and its root filesystem (with ``local`` properties), and mount that."""
    datasets.pools[name] = {
        "size": size,
        "device": device,
        "guid": secrets.randbits(63),
        "created": int(time.time()),
        "txg": 3,
        "properties": {},
    }
    record = {
        "type": "filesystem",
        **datasets.birth(name),
        "createtxg": 1,
        "content": contents.fresh(),
        "local": local,
    }
    datasets[name] = record
    moves.make_directory(contents.stored(datasets.world, record))
    mounting.mount(datasets, moves, name)


def size_of_vdev(size: int) -> int:
    """Return the SIZE of a pool on a file or disk of ``size`` bytes: without labels and boot
    area (4.5 MiB), in whole metaslabs."""
    usable = size - (4608 << 10)
    shift = max(24, (usable >> 4).bit_length())
    return usable >> shift << shift


def bring_up(datasets: Datasets, moves: Moves, pool: str, *, mounted: bool = True) -> list[str]:
    """Do what an import or the start of the host does for a pool: make the nodes of its volumes
    as their volmode is now, and mount its filesystems. Returns complaints."""
    tree = datasets.tree(pool)
    for name in tree:
        if datasets[name]["type"] == VOLUME:
            nodes.refresh(datasets, moves, name)
    due = [
        name
        for name in tree
        if datasets[name]["type"] == FILESYSTEM
        and "mounted" not in datasets[name]
        and datasets.value(name, "canmount") == "on"
    ]
    return list(mounting.mount_all(datasets, moves, due if mounted else []))


def take_down(datasets: Datasets, moves: Moves, pool: str, *, force: bool = False) -> None:
    """Unmount all filesystems of a pool and remove the nodes of its volumes.
    Raises RefusedError if something is in use."""
    tree = datasets.tree(pool)
    mounted = [name for name in tree if "mounted" in datasets[name]]
    mounting.unmount_all(datasets, moves, mounted, force=force)
    for name in tree:
        if datasets[name]["type"] == VOLUME:
            if nodes.is_open(datasets, name):
                raise RefusedError("pool is busy")
            nodes.vanish(datasets, moves, name)
