# SPDX-License-Identifier: BSD-2-Clause
"""Tables of JSON values in a directory, shared by all processes of a simulated host.

A table is a journal: one line for each change of one or more keys, replayed on reading. A process
that has read it once reads only what others have appended since, so a command costs what it
changes, not what the table holds.
"""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

Record = dict[str, Any]


class Table:
    """A dictionary of records. Replace a record to change it; never change one in place."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._records: dict[str, Record] = {}
        self._inode = -1
        self._offset = 0
        self._lines = 0
        self._changed: dict[str, Record | None] = {}

    def refresh(self) -> None:
        """Take over what other processes have written."""
        try:
            journal = self._path.open("rb")
        except FileNotFoundError:
            return
        with journal:
            inode = os.fstat(journal.fileno()).st_ino
            if inode != self._inode:
                self._records, self._inode, self._offset, self._lines = {}, inode, 0, 0
            journal.seek(self._offset)
            for line in journal:
                if not line.endswith(b"\n"):
                    break  # its writer was killed; the next writer cuts it off
                self._offset += len(line)
                self._lines += 1
                for key, record in json.loads(line).items():
                    if record is None:
                        self._records.pop(key, None)
                    else:
                        self._records[key] = record

    def commit(self) -> None:
        """Append the changes as one line; rewrite a journal that has grown far past its content."""
        if not self._changed:
            return
        line = json.dumps(self._changed, separators=(",", ":")).encode() + b"\n"
        self._changed = {}
        if self._lines > 2000 and self._lines > 4 * len(self._records):
            self._rewrite()
            return
        with self._path.open("ab") as journal:
            journal.truncate(self._offset)
            journal.write(line)
            self._inode = os.fstat(journal.fileno()).st_ino
        self._offset += len(line)
        self._lines += 1

    def rollback(self) -> None:
        """Forget the changes that were not committed."""
        if self._changed:
            self._changed, self._inode = {}, -1

    def _rewrite(self) -> None:
        fresh = self._path.with_suffix(".new")
        with fresh.open("wb") as journal:
            journal.write(json.dumps(self._records, separators=(",", ":")).encode() + b"\n")
            self._offset, self._lines = journal.tell(), 1
            self._inode = os.fstat(journal.fileno()).st_ino
        fresh.replace(self._path)

    def __contains__(self, key: object) -> bool:
        return key in self._records

    def __getitem__(self, key: str) -> Record:
        return self._records[key]

    def __setitem__(self, key: str, record: Record) -> None:
        self._records[key] = self._changed[key] = record

    def __delitem__(self, key: str) -> None:
        del self._records[key]
        self._changed[key] = None

    def __iter__(self) -> Iterator[str]:
        return iter(self._records)

    def __len__(self) -> int:
        return len(self._records)

    def get(self, key: str) -> Record | None:
        return self._records.get(key)

    def items(self) -> list[tuple[str, Record]]:
        return list(self._records.items())


class State:
    """All tables of a host behind one lock."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._tables: dict[str, Table] = {}
        self._depth = 0

    def table(self, name: str) -> Table:
        """Return the table, as of the transaction that is open."""
        if name not in self._tables:
            self._tables[name] = Table(self.directory / f"{name}.journal")
            self._tables[name].refresh()
        return self._tables[name]

    @contextmanager
    def transaction(self, *, changes: bool) -> Iterator[None]:
        """Hold the lock, shared or (with ``changes``) exclusive; commit at the end, or not at all
        when an exception leaves it. Transactions nest into the outermost one."""
        if self._depth:
            yield
            return
        with (self.directory / "lock").open("rb+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX if changes else fcntl.LOCK_SH)
            for table in self._tables.values():
                table.refresh()
            self._depth += 1
            try:
                yield
            except BaseException:
                for table in self._tables.values():
                    table.rollback()
                raise
            else:
                for table in self._tables.values():
                    table.commit()
            finally:
                self._depth -= 1
