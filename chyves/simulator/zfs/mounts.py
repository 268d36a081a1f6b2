# SPDX-License-Identifier: BSD-2-Clause
"""Whether a path of the simulated host can be written to, as far as ZFS has a say."""

from chyves.simulator.world import World
from chyves.simulator.zfs.datasets import Datasets


def is_read_only(world: World, absolute_path: str) -> bool:
    """Tell whether writing at ``absolute_path`` (a file, or the device of a volume) would fail
    with EROFS (readonly=on)."""
    with world.reading():
        datasets = Datasets(world)
        volume = absolute_path.removeprefix("/dev/zvol/")
        if volume != absolute_path:
            return volume in datasets and datasets.value(volume, "readonly") == "on"
        mounts = datasets.mounts()
        path = absolute_path.rstrip("/")
        while path:
            if path in mounts:
                return datasets.value(mounts[path], "readonly") == "on"
            path = path.rpartition("/")[0]
        return False
