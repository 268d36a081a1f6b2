# SPDX-License-Identifier: BSD-2-Clause
"""The form of a send stream of the simulated host.

It is not OpenZFS's, but carries the same: after a magic word come records, each a line of JSON
that may say how many bytes follow it (``length``). Receiving works on any simulated host.
"""

import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from chyves.simulator.zfs import contents

MAGIC = b"chyves-zfs-stream 1\n"

Record = dict[str, Any]

_SHORTEST = 312
_CHUNK = 128 << 10
_BEGIN_RECORD = 624
_BLOCK_RECORD = 184
"""A record of 312 bytes, for which a pointer of 128 is not sent (dmu_adjust_send_estimate)."""

_FULL_VOLUME = 6768
_FULL_TREE = 12912


class TruncatedError(Exception):
    """The stream ended before its end."""


class ForeignError(Exception):
    """This is no stream of a simulated host; ``short`` if it is not even as long as the first
    record of a real one."""

    def __init__(self, *, short: bool) -> None:
        super().__init__()
        self.short = short


class Writer:
    """Writes records, and counts."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._stream.write(MAGIC)

    def record(self, record: Record, data: bytes = b"") -> None:
        line = {**record, "length": len(data)} if data else record
        self._stream.write(json.dumps(line, separators=(",", ":")).encode() + b"\n")
        self._stream.write(data)


class Reader:
    """Reads records. Raises ForeignError at the beginning, TruncatedError later."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.count = 0
        start = stream.read(len(MAGIC))
        if start != MAGIC:
            raise ForeignError(short=len(start + stream.read(_SHORTEST)) < _SHORTEST)

    def record(self) -> tuple[Record, bytes] | None:
        """Return the next record and its data; None at the end."""
        line = self._stream.readline()
        if not line:
            return None
        if not line.endswith(b"\n"):
            raise TruncatedError
        record: Record = json.loads(line)
        data = self._stream.read(record.get("length", 0))
        if len(data) < record.get("length", 0):
            raise TruncatedError
        self.count += len(line) + len(data)
        return record, data


def estimate(path: Path, before: Path | None, *, block: int) -> int:
    """Return about how many bytes sending a content (or what changed since ``before``) takes: of a
    volume with blocks of that size, or of a filesystem where ``block`` is 0."""
    if before is not None:
        changes = volume_changes(path, before) if block else tree_changes(path, before)
        return _BEGIN_RECORD + _with_records(sum(len(data) for _, data in changes), block)
    if block:
        with path.open("rb") as reader:
            size = os.fstat(reader.fileno()).st_size
            found = contents.extents(reader.fileno(), size)
        return _FULL_VOLUME + _with_records(sum(end - start for start, end in found), block)
    return _FULL_TREE + contents.measure_tree(str(path)).referenced - contents.EMPTY_FILESYSTEM


def _with_records(size: int, block: int) -> int:
    """Return what data take with the record of each of their blocks."""
    return size + size // block * _BLOCK_RECORD if block else size


def volume_changes(path: Path, before: Path | None) -> Iterator[tuple[Record, bytes]]:
    """Yield what makes a volume (of zeros, or with the content ``before``) into ``path``."""
    size = path.stat().st_size
    yield {"record": "size", "size": size}, b""
    with path.open("rb") as now, (before or Path(os.devnull)).open("rb") as old:
        parts = contents.extents(now.fileno(), size)
        if before:
            parts = _merged([*parts, *contents.extents(old.fileno(), before.stat().st_size)])
        for start, end in parts:
            for offset in range(start, min(end, size), _CHUNK):
                length = min(_CHUNK, min(end, size) - offset)
                data = os.pread(now.fileno(), length, offset)
                if not before or data != os.pread(old.fileno(), length, offset).ljust(
                    length, b"\0"
                ):
                    yield {"record": "data", "offset": offset}, data


def _merged(parts: list[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for start, end in sorted(parts):
        if merged and start <= merged[-1][1]:
            merged[-1] = merged[-1][0], max(merged[-1][1], end)
        else:
            merged.append((start, end))
    return merged


def tree_changes(path: Path, before: Path | None) -> Iterator[tuple[Record, bytes]]:
    """Yield what makes a directory tree (an empty one, or ``before``) into ``path``."""
    now = _entries(path)
    old = _entries(before) if before else {}
    for name in sorted(set(old) - set(now), reverse=True):
        yield {"record": "remove", "path": name}, b""
    for name, record in now.items():
        if old.get(name) == record:
            continue
        if name in old and old[name]["record"] != record["record"]:
            yield {"record": "remove", "path": name}, b""
        if record["record"] == "file":
            yield record, b""
            for change, data in volume_changes(path / name, None):
                yield {**change, "path": name}, data
        else:
            yield record, b""
    for name, record in now.items():
        if record["record"] != "symlink":
            yield {**record, "record": "times", "path": name}, b""


def _entries(root: Path) -> dict[str, Record]:
    """Return what lies below a directory, parents first."""
    found: dict[str, Record] = {}
    for directory, names, files in os.walk(root):
        names.sort()
        for name in [*names, *sorted(files)]:
            path = Path(directory, name)
            status = path.lstat()
            record: Record = {
                "record": "directory",
                "path": str(path.relative_to(root)),
                "mode": stat.S_IMODE(status.st_mode),
                "modified": status.st_mtime_ns,
            }
            if stat.S_ISLNK(status.st_mode):
                record |= {"record": "symlink", "target": os.readlink(path)}
            elif stat.S_ISREG(status.st_mode):
                record |= {"record": "file", "size": status.st_size}
            elif not stat.S_ISDIR(status.st_mode):
                continue
            found[record["path"]] = record
    return found


def apply(root: Path, record: Record, data: bytes) -> None:
    """Do to a volume's file or a filesystem's directory what a record says."""
    path = root / record["path"] if "path" in record else root
    match record["record"]:
        case "size":
            with path.open("r+b") as file:
                file.truncate(record["size"])
        case "data":
            with path.open("r+b") as file:
                file.seek(record["offset"])
                file.write(data)
        case "remove":
            if path.is_dir() and not path.is_symlink():
                path.rmdir()
            else:
                path.unlink(missing_ok=True)
        case "directory":
            path.mkdir(exist_ok=True)
        case "symlink":
            path.unlink(missing_ok=True)
            path.symlink_to(record["target"])
        case "file":
            path.unlink(missing_ok=True)
            path.touch()
        case "times":
            path.chmod(record["mode"])
            os.utime(path, ns=(record["modified"], record["modified"]))
