# SPDX-License-Identifier: BSD-2-Clause
"""``zfs receive``.

The stream is read without holding the lock of the host: its content is put together in
``world.store`` and becomes a dataset and its snapshot in one transaction at the end.
"""

import time
from dataclasses import dataclass, field
from pathlib import Path

from chyves.simulator.programs import Io
from chyves.simulator.world import World
from chyves.simulator.zfs import contents, mounting, names, nodes, properties, setting, stream
from chyves.simulator.zfs.creating import create_ancestors
from chyves.simulator.zfs.datasets import Datasets
from chyves.simulator.zfs.destroying import destroy_dataset, destroy_snapshots
from chyves.simulator.zfs.errors import RefusedError, UsageError
from chyves.simulator.zfs.moves import Moves, changing, remove
from chyves.simulator.zfs.names import DATASETS, FILESYSTEM, SNAPSHOT, VOLUME
from chyves.simulator.zfs.options import Options
from chyves.simulator.zfs.privilege import is_root
from chyves.simulator.zfs.rollingback import roll_back
from chyves.simulator.zfs.setting import Checker
from chyves.simulator.zfs.sizes import nice_bytes
from chyves.simulator.zfs.space import Space, has_room

_ACTION = "cannot receive"
_NEW = "cannot receive new filesystem stream"
_INCREMENTAL = "cannot receive incremental stream"


@dataclass
class Wish:
    """How to receive."""

    target: str = ""
    letters: set[str] = field(default_factory=set)
    given: dict[str, str] = field(default_factory=dict)
    excluded: set[str] = field(default_factory=set)
    sent_name: str = ""
    recursive: bool = False


def zfs_receive(world: World, arguments: list[str], io: Io) -> int:
    """``zfs receive``."""
    wish = _read_wish(arguments)
    if "A" in wish.letters:
        return _abort(world, wish.target)
    _check_properties(world.release.major, wish)
    try:
        return _receive(world, wish, io)
    except stream.ForeignError as error:
        why = "failed to read from stream"
        if not error.short:
            why = "invalid stream (bad magic number)"
        raise RefusedError(f"{_ACTION}: {why}") from None


def _read_wish(arguments: list[str]) -> Wish:
    wish = Wish()
    options = Options(arguments, ":o:x:dehMnuvFsAc")
    for letter, argument in options:
        wish.letters.add(letter)
        try:
            if letter == "o":
                setting.parse_word(wish.given, argument)
            elif letter == "x":
                if "=" in argument:
                    raise RefusedError("invalid character '=' in property argument")
                if argument in wish.excluded | set(wish.given):
                    raise RefusedError(f"property '{argument}' specified multiple times")
                wish.excluded.add(argument)
        except RefusedError as refused:
            raise UsageError(refused.message) from None
        if {"d", "e"} <= wish.letters:
            raise UsageError("invalid option combination: -d and -e are mutually exclusive")
    if not options.rest:
        raise UsageError("missing snapshot argument")
    if len(options.rest) > 1:
        raise UsageError("too many arguments")
    wish.target = options.rest[0]
    return wish


def _abort(world: World, target: str) -> int:
    with world.reading():
        try:
            Datasets(world).open(target, DATASETS)
        except RefusedError as refused:
            raise UsageError(refused.message) from None
    raise RefusedError(f"'{target}' does not have any resumable receive state to abort")


def _check_properties(major: int, wish: Wish) -> None:
    for word in (*wish.given, *wish.excluded):
        prop = properties.find(major, word)
        if prop is None:
            if properties.is_user_property(word):
                continue
        elif not prop.is_readonly and prop.name not in ("version", "volsize"):
            continue
        raise RefusedError(f"{_ACTION}: invalid property '{word}'")


def _receive(world: World, wish: Wish, io: Io) -> int:
    reader = stream.Reader(io.stdin)
    made: list[str] = []
    while (found := reader.record()) is not None:
        record = found[0]
        if record["record"] == "package":
            wish.sent_name = names.dataset_of(record["name"])
            wish.recursive = record["recursive"]
            if wish.recursive and "@" in wish.target:
                why = "cannot specify snapshot name for multi-snapshot stream"
                raise RefusedError(f"{_ACTION}: {why}")
        elif record["record"] == "begin":
            wish.sent_name = wish.sent_name or names.dataset_of(record["name"])
            made += _receive_one(world, wish, io, reader, record)
    if "u" not in wish.letters and "n" not in wish.letters:
        return _mount(world, made, io)
    return 0


