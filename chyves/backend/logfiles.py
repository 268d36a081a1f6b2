# SPDX-License-Identifier: BSD-2-Clause
"""What is in the logs of a host and of its guests.

Nothing is kept open between two looks: an open file would keep its dataset from being renamed or
destroyed.
"""

import os
import re
from pathlib import Path
from typing import NamedTuple

from chyves.backend.host import Host
from chyves.errors import ChyvesError, HostError, NotFound, NotPermitted

BLOCK = 1 << 16

_MONTH = re.compile(r"[0-9]{6}\.log")
_LINE = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[-+]\d{4}) - \[(\d)\] - (.*)")


class Line(NamedTuple):
    """A line of a log. ``time`` and ``level`` are None where somebody else has written it."""

    text: str
    time: str | None
    level: int | None
    message: str


class Mark(NamedTuple):
    """How far a log has been read: in the file ``name`` of a month, which is known again by its
    inode, to ``offset`` in bytes. The name is empty as long as there is no file."""

    name: str = ""
    inode: int = 0
    offset: int = 0


def end(host: Host, folder: str) -> Mark:
    """Return the mark at the end of a log. Raises NotFound, NotPermitted, HostError."""
    try:
        files = _files(host, folder)
    except OSError as error:
        raise _unreadable(folder, error) from error
    for name in _months(files)[-1:]:
        return Mark(name, files[name].st_ino, files[name].st_size)
    return Mark()


def last(host: Host, folder: str, count: int, mark: Mark) -> list[Line]:
    """Return the last ``count`` lines before a mark, oldest first, from as many months as it takes.
    Raises NotFound, NotPermitted, HostError."""
    found: list[Line] = []
    try:
        for name in reversed(_months(_files(host, folder))):
            wanted = count - len(found)
            if name <= mark.name and wanted > 0:
                size = mark.offset if name == mark.name else None
                found[:0] = _last(host.path(f"{folder}/{name}"), wanted, size)
    except OSError as error:
        raise _unreadable(folder, error) from error
    return found


def read_on(host: Host, folder: str, mark: Mark) -> tuple[list[Line], Mark]:
    """Return the lines behind a mark, and the mark behind them: from the file of the mark, also
    where that was put aside or begun anew, and from those of later months.
    Raises NotFound, NotPermitted, HostError."""
    found: list[Line] = []
    try:
        files = _files(host, folder)
        for name, known in files.items():
            if mark.name and known.st_ino == mark.inode:
                start = mark.offset if mark.offset <= known.st_size else 0
                lines, offset = _read_from(host.path(f"{folder}/{name}"), start)
                found += lines
                mark = mark._replace(offset=offset)
        for name in _months(files):
            inode = files[name].st_ino
            if name > mark.name or (name == mark.name and inode != mark.inode):
                lines, offset = _read_from(host.path(f"{folder}/{name}"), 0)
                found += lines
                mark = Mark(name, inode, offset)
    except OSError as error:
        raise _unreadable(folder, error) from error
    return found, mark


def _files(host: Host, folder: str) -> dict[str, os.stat_result]:
    with os.scandir(host.path(folder)) as entries:
        return {
            entry.name: entry.stat(follow_symlinks=False)
            for entry in entries
            if entry.is_file(follow_symlinks=False)
        }


def _months(files: dict[str, os.stat_result]) -> list[str]:
    return sorted(name for name in files if _MONTH.fullmatch(name))


def _last(path: Path, count: int, size: int | None) -> list[Line]:
    """Read backwards until there are enough lines in the first ``size`` bytes (None is all)."""
    with path.open("rb") as log:
        place = log.seek(0, os.SEEK_END) if size is None else size
        data = b""
        while place > 0 and data.count(b"\n") <= count:
            step = min(place, BLOCK)
            place -= step
            log.seek(place)
            data = log.read(step) + data
    return _lines(data)[-count:]


def _read_from(path: Path, offset: int) -> tuple[list[Line], int]:
    """Return the whole lines behind an offset, and the offset behind them."""
    with path.open("rb") as log:
        log.seek(offset)
        data = log.read()
    data = data[: data.rfind(b"\n") + 1]
    return _lines(data), offset + len(data)


def _lines(data: bytes) -> list[Line]:
    whole = data.decode(errors="surrogateescape").split("\n")[:-1]
    return [_line(text) for text in whole]


def _line(text: str) -> Line:
    found = _LINE.fullmatch(text)
    return Line(text, found[1], int(found[2]), found[3]) if found else Line(text, None, None, text)


def _unreadable(folder: str, error: OSError) -> ChyvesError:
    if isinstance(error, FileNotFoundError):
        return NotFound(f"there is no log in {folder}", hint="chyves list shows what there is")
    if isinstance(error, PermissionError):
        return NotPermitted(f"the log in {folder} is not for you to read", hint="ask as root")
    return HostError(f"cannot read the log in {folder}: {error.strerror}")
