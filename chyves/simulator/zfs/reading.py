# SPDX-License-Identifier: BSD-2-Clause
"""Values of properties, and where they come from, as ``zfs get`` and ``zfs list`` show them."""

import time
from collections.abc import Callable
from typing import NamedTuple

from chyves.simulator.state import Record
from chyves.simulator.zfs import names, properties, resuming
from chyves.simulator.zfs.datasets import Datasets
from chyves.simulator.zfs.properties import Kind, Property, Setting
from chyves.simulator.zfs.sizes import nice_bytes, nice_number, parse_number
from chyves.simulator.zfs.space import Space

_LIMITS = frozenset({"filesystem_limit", "snapshot_limit", "filesystem_count", "snapshot_count"})
_IDENTIFIERS = frozenset({"guid", "createtxg", "objsetid", "pbkdf2iters"})
_NONE_IF_ZERO = frozenset({"quota", "refquota", "reservation", "refreservation"})
_NICE_BYTES = _NONE_IF_ZERO | {
    "used",
    "available",
    "referenced",
    "usedbysnapshots",
    "usedbydataset",
    "usedbychildren",
    "usedbyrefreservation",
}


class Value(NamedTuple):
    """A value as text and its SOURCE: ``local``, ``default``, ``received``, ``-`` or
    ``inherited from NAME``."""

    text: str
    source: str


