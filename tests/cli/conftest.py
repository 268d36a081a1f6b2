# SPDX-License-Identifier: BSD-2-Clause
"""The whole command line, in this process, on a simulated host."""

import io
import json
import sys
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from chyves.cli import run
from chyves.simulator.host import SimulatedHost, open_simulated_host
from chyves.simulator.world import Machine, World


class Done(NamedTuple):
    """How a command line ended and what it said."""

    code: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        return json.loads(self.out)["data"]


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

    @property
    def host(self) -> SimulatedHost:
        host = open_simulated_host(self.directory)
        assert isinstance(host, SimulatedHost)
        return host

    def commands(self) -> list[list[str]]:
        """Return the command lines of all programs that were started on the host so far."""
        log = self.directory / "commands.log"
        return [json.loads(line) for line in log.read_text().splitlines()]

    def file(self, path: str) -> str:
        return self.host.path(path).read_text()


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Chyves:
    """A host with two pools, on which chyves is not set up."""
    monkeypatch.setenv("CHYVES_SIMULATE_GUEST", "scripted")
    directory = tmp_path / "host"
    World.make(directory, Machine(pools={"tank": 64 << 30, "pool2": 64 << 30}))
    return Chyves(directory)


@pytest.fixture
def chyves(bare: Chyves) -> Iterator[Chyves]:
    """A host with chyves on the pool tank; nothing runs on it any more afterwards."""
    bare("dataset tank install -q")
    yield bare
    if any(process.title.startswith("bhyve") for process in bare.host.processes()):
        bare("all reclaim -q")
