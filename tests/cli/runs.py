# SPDX-License-Identifier: BSD-2-Clause
"""A host on which guests are run, and what one sees of them from outside."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from chyves.backend import locks, net
from chyves.backend.host import Process
from chyves.model import layout
from chyves.model.interfaces import Interface
from chyves.simulator.world import Machine, World
from tests.cli.conftest import Chyves
from tests.guests import scripted_iso
from tests.simulator.vms import Terminal, catches_sigterm, wait_for

SHORT = 0.4
"""Seconds that a test is patient with a loader, or a guest, that does nothing."""


class Runs:
    """Guests of a host, most of them scripted."""

    def __init__(self, chyves: Chyves) -> None:
        self.chyves = chyves
        self.host = chyves.host
        self.terminals: list[Terminal] = []

    def create(self, names: str = "web") -> None:
        self.chyves(f"{names} create 1M -q")

    def medium(self, name: str = "os.iso", *commands: str) -> str:
        """Import an ISO with a scripted guest, which runs ``commands`` once it is up."""
        file = scripted_iso(self.chyves.directory / name, *commands)
        self.chyves(f"iso import {file} -q")
        return name

    def install(self, name: str, *commands: str) -> None:
        """Put a scripted guest on the first disk of a guest."""
        image = scripted_iso(self.chyves.directory / "image", *commands).read_bytes()
        with self.disk(name).open("r+b") as disk:
            disk.write(image)

    def disk(self, name: str) -> Path:
        pool = self.seen(name)["pool"]
        return self.host.path(f"/dev/zvol/{pool}/chyves/guests/{name}/disk0")

    def booted(self, name: str = "web", *commands: str) -> None:
        """Create a guest, install a system on its disk, start it; it runs on return."""
        self.create(name)
        self.install(name, *commands)
        self.chyves(f"{name} start")
        self.wait_for_acpi(name)

    def seen(self, name: str = "web") -> Any:
        """Return what ``list`` tells of a guest."""
        (found,) = [guest for guest in self.chyves.json("list") if guest["name"] == name]
        return found

    def phase(self, name: str = "web") -> str:
        return str(self.seen(name)["phase"])

    def wait_for_phase(self, phase: str, name: str = "web") -> Any:
        """Wait until a guest is in a phase, and return what is seen of it then."""
        wait_for(lambda: self.phase(name) == phase, f"{name} {phase}")
        return self.seen(name)

    def wait_for_reboots(self, reboots: int, name: str = "web") -> None:
        """Wait until a guest runs again after so many reboots."""

        def has_rebooted() -> bool:
            kept = self.state(name)
            return kept["reboots"] >= reboots and bool(self.seen(name)["pid"])

        wait_for(has_rebooted, f"{name} has rebooted {reboots} times")
        self.wait_for_acpi(name)

    def wait_for_acpi(self, name: str = "web") -> None:
        """Wait until a scripted guest has a power button: SIGTERM kills it no more."""
        pid = self.seen(name)["pid"]
        wait_for(lambda: catches_sigterm(pid), f"{name} has ACPI")

    def state(self, name: str = "web") -> Any:
        """Return what the supervisor has kept."""
        return json.loads(self.host.path(layout.state_file(name)).read_text())

    def vms(self) -> list[str]:
        """Return the VMs in the kernel."""
        folder = self.host.path("/dev/vmm")
        return sorted(path.name for path in folder.iterdir()) if folder.exists() else []

    def programs(self) -> list[Process]:
        """Return the bhyves and loaders that live on the host."""
        return [p for p in self.host.processes() if re.match(r"bhyve(load)?[: ]", p.title)]

    def tap(self, name: str = "tap50") -> Interface:
        return net.interfaces(self.host)[name]

    def commands(self, *words: str) -> list[list[str]]:
        """Return the command lines so far that begin with ``words``."""
        found = self.chyves.commands()
        return [argv for argv in found if argv[: len(words)] == list(words)]

    def log(self, folder: str) -> list[str]:
        """Return what supervisors have written to the log in a folder, without the times."""
        return [line.split(" - ", 1)[1] for line in self._lines(folder) if "] - (" not in line]

    def doings(self, folder: str) -> list[str]:
        """Return what verbs have written to the log in a folder, without times and pids."""
        own = [line.split(" - ", 1)[1] for line in self._lines(folder) if "] - (" in line]
        return [re.sub(r" - \(\d+\) ", " - ", line) for line in own]

    def _lines(self, folder: str) -> list[str]:
        files = sorted(self.host.path(folder).glob("*.log"))
        return [line for file in files for line in file.read_text().splitlines()]

    def terminal(self, name: str = "web") -> Terminal:
        """Open the far side of a guest's console."""
        serial = self.seen(name)["properties"]["serial"]
        link = self.host.path(layout.console_device(serial))
        wait_for(link.is_symlink, str(link))
        terminal = Terminal(os.open(link, os.O_RDWR | os.O_NOCTTY))
        self.terminals.append(terminal)
        return terminal

    def shell(self, name: str = "web") -> Terminal:
        """Log in at a guest's console."""
        terminal = self.terminal(name)
        terminal.expect("login: ")
        terminal.type("root\r")
        terminal.expect("# ")
        return terminal

    def type(self, *commands: str, name: str = "web") -> None:
        """Log in after a boot and give commands."""
        shell = self.shell(name)
        for command in commands:
            shell.type(f"{command}\r")

    def process(self, line: str) -> subprocess.Popen[str]:
        """Type a line as a process of its own."""
        argv = [sys.executable, "-m", "chyves", "--simulate", str(self.chyves.directory)]
        return subprocess.Popen(
            [*argv, *line.split()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def supervisor(self, name: str = "web") -> psutil.Process:
        return psutil.Process(self.seen(name)["supervisor"])

    def bhyve(self, name: str = "web") -> psutil.Process:
        return psutil.Process(self.seen(name)["pid"])

    def assert_nothing_left(self) -> None:
        """Assert that no guest has anything in the kernel, the process table or locked."""
        assert self.vms() == []
        assert self.programs() == []
        for folder in self.host.path("/var/run/chyves/guests").iterdir():
            assert not locks.held_by(self.host, layout.run_lock(folder.name))
            assert not locks.held_by(self.host, layout.guest_lock(folder.name))
        assert supervisors(self.chyves.directory) == []

    def end(self) -> None:
        """End what the test has left running."""
        for terminal in self.terminals:
            terminal.close()
        self.chyves("all stop force -q")
        wait_for(lambda: not supervisors(self.chyves.directory), "all supervisors are gone")


def supervisors(directory: Path) -> list[int]:
    """Return the supervisors of the host in a directory."""
    return [
        process.pid
        for process in psutil.process_iter(["cmdline"])
        if "chyves.supervise" in (process.info["cmdline"] or ()) and _is_of(process, directory)
    ]


def _is_of(process: psutil.Process, directory: Path) -> bool:
    """Tell whether a supervisor works on this host: it has its lock open there."""
    try:
        return any(file.path.startswith(f"{directory}/") for file in process.open_files())
    except psutil.Error:
        return False


def new_host(bare: Chyves, **machine: Any) -> Chyves:
    """Return another host beside ``bare``, of another machine, with chyves on it."""
    directory = bare.directory.with_name("other")
    World.make(directory, Machine(**machine))
    chyves = Chyves(directory)
    chyves("dataset tank install -q")
    return chyves


@contextmanager
def run_on(chyves: Chyves) -> Iterator[Runs]:
    runs = Runs(chyves)
    try:
        yield runs
    finally:
        runs.end()
