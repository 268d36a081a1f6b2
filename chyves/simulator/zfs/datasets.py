# SPDX-License-Identifier: BSD-2-Clause
"""The datasets of the simulated host, as one command sees them.

Records live in ``world.table("zfs")`` under the name of the dataset, snapshot (``a/b@s``) or
bookmark (``a/b#s``). ``local`` and ``received`` hold properties as ``zfs get -p`` prints them
(None in ``local`` hides a received value); ``content`` names what is kept in ``world.store``.
"""

import secrets
import time
from collections.abc import Iterable
from typing import NamedTuple

from chyves.simulator.state import Record
from chyves.simulator.world import World
from chyves.simulator.zfs import names, properties
from chyves.simulator.zfs.errors import RefusedError

MISSING = "dataset does not exist"
WRONG_TYPE = "operation not applicable to datasets of this type"


class _Index(NamedTuple):
    children: dict[str, list[str]]
    snapshots: dict[str, list[str]]
    bookmarks: dict[str, list[str]]
    clones: dict[str, list[str]]


_FEW = 500


class Datasets:
    """All datasets of the imported pools, within one transaction of the host."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.major = world.release.major
        self.table = world.table("zfs")
        self.pools = world.table("zpool")
        self._index: _Index | None = None
        self._effective: dict[tuple[str, str], tuple[str, str]] = {}
        self._mountpoints: dict[str, str] = {}

    @property
    def are_many(self) -> bool:
        """Whether it takes time to measure them all."""
        return len(self.table) > _FEW

    def __contains__(self, name: str) -> bool:
        return name in self.table

    def __getitem__(self, name: str) -> Record:
        return self.table[name]

    def __setitem__(self, name: str, record: Record) -> None:
        before = self.table.get(name)
        self.table[name] = record
        if before is None or before.get("origin") != record.get("origin"):
            self._index = None
        self._forget_values()

    def __delitem__(self, name: str) -> None:
        origin = self.table[name].get("origin")
        del self.table[name]
        self._forget_values()
        if self._index is not None:
            for names_of in (
                self._index.children.get(names.parent_of(name)),
                self._index.snapshots.get(names.dataset_of(name)),
                self._index.bookmarks.get(names.dataset_of(name)),
                self._index.clones.get(origin or ""),
            ):
                if names_of and name in names_of:
                    names_of.remove(name)

    def change(self, name: str, **fields: object) -> None:
        """Replace some fields of a record; a field set to None is removed."""
        record = {**self.table[name], **fields}
        self[name] = {key: value for key, value in record.items() if value is not None}

    def forget(self) -> None:
        """Forget what was worked out from the records, after a change of them."""
        self._index = None
        self._forget_values()

    def _forget_values(self) -> None:
        self._effective.clear()
        self._mountpoints.clear()

    def open(self, name: str, kinds: frozenset[str] = names.ANYTHING) -> Record:
        """Return the record. Raises RefusedError if there is none of these kinds."""
        if why := names.fault(name, kinds):
            raise RefusedError(f"cannot open '{name}': {why}")
        record = self.table.get(name)
        if record is None:
            raise RefusedError(f"cannot open '{name}': {MISSING}")
        if record["type"] not in kinds:
            raise RefusedError(f"cannot open '{name}': {WRONG_TYPE}")
        return record

    def birth(self, pool: str) -> Record:
        """Return the fields every new dataset, snapshot and bookmark has."""
        record = self.pools[pool]
        txg = record["txg"] + 1
        self.pools[pool] = {**record, "txg": txg}
        guid = secrets.randbits(63)
        return {"creation": int(time.time()), "createtxg": txg, "guid": guid}

    @property
    def index(self) -> _Index:
        """Who is below whom, found out at first use."""
        if self._index is None:
            self._index = self._make_index()
        return self._index

    def _make_index(self) -> _Index:
        index = _Index({}, {}, {}, {})
        for name, record in self.table.items():
            kind = record["type"]
            if kind == names.SNAPSHOT:
                index.snapshots.setdefault(name.partition("@")[0], []).append(name)
            elif kind == names.BOOKMARK:
                index.bookmarks.setdefault(name.partition("#")[0], []).append(name)
            else:
                index.children.setdefault(name.rpartition("/")[0], []).append(name)
                if "origin" in record:
                    index.clones.setdefault(record["origin"], []).append(name)
        for found in index.children.values():
            found.sort()
        for found in (*index.snapshots.values(), *index.bookmarks.values()):
            if len(found) > 1:
                found.sort(key=self.age)
        return index

    def age(self, name: str) -> tuple[int, str]:
        """Return a sort key: the older, the smaller."""
        return self.table[name]["createtxg"], name

    def children(self, name: str) -> list[str]:
        """Return the datasets directly below ``name`` (the pools, below ``""``), by name."""
        return list(self.index.children.get(name, ()))

    def snapshots(self, name: str) -> list[str]:
        """Return the snapshots of one dataset, oldest first."""
        return list(self.index.snapshots.get(name, ()))

    def bookmarks(self, name: str) -> list[str]:
        return list(self.index.bookmarks.get(name, ()))

    def clones(self, snapshot: str) -> list[str]:
        return list(self.index.clones.get(snapshot, ()))

    def tree(self, name: str) -> list[str]:
        """Return ``name`` and all datasets below it, parents first."""
        found = [name]
        for child in self.children(name):
            found += self.tree(child)
        return found

    def effective(self, name: str, key: str, default: str) -> tuple[str, str]:
        """Return the value of an inheritable property and the dataset it was set on (empty for
        the default)."""
        known = self._effective.get((name, key))
        if known is None:
            known = self._effective[name, key] = self._find(name, key, default)
        return known

    def _find(self, name: str, key: str, default: str) -> tuple[str, str]:
        own = self.own(name, key)
        if own is not None:
            return own, name
        above = names.dataset_of(name) if "@" in name else names.parent_of(name)
        return self.effective(above, key, default) if above else (default, "")

    def own(self, name: str, key: str) -> str | None:
        """Return the value set or received on this very dataset."""
        record = self.table[name]
        local: dict[str, str | None] = record["local"]
        if key in local:
            return local[key]
        received: dict[str, str] | None = record.get("received")
        return received.get(key) if received else None

    def value(self, name: str, key: str) -> str:
        """Return the value in force of a property that can be set, as ``zfs get -p`` has it."""
        prop = properties.native(self.major)[key]
        if prop.is_inheritable:
            return self.effective(name, key, prop.default)[0]
        own = self.own(name, key)
        return prop.default if own is None else own

    def size(self, name: str, key: str) -> int:
        """Return a numeric property that can be set, as a number."""
        own = self.own(name, key)
        return int(own) if own else 0

    def mountpoint(self, name: str) -> str:
        """Return the path where a filesystem belongs, or ``none`` or ``legacy``."""
        known = self._mountpoints.get(name)
        if known is None:
            known = self._mountpoints[name] = self._mountpoint(name)
        return known

    def _mountpoint(self, name: str) -> str:
        own = self.own(name, "mountpoint")
        if own is not None:
            return own
        above, _, leaf = name.rpartition("/")
        base = self.mountpoint(above) if above else ""
        return base if base in ("none", "legacy") else f"{base.rstrip('/')}/{leaf}"

    def mounts(self) -> dict[str, str]:
        """Return what is mounted: path to dataset."""
        return {
            record["mounted"]: name for name, record in self.table.items() if "mounted" in record
        }

    def mounts_below(self, path: str) -> list[str]:
        """Return the paths of what is mounted below (not at) ``path``."""
        inside = path.rstrip("/") + "/"
        return [at for at in self.mounts() if at.startswith(inside) and at != path]

    def set_values(self, name: str, values: Iterable[tuple[str, str | None]]) -> None:
        """Set properties locally; None hides a received value, or sets nothing."""
        record = self.table[name]
        received = record.get("received", {})
        local = {**record["local"], **dict(values)}
        kept = {key: value for key, value in local.items() if value is not None or key in received}
        self[name] = {**record, "local": kept}
