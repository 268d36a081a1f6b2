# SPDX-License-Identifier: BSD-2-Clause
"""How much space datasets use and have, in bytes.

The content of each dataset is measured where it lies. What snapshots share is not known block by
block: a snapshot remembers how much it referenced (``referenced``), how much had been written
since the one before (``written``) and how much of that one it had replaced (``freed``). From
these the figures of ``zfs list`` follow as in OpenZFS's own accounting; they are plausible, not
exact.
"""

import time
from functools import cached_property

from chyves.simulator.state import Record
from chyves.simulator.zfs import contents, names
from chyves.simulator.zfs.contents import Measure
from chyves.simulator.zfs.datasets import Datasets

POOL_METADATA = 81408
"""What a fresh pool uses besides its root filesystem (OpenZFS 2.1.9)."""

_NEW_DATASET = 128 << 10
_ESTIMATE_SECONDS = 10.0


class Space:
    """The figures of all pools, as of now."""

    def __init__(self, datasets: Datasets) -> None:
        self._datasets = datasets
        self._root = str(datasets.world.root)
        self._store = str(datasets.world.store)
        self._measured: dict[str, Measure] = {}
        self._used: dict[str, int] = {}
        self._available: dict[str, int] = {}

    @cached_property
    def _mounts_below(self) -> dict[str, set[str]]:
        """Mounted datasets with the places directly below them that are mountpoints."""
        mounts = self._datasets.mounts()
        below: dict[str, set[str]] = {}
        for path in mounts:
            above = path.rpartition("/")[0]
            while above and above not in mounts:
                above = above.rpartition("/")[0]
            if above:
                below.setdefault(mounts[above], set()).add(self._root + path)
        return below

    def measure(self, name: str) -> Measure:
        """Measure the content of a filesystem or volume."""
        known = self._measured.get(name)
        if known is None:
            known = self._measured[name] = self._measure(name)
        return known

    def _measure(self, name: str) -> Measure:
        record = self._datasets.table[name]
        mounted = record.get("mounted")
        place = f"{self._store}/{record['content']}" if mounted is None else self._root + mounted
        try:
            if record["type"] == names.VOLUME:
                return contents.measure_volume(place)
            return contents.measure_tree(place, self._mounts_below.get(name, ()))
        except FileNotFoundError:
            return Measure(contents.EMPTY_FILESYSTEM, [0, 0, 0])

    def since(self, name: str, before: Record | None, now: Measure) -> tuple[int, int]:
        """Return what was written to, and what was freed of, a dataset since a snapshot."""
        if before is None:
            return now.referenced, 0
        if before["print"] == now.print:
            return 0, 0
        least = contents.EMPTY_VOLUME
        grown = now.referenced - before["referenced"]
        return max(grown, 0) + least, max(-grown, 0) + min(before["referenced"], least)

    def last_snapshot(self, name: str) -> Record | None:
        """Return the newest snapshot of a dataset, or else its origin."""
        taken = self._datasets.snapshots(name)
        last = taken[-1] if taken else self._datasets[name].get("origin")
        return self._datasets[last] if last else None

    def written(self, name: str) -> int:
        """Return what was written to a dataset, or to a snapshot's, since the snapshot before."""
        if "@" in name:
            return int(self._datasets[name]["written"])
        return self.since(name, self.last_snapshot(name), self.measure(name))[0]

    def referenced(self, name: str) -> int:
        known = self._datasets.table[name].get("referenced")
        return self.measure(name).referenced if known is None else int(known)

    def used_by_dataset(self, name: str) -> int:
        origin = self._datasets[name].get("origin")
        if origin is None:
            return self.referenced(name)
        first = self._datasets.snapshots(name)[:1]
        if first:
            return self.referenced(name)
        return self.since(name, self._datasets[origin], self.measure(name))[0]

    def used_by_snapshots(self, name: str) -> int:
        snapshots = self._datasets.snapshots(name)
        if not snapshots:
            return 0
        freed = sum(self._datasets[snapshot]["freed"] for snapshot in snapshots[1:])
        return int(freed) + self.since(name, self.last_snapshot(name), self.measure(name))[1]

    def used_by_refreservation(self, name: str) -> int:
        reserved = self._datasets.size(name, "refreservation")
        return max(0, reserved - self.written(name)) if reserved else 0

    def used_by_children(self, name: str) -> int:
        below = sum(
            max(self.used(child), self._datasets.size(child, "reservation"))
            for child in self._datasets.index.children.get(name, ())
        )
        return below if "/" in name else below + POOL_METADATA

    def used(self, name: str) -> int:
        """Return what a dataset uses with all that depends on it, or a snapshot by itself."""
        known = self._used.get(name)
        if known is None:
            known = self._unique(name) if "@" in name else self._total(name)
            self._used[name] = known
        return known

    def _total(self, name: str) -> int:
        record = self._datasets.table[name]
        if "origin" not in record and name not in self._datasets.index.snapshots:
            own = max(self.referenced(name), self._datasets.size(name, "refreservation"))
            return own + self.used_by_children(name)
        return (
            self.used_by_dataset(name)
            + self.used_by_snapshots(name)
            + self.used_by_refreservation(name)
            + self.used_by_children(name)
        )

    def _unique(self, snapshot: str) -> int:
        return 0 if self._datasets.clones(snapshot) else self.freed_by([snapshot])

    def freed_by(self, run: list[str]) -> int:
        """Return what destroying snapshots that follow each other would free: what was written
        in their time and freed again before the next."""
        name = names.dataset_of(run[0])
        taken = self._datasets.snapshots(name)
        after = taken.index(run[-1]) + 1
        freed = sum(self._datasets[snapshot]["freed"] for snapshot in run[1:])
        if after < len(taken):
            freed += self._datasets[taken[after]]["freed"]
        else:
            freed += self.since(name, self._datasets[run[-1]], self.measure(name))[1]
        written = sum(self._datasets[snapshot]["written"] for snapshot in run)
        return int(min(freed, written))

    def usable(self, pool: str) -> int:
        """Return what a pool can hold: its size without the slop space OpenZFS keeps back."""
        size = int(self._datasets.pools[pool]["size"])
        return size - min(max(size >> 5, min(size >> 1, 128 << 20)), 128 << 30)

    def free_in_tree(self, name: str) -> int:
        """Return what may still be charged to a dataset, without its own refreservation."""
        known = self._available.get(name)
        if known is None:
            known = self._available[name] = self._free_in_tree(name)
        return known

    def _free_in_tree(self, name: str) -> int:
        above = names.parent_of(name)
        used = self.used(name)
        quota = self._datasets.size(name, "quota")
        if not above:
            room = max(0, self.usable(name) - used)
        else:
            room = self.free_in_tree(above)
            room += max(0, self._datasets.size(name, "reservation") - used)
        return min(room, max(0, quota - used)) if quota else room

    def available(self, name: str) -> int:
        """Return what ``zfs get available`` shows."""
        room = self.free_in_tree(name) + self.used_by_refreservation(name)
        limit = self._datasets.size(name, "refquota")
        return min(room, max(0, limit - self.referenced(name))) if limit else room


