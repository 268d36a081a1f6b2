# SPDX-License-Identifier: BSD-2-Clause
"""``zfs receive``.

The stream is read without holding the lock of the host: its content is put together in
``world.store`` and becomes a dataset and its snapshot in one transaction at the end.
"""

import time
from contextlib import suppress
from os.path import commonpath
from pathlib import Path
from typing import NamedTuple

from chyves.simulator.programs import Io
from chyves.simulator.world import World
from chyves.simulator.zfs import (
    contents,
    mounting,
    names,
    properties,
    resuming,
    setting,
    stream,
)
from chyves.simulator.zfs.creating import create_ancestors
from chyves.simulator.zfs.datasets import Datasets
from chyves.simulator.zfs.destroying import destroy_dataset
from chyves.simulator.zfs.errors import RefusedError, UsageError
from chyves.simulator.zfs.moves import changing, remove
from chyves.simulator.zfs.names import DATASETS, FILESYSTEM, SNAPSHOT, VOLUME
from chyves.simulator.zfs.options import Options
from chyves.simulator.zfs.privilege import is_root
from chyves.simulator.zfs.settling import (
    ACTION,
    INCREMENTAL,
    NEW,
    Wish,
    destination_of,
    settle,
    wants_new,
)
from chyves.simulator.zfs.sizes import nice_bytes
from chyves.simulator.zfs.space import Space


def zfs_receive(world: World, arguments: list[str], io: Io) -> int:
    """``zfs receive``."""
    wish = _read_wish(arguments)
    if "A" in wish.letters:
        return _abort(world, wish.target)
    if io.stdin.isatty():
        raise RefusedError(
            "Error: Backup stream can not be read from a terminal.\n"
            "You must redirect standard input."
        )
    _check_properties(world.release.major, wish)
    try:
        return _receive(world, wish, io)
    except stream.ForeignError as error:
        why = "failed to read from stream"
        if not error.short:
            why = "invalid stream (bad magic number)"
        raise RefusedError(f"{ACTION}: {why}") from None


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
    with changing(world) as (datasets, moves):
        try:
            record = datasets.open(target, DATASETS)
        except RefusedError as refused:
            raise UsageError(refused.message) from None
        if not record.get("partial"):
            raise RefusedError(f"'{target}' does not have any resumable receive state to abort")
        if record.get("incomplete"):
            destroy_dataset(datasets, moves, target)
        else:
            resuming.drop(datasets, moves, target)
    return 0


def _check_properties(major: int, wish: Wish) -> None:
    for word in (*wish.given, *wish.excluded):
        prop = properties.find(major, word)
        if prop is None:
            if properties.is_user_property(word):
                continue
        elif not prop.is_readonly and prop.name not in ("version", "volsize"):
            continue
        action = ACTION if major == 13 else f"{ACTION}: {ACTION}"
        raise RefusedError(f"{action}: invalid property '{word}'")


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
                raise RefusedError(f"{ACTION}: {why}")
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


