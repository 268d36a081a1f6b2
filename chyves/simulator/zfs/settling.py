# SPDX-License-Identifier: BSD-2-Clause
"""The end of ``zfs receive``: what was read becomes a dataset, or its new content."""

from dataclasses import dataclass, field
from pathlib import Path

from chyves.simulator.zfs import contents, mounting, names, nodes, properties, resuming, stream
from chyves.simulator.zfs.datasets import Datasets
from chyves.simulator.zfs.destroying import destroy_dataset, destroy_snapshots
from chyves.simulator.zfs.errors import RefusedError
from chyves.simulator.zfs.moves import Moves
from chyves.simulator.zfs.names import SNAPSHOT, VOLUME
from chyves.simulator.zfs.rollingback import roll_back
from chyves.simulator.zfs.setting import Checker
from chyves.simulator.zfs.space import Space, has_room

ACTION = "cannot receive"
NEW = "cannot receive new filesystem stream"
INCREMENTAL = "cannot receive incremental stream"


@dataclass
class Wish:
    """How to receive."""

    target: str = ""
    letters: set[str] = field(default_factory=set)
    given: dict[str, str] = field(default_factory=dict)
    excluded: set[str] = field(default_factory=set)
    sent_name: str = ""
    recursive: bool = False


def wants_new(begin: stream.Record) -> bool:
    """Tell whether a stream makes a new dataset (a full one, or a clone)."""
    return not begin["fromguid"] or bool(begin.get("clone"))


def destination_of(wish: Wish, sent: str) -> str:
    """Return the snapshot that ``sent`` becomes here."""
    if wish.letters & {"d", "e"}:
        if "@" in wish.target:
            letter = "e" if "e" in wish.letters else "d"
            why = f"invalid argument - snapshot not allowed with -{letter}"
            raise RefusedError(f"{ACTION}: {why}")
        if "e" in wish.letters:
            above = wish.sent_name.rpartition("/")[0]
            return f"{wish.target}/{sent[len(above) + 1 :] if above else sent}"
        pool = names.pool_of(sent)
        return wish.target + sent[len(pool) :]
    if "@" in wish.target:
        return wish.target
    return wish.target + sent[len(wish.sent_name) :]


def settle(
    datasets: Datasets,
    moves: Moves,
    wish: Wish,
    destination: str,
    begin: stream.Record,
    before: str | None,
    staged: Path,
) -> None:
    """Make the content that was read a dataset, or the new content of one, and its snapshot."""
    name = names.dataset_of(destination)
    is_volume = begin["type"] == VOLUME
    kept = datasets.world.store / contents.fresh()
    look = contents.measure_volume if is_volume else contents.measure_tree
    measure = look(str(staged))
    if is_volume:
        contents.copy_volume(staged, kept, measure.print[0])
    else:
        contents.copy_tree(staged, kept)
    space = Space(datasets)
    written, freed = space.since(name, datasets[before] if before else None, measure)
    charged = max(0, written - (space.used_by_refreservation(name) if name in datasets else 0))
    if not has_room(datasets, names.parent_of(name) or name, charged):
        action = NEW if wants_new(begin) else INCREMENTAL
        if has_room(datasets, names.pool_of(name), charged):
            raise RefusedError(f"{action}: destination {name} space quota exceeded.")
        raise RefusedError(f"{action}: out of space")
    snapshot: dict[str, object] = {
        "type": SNAPSHOT,
        "of": begin["type"],
        **datasets.birth(names.pool_of(name)),
        "creation": begin["creation"],
        "guid": begin["guid"],
        "content": kept.name,
        "local": {},
        "referenced": measure.referenced,
        "print": measure.print,
        "written": written,
        "freed": freed,
    }
    if begin.get("snapshot_properties"):
        snapshot["received"] = begin["snapshot_properties"]
    if is_volume:
        snapshot |= {"volsize": staged.stat().st_size, "volblocksize": begin["volblocksize"]}
    if wants_new(begin):
        _make_new(datasets, moves, name, begin, before, staged)
    else:
        resuming.drop(datasets, moves, name)
        _build_on(datasets, moves, wish, name, before or "", staged)
    datasets[destination] = snapshot
    if is_volume:
        datasets.set_values(name, [("volsize", str(snapshot["volsize"]))])
    else:
        datasets.forget()
    _set_properties(datasets, wish, name, begin)
    if is_volume:
        nodes.refresh(datasets, moves, name)


def _make_new(
    datasets: Datasets,
    moves: Moves,
    name: str,
    begin: stream.Record,
    origin: str | None,
    staged: Path,
) -> None:
    if name in datasets:
        mounting.unmount(datasets, moves, name)
        if datasets.children(name):
            moves.discard(contents.stored(datasets.world, datasets[name]))
        else:
            destroy_dataset(datasets, moves, name)
    record = {
        "type": begin["type"],
        **datasets.birth(names.pool_of(name)),
        "content": staged.name,
        "local": {},
    }
    if begin["type"] == VOLUME:
        record["volblocksize"] = begin["volblocksize"]
    if origin:
        record["origin"] = origin
    datasets[name] = record


def _build_on(
    datasets: Datasets, moves: Moves, wish: Wish, name: str, before: str, staged: Path
) -> None:
    """Give an existing dataset the new content; with -F newer snapshots and changes are lost."""
    if "F" in wish.letters:
        taken = datasets.snapshots(name)
        destroy_snapshots(datasets, moves, taken[taken.index(before) + 1 :])
        roll_back(datasets, moves, before)
    place, apart = contents.apart(datasets, name)
    if datasets[name]["type"] == VOLUME:
        moves.discard(place)
        moves.move(staged, place)
    else:
        contents.replace_tree(place, staged, apart, moves)
        moves.discard(staged)


def _set_properties(datasets: Datasets, wish: Wish, name: str, begin: stream.Record) -> None:
    """Store received properties; -o sets others locally (on the topmost dataset), -x hides."""
    record = datasets[name]
    kind = begin["type"]
    received = dict(begin.get("properties") or record.get("received", {}))
    local: dict[str, str | None] = dict(record["local"])
    top = name == names.dataset_of(destination_of(wish, f"{wish.sent_name}@x"))
    applicable = {}
    for word, value in wish.given.items():
        prop = properties.find(datasets.major, word)
        if prop and not prop.applies_to(kind):
            if wish.recursive:
                continue
            why = f"property '{word}' does not apply to datasets of this type"
            raise RefusedError(f"{NEW}: {why}")
        if top or (prop is None or prop.is_inheritable):
            applicable[word] = value
    checked = Checker(datasets.major, kind, NEW, new=True).check(applicable)
    for key, value in checked.items():
        local[key] = value if top else None
    for word in wish.excluded:
        prop = properties.find(datasets.major, word)
        key = prop.name if prop else word
        if prop and not prop.is_inheritable:
            received.pop(key, None)
        elif key in received and key not in record["local"]:
            local[key] = None
    local = {key: value for key, value in local.items() if value is not None or key in received}
    datasets.change(name, local=local, received=received or None)