def _mount(world: World, made: list[str], io: Io) -> int:
    with changing(world) as (datasets, moves):
        due = [
            name
            for name in dict.fromkeys(made)
            if name in datasets
            and datasets[name]["type"] == FILESYSTEM
            and "mounted" not in datasets[name]
            and datasets.value(name, "canmount") == "on"
        ]
        complaints = list(mounting.mount_all(datasets, moves, due))
    for complaint in complaints:
        io.err(complaint)
    return 1 if complaints else 0


def _destination(wish: Wish, sent: str) -> str:
    """Return the snapshot that ``sent`` becomes here."""
    if wish.letters & {"d", "e"}:
        if "@" in wish.target:
            letter = "e" if "e" in wish.letters else "d"
            why = f"invalid argument - snapshot not allowed with -{letter}"
            raise RefusedError(f"{_ACTION}: {why}")
        if "e" in wish.letters:
            above = wish.sent_name.rpartition("/")[0]
            return f"{wish.target}/{sent[len(above) + 1 :] if above else sent}"
        pool = names.pool_of(sent)
        return wish.target + sent[len(pool) :]
    if "@" in wish.target:
        return wish.target
    return wish.target + sent[len(wish.sent_name) :]


def _receive_one(
    world: World, wish: Wish, io: Io, reader: stream.Reader, begin: stream.Record
) -> list[str]:
    """Receive one snapshot; returns the filesystem, if it is new."""
    started, read_before = time.time(), reader.count
    destination = _destination(wish, begin["name"])
    name = names.dataset_of(destination)
    if names.fault(destination, frozenset({SNAPSHOT}), modifying=True):
        raise RefusedError(f"{_ACTION}: invalid name")
    dry = "n" in wish.letters
    if "d" in wish.letters and not dry and names.parent_of(name):
        with world.reading():
            has_parent = names.parent_of(name) in Datasets(world)
        if not has_parent:
            create_ancestors(world, name)
    with world.reading():
        datasets = Datasets(world)
        known = _is_known(datasets, name, begin)
        before = None if known else _check(datasets, wish, name, begin)
        source = contents.stored(world, datasets[before]) if before else None
    if "v" in wish.letters:
        if begin.get("clone") and before:
            io.out(f"found clone origin {before}")
        form = "incremental" if begin["fromguid"] else "full"
        verb = "would receive" if dry else "receiving"
        io.out(f"{verb} {form} stream of {begin['name']} into {destination}")
    action = _NEW if _wants_new(begin) else _INCREMENTAL
    if dry or known:
        if known and "v" in wish.letters:
            io.out(f"snap {destination} already exists; ignoring")
        _read_content(reader, None, action)
        return []
    staged = world.store / contents.fresh()
    try:
        _stage(staged, source, begin)
        _read_content(reader, staged, action)
        with changing(world) as (datasets, moves):
            _check(datasets, wish, name, begin)
            _settle(datasets, moves, wish, destination, begin, before, staged)
    except BaseException:
        remove(staged)
        raise
    if "v" in wish.letters:
        seconds = max(1, int(time.time() - started))
        count = reader.count - read_before
        rate = nice_bytes(count // seconds)
        io.out(f"received {nice_bytes(count)} stream in {seconds} seconds ({rate}/sec)")
    return [name]


def _wants_new(begin: stream.Record) -> bool:
    return not begin["fromguid"] or bool(begin.get("clone"))


def _is_known(datasets: Datasets, name: str, begin: stream.Record) -> bool:
    """Tell whether an incremental stream brings a snapshot that is here already."""
    return not _wants_new(begin) and any(
        datasets[snapshot]["guid"] == begin["guid"] for snapshot in datasets.snapshots(name)
    )


def _check(datasets: Datasets, wish: Wish, name: str, begin: stream.Record) -> str:
    """Raise RefusedError unless the stream can be received; returns the snapshot it builds on."""
    if not is_root():
        raise RefusedError(f"{_NEW}: permission denied")
    if _wants_new(begin):
        _check_new(datasets, wish, name, begin)
        return _origin(datasets, name, begin) if begin["fromguid"] else ""
    if name not in datasets:
        raise RefusedError(f"{_INCREMENTAL}: destination '{name}' does not exist")
    taken = datasets.snapshots(name)
    matching = [each for each in taken if datasets[each]["guid"] == begin["fromguid"]]
    force = "F" in wish.letters
    if not matching or (matching[0] != taken[-1] and not force):
        raise RefusedError(
            f"{_INCREMENTAL}: most recent snapshot of {name} does not\nmatch incremental source"
        )
    space = Space(datasets)
    if not force and space.written(name):
        raise RefusedError(
            f"{_INCREMENTAL}: destination {name} has been modified\nsince most recent snapshot"
        )
    return matching[0]


def _check_new(datasets: Datasets, wish: Wish, name: str, begin: stream.Record) -> None:
    if name not in datasets:
        parent = names.parent_of(name)
        if not parent:
            raise RefusedError(f"{_NEW}: destination '{name}' does not exist")
        if parent not in datasets:
            raise RefusedError(
                f"cannot open '{parent}': dataset does not exist\n"
                f"{_NEW}: unable to restore to destination"
            )
        if datasets[parent]["type"] != FILESYSTEM:
            raise RefusedError(f"{_NEW}: parent '{parent}' is not a filesystem")
        return
    if "F" not in wish.letters:
        raise RefusedError(f"{_NEW}: destination '{name}' exists\nmust specify -F to overwrite it")
    taken = datasets.snapshots(name)
    if taken:
        raise RefusedError(
            f"{_NEW}: destination has snapshots (eg. {taken[0]})\nmust destroy them to overwrite it"
        )
    if begin["type"] == VOLUME and "/" not in name:
        raise RefusedError(
            f"{_NEW}: destination {name} is the root dataset\ncannot overwrite with a ZVOL"
        )
    if "origin" in datasets[name]:
        raise RefusedError(
            f"{_NEW}: destination '{name}' is a clone\nmust destroy it to overwrite it"
        )


def _origin(datasets: Datasets, name: str, begin: stream.Record) -> str:
    for snapshot, record in datasets.table.items():
        is_origin = record["type"] == SNAPSHOT and record["guid"] == begin["fromguid"]
        if is_origin and names.pool_of(snapshot) == names.pool_of(name):
            return snapshot
    label = begin["name"].partition("@")[2]
    raise RefusedError(f"{_ACTION}: local origin for clone {name}@{label} does not exist")


def _stage(staged: Path, source: Path | None, begin: stream.Record) -> None:
    """Begin with an empty content, or with that of the snapshot the stream builds on."""
    if begin["type"] == VOLUME:
        if source:
            contents.copy_file(source, staged)
        else:
            contents.make_volume(staged, 0)
    elif source:
        contents.copy_tree(source, staged)
    else:
        staged.mkdir()


def _read_content(reader: stream.Reader, staged: Path | None, action: str) -> None:
    try:
        while (found := reader.record()) is not None:
            record, data = found
            if record["record"] == "end":
                return
            if staged:
                stream.apply(staged, record, data)
    except stream.TruncatedError:
        pass
    raise RefusedError(f"{action}: incomplete stream")


def _settle(
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
    if not has_room(datasets, names.parent_of(name) or name, 0):
        raise RefusedError(f"{_NEW if _wants_new(begin) else _INCREMENTAL}: out of space")
    is_volume = begin["type"] == VOLUME
    kept = datasets.world.store / contents.fresh()
    look = contents.measure_volume if is_volume else contents.measure_tree
    measure = look(str(staged))
    if is_volume:
        contents.copy_volume(staged, kept, measure.print[0])
    else:
        contents.copy_tree(staged, kept)
    written, freed = Space(datasets).since(name, datasets[before] if before else None, measure)
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
    if _wants_new(begin):
        _make_new(datasets, moves, name, begin, before, staged)
    else:
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
    place, apart = mounting.content_apart(datasets, name)
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
    top = name == names.dataset_of(_destination(wish, f"{wish.sent_name}@x"))
    applicable = {}
    for word, value in wish.given.items():
        prop = properties.find(datasets.major, word)
        if prop and not prop.applies_to(kind):
            if wish.recursive:
                continue
            why = f"property '{word}' does not apply to datasets of this type"
            raise RefusedError(f"{_NEW}: {why}")
        if top or (prop is None or prop.is_inheritable):
            applicable[word] = value
    checked = Checker(datasets.major, kind, _NEW, new=True).check(applicable)
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
