# SPDX-License-Identifier: BSD-2-Clause
"""``zfs rollback``: of one dataset, not of those below it."""

from chyves.simulator.programs import Io
from chyves.simulator.world import World
from chyves.simulator.zfs import contents, mounting, names, nodes
from chyves.simulator.zfs.datasets import Datasets
from chyves.simulator.zfs.destroying import dependents, destroy_dataset, destroy_snapshots
from chyves.simulator.zfs.errors import RefusedError, UsageError
from chyves.simulator.zfs.moves import Moves, changing
from chyves.simulator.zfs.names import SNAPSHOT, VOLUME
from chyves.simulator.zfs.options import Options
from chyves.simulator.zfs.privilege import is_root

_MOST_SHOWN = 32


def zfs_rollback(world: World, arguments: list[str], io: Io) -> int:
    """``zfs rollback``."""
    options = Options(arguments, "rRf")
    letters = {letter for letter, _ in options}
    if not options.rest:
        raise UsageError("missing dataset argument")
    if len(options.rest) > 1:
        raise UsageError("too many arguments")
    snapshot = options.rest[0]
    complaints: list[str] = []
    with changing(world) as (datasets, moves):
        datasets.open(snapshot, frozenset({SNAPSHOT}))
        newer = _newer(datasets, snapshot)
        if "R" not in letters:
            _check_newer(datasets, snapshot, newer, "r" in letters)
        if not is_root():
            name = names.dataset_of(snapshot)
            raise RefusedError(f"cannot rollback '{name}': permission denied")
        for each in newer:
            complaints += _destroy_newer(datasets, moves, each, force="f" in letters)
        if not complaints:
            roll_back(datasets, moves, snapshot)
    for complaint in complaints:
        io.err(complaint)
    return 1 if complaints else 0


def _newer(datasets: Datasets, snapshot: str) -> list[str]:
    """Return the snapshots and bookmarks of the dataset that are newer, oldest first."""
    name = names.dataset_of(snapshot)
    born = datasets[snapshot]["createtxg"]
    candidates = [*datasets.snapshots(name), *datasets.bookmarks(name)]
    return [each for each in candidates if datasets[each]["createtxg"] > born]


def _check_newer(datasets: Datasets, snapshot: str, newer: list[str], recursive: bool) -> None:
    action = f"cannot rollback to '{snapshot}'"
    if newer and not recursive:
        listed = newer[:_MOST_SHOWN]
        if len(newer) >= _MOST_SHOWN:
            listed.append(f"Output limited to {_MOST_SHOWN} snapshots/bookmarks")
        raise RefusedError(
            f"{action}: more recent snapshots or bookmarks exist\n"
            "use '-r' to force deletion of the following snapshots and bookmarks:\n"
            + "\n".join(listed)
        )
    clones = [name for each in newer if "@" in each for name in dependents(datasets, each)]
    if clones:
        raise RefusedError(
            f"{action}: clones of previous snapshots exist\n"
            "use '-R' to force deletion of the following clones and dependents:\n"
            + "\n".join(clones)
        )


def _destroy_newer(datasets: Datasets, moves: Moves, newer: str, *, force: bool) -> list[str]:
    """Destroy a newer snapshot or bookmark with its clones; returns complaints."""
    if "#" in newer:
        del datasets[newer]
        return []
    complaints = []
    for name in [*dependents(datasets, newer), newer]:
        try:
            if "@" in name:
                destroy_snapshots(datasets, moves, [name])
            else:
                mounting.unmount(datasets, moves, name, force=force)
                destroy_dataset(datasets, moves, name)
        except RefusedError as refused:
            held = bool(datasets[name].get("holds"))
            complaints.append(
                f"cannot destroy '{name}': dataset is busy" if held else refused.message
            )
    return complaints


def roll_back(datasets: Datasets, moves: Moves, snapshot: str) -> None:
    """Give a dataset the content of its newest snapshot."""
    name = names.dataset_of(snapshot)
    record, source = datasets[name], datasets[snapshot]
    original = contents.stored(datasets.world, source)
    place, apart = contents.apart(datasets, name)
    if record["type"] != VOLUME:
        staged = datasets.world.store / contents.fresh()
        contents.copy_tree(original, staged)
        contents.replace_tree(place, staged, apart, moves)
        moves.discard(staged)
        return
    datasets.set_values(name, [("volsize", str(source["volsize"]))])
    if nodes.is_open(datasets, name):
        contents.copy_volume(original, place, source["print"][0])
        return
    staged = datasets.world.store / contents.fresh()
    contents.copy_volume(original, staged, source["print"][0])
    moves.discard(place)
    moves.move(staged, place)
