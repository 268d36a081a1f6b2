# SPDX-License-Identifier: BSD-2-Clause
"""Pools: records in ``world.table("zpool")``, each with the root filesystem of its name."""

import secrets
import time

from chyves.simulator.world import World
from chyves.simulator.zfs import contents, mounting
from chyves.simulator.zfs.datasets import Datasets
from chyves.simulator.zfs.moves import Moves


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
