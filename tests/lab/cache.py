# SPDX-License-Identifier: BSD-2-Clause
"""Where the lab is kept once it is built, and who may build, use and remove it when."""

import fcntl
import hashlib
import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from tests.lab import recipe


class Built(NamedTuple):
    """What a machine boots: an uncompressed kernel, its initramfs, and a tree laid over ``/``; and
    the names of the packages that they were built from, a line each."""

    vmlinux: Path
    initramfs: Path
    tree: Path
    packages: Path


def cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "chyves-lab"


def home() -> Path:
    """Return the folder of what is built of these inputs, kept until one of them changes. Packages
    are none of them: what there is now is only known to who asks the mirror."""
    digest = hashlib.sha256()
    for source in ("recipe.py", "init.sh", "start.sh", "nodes.c", "warm.c"):
        digest.update((recipe.HERE / source).read_bytes())
    return cache() / digest.hexdigest()[:12]


@contextmanager
def built(releases: Sequence[str]) -> Iterator[dict[str, Built]]:
    """Have the parts of these releases, built where the cache has them not; they stay as they are
    until the end of the block. Raises CannotBuild and Failed."""
    while True:
        with _locked(home(), fcntl.LOCK_SH) as here:
            if not (missing := _missing(here, releases)):
                yield {
                    release: Built(*(here / release / part for part in Built._fields))
                    for release in releases
                }
                return
        build(missing)


def build(releases: Sequence[str]) -> None:
    """Build these releases, but those that were built from the packages that there are now."""
    recipe.check_this_machine()
    with _locked(home(), fcntl.LOCK_EX) as here:
        for other in cache().iterdir():
            if other.is_dir() and other != here:
                _remove_unused(other)
        for left in here.glob("work-*"):
            shutil.rmtree(left, ignore_errors=True)
        recipe.build(here, releases)


def _missing(here: Path, releases: Sequence[str]) -> list[str]:
    return [release for release in releases if not (here / release).exists()]


@contextmanager
def _locked(folder: Path, kind: int) -> Iterator[Path]:
    """Lock a folder, which is made if it is not there: to be used (LOCK_SH), or changed."""
    while True:
        folder.mkdir(parents=True, exist_ok=True)
        with _opened(folder) as opened:
            _lock(opened, kind, folder)
            if folder.exists() and os.path.samestat(os.fstat(opened), folder.stat()):
                yield folder
                return
            # whoever had it has removed it


def _lock(opened: int, kind: int, folder: Path) -> None:
    try:
        fcntl.flock(opened, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        users = "builds" if kind == fcntl.LOCK_SH else "builds or uses"
        said = f"lab: waiting until no other process {users} {folder}"
        print(said, file=sys.stderr, flush=True)
        fcntl.flock(opened, kind)


def _remove_unused(folder: Path) -> None:
    with suppress(OSError), _opened(folder) as opened:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _opened(folder: Path) -> Iterator[int]:
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield opened
    finally:
        os.close(opened)
