# SPDX-License-Identifier: BSD-2-Clause
"""The host chyves works on: its programs, its files, its processes."""

import errno
import os
import shlex
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from chyves.backend.run import ENVIRONMENT, Progress, Result, Runner, cannot_become

if TYPE_CHECKING:
    from chyves.backend.watch import Watch
    from chyves.model.config import ConfigFile


class Process(NamedTuple):
    """A process as ps(1) shows it. ``started`` (seconds since the epoch) tells it from a later
    one with the same pid; ``title`` is the whole command line, ``bhyve: NAME`` for a running VM."""

    pid: int
    started: float
    title: str


def _silence(_: int, __: str) -> None:
    pass


class Host:
    """The seam to the machine: everything above it is the same on a simulated host."""

    simulated: Path | None = None

    has_this_zfs = True
    """Whether the ZFS of the host is that of the kernel which a library of this process asks."""

    def __init__(self, runner: Runner, root: Path = Path("/")) -> None:
        self.runner = runner
        self.root = root
        self.plan: list[str] | None = None
        """With --dry-run: the shell lines that would have run; otherwise None."""
        self.planned: dict[str, str] = {}
        """With --dry-run: the property files that would have been written, by their paths."""
        self.planned_away: set[str] = set()
        """With --dry-run: the datasets that would have been destroyed."""
        self.planned_bytes: dict[str, int] = {}
        """With --dry-run: what new volumes would have taken of each pool."""
        self.configs: dict[str, tuple[tuple[int, ...], ConfigFile]] = {}
        """The property files that were read, by their paths, and by what they were known."""
        self.tell: Callable[[int, str], None] = _silence
        """Is told what changes the host, before it is done: with level 3 the shell line of a
        program, and how it ended if not well, with level 2 what is no program's work."""

    @contextmanager
    def planning(self) -> Iterator[list[str]]:
        """Change nothing meanwhile, and note what would have run, as with --dry-run; what was
        planned before is as it was afterwards."""
        before = self.plan, self.planned, self.planned_away, self.planned_bytes
        lines: list[str] = []
        self.plan, self.planned = lines, dict(self.planned)
        self.planned_away, self.planned_bytes = set(self.planned_away), dict(self.planned_bytes)
        try:
            yield lines
        finally:
            self.plan, self.planned, self.planned_away, self.planned_bytes = before

    def path(self, absolute: str) -> Path:
        """Return where the host's file ``absolute`` is for this process."""
        return self.root / absolute.lstrip("/")

    def absolute(self, path: str) -> str:
        """Return how the host calls a file that a person names from where they are."""
        return os.path.abspath(path)

    def ask(self, *argv: str, ok: Iterable[int] = (), timeout: float | None = None) -> Result:
        """Run a program that only looks. Raises HostError for an exit code not 0 or in ``ok``."""
        return self.runner.run(argv, timeout=timeout).check(*ok)

    def try_ask(self, *argv: str, timeout: float | None = None) -> Result:
        """Run a program that only looks, whatever its exit code."""
        return self.runner.run(argv, timeout=timeout)

    def change(self, *argv: str, ok: Iterable[int] = (), timeout: float | None = None) -> Result:
        """Run a program that changes the host; with --dry-run only note it."""
        return self.try_change(*argv, timeout=timeout).check(*ok)

    def try_change(self, *argv: str, timeout: float | None = None) -> Result:
        """Like change(), whatever the exit code."""
        if self.plan is not None:
            self.plan.append(shlex.join(argv))
            return Result(argv, 0, "", "")
        self.tell(3, shlex.join(argv))
        return self._told(self.runner.run(argv, timeout=timeout))

    def attach(self, *argv: str, passing: Sequence[str] = ()) -> None:
        """Become a program that a person works with; with --dry-run only note it. Variables of the
        environment that are ``passing`` reach it. Raises Precondition if it is not there."""
        if self.plan is not None:
            if not self.has_program(argv[0]):
                raise cannot_become(argv[0], os.strerror(errno.ENOENT))
            self.plan.append(shlex.join(argv))
            return
        self.tell(3, shlex.join(argv))
        self.runner.attach(argv, passing)

    def _told(self, result: Result) -> Result:
        if result.code:
            self.tell(3, f"{result.argv[0]} ended with {result.code}: {result.complaint()}")
        return result

    def pipe(self, source: Sequence[str], sink: Sequence[str], progress: Progress) -> Result:
        """Let one program that only looks feed another that changes the host; with --dry-run only
        note it. Returns how the one ended whose failure made the other fail, or the second."""
        line = f"{shlex.join(source)} | {shlex.join(sink)}"
        if self.plan is not None:
            self.plan.append(line)
            return Result(tuple(sink), 0, "", "")
        self.tell(3, line)
        sent, received = map(self._told, self.runner.pipe(source, sink, progress))
        cut_off = received.code != 0 and (sent.code < 0 or "Broken pipe" in sent.stderr)
        return received if sent.code == 0 or cut_off else sent

    def note(self, line: str, act: Callable[[], None]) -> None:
        """Do what is no program's work, or with --dry-run note it as a shell comment."""
        if self.plan is not None:
            self.plan.append(f"# {line}")
        else:
            self.tell(2, line)
            act()

    def has_program(self, name: str) -> bool:
        """Tell whether a program is installed, where all programs are looked for."""
        return shutil.which(name, path=ENVIRONMENT["PATH"]) is not None

    def may_write(self, path: str) -> None:
        """Raise OSError where the file system would refuse to write; the kernel knows by itself."""

    def system(self) -> str:
        """Return what the host runs: ``FreeBSD 14.3-RELEASE``."""
        name = os.uname()
        return f"{name.sysname} {name.release}"

    def is_root(self) -> bool:
        return os.geteuid() == 0

    def processes(self) -> list[Process]:
        """Return all processes of the host, by one look at the process table."""
        from chyves.backend.processes import running_processes

        return running_processes()

    def watch(self, pid: int) -> "Watch":
        """Watch a process of the host that is no child. Raises ProcessLookupError, HostError."""
        from chyves.backend.watch import watch

        return watch(pid)
