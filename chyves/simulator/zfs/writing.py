# SPDX-License-Identifier: BSD-2-Clause
"""What ZFS says to bytes that are written into it: whether it takes them.

What a guest writes to its disks is not asked for: it goes into their files at once.
"""

import errno
import os

from chyves.simulator.world import World
from chyves.simulator.zfs import names
from chyves.simulator.zfs.datasets import Datasets
from chyves.simulator.zfs.mounts import dataset_at
from chyves.simulator.zfs.space import Space, available, is_limited


def check(world: World, path: str) -> None:
    """Raise OSError if the file ``path``, or the volume whose node that is, takes no byte more:
    EROFS, EDQUOT or ENOSPC."""
    with world.reading():
        datasets = Datasets(world)
        name = dataset_at(datasets, path)
        if name and (why := _refusal(datasets, name)):
            raise OSError(why, os.strerror(why), path)


def _refusal(datasets: Datasets, name: str) -> int:
    """Return why a dataset takes nothing more, 0 if it does. As in OpenZFS a quota is looked at
    before something is written: the last to come in may go past it."""
    if datasets.value(name, "readonly") == "on":
        return errno.EROFS
    return full(datasets, name)


def full(datasets: Datasets, name: str) -> int:
    """Return why a dataset has no room for more, EDQUOT or ENOSPC; 0 if it has."""
    if not is_limited(datasets, name) and available(datasets, name):
        return 0
    space = Space(datasets)
    limit = datasets.size(name, "refquota")
    if limit and space.referenced(name) >= limit:
        return errno.EDQUOT
    if space.used_by_refreservation(name):
        return 0
    while names.parent_of(name):
        used, quota = space.used(name), datasets.size(name, "quota")
        if quota and used >= quota:
            return errno.EDQUOT
        if used < datasets.size(name, "reservation"):
            return 0
        name = names.parent_of(name)
    return 0 if space.free_in_tree(name) else errno.ENOSPC


def write_at(world: World, path: str, offset: int, content: bytes) -> None:
    """Write to a file of the host, or into a volume by its node. Raises OSError."""
    world.path(path).parent.stat()
    check(world, path)
    world.seen_roomy.clear()
    flags = os.O_WRONLY if path.startswith("/dev/") else os.O_WRONLY | os.O_CREAT
    descriptor = os.open(world.path(path), flags, 0o644)
    try:
        while content:
            count = os.pwrite(descriptor, content, offset)
            content, offset = content[count:], offset + count
    finally:
        os.close(descriptor)
