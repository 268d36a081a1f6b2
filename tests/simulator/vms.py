# SPDX-License-Identifier: BSD-2-Clause
"""Virtual machines of a simulated host, as real processes with terminals, for one test."""

import contextlib
import os
import select
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from chyves.simulator import kernel
from chyves.simulator.world import Machine, World
from tests.guests import scripted_iso

SECONDS = 20.0
ISO = "/tmp/guest.iso"


def wait_for(truth: Callable[[], object], what: str, seconds: float = SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while not truth():
        assert time.monotonic() < deadline, f"{what}: not within {seconds} seconds"
        time.sleep(0.005)


def catches_sigterm(pid: int) -> bool:
    """Tell whether a process has a handler for SIGTERM, or has ended."""
    with contextlib.suppress(FileNotFoundError):
        status = Path(f"/proc/{pid}/status").read_text()
        caught = int(status.partition("SigCgt:")[2].split()[0], 16)
        return bool(caught & 1 << (signal.SIGTERM - 1))
    return True


class Terminal:
    """An open terminal: type into it, and wait for what it says."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self.said = ""

    def type(self, text: str) -> None:
        os.write(self.descriptor, text.encode())

    def expect(self, text: str, seconds: float = SECONDS) -> str:
        """Wait for ``text``; return what came up to it and forget that."""
        deadline = time.monotonic() + seconds
        while text not in self.said:
            left = max(deadline - time.monotonic(), 0)
            ready, _, _ = select.select([self.descriptor], [], [], left)
            assert ready, f"no {text!r} within {seconds} seconds, but: {self.said!r}"
            data = os.read(self.descriptor, 4096)
            assert data, f"hung up before {text!r}, after: {self.said!r}"
            self.said += data.decode(errors="replace")
        before, _, self.said = self.said.partition(text)
        return before + text

    def close(self) -> None:
        with contextlib.suppress(OSError):
            os.close(self.descriptor)


class Vms:
    """The processes of one host; what a test has left is killed after it."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.children: list[subprocess.Popen[str]] = []
        self.terminals: list[Terminal] = []

    def spawn(self, *argv: str, stdin: int = subprocess.DEVNULL) -> subprocess.Popen[str]:
        child = subprocess.Popen(
            [str(self.world.bin / argv[0]), *argv[1:]],
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.children.append(child)
        return child

    def run(self, *argv: str) -> subprocess.CompletedProcess[str]:
        """Run a program to its end, as a process."""
        child = self.spawn(*argv)
        out, err = child.communicate(timeout=SECONDS)
        return subprocess.CompletedProcess(argv, child.returncode, out, err)

    def bhyve(self, name: str, *options: str, memory: str = "256M") -> subprocess.Popen[str]:
        """Start bhyve with its console on ``/dev/nmdm<name>A``; it is running on return."""
        child = self.spawn(
            *("bhyve", "-A", "-H", "-P", "-m", memory, "-s", "0,hostbridge", "-s", "31,lpc"),
            *("-l", f"com1,/dev/nmdm{name}A", *options, name),
        )
        wait_for(lambda: self.is_running(name) or child.poll() is not None, f"bhyve {name}")
        return child

    def is_running(self, name: str) -> bool:
        return any(process.title == f"bhyve: {name}" for process in self.world.processes())

    def load(self, name: str, medium: str = ISO) -> None:
        done = self.run("bhyveload", "-c", f"/dev/nmdm{name}A", "-m", "256M", "-d", medium, name)
        assert (done.returncode, done.stderr) == (0, "")

    def boot(
        self, name: str, *options: str, commands: tuple[str, ...] = ()
    ) -> subprocess.Popen[str]:
        """Boot the scripted guest; it runs ``commands`` once it is up."""
        scripted_iso(self.world.path(ISO), *commands)
        self.load(name)
        return self.bhyve(name, "-s", f"3,ahci-cd,{ISO}", *options)

    def terminal(self, name: str) -> Terminal:
        """Open the far side of the console of a VM."""
        link = self.world.path(f"/dev/nmdm{name}B")
        wait_for(link.is_symlink, f"{link}")
        terminal = Terminal(os.open(link, os.O_RDWR | os.O_NOCTTY))
        self.terminals.append(terminal)
        return terminal

    def shell(self, name: str) -> Terminal:
        """Log in at the console of a VM; it is at its prompt."""
        terminal = self.terminal(name)
        terminal.expect("login: ")
        terminal.type("root\r")
        terminal.expect("# ")
        return terminal

    def close(self) -> None:
        for child in self.children:
            child.kill()
            child.communicate()
        for terminal in self.terminals:
            terminal.close()


def make_world(directory: Path, machine: Machine, *modules: str) -> World:
    """Make a host with the modules that VMs need."""
    world = World.make(directory, machine)
    with world.changing():
        for module in modules or ("vmm", "nmdm", "if_bridge"):
            kernel.load(world, f"{module}.ko")
    return world
