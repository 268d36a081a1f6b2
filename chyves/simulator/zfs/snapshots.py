# SPDX-License-Identifier: BSD-2-Clause
"""``zfs snapshot``."""

import secrets

from chyves.simulator.programs import Io
from chyves.simulator.world import World
from chyves.simulator.zfs import contents, names, setting
from chyves.simulator.zfs.datasets import Datasets
from chyves.simulator.zfs.errors import RefusedError, UsageError
from chyves.simulator.zfs.moves import changing
from chyves.simulator.zfs.names import DATASETS, SNAPSHOT, VOLUME
from chyves.simulator.zfs.options import Options
from chyves.simulator.zfs.privilege import is_root
from chyves.simulator.zfs.setting import Checker
from chyves.simulator.zfs.space import Space, has_room


def zfs_snapshot(world: World, arguments: list[str], io: Io) -> int:
    """``zfs snapshot``."""
    given: dict[str, str] = {}
    recursive = False
    options = Options(arguments, "ro:")
    for letter, argument in options:
        if letter == "o":
            setting.parse_word(given, argument)
        else:
            recursive = True
    if not options.rest:
        raise UsageError("missing snapshot argument")
    try:
        with changing(world) as (datasets, _moves):
            wanted = _expand(datasets, options.rest, recursive)
            take(datasets, wanted, given)
    except RefusedError as refused:
        io.err(refused.message)
        if recursive or len(options.rest) > 1:
            io.err("no snapshots were created")
        return 1
    return 0


def _expand(datasets: Datasets, arguments: list[str], recursive: bool) -> list[str]:
    wanted: dict[str, None] = {}
    for argument in arguments:
        name, delimiter, label = argument.partition("@")
        if not delimiter:
            raise UsageError
        try:
            datasets.open(name, DATASETS)
        except RefusedError as refused:
            raise UsageError(refused.message) from None
        for each in datasets.tree(name) if recursive else [name]:
            wanted[f"{each}@{label}"] = None
    return list(wanted)


def take(datasets: Datasets, wanted: list[str], given: dict[str, str]) -> None:
    """Take snapshots, all or none. Raises RefusedError."""
    for snapshot in wanted:
        if why := names.fault(snapshot, frozenset({SNAPSHOT}), modifying=True):
            raise RefusedError(f"cannot create snapshot '{snapshot}': {why}")
    action = "cannot create snapshots "
    local = Checker(datasets.major, SNAPSHOT, action).check(given)
    if not is_root():
        raise RefusedError(f"{action}: permission denied")
    pools = {names.pool_of(snapshot) for snapshot in wanted}
    if len(pools) > 1 or len({names.dataset_of(snapshot) for snapshot in wanted}) < len(wanted):
        raise RefusedError(f"{action}: multiple snapshots of same fs not allowed")
    existing = [snapshot for snapshot in wanted if snapshot in datasets]
    if existing:
        raise RefusedError(
            "\n".join(
                f"cannot create snapshot '{snapshot}': dataset already exists"
                for snapshot in existing
            )
        )
    for snapshot in wanted:
        if datasets[names.dataset_of(snapshot)].get("incomplete"):
            raise RefusedError(f"cannot create snapshot '{snapshot}': dataset is busy")
    birth = datasets.birth(names.pool_of(wanted[0]))
    space = Space(datasets)
    if not has_room(datasets, names.pool_of(wanted[0]), 0):
        raise RefusedError(f"{action}: out of space")
    for snapshot in wanted:
        _check_room(datasets, space, snapshot)
        taken = _take_one(datasets, space, snapshot, local)
        datasets.table[snapshot] = {**taken, **birth, "guid": secrets.randbits(63)}
    datasets.forget()


def _check_room(datasets: Datasets, space: Space, snapshot: str) -> None:
    """A thick volume keeps its reservation and gives up what it has written to the snapshot."""
    name = names.dataset_of(snapshot)
    reserved = datasets.size(name, "refreservation")
    needed = min(reserved, space.written(name)) if reserved else 0
    if needed and not has_room(datasets, name, needed):
        raise RefusedError(f"cannot create snapshot '{snapshot}': out of space")


def _take_one(
    datasets: Datasets, space: Space, snapshot: str, local: dict[str, str]
) -> dict[str, object]:
    name = names.dataset_of(snapshot)
    record = datasets[name]
    measure = space.measure(name)
    written, freed = space.since(name, space.last_snapshot(name), measure)
    taken: dict[str, object] = {
        "type": SNAPSHOT,
        "of": record["type"],
        "content": contents.fresh(),
        "local": local,
        "referenced": measure.referenced,
        "print": measure.print,
        "written": written,
        "freed": freed,
    }
    target = datasets.world.store / str(taken["content"])
    if record["type"] == VOLUME:
        taken["volsize"] = datasets.size(name, "volsize")
        taken["volblocksize"] = record["volblocksize"]
        contents.copy_file(contents.stored(datasets.world, record), target)
    else:
        place, apart = contents.apart(datasets, name)
        contents.copy_tree(place, target, apart)
    return taken
