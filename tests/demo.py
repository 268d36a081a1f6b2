# SPDX-License-Identifier: BSD-2-Clause
"""``python -m tests.demo``: chyves at its main job, on a simulated FreeBSD host.

It shows each command and what it prints, checks what should be true afterwards, and ends with 1
and an explanation where something is not.
"""

import json
import mmap
import os
import pty
import re
import select
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.guests import MissingPackages, scripted_iso, tiny_linux

CHYVES = (sys.executable, "-m", "chyves")
SECRET = "written-by-alice"
SPOILT = "written-by-mistake"
"""What alice writes on her disk."""


class Untrue(Exception):
    """Something is not as it should be."""


def expect(truth: object, otherwise: str) -> None:
    if not truth:
        raise Untrue(otherwise)


def show(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


class Demo:
    """A simulated host in ``directory``, and a person who types commands."""

    def __init__(self, directory: Path, guest: str) -> None:
        self.directory = directory
        self.host = directory / "host"
        self.environment: Mapping[str, str] = {
            **os.environ,
            "CHYVES_SIMULATE": str(self.host),
            "CHYVES_SIMULATE_GUEST": guest,
            "TERM": "dumb",
        }

    def type(self, line: str) -> str:
        """Type a command that should succeed; return what it printed."""
        show(f"\n$ chyves {line}\n")
        done = self._run(*shlex.split(line))
        show(done.stdout)
        show(re.sub(r"^chyves: the host is simulated.*\n", "", done.stderr, flags=re.MULTILINE))
        expect(done.returncode == 0, f"'chyves {line}' ended with {done.returncode}")
        return done.stdout

    def ask(self, *words: str) -> Any:
        """Return what a reading verb finds, without showing it."""
        done = self._run("--json", *words)
        expect(done.returncode == 0, f"'chyves --json {shlex.join(words)}': {done.stderr}")
        return json.loads(done.stdout)["data"]

    def guest(self, name: str) -> Mapping[str, Any]:
        """Return what ``list`` knows of a guest."""
        found = [guest for guest in self.ask("list") if guest["name"] == name]
        expect(len(found) == 1, f"there are {len(found)} guests called {name}")
        return dict(found[0])

    def _run(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*CHYVES, *words],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            cwd=self.directory,
            env=self.environment,
            timeout=100,
            check=False,
        )

    @contextmanager
    def console(self, guest: str) -> Iterator["Console"]:
        """Sit down at a guest's console, as root, and leave it afterwards."""
        show(f"\n$ chyves {guest} console\n")
        pid, terminal = pty.fork()
        if pid == 0:
            os.execvpe(CHYVES[0], [*CHYVES, "-q", guest, "console"], dict(self.environment))
        console = Console(terminal)
        try:
            console.log_in()
            yield console
            console.leave()
        except BaseException:
            os.kill(pid, signal.SIGKILL)
            raise
        finally:
            os.close(terminal)
            os.waitpid(pid, 0)

    def clean_up(self) -> None:
        """End what still runs, without a word."""
        if self.host.exists():
            self._run("-q", "all", "stop", "force")


class Console:
    """The terminal of ``chyves <guest> console``; what appears on it is shown."""

    def __init__(self, terminal: int) -> None:
        self._terminal = terminal
        self._held = ""
        """The beginning of an escape sequence that has not come as a whole."""

    def log_in(self) -> None:
        """Wait until the guest, which may still be booting, asks who is there; or press Enter."""
        deadline, patience = time.monotonic() + 90, 20.0
        while True:
            try:
                self.wait_for(r"login: $", patience)
                break
            except Untrue:
                expect(time.monotonic() < deadline, "no login prompt on the console")
            os.write(self._terminal, b"\r")
            patience = 5
        self.enter("root")

    def reboot(self) -> None:
        """Reboot the guest from inside, and log in again."""
        os.write(self._terminal, b"reboot\r")
        self.wait_for(r"login: $", 90)
        self.enter("root")

    def enter(self, line: str) -> str:
        """Type a line, and return what the guest answers before its next prompt."""
        os.write(self._terminal, line.encode() + b"\r")
        return self.wait_for(r"(?:\A|\n)# $", 30).partition("\n")[2]

    def wait_for(self, pattern: str, seconds: float) -> str:
        """Read, and show, until what was read matches; return it."""
        seen, deadline = "", time.monotonic() + seconds
        while not re.search(pattern, seen):
            left = max(0.0, deadline - time.monotonic())
            ready, _, _ = select.select([self._terminal], [], [], left)
            expect(ready, f"the console shows no {pattern!r} within {seconds} seconds")
            text = self._read()
            expect(text, "the console has closed")
            show(text)
            seen += text
        return seen

    def leave(self) -> None:
        """Log out, and type ``~.`` at the beginning of a line."""
        os.write(self._terminal, b"exit\r")
        self.wait_for(r"login: $", 30)
        os.write(self._terminal, b"\r~.")
        while text := self._read():
            show(text)

    def _read(self) -> str:
        """Return what has come, without what only a terminal understands; empty at the end."""
        text = ""
        while not text:
            try:
                data = os.read(self._terminal, 4096)
            except OSError:  # what Linux says when the other end of a terminal is closed
                return ""
            if not data:
                return ""
            self._held += data.decode(errors="replace").replace("\r", "")
            whole = re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "", self._held)
            text, escape, rest = whole.partition("\x1b")
            self._held = escape + rest
        return text