def has_room(datasets: Datasets, parent: str, amount: int) -> bool:
    """Tell whether ``amount`` more bytes may be charged below the filesystem ``parent``.

    A large pool is not measured each time: while an estimate that is a few seconds old leaves
    more than a quarter of it free and no quota applies, there is room.
    """
    pool = names.pool_of(parent)
    record = datasets.pools[pool]
    amount += _NEW_DATASET
    used, measured = record.get("estimate", (0, 0.0))
    recent = 0 <= time.time() - measured < _ESTIMATE_SECONDS
    roomy = 4 * (used + amount) < 3 * record["size"]
    if recent and roomy and not is_limited(datasets, parent):
        datasets.pools[pool] = {**record, "estimate": [used + amount, measured]}
        return True
    space = Space(datasets)
    room = space.free_in_tree(parent)
    if datasets.are_many:
        estimate = [space.used(pool) + amount, time.time()]
        datasets.pools[pool] = {**record, "estimate": estimate}
    return amount <= room


def available(datasets: Datasets, name: str) -> int:
    """Return what a dataset has left. Of a pool with plenty of room it is known for some seconds
    that it has that, or until its datasets change, unless these are many."""
    pool = names.pool_of(name)
    seen = datasets.world.seen_roomy.get(pool, -_ESTIMATE_SECONDS)
    if time.monotonic() - seen < _ESTIMATE_SECONDS:
        return int(datasets.pools[pool]["size"])
    space = Space(datasets)
    if 4 * space.used(pool) < 3 * datasets.pools[pool]["size"]:
        datasets.world.seen_roomy[pool] = time.monotonic()
    return space.available(name)


def is_limited(datasets: Datasets, name: str) -> bool:
    """Tell whether a quota may leave less room than the pool has."""
    if datasets.size(name, "refquota"):
        return True
    while name:
        if datasets.size(name, "quota"):
            return True
        name = names.parent_of(name)
    return False


def measure_one(datasets: Datasets, name: str) -> Measure:
    """Measure one dataset without looking at the others."""
    record = datasets[name]
    if record["type"] == names.VOLUME:
        return contents.measure_volume(str(contents.place(datasets.world, record)))
    place, apart = contents.apart(datasets, name)
    return contents.measure_tree(str(place), apart)
