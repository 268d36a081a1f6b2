# SPDX-License-Identifier: BSD-2-Clause
"""The simulated host: which FreeBSD it is, its files, tables and processes."""

import fcntl
import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from chyves.backend.host import Process
from chyves.errors import Invalid
from chyves.simulator.state import State, Table


@dataclass(frozen=True)
class Release:
    """A FreeBSD release; ``osreldate`` as in sys/param.h, ``zfs`` as ``zfs version`` prints it."""

    name: str
    osreldate: int
    zfs: str

    @property
    def major(self) -> int:
        return self.osreldate // 100000


RELEASES = {
    "13.2": Release("13.2-RELEASE", 1302001, "zfs-2.1.9-FreeBSD_g92e0d9d18"),
    "14.3": Release("14.3-RELEASE", 1403000, "zfs-2.2.7-FreeBSD_ge269af1b3"),
    "15.0": Release("15.0-RELEASE", 1500068, "zfs-2.4.0-rc4-FreeBSD_g099f69ff5"),
}


@dataclass(frozen=True)
class Machine:
    """The hardware and the release, chosen when the host is made. ``memory`` is in bytes."""

    release: str = "14.3"
    cpu: str = "intel"
    virtualization: bool = True
    unrestricted_guest: bool = True
    iommu: bool = True
    verbose_boot: bool = False
    cores: int = 8
    memory: int = 32 << 30
    nics: tuple[str, ...] = ("em0",)
    pools: dict[str, int] = field(default_factory=lambda: {"tank": 64 << 30})


class World:
    """A FreeBSD host in a directory.

    ``root`` holds its files, ``state`` its tables, ``store`` what the file system has no name for
    (contents of volumes and snapshots), ``bin`` its programs for other programs to call.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory.absolute()
        self.root = self.directory / "root"
        self.store = self.directory / "store"
        self.bin = self.directory / "bin"
        self._processes = self.directory / "processes"
        self.state = State(self.directory / "state")
        try:
            record = json.loads((self.directory / "machine.json").read_text())
        except FileNotFoundError:
            raise Invalid(
                f"{directory} is not a simulated host",
                hint=f"make one with: {sys.executable} -m chyves.simulator {directory} make",
            ) from None
        self.machine = Machine(**{**record, "nics": tuple(record["nics"])})
        self.seen_roomy: dict[str, float] = {}

    @classmethod
    def make(cls, directory: Path, machine: Machine | None = None) -> "World":
        """Make a host in ``directory`` (which must be empty or missing) and boot it."""
        machine = machine or Machine()
        if machine.release not in RELEASES:
            raise Invalid(
                f"no such simulated release: {machine.release}",
                hint=f"known: {', '.join(RELEASES)}",
            )
        try:
            directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise Invalid(
                f"no host can be simulated in {directory}: {error.strerror}",
                hint="name a folder that is empty or can be made",
            ) from None
        if (directory / "machine.json").exists():
            raise Invalid(f"{directory} is a simulated host already")
        if any(directory.iterdir()):
            raise Invalid(f"{directory} is not empty and not a simulated host")
        for name in ("root/dev", "root/tmp", "root/var/run", "store", "bin", "processes", "state"):
            (directory / name).mkdir(parents=True)
        (directory / "state" / "lock").touch()
        from chyves.simulator.boot import boot

        (directory / "machine.json").write_text(json.dumps(asdict(machine)))
        world = cls(directory)
        try:
            boot(world)
        except BaseException:
            (directory / "machine.json").unlink()
            raise
        return world

    @property
    def release(self) -> Release:
        return RELEASES[self.machine.release]

    def is_root(self) -> bool:
        """Tell whether who calls is root of the host; CHYVES_SIMULATE_USER makes it another."""
        return os.environ.get("CHYVES_SIMULATE_USER", "root") == "root"

    def path(self, absolute: str) -> Path:
        """Return where the host's file ``absolute`` is on the machine that simulates it."""
        return self.root / absolute.lstrip("/")

    def table(self, name: str) -> Table:
        return self.state.table(name)

    def reading(self) -> AbstractContextManager[None]:
        return self.state.transaction(changes=False)

    def changing(self) -> AbstractContextManager[None]:
        return self.state.transaction(changes=True)

    @contextmanager
    def process(self, title: str) -> Iterator["RunningProcess"]:
        """Appear in the process table of the host, for as long as this process lives."""
        path = self._processes / f"{os.getpid()}.json"
        self.end_file(os.getpid()).unlink(missing_ok=True)  # of an earlier process
        fresh = path.with_suffix(".new")
        with fresh.open("w") as entry:
            fcntl.flock(entry, fcntl.LOCK_EX)
            process = RunningProcess(entry.fileno(), title)
            fresh.replace(path)
            try:
                yield process
            finally:
                path.unlink()

    def end_file(self, pid: int) -> Path:
        """Return the file in which a lasting program leaves how it ended."""
        return self._processes / f"{pid}.end"

    def processes(self) -> list[Process]:
        """Return the living processes, by pid."""
        found = (self._process(path) for path in self._processes.glob("*.json"))
        return sorted(process for process in found if process)

    def alive(self, pid: int) -> bool:
        """Tell whether a process of this host has this pid."""
        return self._process(self._processes / f"{pid}.json") is not None

    def _process(self, path: Path) -> Process | None:
        """Return the process if it lives: it holds the lock on its entry until the kernel takes
        it away, so one that was killed is gone at once."""
        try:
            with path.open("r+") as entry:
                try:
                    fcntl.flock(entry, fcntl.LOCK_SH | fcntl.LOCK_NB)
                except BlockingIOError:
                    started, title = json.loads(entry.readline())
                    return Process(int(path.stem), started, title)
                return None
        except FileNotFoundError:
            return None


class RunningProcess:
    """The entry of the own process in the process table."""

    def __init__(self, descriptor: int, title: str) -> None:
        self._descriptor = descriptor
        self._started = time.time()
        self.set_title(title)

    def set_title(self, title: str) -> None:
        """Show another command line, as setproctitle(3) does."""
        line = json.dumps([self._started, title]).encode() + b"\n"
        os.pwrite(self._descriptor, line, 0)
