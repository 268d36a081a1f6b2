# SPDX-License-Identifier: BSD-2-Clause
"""The installed chyves, started as a person starts it, on a simulated host."""

import contextlib
import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chyves.simulator.world import Machine, World
from tests.guests import scripted_iso
from tests.simulator.vms import Terminal

CHYVES = str(Path(sys.executable).with_name("chyves"))
"""The program that pip has installed beside the Python of the tests."""


class Session(Terminal):
    """A command on a terminal of its own."""

    def __init__(self, argv: list[str], env: dict[str, str]) -> None:
        self.pid, descriptor = pty.fork()
        if self.pid == 0:
            os.execvpe(argv[0], argv, env)
        super().__init__(descriptor)

    def wait(self) -> int:
        """Read to the end; return the exit code."""
        with contextlib.suppress(OSError):
            while data := os.read(self.descriptor, 4096):
                self.said += data.decode(errors="replace")
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def hang_up(self) -> None:
        """Close the terminal, as when a connection breaks."""
        self.close()
        os.waitpid(self.pid, 0)

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError, ChildProcessError):
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        self.close()


class Shell:
    """A person at a shell of the host."""

    def __init__(self, directory: Path, guest: str) -> None:
        self.directory = directory
        self.env = {
            **os.environ,
            "CHYVES_SIMULATE": str(directory),
            "CHYVES_SIMULATE_GUEST": guest,
            "TERM": "vt100",
        }
        self.sessions: list[Session] = []

    def __call__(self, line: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        """Type a command; it has to end with ``code``."""
        done = subprocess.run(
            [CHYVES, *line.split()],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            env=self.env,
            timeout=120,
            check=False,
        )
        assert done.returncode == code, done
        return done

    def session(self, line: str) -> Session:
        """Type a command that talks with its terminal."""
        session = Session([CHYVES, *line.split()], self.env)
        self.sessions.append(session)
        return session

    def guest(self, name: str) -> Any:
        """Return what ``list`` tells of a guest."""
        guests = json.loads(self("list --json").stdout)["data"]
        return next(guest for guest in guests if guest["name"] == name)

    @property
    def world(self) -> World:
        return World(self.directory)

    def install(self, name: str, *commands: str) -> None:
        """Put a scripted guest on a guest's first disk."""
        image = scripted_iso(self.directory / "image", *commands).read_bytes()
        disk = self.world.path(f"/dev/zvol/tank/chyves/guests/{name}/disk0")
        with disk.open("r+b") as file:
            file.write(image)

    def end(self) -> None:
        for session in self.sessions:
            session.kill()
        self("all reclaim -q")


def make_shell(directory: Path, guest: str, **machine: Any) -> Shell:
    World.make(directory, Machine(**machine))
    shell = Shell(directory, guest)
    shell("dataset tank install -q")
    shell("network bridge0 private -q")
    return shell


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    """A host with chyves and the guests web and db on it; both can boot."""
    shell = make_shell(tmp_path / "host", "scripted")
    shell("web,db create 1M -q")
    shell.install("web")
    shell.install("db")
    yield shell
    shell.end()