def choose_guest(directory: Path) -> str:
    """Put ``tiny.iso`` into the directory; return which kind of guest boots from it."""
    iso = directory / "tiny.iso"
    if os.environ.get("CHYVES_SIMULATE_GUEST", "qemu") != "qemu":
        show("As CHYVES_SIMULATE_GUEST has it, ")
    elif not shutil.which("qemu-system-x86_64"):
        show("Without QEMU (Debian: apt-get install qemu-system-x86) ")
    else:
        try:
            shutil.copy(tiny_linux(), iso)
            show("The guests are a real Linux of a few megabytes, in QEMU.\n")
            return "qemu"
        except MissingPackages as error:
            show(f"There is no Linux for QEMU ({error}), so ")
    show("the guests are scripted: a few lines of program stand in for them.\n")
    scripted_iso(iso)
    return "scripted"


def set_up(demo: Demo) -> None:
    demo.type("dataset tank install")
    demo.type("network bridge0 attach em0")
    demo.type("iso import tiny.iso")
    media = [medium["name"] for medium in demo.ask("list", "iso")]
    expect("tiny.iso" in media, f"the ISO is not in the list: {media}")

    demo.type("alice,bob create 1G")
    demo.type("list")
    alice, bob = demo.guest("alice"), demo.guest("bob")
    for guest in (alice, bob):
        expect(guest["phase"] == "stopped", f"{guest['name']} is {guest['phase']} before its start")
        expect([disk["size"] for disk in guest["disks"]] == [1 << 30], "a disk is not of 1G")
    for name in ("uuid", "serial", "net_ifaces"):
        same = alice["properties"][name] == bob["properties"][name]
        expect(not same, f"alice and bob have the same {name}")


def run_guests(demo: Demo) -> None:
    demo.type("alice set eject_iso_on_n_reboot=2")
    demo.type("alice,bob start tiny.iso")
    for name in ("alice", "bob"):
        guest = demo.guest(name)
        expect(guest["phase"] == "running" and guest["pid"], f"{name} is {guest['phase']}")

    with demo.console("bob") as console:
        address = find_address(console.enter("ifconfig eth0"))
    with demo.console("alice") as console:
        own = find_address(console.enter("ifconfig eth0"))
        expect(own != address, "alice and bob have the same address")
        answer = console.enter(f"ping -c 1 {address}")
        expect("1 packets received" in answer, f"bob ({address}) does not answer alice")
        console.enter(f"write note {SECRET}")
        note = console.enter("cat note")
        expect(SECRET in note, "what alice wrote is not there")
        console.enter("sync")
    demo.type("alice snapshot @noted")
    demo.type("info -svz")


def reboot_inside(demo: Demo) -> None:
    with demo.console("alice") as console:
        console.reboot()
        note = console.enter("cat note")
        expect(SECRET in note, "what alice wrote is not there after her reboot")
        console.enter(f"write note {SPOILT}")
    codes = [end["code"] for end in demo.guest("alice")["exits"]]
    expect(codes == [0], f"alice's bhyve ended with {codes}, not with one reboot")


def find_address(text: str) -> str:
    found = re.search(r"inet (?:addr:)?(10\.\d+\.\d+\.\d+)", text)
    if not found:
        raise Untrue("the guest has no address on eth0")
    return found[1]


def stop_guests(demo: Demo) -> None:
    demo.type("alice,bob stop")
    demo.type("list")
    demo.type("list snapshots alice")
    for name in ("alice", "bob"):
        guest = demo.guest(name)
        expect(guest["phase"] == "stopped", f"{name} is {guest['phase']} after its stop")
        expect(not guest["vm"], f"{name} is still in the kernel")
        expect(not guest["supervisor"], f"{name} still has a supervisor")
        expect(guest["exits"][-1]["code"] == 1, f"{name} did not power off by itself")
    names = {snapshot["name"] for snapshot in demo.ask("list", "snapshots", "alice")}
    expect("@noted-LIVE-SYSTEM" in names, f"the snapshot is not in the list: {sorted(names)}")


def roll_back(demo: Demo) -> None:
    expect(is_on_disk(demo, SPOILT), "what alice wrote last is not on her disk")
    demo.type("alice snapshot rollback @noted-LIVE-SYSTEM --yes")
    expect(is_on_disk(demo, SECRET), "what alice wrote is not on her disk")
    expect(not is_on_disk(demo, SPOILT), "what alice wrote by mistake is still on her disk")


def is_on_disk(demo: Demo, text: str) -> bool:
    disk = demo.host / "root/dev/zvol/tank/chyves/guests/alice/disk0"
    with disk.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return content.find(text.encode()) >= 0


def main() -> int:
    started = time.monotonic()
    directory = Path(tempfile.mkdtemp(prefix="chyves-demo-"))
    show(f"A simulated FreeBSD host is made in {directory}/host.\n")
    show("chyves says with each command that the host is simulated; that line is left out here.\n")
    demo = None
    try:
        demo = Demo(directory, choose_guest(directory))
        set_up(demo)
        run_guests(demo)
        reboot_inside(demo)
        stop_guests(demo)
        roll_back(demo)
    except Untrue as error:
        show(f"\n\nThe demo has failed: {error}\n")
        return 1
    finally:
        if demo:
            demo.clean_up()
        shutil.rmtree(directory, ignore_errors=True)
    show(f"\nAll is as it should be, after {time.monotonic() - started:.0f} seconds.\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
