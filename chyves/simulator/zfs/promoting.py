# SPDX-License-Identifier: BSD-2-Clause
"""``zfs promote``."""

from chyves.simulator.programs import Io
from chyves.simulator.world import World
from chyves.simulator.zfs import names
from chyves.simulator.zfs.datasets import Datasets
from chyves.simulator.zfs.errors import RefusedError, UsageError
from chyves.simulator.zfs.moves import changing
from chyves.simulator.zfs.names import DATASETS
from chyves.simulator.zfs.privilege import is_root


def zfs_promote(world: World, arguments: list[str], io: Io) -> int:
    """``zfs promote``."""
    if arguments and arguments[0].startswith("-"):
        raise UsageError(f"invalid option '{arguments[0][1:2]}'")
    if not arguments:
        raise UsageError("missing clone filesystem argument")
    if len(arguments) > 1:
        raise UsageError("too many arguments")
    with changing(world) as (datasets, _moves):
        promote(datasets, arguments[0])
    return 0


def promote(datasets: Datasets, name: str) -> None:
    """Let a clone and its origin's dataset swap their roles. Raises RefusedError."""
    origin = datasets.open(name, DATASETS).get("origin")
    action = f"cannot promote '{name}'"
    if origin is None:
        raise RefusedError(f"{action}: not a cloned filesystem")
    if not is_root():
        raise RefusedError(f"{action}: permission denied")
    parent = names.dataset_of(origin)
    taken = datasets.snapshots(parent)
    moving = taken[: taken.index(origin) + 1]
    for snapshot in moving:
        label = snapshot.partition("@")[2]
        if f"{name}@{label}" in datasets:
            raise RefusedError(f"{action}: conflicting snapshot '{label}' from parent '{origin}'")
    renamed = {snapshot: f"{name}@{snapshot.partition('@')[2]}" for snapshot in moving}
    table = datasets.table
    for snapshot, new in renamed.items():
        for clone in datasets.clones(snapshot):
            table[clone] = {**table[clone], "origin": new}
        table[new] = table[snapshot]
        del table[snapshot]
    grandparent = table[parent].get("origin")
    table[parent] = {**table[parent], "origin": renamed[origin]}
    record = {key: value for key, value in table[name].items() if key != "origin"}
    table[name] = {**record, "origin": grandparent} if grandparent else record
    datasets.forget()
