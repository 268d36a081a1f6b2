# SPDX-License-Identifier: BSD-2-Clause
"""The whole command line, in this process, on a simulated host."""

import io
import json
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from chyves.cli import run
from chyves.errors import Exit
from chyves.simulator.host import SimulatedHost, open_simulated_host
from chyves.simulator.programs import execute_captured
from chyves.simulator.world import Machine, World
from tests import prepared
from tests.lab import asked

APART = ("/var/run/chyves", "/var/log", "/store/rubbish")
LOG = re.compile(r"/chyves/[^/]+/(guests/[^/]+/)?logs/\d{6}\.log")
"""What is not part of the state of a host, and changes with each command."""

UNLOGGED = "chyves: cannot write the log "
"""Begins what is said besides on a pool that is full."""

SIMULATED = "chyves: the host is simulated, in "


class Done(NamedTuple):
    """How a command line ended and what it said."""

    code: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        return json.loads(self.out)["data"]

    @property
    def said(self) -> list[str]:
        """The lines on stderr, but for the one that says that the host is simulated."""
        return [line for line in self.err.splitlines() if not line.startswith(SIMULATED)]


class Chyves:
    """Types command lines on a simulated host."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def __call__(self, line: str, *more: str, code: int = 0) -> Done:
        """Run a line, split at blanks, with ``more`` words behind; it has to end with ``code``."""
        words = ["--simulate", str(self.directory), *line.split(), *more]
        out, err = io.StringIO(), io.StringIO()
        stdin, sys.stdin = sys.stdin, io.StringIO()
        try:
            with redirect_stdout(out), redirect_stderr(err):
                ended = run(words)
        finally:
            sys.stdin = stdin
        done = Done(ended, out.getvalue(), err.getvalue())
        assert ended == code, f"chyves {line}: {done}"
        return done

    def json(self, line: str, *more: str) -> Any:
        """Return the data that a line reports as JSON."""
        return self(f"{line} --json", *more).data

    def results(self, line: str, *more: str) -> Any:
        """Return what a line that changes something reports as JSON of each of its targets."""
        return json.loads(self(f"{line} --json", *more).out)["results"]

    @property
    def host(self) -> SimulatedHost:
        host = open_simulated_host(self.directory)
        assert isinstance(host, SimulatedHost)
        return host

    def refused(self, line: str, *more: str, code: Exit) -> str:
        """Run a line that has to be refused with one clear line, a hint and nothing changed;
        return both."""
        before = self.state()
        done = self(line, *more, code=code)
        assert done.out == ""
        said = [line for line in done.said if not line.startswith(UNLOGGED)]
        assert len(said) == 2, done.err
        complaint, hint = said
        assert complaint.startswith("chyves: ")
        assert hint.startswith("hint: ")
        assert self.state() == before
        return f"{complaint.removeprefix('chyves: ')}\n{hint}"

    def run(self, *argv: str) -> str:
        """Run a program of the host and return what it prints."""
        code, out, err = execute_captured(World(self.directory), argv)
        assert code == 0, err
        return out.decode()

    def zfs(self, name: str, dataset: str) -> str:
        """Return a property of a dataset, as zfs(8) shows it for programs."""
        return self.run("zfs", "get", "-Hpo", "value", name, dataset).removesuffix("\n")

    def datasets(self, root: str = "tank/chyves/guests") -> set[str]:
        """Return what there is at and below a dataset, with its snapshots."""
        return set(self.run("zfs", "list", "-H", "-r", "-t", "all", "-o", "name", root).split())

    def state(self) -> dict[str, str]:
        """Return all that there is on the host, but for logs, locks and the simulator's own notes:
        the records of its tables, and digests of its files by their paths."""
        found = {}
        world = World(self.directory)
        for table in ("zfs", "zpool", "interfaces", "kernel", "kenv"):
            for key, record in world.table(table).items():
                kept = {name: value for name, value in record.items() if name != "txg"}
                found[f"{table} {key}"] = json.dumps(kept, sort_keys=True)
        for path in [*world.root.rglob("*"), *world.store.rglob("*")]:
            name = "/" + str(path.relative_to(world.directory)).removeprefix("root/")
            if not (name.startswith(APART) or LOG.fullmatch(name)):
                found[name] = _digest(path)
        return found

    def changed(self, before: dict[str, str]) -> set[str]:
        """Return what is not as it was: files by their paths, records by table and key."""
        now = self.state()
        names = {name for name in before.keys() | now.keys() if before.get(name) != now.get(name)}
        return {name for name in names if not name.startswith("/store/")}

    def commands(self) -> list[list[str]]:
        """Return the command lines of all programs that were started on the host so far."""
        log = self.directory / "commands.log"
        return [json.loads(line) for line in log.read_text().splitlines()]

    def by_hand(self, name: str, value: str) -> None:
        """Write a property of the host into its file, as an editor does."""
        path = self.host.path("/chyves/tank/.config/global.cfg")
        lines = [line for line in path.read_text().splitlines() if not line.startswith(f"{name}=")]
        path.write_text("".join(f"{line}\n" for line in [*lines, f"{name}={value}"]))

    def file(self, path: str) -> str:
        return self.host.path(path).read_text()


def _digest(path: Path) -> str:
    if path.is_symlink():
        return f"link to {path.readlink()}"
    if not path.is_file():
        return f"{path.stat().st_mode:o}"
    if path.stat().st_size > 1 << 24:
        return f"{path.stat().st_mode:o} {path.stat().st_size} {path.stat().st_blocks}"
    return f"{path.stat().st_mode:o} {prepared.digest(path)}"


def make_bare(directory: Path) -> Chyves:
    World.make(directory, Machine(pools={"tank": 64 << 30, "pool2": 64 << 30}))
    return Chyves(directory)


def make_installed(directory: Path) -> Chyves:
    chyves = make_bare(directory)
    chyves("dataset tank install -q")
    return chyves


def make_guests(directory: Path) -> Chyves:
    chyves = make_installed(directory)
    chyves("web,db create 1M -q")
    return chyves


def make_stocked(directory: Path) -> Chyves:
    chyves = make_guests(directory)
    image = directory.with_name("a.img")
    image.write_bytes(b"image")
    for kind in ("iso", "firmware"):
        chyves(f"{kind} import", str(image), "-q")
    chyves("web set pcidev_1=virtio-rnd groups=web,site -q")
    chyves("all snapshot @one -q")
    chyves("network bridge3 private -q")
    return chyves


Put = Callable[[str, Callable[[Path], Chyves]], Chyves]


@pytest.fixture(scope="session", autouse=True)
def only_what_is_in_the_contract() -> Iterator[None]:
    """Let zfs be asked for nothing that the lab has not asked a real one."""
    with asked.only_what_is_in_the_contract():
        yield


@pytest.fixture
def put(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Put]:
    """Put a host there, of that name and made so; nothing runs on it any more afterwards."""
    monkeypatch.setenv("CHYVES_SIMULATE_GUEST", "scripted")
    chyves = Chyves(tmp_path / "host")

    def put_there(name: str, make: Callable[[Path], Chyves]) -> Chyves:
        prepared.put_host(tmp_path_factory, name, chyves.directory, make)
        return chyves

    yield put_there
    if any(process.title.startswith("bhyve") for process in chyves.host.processes()):
        chyves("all reclaim -q")


@pytest.fixture
def bare(put: Put) -> Chyves:
    """A host with two pools, on which chyves is not set up."""
    return put("bare", make_bare)


@pytest.fixture
def chyves(put: Put) -> Chyves:
    """A host with chyves on the pool tank."""
    return put("installed", make_installed)


@pytest.fixture
def guests(put: Put) -> Chyves:
    """A host with the guests web and db on it; nothing else, and nothing runs."""
    return put("guests", make_guests)


@pytest.fixture
def stocked(put: Put, tmp_path: Path) -> Chyves:
    """A host on which each line of tests/cli/lines.py has something to work on."""
    (tmp_path / "a.img").write_bytes(b"image")
    return put("stocked", make_stocked)


@pytest.fixture
def with_source(tmp_path: Path) -> Callable[[str], str]:
    """Put a real file in for the SOURCE of a line."""
    (tmp_path / "new.img").write_bytes(b"image")
    return lambda line: line.replace("SOURCE", str(tmp_path / "new.img"))
