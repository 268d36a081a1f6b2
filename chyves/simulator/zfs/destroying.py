# SPDX-License-Identifier: BSD-2-Clause
"""``zfs destroy``: of datasets with what depends on them, of snapshots, of bookmarks.

As in OpenZFS a recursive destroy is not atomic. It goes from the leaves to the root; snapshots
that follow each other go together, all or none; what cannot be destroyed is left, and the rest
goes on.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from chyves.simulator.programs import Io
from chyves.simulator.world import World
from chyves.simulator.zfs import contents, mounting, names, nodes, resuming
from chyves.simulator.zfs.datasets import Datasets
from chyves.simulator.zfs.errors import RefusedError, UsageError
from chyves.simulator.zfs.moves import Moves, changing
from chyves.simulator.zfs.names import ANYTHING, DATASETS, FILESYSTEM, SNAPSHOT, VOLUME
from chyves.simulator.zfs.options import Options
from chyves.simulator.zfs.privilege import is_root
from chyves.simulator.zfs.sizes import nice_bytes
from chyves.simulator.zfs.space import Space

_NONE_FOUND = "could not find any snapshots to destroy; check snapshot names."


@dataclass
class Wish:
    """What ``zfs destroy`` was asked for, and what it has to say."""

    letters: set[str] = field(default_factory=set)
    said: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    @property
    def recursive(self) -> bool:
        return bool(self.letters & {"r", "R"})

    @property
    def clones(self) -> bool:
        return "R" in self.letters

    @property
    def dry(self) -> bool:
        return "n" in self.letters

    @property
    def defer(self) -> bool:
        return "d" in self.letters

    def tell(self, name: str) -> None:
        """Say that ``name`` is destroyed, if that is wanted."""
        if "p" in self.letters:
            self.said.append(f"destroy\t{name}")
        elif "v" in self.letters:
            self.said.append(f"{'would' if self.dry else 'will'} destroy {name}")

    def tell_reclaimed(self, amount: int) -> None:
        if "p" in self.letters:
            self.said.append(f"reclaim\t{amount}")
        elif "v" in self.letters:
            self.said.append(f"{'would' if self.dry else 'will'} reclaim {nice_bytes(amount)}")


def zfs_destroy(world: World, arguments: list[str], io: Io) -> int:
    """``zfs destroy``."""
    wish = Wish()
    options = Options(arguments, "vpndfrR")
    wish.letters = {letter for letter, _ in options}
    if not options.rest:
        raise UsageError("missing dataset argument")
    if len(options.rest) > 1:
        raise UsageError("too many arguments")
    target = options.rest[0]
    if "#" in target and "@" not in target:
        return _destroy_bookmark(world, wish, target)
    with changing(world) as (datasets, moves):
        try:
            if "@" in target:
                _destroy_snapshots_of(datasets, moves, wish, target)
            else:
                _destroy_tree(datasets, moves, wish, target)
        except RefusedError as refused:
            wish.complaints.append(refused.message)
    for line in wish.said:
        io.out(line)
    for line in wish.complaints:
        io.err(line)
    return 1 if wish.complaints else 0


def dependents(datasets: Datasets, name: str, seen: set[str] | None = None) -> Iterator[str]:
    """Yield all that depends on a dataset or snapshot, leaves first: children, snapshots and
    their clones."""
    seen = {name} if seen is None else seen
    if "@" in name:
        direct = datasets.clones(name)
    else:
        direct = [*datasets.children(name), *datasets.snapshots(name)]
    for each in direct:
        if each not in seen:
            seen.add(each)
            yield from dependents(datasets, each, seen)
            yield each


def _check_dependents(datasets: Datasets, wish: Wish, target: str) -> None:
    """Raise RefusedError if something depends on the target that is not to go with it."""
    kind = datasets[target]["type"]
    below: list[str] = []
    cloned: list[str] = []
    for name in dependents(datasets, target):
        (below if names.is_below(name, target) else cloned).append(name)
    if below and not wish.recursive:
        raise RefusedError(
            f"cannot destroy '{target}': {kind} has children\n"
            "use '-r' to destroy the following datasets:\n" + "\n".join(below)
        )
    if cloned and (wish.recursive or kind == SNAPSHOT):
        raise RefusedError(
            f"cannot destroy '{target}': {kind} has dependent clones\n"
            "use '-R' to destroy the following datasets:\n" + "\n".join(cloned)
        )


def _destroy_tree(datasets: Datasets, moves: Moves, wish: Wish, target: str) -> None:
    record = datasets.open(target, frozenset({SNAPSHOT}) if wish.defer else ANYTHING)
    if not wish.recursive and "/" not in target and record["type"] == FILESYSTEM:
        raise RefusedError(
            f"cannot destroy '{target}': operation does not apply to pools\n"
            f"use 'zfs destroy -r {target}' to destroy all datasets in the pool\n"
            f"use 'zpool destroy {target}' to destroy the pool itself"
        )
    if not wish.clones:
        _check_dependents(datasets, wish, target)
    _destroy_all(datasets, moves, wish, [*dependents(datasets, target), target])


def _destroy_all(datasets: Datasets, moves: Moves, wish: Wish, doomed: list[str]) -> None:
    """Destroy in this order; what fails is complained about and left."""
    batch: list[str] = []
    for name in doomed:
        wish.tell(name)
        if wish.dry or ("/" not in name and "@" not in name):
            continue
        if "@" in name:
            batch.append(name)
            continue
        try:
            going, batch = batch, []
            destroy_snapshots(datasets, moves, going)
            _destroy_one(datasets, moves, name, force="f" in wish.letters)
        except RefusedError as refused:
            wish.complaints.append(refused.message)
            if not wish.recursive:
                return
    try:
        destroy_snapshots(datasets, moves, batch)
    except RefusedError as refused:
        wish.complaints.append(refused.message)


def _destroy_one(datasets: Datasets, moves: Moves, name: str, *, force: bool) -> None:
    if name not in datasets:
        return
    if not is_root() and "mounted" in datasets[name]:
        raise RefusedError(f"cannot unmount '{datasets[name]['mounted']}': permission denied")
    mounting.unmount(datasets, moves, name, force=force)
    destroy_dataset(datasets, moves, name)


def destroy_dataset(datasets: Datasets, moves: Moves, name: str) -> None:
    """Destroy an unmounted filesystem or a volume that nothing depends on.
    Raises RefusedError."""
    record = datasets[name]
    action = f"cannot destroy '{name}'"
    if not is_root():
        raise RefusedError(f"{action}: permission denied")
    if datasets.children(name):
        raise RefusedError(f"{action}: dataset already exists")
    if datasets.snapshots(name) or (record["type"] == VOLUME and nodes.is_open(datasets, name)):
        raise RefusedError(f"{action}: dataset is busy")
    resuming.drop(datasets, moves, name)
    moves.discard(contents.stored(datasets.world, record))
    if record["type"] == VOLUME:
        nodes.vanish(datasets, moves, name)
    else:
        mounting.remove_mountpoint(datasets, moves, name)
    for bookmark in datasets.bookmarks(name):
        del datasets[bookmark]
    del datasets[name]
    if "origin" in record:
        let_go(datasets, moves, record["origin"])


def destroy_snapshots(
    datasets: Datasets, moves: Moves, doomed: list[str], *, defer: bool = False
) -> None:
    """Destroy snapshots, all or none; with ``defer`` those in use only as soon as they are not.
    Raises RefusedError."""
    doomed = [snapshot for snapshot in doomed if snapshot in datasets]
    if doomed and not is_root():
        raise RefusedError("cannot destroy snapshots: permission denied")
    if not defer:
        complaints = [why for snapshot in doomed if (why := _reason_to_stay(datasets, snapshot))]
        if complaints:
            raise RefusedError("\n".join(complaints))
    for snapshot in doomed:
        if defer and (datasets[snapshot].get("holds") or datasets.clones(snapshot)):
            datasets.change(snapshot, defer=True)
        else:
            _remove_snapshot(datasets, moves, snapshot)


def _reason_to_stay(datasets: Datasets, snapshot: str) -> str:
    action = f"cannot destroy snapshot {snapshot}"
    if datasets.clones(snapshot):
        return f"{action}: snapshot is cloned"
    if datasets[snapshot].get("holds"):
        if datasets.major >= 15:
            return f"{action}: it's being held. Run 'zfs holds -r {snapshot}' to see holders."
        return f"{action}: dataset is busy"
    return ""


def _remove_snapshot(datasets: Datasets, moves: Moves, snapshot: str) -> None:
    record = datasets[snapshot]
    taken = datasets.snapshots(names.dataset_of(snapshot))
    later = taken[taken.index(snapshot) + 1 :]
    if later:
        unique = Space(datasets).used(snapshot)
        following = datasets[later[0]]
        datasets.change(
            later[0],
            written=following["written"] + record["written"] - unique,
            freed=following["freed"] + record["freed"] - unique,
        )
    moves.discard(contents.stored(datasets.world, record))
    del datasets[snapshot]


def let_go(datasets: Datasets, moves: Moves, snapshot: str) -> None:
    """Destroy a snapshot whose destruction was deferred, if nothing uses it any more."""
    record = datasets.table.get(snapshot)
    if record and record.get("defer") and not record.get("holds") and not datasets.clones(snapshot):
        _remove_snapshot(datasets, moves, snapshot)


def _destroy_snapshots_of(datasets: Datasets, moves: Moves, wish: Wish, target: str) -> None:
    name, _, spec = target.partition("@")
    datasets.open(name, DATASETS)
    doomed: list[str] = []
    space = Space(datasets)
    reclaimed = 0
    for each in datasets.tree(name) if wish.recursive else [name]:
        chosen = select(datasets, each, spec)
        for snapshot in chosen:
            wish.tell(snapshot)
        if not wish.clones and not wish.defer:
            for snapshot in chosen:
                _check_dependents(datasets, wish, snapshot)
        doomed += chosen
        if wish.letters & {"v", "p"}:
            reclaimed += sum(space.freed_by(run) for run in _runs(datasets, each, chosen))
    if not doomed:
        raise RefusedError(_NONE_FOUND)
    wish.tell_reclaimed(reclaimed)
    if wish.dry:
        return
    if wish.clones:
        clones = [name for snapshot in doomed for name in dependents(datasets, snapshot)]
        quiet = Wish(wish.letters - {"v", "p"} | {"r"}, complaints=wish.complaints)
        _destroy_all(datasets, moves, quiet, clones)
    destroy_snapshots(datasets, moves, doomed, defer=wish.defer)


def select(datasets: Datasets, name: str, spec: str) -> list[str]:
    """Return the snapshots of a dataset that ``a,b%c`` stands for, oldest first."""
    taken = datasets.snapshots(name)
    chosen: set[str] = set()
    for part in spec.split(","):
        first, is_range, last = part.partition("%")
        if not is_range:
            chosen.add(f"{name}@{part}")
            continue
        start = f"{name}@{first}" if first else taken[0] if taken else ""
        end = f"{name}@{last}" if last else taken[-1] if taken else ""
        if start in taken and end in taken:
            chosen.update(taken[taken.index(start) : taken.index(end) + 1])
    return [snapshot for snapshot in taken if snapshot in chosen]


def _runs(datasets: Datasets, name: str, chosen: list[str]) -> Iterator[list[str]]:
    """Yield the chosen snapshots in runs that follow each other."""
    run: list[str] = []
    for snapshot in datasets.snapshots(name):
        if snapshot in chosen:
            run.append(snapshot)
        elif run:
            yield run
            run = []
    if run:
        yield run


def _destroy_bookmark(world: World, wish: Wish, target: str) -> int:
    for refused, what in ((wish.dry, "dryrun"), (wish.defer, "defer destroy")):
        if refused:
            raise RefusedError(f"{what} is not supported with bookmark", 255)
    if wish.recursive:
        raise RefusedError("recursive is not supported with bookmark", 255)
    with changing(world) as (datasets, _moves):
        if target not in datasets:
            raise RefusedError(f"bookmark '{target}' does not exist.")
        del datasets[target]
    return 0
