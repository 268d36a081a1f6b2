# SPDX-License-Identifier: BSD-2-Clause
"""``zfs hold``, ``zfs holds`` and ``zfs release``."""

import time

from chyves.simulator.programs import Io
from chyves.simulator.world import World
from chyves.simulator.zfs import names
from chyves.simulator.zfs.datasets import MISSING, Datasets
from chyves.simulator.zfs.destroying import let_go
from chyves.simulator.zfs.errors import RefusedError, UsageError
from chyves.simulator.zfs.moves import Moves, changing
from chyves.simulator.zfs.names import DATASETS, SNAPSHOT
from chyves.simulator.zfs.options import Options

_LONGEST_TAG = 255
"""Bytes; E2BIG from there on (module/zfs/dsl_userhold.c). On Linux zfs(8) does not end then."""


def zfs_hold(world: World, arguments: list[str], io: Io) -> int:
    """``zfs hold``."""
    return _hold_or_release(world, arguments, io, holding=True)


def zfs_release(world: World, arguments: list[str], io: Io) -> int:
    """``zfs release``."""
    return _hold_or_release(world, arguments, io, holding=False)


def _hold_or_release(world: World, arguments: list[str], io: Io, *, holding: bool) -> int:
    options = Options(arguments, "rt" if holding else "r")
    recursive = "r" in {letter for letter, _ in options}
    if len(options.rest) < 2:
        raise UsageError
    tag, *targets = options.rest
    if holding and tag.startswith("."):
        raise UsageError("tag may not start with '.'")
    complaints = []
    for target in targets:
        try:
            with changing(world) as (datasets, moves):
                snapshots = _find(datasets, target, recursive)
                if holding:
                    _hold(datasets, target, snapshots, tag)
                else:
                    _release(datasets, moves, target, snapshots, tag)
        except RefusedError as refused:
            complaints.append(refused.message)
    for complaint in complaints:
        io.err(complaint)
    return 1 if complaints else 0


def _find(datasets: Datasets, target: str, recursive: bool) -> list[str]:
    name, delimiter, label = target.partition("@")
    if not delimiter:
        raise RefusedError(f"'{target}' is not a snapshot")
    datasets.open(name, DATASETS)
    everywhere = datasets.tree(name) if recursive else [name]
    return [f"{each}@{label}" for each in everywhere if f"{each}@{label}" in datasets]


def _hold(datasets: Datasets, target: str, snapshots: list[str], tag: str) -> None:
    if not snapshots:
        raise RefusedError(f"cannot hold snapshot '{target}': {MISSING}")
    if not tag:
        raise RefusedError("cannot hold: operation not applicable to datasets of this type")
    held = [each for each in snapshots if tag in datasets[each].get("holds", {})]
    if len(tag.encode(errors="surrogateescape")) > _LONGEST_TAG:
        raise RefusedError(
            "\n".join(f"cannot hold snapshot '{each}': tag too long" for each in snapshots)
        )
    if held:
        why = "tag already exists on this dataset"
        raise RefusedError("\n".join(f"cannot hold snapshot '{each}': {why}" for each in held))
    for snapshot in snapshots:
        holds = {**datasets[snapshot].get("holds", {}), tag: int(time.time())}
        datasets.change(snapshot, holds=holds)


def _release(datasets: Datasets, moves: Moves, target: str, snapshots: list[str], tag: str) -> None:
    action = f"cannot release hold from snapshot '{target}'"
    if not snapshots:
        raise RefusedError(f"{action}: {MISSING}")
    held = [each for each in snapshots if tag in datasets[each].get("holds", {})]
    if not held:
        raise RefusedError(f"{action}: no such tag on this dataset")
    for snapshot in held:
        holds = {key: at for key, at in datasets[snapshot]["holds"].items() if key != tag}
        datasets.change(snapshot, holds=holds or None)
        let_go(datasets, moves, snapshot)


def zfs_holds(world: World, arguments: list[str], io: Io) -> int:
    """``zfs holds``."""
    newer = world.release.major >= 14
    options = Options(arguments, "rHp" if newer else "rH")
    letters = {letter for letter, _ in options}
    if not options.rest:
        raise UsageError
    rows: list[tuple[str, str, str]] = []
    found: list[str] = []
    complaints = []
    with world.reading():
        datasets = Datasets(world)
        for target in options.rest:
            try:
                found += _held(datasets, target, "r" in letters)
            except RefusedError as refused:
                complaints.append(refused.message)
        for snapshot in found:
            for tag, at in datasets[snapshot].get("holds", {}).items():
                when = str(at) if "p" in letters else _format_time(at)
                rows.append((snapshot, tag, when))
    for complaint in complaints:
        io.err(complaint)
    _print_holds(io, rows, found, scripted="H" in letters)
    return 1 if complaints else 0


def _held(datasets: Datasets, target: str, recursive: bool) -> list[str]:
    if "@" not in target:
        raise RefusedError(f"'{target}' is not a snapshot")
    if recursive:
        datasets.open(names.dataset_of(target), DATASETS)
        return _find(datasets, target, True)
    datasets.open(target, frozenset({SNAPSHOT}))
    return [target]


def _print_holds(
    io: Io, rows: list[tuple[str, str, str]], found: list[str], *, scripted: bool
) -> None:
    if scripted:
        for row in rows:
            io.out("\t".join(row))
    else:
        widest = max(map(len, found), default=0)
        widest_tag = max((len(tag) for _, tag, _ in rows), default=0)
        for name, tag, when in [("NAME", "TAG", "TIMESTAMP"), *rows]:
            io.out(f"{name:<{widest}}  {tag:<{widest_tag}}  {when}")
    if not found:
        io.err("no datasets available")


def _format_time(seconds: int) -> str:
    moment = time.localtime(seconds)
    return (
        f"{time.strftime('%a %b', moment)} {moment.tm_mday:2} {time.strftime('%H:%M %Y', moment)}"
    )