class Reader:
    """Reads properties of datasets, snapshots and bookmarks; measures only what is asked."""

    def __init__(self, datasets: Datasets) -> None:
        self.datasets = datasets
        self.space = Space(datasets)
        self._readers: dict[str, Callable[[str], str | None]] = {
            "type": lambda name: str(datasets[name]["type"]),
            "name": lambda name: name,
            "creation": lambda name: str(datasets[name]["creation"]),
            "createtxg": lambda name: str(datasets[name]["createtxg"]),
            "guid": lambda name: str(datasets[name]["guid"]),
            "objsetid": lambda name: str(datasets[name]["createtxg"] + 53),
            "used": lambda name: str(self.space.used(name)),
            "available": lambda name: str(self.space.available(name)),
            "referenced": lambda name: str(self.space.referenced(name)),
            "written": lambda name: str(self.space.written(name)),
            "usedbysnapshots": lambda name: str(self.space.used_by_snapshots(name)),
            "usedbydataset": lambda name: str(self.space.used_by_dataset(name)),
            "usedbychildren": lambda name: str(self.space.used_by_children(name)),
            "usedbyrefreservation": lambda name: str(self.space.used_by_refreservation(name)),
            "logicalused": lambda name: str(self.space.referenced(name) // 2),
            "logicalreferenced": lambda name: str(self.space.referenced(name) // 2),
            "compressratio": lambda name: "1.00",
            "refcompressratio": lambda name: "1.00",
            "mountpoint": datasets.mountpoint,
            "mounted": lambda name: "yes" if "mounted" in datasets[name] else "no",
            "origin": lambda name: datasets[name].get("origin"),
            "clones": lambda name: ",".join(datasets.clones(name)) or None,
            "defer_destroy": lambda name: "on" if datasets[name].get("defer") else "off",
            "userrefs": lambda name: str(len(datasets[name].get("holds", ()))),
            "filesystem_count": lambda name: properties.UNLIMITED,
            "snapshot_count": lambda name: properties.UNLIMITED,
            "receive_resume_token": lambda name: resuming.token_of(datasets[name]),
            "encryptionroot": lambda name: None,
            "keystatus": lambda name: None,
            "redact_snaps": lambda name: None,
            "snapshots_changed": self._snapshots_changed,
            "volblocksize": lambda name: str(datasets[name]["volblocksize"]),
        }

    def raw(self, prop: Property, name: str) -> str | None:
        """Return the value as ``-p`` prints it; None if this object has no such value."""
        record = self.datasets.table[name]
        kind = record["type"]
        if kind[0] not in prop.applies or (kind == names.SNAPSHOT and not _has(record, prop)):
            return None
        reader = self._readers.get(prop.name)
        if reader:
            return reader(name)
        if prop.name == "volsize" and kind == names.SNAPSHOT:
            return str(record["volsize"])
        if prop.is_inheritable:
            return self.datasets.effective(name, prop.name, prop.default)[0]
        own = self.datasets.own(name, prop.name)
        return prop.default if own is None else own

    def text(self, name: str, prop: Property, *, literal: bool) -> str | None:
        """Return the value as text for people, or with ``literal`` for programs."""
        raw = self.raw(prop, name)
        if raw is None or literal:
            return raw
        return self.humane(prop, raw)

    def humane(self, prop: Property, raw: str) -> str:
        """Return a value that ``-p`` would print as it is shown to people."""
        if prop.name in ("creation", "snapshots_changed"):
            return format_time(int(raw), exact=prop.name != "creation")
        if prop.name in ("compressratio", "refcompressratio"):
            return f"{raw}x"
        if prop.kind is not Kind.NUMBER or prop.name in _IDENTIFIERS:
            return raw
        if prop.name in _LIMITS and raw == properties.UNLIMITED:
            return "none"
        if prop.name in _NONE_IF_ZERO and raw == "0":
            return "none"
        return nice_bytes(int(raw)) if prop.name in _NICE_BYTES else nice_number(int(raw))

    def get(self, name: str, prop: Property, *, literal: bool) -> Value | None:
        """Return value and source of a native property; None if this object has no such value."""
        text = self.text(name, prop, literal=literal)
        return None if text is None else Value(text, self._source(name, prop))

    def _source(self, name: str, prop: Property) -> str:
        if prop.name == "volblocksize":
            return "default" if self.raw(prop, name) == prop.default else "-"
        if prop.name == "volsize":
            return "local"
        if prop.name in ("filesystem_count", "snapshot_count"):
            return "default"
        if prop.setting is Setting.READONLY or prop.name in (
            "version",
            "utf8only",
            "normalization",
            "casesensitivity",
        ):
            return "-"
        if not prop.is_inheritable:
            return self._own_source(name, prop.name) or "default"
        return self._inherited_source(name, prop.name, prop.default)

    def _own_source(self, name: str, key: str) -> str:
        record = self.datasets[name]
        if record["local"].get(key) is not None:
            return "local"
        if key not in record["local"] and key in record.get("received", {}):
            return "received"
        return ""

    def _inherited_source(self, name: str, key: str, default: str) -> str:
        where = self.datasets.effective(name, key, default)[1]
        if where == name:
            return self._own_source(name, key)
        return f"inherited from {where}" if where else "default"

    def user(self, name: str, key: str) -> Value | None:
        """Return a user property; None if it is not set on, nor inherited by, this object."""
        text, where = self.datasets.effective(name, key, "")
        return Value(text, self._inherited_source(name, key, "")) if where else None

    def user_properties(self, name: str) -> list[str]:
        """Return the names of all user properties in force on an object, its own first."""
        found: dict[str, None] = {}
        place = name
        while place:
            record = self.datasets[place]
            for key in (*record["local"], *record.get("received", {})):
                if ":" in key and self.datasets.effective(name, key, "")[1]:
                    found[key] = None
            place = names.dataset_of(place) if "@" in place else names.parent_of(place)
        return list(found)

    def received(self, name: str, key: str) -> str | None:
        """Return the received value of a property, whatever is in force."""
        value: str | None = self.datasets[name].get("received", {}).get(key)
        return value

    def written_since(self, name: str, word: str) -> int | None:
        """Return the value of ``written@SNAPSHOT``; None if there is no such snapshot."""
        label = word.removeprefix("written")
        since = label[1:] if "@" in label[1:] else f"{names.dataset_of(name)}{label}"
        taken = self.datasets.snapshots(names.dataset_of(name))
        if since not in taken:
            return None
        later = taken[taken.index(since) + 1 :]
        if "@" in name:
            later = later[: later.index(name) + 1] if name in later else []
            return sum(int(self.datasets[snapshot]["written"]) for snapshot in later)
        total = sum(int(self.datasets[snapshot]["written"]) for snapshot in later)
        return total + self.space.written(name)

    def _snapshots_changed(self, name: str) -> str | None:
        taken = self.datasets.snapshots(name)
        return str(self.datasets[taken[-1]]["creation"]) if taken else None


def _has(snapshot: Record, prop: Property) -> bool:
    """Tell whether a snapshot has a property: one of volumes only if it is of a volume."""
    if prop.name == "volsize":
        return "volsize" in snapshot
    return prop.setting is Setting.READONLY or prop.applies_to(snapshot["of"])


def format_time(seconds: int, *, exact: bool = False) -> str:
    """Return a time as zfs(8) prints it: ``Mon Nov 23  9:05 2026``, or with seconds."""
    moment = time.localtime(seconds)
    clock = f"{moment.tm_hour:2}:{moment.tm_min:02}" + (f":{moment.tm_sec:02}" if exact else "")
    return f"{time.strftime('%a %b', moment)} {moment.tm_mday:2} {clock} {moment.tm_year}"


def as_number(text: str) -> int:
    """Return a literal value as a number to sort by."""
    try:
        return parse_number(text)
    except ValueError:
        return 0
