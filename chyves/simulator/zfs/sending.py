# SPDX-License-Identifier: BSD-2-Clause
"""``zfs send``."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from chyves.simulator.programs import Io
from chyves.simulator.world import World
from chyves.simulator.zfs import contents, names, resuming, stream
from chyves.simulator.zfs.datasets import Datasets
from chyves.simulator.zfs.errors import RefusedError, UsageError
from chyves.simulator.zfs.names import ANYTHING, DATASETS, SNAPSHOT, VOLUME
from chyves.simulator.zfs.options import Options
from chyves.simulator.zfs.sizes import nice_bytes

_LONG = {
    "replicate": "R",
    "skip-missing": "s",
    "redact": "d",
    "props": "p",
    "parsable": "P",
    "dedup": "D",
    "verbose": "v",
    "dryrun": "n",
    "large-block": "L",
    "embed": "e",
    "resume": "t",
    "compressed": "c",
    "raw": "w",
    "backup": "b",
    "holds": "h",
    "saved": "S",
}
_UNSURE = (
    "Warning: incremental source didn't specify type, assuming snapshot."
    " Use '@' or '#' prefix to avoid ambiguity."
)
_NEVER_SENT = frozenset({"volsize", "keylocation"})


class Part(NamedTuple):
    """One snapshot to send: what its stream begins with, where its content is, what to say."""

    begin: stream.Record
    content: Path
    before: Path | None
    is_volume: bool
    shown_from: str
    size: int
    resume: int = 0
    """How many records of the content have been received."""


def zfs_send(world: World, arguments: list[str], io: Io) -> int:
    """``zfs send``."""
    letters: set[str] = set()
    source = token = ""
    options = Options(arguments, ":i:I:RsDpVvnPLeht:cwbd:SX:", long=_LONG)
    for letter, argument in options:
        letters.add(letter)
        if letter in "iI":
            if source:
                raise UsageError
            source = argument
        elif letter == "t":
            token = argument
    if letters & {"S", "d"}:
        raise RefusedError("the simulated host cannot save or redact streams")
    if token:
        return _resume(world, token, letters, options.rest, io)
    if not options.rest:
        raise UsageError("missing snapshot argument")
    if len(options.rest) > 1:
        raise UsageError("too many arguments")
    target = options.rest[0]
    if "n" not in letters and io.stdout.isatty():
        raise RefusedError(
            "Error: Stream can not be written to a terminal.\nYou must redirect standard output."
        )
    whispers: list[str] = []
    late = ""
    if source and not letters & {"R", "I"} and source[0] not in "@#" and "@" not in source:
        io.err(_UNSURE)
        source = f"@{source}"
    package: stream.Record | None
    with world.reading():
        datasets = Datasets(world)
        if letters & {"R", "I"}:
            package, parts = _gather_many(datasets, target, source, letters, whispers)
            late = _late(datasets, target, source, letters)
        else:
            package, parts = _gather_one(datasets, target, source, letters)
    for whisper in whispers:
        io.err(whisper)
    if late:
        if "n" in letters:
            _tell(io, [], dry=True, parsable="P" in letters)
        raise RefusedError(f"WARNING: could not send {target}:\n{late}")
    if letters & {"v", "P", "V"}:
        _tell(io, parts, dry="n" in letters, parsable="P" in letters)
    if "n" in letters:
        return 0
    return _write(io, package, parts)


def _resume(world: World, token: str, letters: set[str], rest: list[str], io: Io) -> int:
    if letters & set("RpbDhdiI"):
        raise UsageError("invalid flags combined with -t")
    if rest:
        raise UsageError("no additional arguments are permitted with -t")
    if letters & {"n", "v", "P"}:
        raise RefusedError("the simulated host cannot tell what a resume token contains")
    told = resuming.read_token(token)
    with world.reading():
        datasets = Datasets(world)
        sent, source = resuming.find_sent(datasets, told)
        part = _part(datasets, sent, source, source, properties=False)
    part.begin["resume"] = told["count"]
    return _write(io, None, [part._replace(resume=told["count"])])


def _tell(io: Io, parts: list[Part], *, dry: bool, parsable: bool) -> None:
    say = io.out if dry else io.err
    for part in parts:
        name = part.begin["name"]
        if parsable:
            start = f"incremental\t{part.shown_from}\t" if part.shown_from else "full\t"
            say(f"{start}{name}\t{part.size}")
            continue
        start = f"full send of {name}"
        if part.shown_from:
            mark = "" if "@" in part.shown_from or "#" in part.shown_from else "@"
            start = f"send from {mark}{part.shown_from} to {name}"
        say(f"{start} estimated size is {nice_bytes(part.size)}")
    total = sum(part.size for part in parts)
    say(f"size\t{total}" if parsable else f"total estimated size is {nice_bytes(total)}")


def _write(io: Io, package: stream.Record | None, parts: list[Part]) -> int:
    name = ""
    try:
        writer = stream.Writer(io.stdout)
        if package:
            writer.record(package)
        for part in parts:
            name = part.begin["name"]
            writer.record(part.begin)
            changes = stream.volume_changes if part.is_volume else stream.tree_changes
            for record, data in islice(changes(part.content, part.before), part.resume, None):
                writer.record(record, data)
            writer.record({"record": "end", "guid": part.begin["guid"]})
        if package:
            writer.record({"record": "package end"})
        io.stdout.flush()
    except BrokenPipeError:
        io.err(f"warning: cannot send '{name}': Broken pipe")
        return 1
    except FileNotFoundError:
        io.err(f"warning: cannot send '{name}': I/O error")
        return 1
    return 0


def _gather_one(
    datasets: Datasets, target: str, source: str, letters: set[str]
) -> tuple[stream.Record | None, list[Part]]:
    if source[:1] in ("@", "#"):
        source = names.dataset_of(target) + source
    record = datasets.open(target, ANYTHING)
    if record["type"] != SNAPSHOT:
        if record["type"] != VOLUME and "mounted" in record:
            raise RefusedError(
                f"warning: cannot send '{target}': target is busy; if a filesystem, it must not be"
                " mounted"
            )
        return None, [_live_part(datasets, target, source)]
    if source:
        datasets.open(source, frozenset({SNAPSHOT, names.BOOKMARK}))
        _check_earlier(datasets, target, source)
    properties = bool(letters & {"p", "b"})
    return None, [_part(datasets, target, source, source, properties=properties)]


def _live_part(datasets: Datasets, name: str, source: str) -> Part:
    """Send the content a dataset has now, as a snapshot called ``--head--``."""
    record = datasets[name]
    before = datasets.open(source, frozenset({SNAPSHOT})) if source else None
    place = contents.place(datasets.world, record)
    kind = record["type"]
    begin = {
        **_begin(datasets, f"{name}@--head--", record, kind),
        "fromguid": before["guid"] if before else 0,
    }
    old = contents.stored(datasets.world, before) if before else None
    size = stream.estimate(place, old, block=int(record.get("volblocksize", 0)))
    return Part(begin, place, old, kind == VOLUME, source, size)


def _check_earlier(datasets: Datasets, target: str, source: str) -> None:
    name = names.dataset_of(target)
    same = names.dataset_of(source) == name
    is_origin = datasets[name].get("origin") == source
    earlier = datasets[source]["createtxg"] < datasets[target]["createtxg"]
    if not (earlier and (same or is_origin)):
        raise RefusedError(
            f"warning: cannot send '{target}': not an earlier snapshot from the same fs"
        )


def _begin(
    datasets: Datasets, snapshot: str, record: dict[str, object], kind: str
) -> stream.Record:
    begin = {
        "record": "begin",
        "name": snapshot,
        "type": kind,
        "guid": record["guid"],
        "fromguid": 0,
        "creation": record["creation"],
    }
    if kind == VOLUME:
        begin["volblocksize"] = record["volblocksize"]
    return begin


def _part(
    datasets: Datasets, snapshot: str, source: str, shown_from: str, *, properties: bool
) -> Part:
    record = datasets[snapshot]
    name = names.dataset_of(snapshot)
    begin = _begin(datasets, snapshot, record, record["of"])
    before = None
    if source:
        begin["fromguid"] = datasets[source]["guid"]
        begin["clone"] = names.dataset_of(source) != name
        before = _stored_before(datasets, source)
    if properties:
        begin["properties"] = _sent_properties(datasets, name)
        begin["snapshot_properties"] = _sent_properties(datasets, snapshot)
    content = contents.stored(datasets.world, record)
    is_volume = record["of"] == VOLUME
    size = stream.estimate(content, before, block=int(record.get("volblocksize", 0)))
    return Part(begin, content, before, is_volume, shown_from, size)


def _stored_before(datasets: Datasets, source: str) -> Path:
    """Return the content of the snapshot that is, or that the bookmark was made of, the source."""
    record = datasets[source]
    if record["type"] == SNAPSHOT:
        return contents.stored(datasets.world, record)
    for snapshot in datasets.snapshots(names.dataset_of(source)):
        if datasets[snapshot]["guid"] == record["guid"]:
            return contents.stored(datasets.world, datasets[snapshot])
    raise RefusedError("the simulated host cannot send from a bookmark without its snapshot")


def _sent_properties(datasets: Datasets, name: str) -> dict[str, str]:
    record = datasets[name]
    own = {**record.get("received", {}), **record["local"]}
    return {
        key: value for key, value in own.items() if value is not None and key not in _NEVER_SENT
    }


def _gather_many(
    datasets: Datasets, target: str, source: str, letters: set[str], whispers: list[str]
) -> tuple[stream.Record, list[Part]]:
    """Gather a replication stream (-R), or all snapshots of one dataset between two (-I)."""
    name, delimiter, label = target.partition("@")
    if "#" in source:
        raise RefusedError("Error: multiple snapshots cannot be sent from a bookmark.")
    if not delimiter:
        raise RefusedError("Error: Unsupported flag with filesystem or bookmark.")
    datasets.open(name, DATASETS)
    where, _, source_label = source.rpartition("@")
    if where and where != name:
        raise UsageError("incremental source must be in same filesystem")
    for each in (target, f"{name}@{source_label}") if source else (target,):
        datasets.open(each, frozenset({SNAPSHOT}))
    parts: list[Part] = []
    for each in _origins_first(datasets, name) if "R" in letters else [name]:
        if "R" in letters and letters & {"v", "P"}:
            whispers += _newer(datasets, target, each)
        if f"{each}@{label}" not in datasets:
            _note_missing(datasets, target, each, letters, whispers)
            continue
        parts += _parts_of(datasets, each, label, source_label, letters)
    package = {"record": "package", "name": target, "recursive": "R" in letters}
    return package, parts


def _origins_first(datasets: Datasets, top: str) -> list[str]:
    """Return a tree, parents first, and clones behind what they were cloned from."""
    tree = datasets.tree(top)
    ordered: dict[str, None] = {}

    def add(name: str) -> None:
        origin = names.dataset_of(datasets[name].get("origin", ""))
        for needed in (names.parent_of(name), origin):
            if needed in tree and needed not in ordered:
                add(needed)
        ordered[name] = None

    for each in tree:
        add(each)
    return list(ordered)


def _note_missing(
    datasets: Datasets, target: str, name: str, letters: set[str], whispers: list[str]
) -> None:
    top, _, label = target.partition("@")
    if datasets[name]["createtxg"] > datasets[target]["createtxg"]:
        if letters & {"v", "P"}:
            whispers.append(f"skipping dataset {name}: snapshot {label} does not exist")
    elif "s" in letters:
        whispers.append(
            f"WARNING: skipping dataset {name} and its children: snapshot {label} does not exist"
        )
    else:
        raise RefusedError(
            f"cannot send {top}@{label} recursively: snapshot {name}@{label} does not exist\n"
            f"warning: cannot send '{target}': backup failed"
        )


def _late(datasets: Datasets, target: str, source: str, letters: set[str]) -> str:
    """Tell if the source is not older than what is to be sent, and so met too late, or never."""
    older = f"{target.partition('@')[0]}@{source.rpartition('@')[2]}"
    if not source or datasets.age(older) < datasets.age(target):
        return ""
    why = "is not earlier than it" if "R" in letters else "does not exist"
    return f"incremental source ({older}) {why}"


def _newer(datasets: Datasets, target: str, name: str) -> Iterator[str]:
    label = target.partition("@")[2]
    for snapshot in datasets.snapshots(name):
        if datasets[snapshot]["createtxg"] > datasets[target]["createtxg"]:
            yield (
                f"skipping snapshot {snapshot} because it was created after the destination"
                f" snapshot ({label})"
            )


def _parts_of(
    datasets: Datasets, name: str, label: str, source_label: str, letters: set[str]
) -> Iterator[Part]:
    taken = datasets.snapshots(name)
    taken = taken[: taken.index(f"{name}@{label}") + 1]
    first = f"{name}@{source_label}"
    properties = bool(letters & {"R", "p", "b"})
    previous = ""
    if source_label and first in taken:
        taken = taken[taken.index(first) + 1 :]
        previous = first
    elif source_label and "R" not in letters:
        return
    if source_label and "I" not in letters:
        taken = taken[-1:]
    if not previous and "origin" in datasets[name]:
        previous = datasets[name]["origin"]
    for snapshot in taken:
        shown = previous.rpartition("@")[2]
        yield _part(datasets, snapshot, previous, shown, properties=properties)
        previous = snapshot
