# SPDX-License-Identifier: BSD-2-Clause
"""What ``zfs receive -s`` keeps of a stream that was cut short, and how ``zfs send -t`` goes on.

The record of a dataset has it as ``partial``: the ``begin`` of the stream, how many records of
content have come (``count``), and where their result is (``content``, in ``world.store``). A
dataset that is to be made by the stream is ``incomplete`` besides: it has nothing of its own yet.
"""

import json
import re
import zlib
from pathlib import Path

from chyves.simulator.state import Record
from chyves.simulator.zfs import contents, names, stream
from chyves.simulator.zfs.datasets import Datasets
from chyves.simulator.zfs.errors import RefusedError
from chyves.simulator.zfs.moves import Moves
from chyves.simulator.zfs.names import SNAPSHOT, VOLUME

SEND = "cannot resume send"
STATE = 'contains partially-complete state from "zfs receive -s".'

_TOKEN = re.compile(r"1-([0-9a-f]+)-[0-9a-f]+-((?:[0-9a-f]{2})+)")
_REFUSED = 255


def token_of(record: Record) -> str | None:
    """Return the ``receive_resume_token`` of a dataset; None if it has received nothing in part."""
    partial = record.get("partial")
    if not partial:
        return None
    begin = partial["begin"]
    told = {key: begin[key] for key in ("name", "guid", "fromguid")} | {"count": partial["count"]}
    text = json.dumps(told).encode()
    packed = zlib.compress(text)
    return f"1-{zlib.crc32(packed):x}-{len(text):x}-{packed.hex()}"


def read_token(token: str) -> stream.Record:
    """Return ``name``, ``guid``, ``fromguid`` and ``count`` of a token. Raises RefusedError."""
    found = _TOKEN.fullmatch(token)
    if not found:
        raise _corrupt("invalid format")
    packed = bytes.fromhex(found[2])
    if zlib.crc32(packed) != int(found[1], 16):
        raise _corrupt("incorrect checksum")
    told: stream.Record = json.loads(zlib.decompress(packed))
    return told


def _corrupt(why: str) -> RefusedError:
    return RefusedError(f"{SEND}: resume token is corrupt ({why})", _REFUSED)


def find_sent(datasets: Datasets, told: stream.Record) -> tuple[str, str]:
    """Return the snapshot that a token is about, and the one it builds on (or empty).
    Raises RefusedError."""
    name = told["name"]
    sent = _by_guid(datasets, name, told["guid"])
    if not sent and name in datasets:
        why = f"'{name}' is no longer the same snapshot used in the initial send"
        raise RefusedError(f"{SEND}: {why}", _REFUSED)
    if not sent:
        why = f"'{name}' used in the initial send no longer exists"
        raise RefusedError(f"{SEND}: {why}", _REFUSED)
    source = _by_guid(datasets, name, told["fromguid"]) if told["fromguid"] else ""
    if told["fromguid"] and not source:
        why = f"incremental source {told['fromguid']:#x} no longer exists"
        raise RefusedError(f"{SEND}: {why}", _REFUSED)
    return sent, source


def _by_guid(datasets: Datasets, near: str, guid: int) -> str:
    pool = names.pool_of(near)
    for name, record in datasets.table.items():
        if record["type"] == SNAPSHOT and record["guid"] == guid and names.pool_of(name) == pool:
            return name
    return ""


def keep(
    datasets: Datasets,
    moves: Moves,
    name: str,
    begin: stream.Record,
    origin: str | None,
    count: int,
    staged: Path,
) -> str:
    """Keep what has come of a stream for ``name``, ``count`` records; returns the token to go on
    with."""
    if name not in datasets:
        datasets[name] = _incomplete(datasets, name, begin, origin)
    drop(datasets, moves, name)
    count += begin.get("resume", 0)
    partial = {"begin": begin, "count": count, "content": staged.name}
    datasets.change(name, partial=partial)
    return token_of(datasets[name]) or ""


def _incomplete(
    datasets: Datasets, name: str, begin: stream.Record, origin: str | None
) -> dict[str, object]:
    record: dict[str, object] = {
        "type": begin["type"],
        **datasets.birth(names.pool_of(name)),
        "content": contents.fresh(),
        "local": {},
        "incomplete": True,
    }
    place = contents.stored(datasets.world, record)
    if begin["type"] == VOLUME:
        contents.make_volume(place, 0)
        record |= {"volblocksize": begin["volblocksize"], "local": {"volsize": "0"}}
    else:
        place.mkdir()
    return record | ({"origin": origin} if origin else {})


def drop(datasets: Datasets, moves: Moves, name: str) -> None:
    """Forget what a dataset has received in part."""
    partial = datasets[name].get("partial")
    if partial:
        moves.discard(datasets.world.store / partial["content"])
        datasets.change(name, partial=None)


def check(datasets: Datasets, name: str, begin: stream.Record, *, force: bool) -> None:
    """Raise RefusedError unless the rest of a stream is for what ``name`` has of it."""
    action = "cannot receive resume stream"
    if name not in datasets:
        raise RefusedError(f"{action}: destination '{name}' does not exist")
    partial = datasets[name].get("partial")
    if not partial and not force and datasets.major >= 14:
        raise RefusedError(
            f"{action}: Resuming recv on existing destination '{name}'\n"
            "must specify -F to overwrite it"
        )
    if not partial or (partial["begin"]["guid"], partial["count"]) != (
        begin["guid"],
        begin["resume"],
    ):
        raise RefusedError(f"{action}: kernel modules must be upgraded to receive this stream.")
