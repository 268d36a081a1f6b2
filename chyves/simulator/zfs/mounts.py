# SPDX-License-Identifier: BSD-2-Clause
"""What ZFS makes of a path of the simulated host: whether it can be written to, and what lies in
the folder ``.zfs``, which every filesystem has and no listing shows."""

from pathlib import Path

from chyves.simulator.world import World
from chyves.simulator.zfs import contents
from chyves.simulator.zfs.datasets import Datasets


def is_read_only(world: World, absolute_path: str) -> bool:
    """Tell whether writing at ``absolute_path`` (a file, or the device of a volume) would fail
    with EROFS (readonly=on)."""
    with world.reading():
        datasets = Datasets(world)
        name = dataset_at(datasets, absolute_path)
        return bool(name) and datasets.value(name, "readonly") == "on"


def within_snapshot(world: World, absolute_path: str) -> Path:
    """Return where the file ``<mountpoint>/.zfs/snapshot/<label>/...`` is."""
    folder, _, rest = absolute_path.partition("/.zfs/snapshot/")
    label, _, below = rest.partition("/")
    with world.reading():
        datasets = Datasets(world)
        snapshot = f"{datasets.mounts().get(folder, '')}@{label}"
        if snapshot in datasets:
            return contents.stored(world, datasets[snapshot]) / below
    return world.path(absolute_path)


def dataset_at(datasets: Datasets, absolute_path: str) -> str:
    """Return the volume with that device, or the filesystem that a path is on; or nothing."""
    volume = absolute_path.removeprefix("/dev/zvol/")
    if volume != absolute_path:
        return volume if volume in datasets else ""
    mounts = datasets.mounts()
    path = absolute_path.rstrip("/")
    while path and path not in mounts:
        path = path.rpartition("/")[0]
    return mounts.get(path, "")
