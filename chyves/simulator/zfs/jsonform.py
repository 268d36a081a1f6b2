# SPDX-License-Identifier: BSD-2-Clause
"""What ``zfs list -j`` and ``zfs get -j`` print (OpenZFS 2.3 and later, FreeBSD 15)."""

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from chyves.simulator.zfs.names import SNAPSHOT, pool_of
from chyves.simulator.zfs.reading import Reader, Value

if TYPE_CHECKING:
    from chyves.simulator.zfs.listing import Column

Form = dict[str, object]


def document(command: str, datasets: Mapping[str, Form]) -> str:
    """Return the whole output of a command."""
    version = {"command": command, "vers_major": 0, "vers_minor": 1}
    return json.dumps({"output_version": version, "datasets": datasets}, separators=(",", ":"))


def dataset(reader: Reader, name: str, columns: Sequence["Column"], literal: bool) -> Form:
    """Return the entry of one dataset with the properties in ``columns``."""
    shown = {}
    for column in columns:
        if column.word != "name":
            if column.prop:
                value = reader.get(name, column.prop, literal=literal)
            else:
                value = reader.user(name, column.word)
            shown[column.word] = as_property(value or Value("-", "-"))
    return as_dataset(reader, name, shown)


def as_dataset(reader: Reader, name: str, shown: Mapping[str, Form]) -> Form:
    record = reader.datasets[name]
    entry: Form = {
        "name": name,
        "type": str(record["type"]).upper(),
        "pool": pool_of(name),
        "createtxg": str(record["createtxg"]),
    }
    if record["type"] == SNAPSHOT:
        entry["dataset"], entry["snapshot_name"] = name.split("@")
    entry["properties"] = dict(shown)
    return entry


def as_property(value: Value) -> Form:
    kind, _, where = value.source.partition(" from ")
    kind = "NONE" if kind == "-" else kind.upper()
    return {"value": value.text, "source": {"type": kind, "data": where or "-"}}
