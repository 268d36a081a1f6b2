# SPDX-License-Identifier: BSD-2-Clause
"""Which mounted filesystem a path of the simulated host is on."""

from chyves.simulator.world import World
from chyves.simulator.zfs.datasets import Datasets


def is_read_only(world: World, absolute_path: str) -> bool:
    """Tell whether writing at ``absolute_path`` would fail with EROFS (readonly=on)."""
    with world.reading():
        datasets = Datasets(world)
        mounts = datasets.mounts()
        path = absolute_path.rstrip("/")
        while path:
            if path in mounts:
                return datasets.value(mounts[path], "readonly") == "on"
            path = path.rpartition("/")[0]
        return False
