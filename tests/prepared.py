# SPDX-License-Identifier: BSD-2-Clause
"""Hosts that are made once for each process of the tests, and copied for each test."""

import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


def lay_aside(directory: Path) -> None:
    """Let go of what a host has elsewhere, before its directory is copied: a simulated one has
    nothing there."""


def take_up(directory: Path) -> None:
    """Take hold again of what a host has elsewhere, now that it lies in this directory."""


def put_host(
    factory: pytest.TempPathFactory, name: str, directory: Path, make: Callable[[Path], object]
) -> None:
    """Put a host into ``directory``: a copy of what ``make`` made before under this name."""
    kept = factory.getbasetemp() / "prepared" / name
    if not kept.exists():
        unfinished = kept.with_suffix(".new")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.parent.mkdir(exist_ok=True)
        make(unfinished)
        lay_aside(unfinished)
        unfinished.rename(kept)
    copy_host(kept, directory)
    take_up(directory)


@contextmanager
def copied(source: Path, target: Path) -> Iterator[None]:
    """Have a copy of a host until the end of the block, and not the host itself."""
    lay_aside(source)
    copy_host(source, target)
    take_up(target)
    yield
    lay_aside(target)
    shutil.rmtree(target)
    take_up(source)


def copy_host(source: Path, target: Path) -> None:
    """Copy a host on which nothing runs, all of it; what is a hole in a disk stays one."""
    target.mkdir()
    shutil.copystat(source, target)
    with os.scandir(source) as entries:
        for entry in entries:
            to = target / entry.name
            if entry.is_symlink():
                to.symlink_to(os.readlink(entry.path))
            elif entry.is_dir():
                copy_host(Path(entry.path), to)
            else:
                _copy_file(entry, to)


def _copy_file(entry: "os.DirEntry[str]", target: Path) -> None:
    status = entry.stat()
    with open(entry.path, "rb") as old, target.open("wb") as new:
        new.truncate(status.st_size)
        if status.st_blocks:
            for begin, end in _data(old.fileno(), status.st_size):
                old.seek(begin)
                new.seek(begin)
                new.write(old.read(end - begin))
    target.chmod(status.st_mode & 0o7777)


def digest(path: Path) -> str:
    """Return a digest of what a file contains; what is a hole is not read."""
    found = hashlib.sha256()
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        for begin, end in _data(file.fileno(), size):
            file.seek(begin)
            content = file.read(end - begin)
            if content.strip(b"\0"):
                found.update(b"%d " % begin + content)
    return f"{size} {found.hexdigest()}"


def _data(descriptor: int, size: int) -> Iterator[tuple[int, int]]:
    """Yield where the data of a file begins and ends."""
    end = 0
    while end < size:
        try:
            begin = os.lseek(descriptor, end, os.SEEK_DATA)
        except OSError:  # ENXIO: only a hole is left
            return
        end = os.lseek(descriptor, begin, os.SEEK_HOLE)
        yield begin, end
