# SPDX-License-Identifier: BSD-2-Clause
"""``zfs inherit``."""

from chyves.simulator.programs import Io
from chyves.simulator.world import World
from chyves.simulator.zfs import mounting, nodes, properties
from chyves.simulator.zfs.changing import change_nodes, move_mountpoint
from chyves.simulator.zfs.datasets import Datasets
from chyves.simulator.zfs.errors import RefusedError, UsageError
from chyves.simulator.zfs.listing import Scope, choose, default_order
from chyves.simulator.zfs.moves import Moves, changing
from chyves.simulator.zfs.names import ANYTHING
from chyves.simulator.zfs.options import Options
from chyves.simulator.zfs.privilege import is_root
from chyves.simulator.zfs.properties import Property

_LIMITS = ("quota", "reservation", "refquota", "refreservation")


def zfs_inherit(world: World, arguments: list[str], io: Io) -> int:
    """``zfs inherit``."""
    options = Options(arguments, "rS")
    letters = {letter for letter, _ in options}
    if not options.rest:
        raise UsageError("missing property argument")
    if len(options.rest) < 2:
        raise UsageError("missing dataset argument")
    word, *targets = options.rest
    prop = properties.find(world.release.major, word)
    _check(prop, word, "S" in letters)
    complaints: list[str] = []
    with world.reading():
        datasets = Datasets(world)
        scope = Scope(ANYTHING, recursive="r" in letters)
        chosen = choose(datasets, targets, scope, complaints)
        chosen.sort(key=lambda name: default_order(datasets, name))
    for name in chosen:
        try:
            with changing(world) as (datasets, moves):
                complaints += _inherit(datasets, moves, name, prop, word, letters)
        except RefusedError as refused:
            complaints.append(refused.message)
    for complaint in complaints:
        io.err(complaint)
    return 1 if complaints else 0


def _check(prop: Property | None, word: str, received: bool) -> None:
    if prop is None:
        if not properties.is_user_property(word):
            raise UsageError(f"invalid property '{word}'")
        return
    if prop.is_readonly:
        raise RefusedError(f"{word} property is read-only")
    if not prop.is_inheritable and not received:
        lines = [f"'{word}' property cannot be inherited"]
        if prop.name in _LIMITS:
            lines.append(f"use 'zfs set {word}=none' to clear")
            lines.append(f"use 'zfs inherit -S {word}' to revert to received value")
        raise RefusedError("\n".join(lines))
    if received and prop.name in ("volsize", "version"):
        raise RefusedError(f"'{word}' property cannot be reverted to a received value")


def _inherit(
    datasets: Datasets,
    moves: Moves,
    name: str,
    prop: Property | None,
    word: str,
    letters: set[str],
) -> list[str]:
    action = f"cannot inherit {word} for '{name}'"
    record = datasets[name]
    if prop and not (prop.applies_to(record["type"]) and "@" not in name):
        if "r" in letters:
            return []
        raise RefusedError(f"{action}: property doesn't apply to datasets of this type")
    if not is_root():
        raise RefusedError(f"{action}: permission denied")
    key = prop.name if prop else word
    before = nodes.mode(datasets, name) if key == "volmode" else ""
    remount = move_mountpoint(datasets, moves, name) if key == "mountpoint" else []
    local = {each: value for each, value in record["local"].items() if each != key}
    if "S" not in letters and key in record.get("received", {}):
        local[key] = None
    datasets.change(name, local=local)
    if before:
        change_nodes(datasets, moves, name, before)
    return list(mounting.mount_all(datasets, moves, remount))