def _receive_one(
    world: World, wish: Wish, io: Io, reader: stream.Reader, begin: stream.Record
) -> list[str]:
    """Receive one snapshot; returns the filesystem, if it is new."""
    started, read_before = time.time(), reader.count
    if wish.letters & {"d", "e"}:
        with world.reading():
            if wish.target not in Datasets(world):
                raise RefusedError(f"{ACTION}: specified fs ({wish.target}) does not exist")
    destination = destination_of(wish, begin["name"])
    name = names.dataset_of(destination)
    if names.fault(destination, frozenset({SNAPSHOT})):
        raise RefusedError(f"{ACTION}: invalid name")
    if "%" in destination:
        raise RefusedError(f"{NEW if wants_new(begin) else INCREMENTAL}: invalid backup stream")
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
        if "resume" in begin:
            source = world.store / datasets[name]["partial"]["content"]
    if "v" in wish.letters:
        if begin.get("clone") and before:
            io.out(f"found clone origin {before}")
        form = "incremental" if begin["fromguid"] else "full"
        verb = "would receive" if dry else "receiving"
        io.out(f"{verb} {form} stream of {begin['name']} into {destination}")
    action = NEW if wants_new(begin) else INCREMENTAL
    if dry or known:
        if known and "v" in wish.letters:
            io.out(f"snap {destination} already exists; ignoring")
        if not _read_content(reader, None).is_whole:
            raise RefusedError("\n".join([f"{ACTION}: failed to read from stream"] * 2))
        return []
    staged = world.store / contents.fresh()
    token = ""
    try:
        _stage(staged, source, begin)
        came = _read_content(reader, staged)
        with changing(world) as (datasets, moves):
            _check(datasets, wish, name, begin)
            if came.is_whole:
                settle(datasets, moves, wish, destination, begin, before, staged)
            elif "s" in wish.letters:
                token = resuming.keep(datasets, moves, name, begin, before, came.records, staged)
        if not (came.is_whole or token):
            raise _cut_short(action)
    except BaseException:
        remove(staged)
        raise
    if token:
        raise _cut_short(action, token)
    if "v" in wish.letters:
        seconds = max(1, int(time.time() - started))
        count = reader.count - read_before
        rate = nice_bytes(count // seconds)
        io.out(f"received {nice_bytes(count)} stream in {seconds} seconds ({rate}/sec)")
    return [name]


def _is_known(datasets: Datasets, name: str, begin: stream.Record) -> bool:
    """Tell whether an incremental stream brings a snapshot that is here already."""
    return not wants_new(begin) and any(
        datasets[snapshot]["guid"] == begin["guid"] for snapshot in datasets.snapshots(name)
    )


def _check(datasets: Datasets, wish: Wish, name: str, begin: stream.Record) -> str:
    """Raise RefusedError unless the stream can be received; returns the snapshot it builds on."""
    if not is_root():
        raise RefusedError(f"{NEW}: permission denied")
    if "resume" in begin:
        resuming.check(datasets, name, begin, force="F" in wish.letters)
    elif wants_new(begin):
        _check_new(datasets, wish, name, begin)
    if wants_new(begin):
        return _origin(datasets, name, begin) if begin["fromguid"] else ""
    if name not in datasets:
        raise RefusedError(f"{INCREMENTAL}: destination '{name}' does not exist")
    taken = datasets.snapshots(name)
    matching = [each for each in taken if datasets[each]["guid"] == begin["fromguid"]]
    force = "F" in wish.letters
    if not matching or (matching[0] != taken[-1] and not force):
        raise RefusedError(
            f"{INCREMENTAL}: most recent snapshot of {name} does not\nmatch incremental source"
        )
    space = Space(datasets)
    if not force and space.written(name):
        raise RefusedError(
            f"{INCREMENTAL}: destination {name} has been modified\nsince most recent snapshot"
        )
    if "resume" not in begin and datasets[name].get("partial"):
        raise RefusedError(f"{INCREMENTAL}: destination {name} {resuming.STATE}")
    return matching[0]


def _check_new(datasets: Datasets, wish: Wish, name: str, begin: stream.Record) -> None:
    if name not in datasets:
        parent = names.parent_of(name)
        if not parent:
            raise RefusedError(f"{NEW}: destination '{name}' does not exist")
        if parent not in datasets:
            raise RefusedError(
                f"cannot open '{parent}': dataset does not exist\n"
                f"{NEW}: unable to restore to destination"
            )
        if datasets[parent]["type"] != FILESYSTEM:
            raise RefusedError(f"{NEW}: parent '{parent}' is not a filesystem")
        return
    if "F" not in wish.letters:
        raise RefusedError(f"{NEW}: destination '{name}' exists\nmust specify -F to overwrite it")
    if datasets[name].get("partial"):
        raise RefusedError(f"{NEW}: destination {name} {resuming.STATE}")
    taken = datasets.snapshots(name)
    if taken:
        raise RefusedError(
            f"{NEW}: destination has snapshots (eg. {taken[0]})\nmust destroy them to overwrite it"
        )
    if begin["type"] == VOLUME and "/" not in name:
        raise RefusedError(
            f"{NEW}: destination {name} is the root dataset\ncannot overwrite with a ZVOL"
        )
    if "origin" in datasets[name]:
        raise RefusedError(
            f"{NEW}: destination '{name}' is a clone\nmust destroy it to overwrite it"
        )


def _origin(datasets: Datasets, name: str, begin: stream.Record) -> str:
    """Return the snapshot a clone was sent from; of several the nearest in the hierarchy."""
    found = [
        snapshot
        for snapshot, record in datasets.table.items()
        if record["type"] == SNAPSHOT
        and record["guid"] == begin["fromguid"]
        and names.pool_of(snapshot) == names.pool_of(name)
    ]
    if not found:
        label = begin["name"].partition("@")[2]
        raise RefusedError(f"{ACTION}: local origin for clone {name}@{label} does not exist")
    return max(found, key=lambda snapshot: len(commonpath([name, snapshot])))


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


class _Came(NamedTuple):
    """How much of the content of a stream has come: all of it, or some records."""

    is_whole: bool
    records: int


def _read_content(reader: stream.Reader, staged: Path | None) -> _Came:
    count = 0
    with suppress(stream.TruncatedError):
        while (found := reader.record()) is not None:
            record, data = found
            if record["record"] == "end":
                return _Came(True, count)
            if staged:
                stream.apply(staged, record, data)
            count += 1
    return _Came(False, count)


def _cut_short(action: str, token: str = "") -> RefusedError:
    if not token:
        return RefusedError(f"{action}: incomplete stream")
    return RefusedError(
        f"{action}: checksum mismatch or incomplete stream.\n"
        "Partially received snapshot is saved.\n"
        "A resuming stream can be generated on the sending system by running:\n"
        f"    zfs send -t {token}"
    )
