# SPDX-License-Identifier: BSD-2-Clause
"""The bytes of datasets: sparse files for volumes, directory trees for filesystems.

A mounted filesystem's content is the directory of its mountpoint, without what is mounted below;
all else lies in ``world.store``, under the ``content`` of its record.
"""

import errno
import fcntl
import os
import secrets
import shutil
import stat
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from chyves.simulator.state import Record
from chyves.simulator.world import World

if TYPE_CHECKING:
    from chyves.simulator.zfs.datasets import Datasets
    from chyves.simulator.zfs.moves import Moves

EMPTY_FILESYSTEM = 24576
EMPTY_VOLUME = 12288

_SECTOR = 512
_CLONE_FILE = 0x40049409


class Measure(NamedTuple):
    """What a content refers to: ``referenced`` bytes, and a ``print`` that changes with it."""

    referenced: int
    print: list[int]


def fresh() -> str:
    """Return a name for a new content."""
    return secrets.token_hex(8)


def stored(world: World, record: Record) -> Path:
    """Return where the content of a volume, a snapshot or an unmounted filesystem is."""
    return world.store / str(record["content"])


def place(world: World, record: Record) -> Path:
    """Return where the content of a dataset is now."""
    if "mounted" in record:
        return world.path(record["mounted"])
    return stored(world, record)


def apart(datasets: "Datasets", name: str) -> tuple[Path, set[str]]:
    """Return where a filesystem's content is and the directories in it that are mountpoints."""
    record = datasets[name]
    where = place(datasets.world, record)
    if "mounted" not in record:
        return where, set()
    below = datasets.mounts_below(record["mounted"])
    return where, {str(datasets.world.path(path)) for path in below}


def make_volume(path: Path, size: int) -> None:
    with path.open("wb") as volume:
        volume.truncate(size)


def copy_file(source: Path, target: Path) -> None:
    """Copy bytes, keeping holes; the blocks are shared where the file system can do that."""
    with source.open("rb") as reader, target.open("wb") as writer:
        size = os.fstat(reader.fileno()).st_size
        try:
            fcntl.ioctl(writer.fileno(), _CLONE_FILE, reader.fileno())
        except OSError:
            writer.truncate(size)
            for start, end in extents(reader.fileno(), size):
                _copy_range(reader.fileno(), writer.fileno(), start, end)


def copy_volume(source: Path, target: Path, modified: int) -> None:
    """Copy a volume and let it look as if last written to at ``modified`` (nanoseconds)."""
    copy_file(source, target)
    os.utime(target, ns=(modified, modified))


def replace_tree(live: Path, staged: Path, apart: Collection[str], moves: "Moves") -> None:
    """Put what lies in ``staged`` in the place of what lies in ``live``, except for the
    directories in ``apart``, which stay."""
    for entry in sorted(live.iterdir()):
        if str(entry) not in apart and not _holds_any(entry, apart):
            moves.discard(entry)
    for entry in sorted(staged.iterdir()):
        target = live / entry.name
        if not os.path.lexists(target):
            moves.move(entry, target)
        elif str(target) not in apart and entry.is_dir() and target.is_dir():
            replace_tree(target, entry, apart, moves)
    shutil.copystat(staged, live)


def _holds_any(directory: Path, apart: Collection[str]) -> bool:
    inside = f"{directory}/"
    return any(path.startswith(inside) for path in apart)


def extents(descriptor: int, size: int) -> list[tuple[int, int]]:
    """Return the parts of a file that are no holes: from, to."""
    found = []
    position = 0
    while position < size:
        try:
            start = os.lseek(descriptor, position, os.SEEK_DATA)
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
            break
        position = os.lseek(descriptor, start, os.SEEK_HOLE)
        found.append((start, min(position, size)))
    return found


def _copy_range(reader: int, writer: int, start: int, end: int) -> None:
    os.lseek(writer, start, os.SEEK_SET)
    while start < end:
        sent = os.sendfile(writer, reader, start, end - start)
        if not sent:
            break
        start += sent


def copy_tree(source: Path, target: Path, apart: Collection[str] = ()) -> None:
    """Copy a directory with modes, owners, times and symbolic links.

    Directories in ``apart`` (mountpoints, as paths on this machine) are copied empty.
    """
    target.mkdir(exist_ok=True)
    if str(source) not in apart:
        with os.scandir(source) as entries:
            for entry in entries:
                _copy_entry(entry, target / entry.name, apart)
    shutil.copystat(source, target)


def _copy_entry(entry: "os.DirEntry[str]", target: Path, apart: Collection[str]) -> None:
    if entry.is_symlink():
        target.symlink_to(os.readlink(entry.path))
        shutil.copystat(entry.path, target, follow_symlinks=False)
    elif entry.is_dir():
        if entry.path in apart:
            target.mkdir(0o755)
        else:
            copy_tree(Path(entry.path), target, apart)
    elif entry.is_file():
        copy_file(Path(entry.path), target)
        shutil.copystat(entry.path, target)
    else:
        return
    if os.geteuid() == 0:
        status = entry.stat(follow_symlinks=False)
        os.chown(target, status.st_uid, status.st_gid, follow_symlinks=False)


def measure_volume(path: str) -> Measure:
    status = os.stat(path)
    return Measure(EMPTY_VOLUME + status.st_blocks * _SECTOR, [status.st_mtime_ns, status.st_size])


def measure_tree(path: str, apart: Collection[str] = ()) -> Measure:
    """Measure a directory tree without the directories in ``apart``."""
    total = newest = count = 0
    pending = [path]
    while pending:
        directory = pending.pop()
        for name in os.listdir(directory):
            entry = f"{directory}/{name}"
            count += 1
            if entry in apart:
                continue
            status = os.lstat(entry)
            if stat.S_ISDIR(status.st_mode):
                pending.append(entry)
                total += _SECTOR
            else:
                total += (status.st_size + 2 * _SECTOR - 1) // _SECTOR * _SECTOR
                newest = max(newest, status.st_mtime_ns)
    return Measure(EMPTY_FILESYSTEM + total, [newest, total, count])
