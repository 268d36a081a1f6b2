# SPDX-License-Identifier: BSD-2-Clause
"""Changes to the files of the host that hold or fall together with a change of its tables.

What is moved or made is first written to a journal in ``world.store``. If the tables were not
committed after all (an error, a killed process), the changes are undone, backwards.
"""

import json
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from chyves.simulator.world import World
from chyves.simulator.zfs.datasets import Datasets

_TABLE = "zfs.moves"


class Moves:
    """The file changes of one transaction."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._path = world.store / "moves.journal"
        self._identity = ""
        self._done: list[tuple[str, str]] = []
        self._later: list[Callable[[], None]] = []

    def move(self, source: Path, target: Path) -> None:
        """Rename a file or directory."""
        self.make_directory(target.parent)
        self._note(str(source), str(target))
        source.rename(target)

    def make_directory(self, path: Path) -> None:
        """Make a directory and those above it, where they are missing."""
        if path.is_dir():
            return
        self.make_directory(path.parent)
        self._note("", str(path))
        path.mkdir(0o755)

    def link(self, path: Path, target: str) -> None:
        """Make a symbolic link."""
        self.make_directory(path.parent)
        self._note("", str(path))
        path.symlink_to(target)

    def discard(self, path: Path) -> None:
        """Remove a file, link or directory tree: out of sight now, for good after the commit."""
        if os.path.lexists(path):
            rubbish = self._world.store / "rubbish" / secrets.token_hex(8)
            self.move(path, rubbish)
            self.later(lambda: remove(rubbish))

    def later(self, act: Callable[[], None]) -> None:
        """Do something once the tables are committed; it may be lost by a crash."""
        self._later.append(act)

    def _note(self, source: str, target: str) -> None:
        if not self._identity:
            self._identity = secrets.token_hex(8)
            self._world.table(_TABLE)["last"] = {"identity": self._identity}
            self._path.write_text(json.dumps([self._identity]) + "\n")
        with self._path.open("a") as journal:
            journal.write(json.dumps([source, target]) + "\n")
        self._done.append((source, target))

    def undo(self) -> None:
        if self._identity:
            _undo(self._done)
            self._path.unlink()

    def finish(self) -> None:
        """Clean up after the commit. Somebody else may have done that since, or have begun a
        journal of his own."""
        if self._identity:
            with self._world.changing():
                if self._path.exists() and _identity(self._path) == self._identity:
                    self._path.unlink()
        for act in self._later:
            act()


def _identity(path: Path) -> str:
    """Return whose journal this is; it begins with that."""
    with path.open() as journal:
        return "".join(json.loads(journal.readline() or "[]"))


def _undo(done: list[tuple[str, str]]) -> None:
    for source, target in reversed(done):
        if not os.path.lexists(target):
            continue
        if source:
            if not os.path.lexists(source):
                Path(target).rename(source)
        elif os.path.isdir(target) and not os.path.islink(target):
            if not os.listdir(target):
                os.rmdir(target)
        else:
            os.unlink(target)


def remove(path: Path) -> None:
    """Remove a file or a directory tree."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


@contextmanager
def changing(world: World) -> Iterator[tuple[Datasets, Moves]]:
    """Open a transaction on tables and files; an exception undoes both."""
    with world.changing():
        datasets, moves = Datasets(world), Moves(world)
        try:
            yield datasets, moves
        except BaseException:
            moves.undo()
            raise
        if not datasets.are_many:
            world.seen_roomy.clear()
    moves.finish()


def recover(world: World) -> None:
    """Undo what a process that was killed has left half done."""
    path = world.store / "moves.journal"
    if not path.exists():
        return
    with world.changing():
        if not path.exists():
            return
        lines = [line for line in path.read_text().splitlines(keepends=True) if line[-1] == "\n"]
        entries = [json.loads(line) for line in lines]
        last = world.table(_TABLE).get("last")
        if entries and (last is None or last["identity"] != entries[0][0]):
            _undo([(source, target) for source, target in entries[1:]])
        remove(world.store / "rubbish")
        path.unlink()
