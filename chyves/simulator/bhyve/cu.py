# SPDX-License-Identifier: BSD-2-Clause
"""cu(1): a terminal on the far side of a guest's console.

Without a terminal on its standard input it stays connected when that ends, as the real one does;
``~.`` at the start of a line leaves.
"""

import contextlib
import os
import select
import shlex
import sys
import termios
import tty
from collections.abc import Iterator

from chyves.simulator.bhyve import nmdm
from chyves.simulator.opened import open_device
from chyves.simulator.programs import Io
from chyves.simulator.usage import parse, refusing
from chyves.simulator.world import World

_USAGE = "usage: cu [-ehot] [-a acu] [-l line] [-s speed | -speed] [phone-number]"
_LOCKS = "/var/spool/lock"
_AGAIN = 0.02
"""Seconds between two looks for a guest that is not there yet, or not any more."""


@refusing
def cu(world: World, arguments: list[str], io: Io) -> int:
    """cu(1)."""
    parsed = parse("cu", arguments, "a:ehl:os:t0123456789", _USAGE, 8)
    line = parsed.last("l")
    if line is None:
        io.err("cu: unknown host cu9600" if parsed.options else _USAGE)
        return 3 if parsed.options else 8
    path = line if line.startswith("/") else f"/dev/{line}"
    with world.process(shlex.join(["cu", *arguments])):
        return _call(world, path, io)


def _call(world: World, path: str, io: Io) -> int:
    from chyves.simulator import kernel

    lock = world.path(_LOCKS) / f"LCK..{os.path.basename(path)}"
    if not _lock(world, lock, io):
        io.out("all ports busy")
        return 3
    try:
        with world.reading():
            is_line = nmdm.is_nmdm(path) and kernel.module_ready(world, "nmdm")
        if not is_line:
            _complain(world, path, io)
            return 3
        open_device(world, path, os.getpid())
        with _raw_terminal():
            _write(b"Connected\r\n")
            _Conversation(world, path).hold()
            _write(b"\r\n[EOT]\r\n")
        return 0
    finally:
        lock.unlink(missing_ok=True)


def _complain(world: World, path: str, io: Io) -> None:
    if path == "/dev/null":
        io.err("cu: unsupported speed 9600")
        return
    there = world.path(path).exists()
    reason = "Is a directory" if there else "No such file or directory"
    io.err(f"{path}: {reason}")
    io.out("link down")


def _lock(world: World, lock: "os.PathLike[str]", io: Io) -> bool:
    """Take the lock of a line, also from a dead holder; False if a living one has it."""
    os.makedirs(os.path.dirname(lock), exist_ok=True)
    while True:
        try:
            descriptor = os.open(lock, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o640)
        except FileExistsError:
            holder = _holder(lock)
            if holder and world.alive(holder):
                return False
            name = os.path.basename(lock).removeprefix("LCK..")
            io.err(f"Stale lock on {name} PID={holder}... overriding.")
            io.stderr.flush()
            with contextlib.suppress(FileNotFoundError):
                os.unlink(lock)
            continue
        os.write(descriptor, b"%10d\n" % os.getpid())
        os.close(descriptor)
        return True


def _holder(lock: "os.PathLike[str]") -> int:
    try:
        with open(lock) as file:
            text = file.read().strip()
    except FileNotFoundError:
        return 0
    return int(text) if text.isdigit() else 0


@contextlib.contextmanager
def _raw_terminal() -> Iterator[None]:
    if not os.isatty(0):
        yield
        return
    before = termios.tcgetattr(0)
    tty.setraw(0)
    try:
        yield
    finally:
        termios.tcsetattr(0, termios.TCSADRAIN, before)


def _write(data: bytes) -> None:
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


class _Conversation:
    """Keystrokes one way, what the guest says the other way, over any number of its boots."""

    def __init__(self, world: World, path: str) -> None:
        self.world = world
        self.path = path
        self.link = world.path(path)
        self.line = -1
        self.has_input = True
        self.at_start = True
        self.after_tilde = False

    def hold(self) -> None:
        """Relay until the user leaves."""
        while True:
            if self.line < 0:
                self._connect()
            waits_for = [fd for fd in (self.line, 0 if self._listens() else -1) if fd >= 0]
            ready = select.select(waits_for, [], [], _AGAIN if self.line < 0 else None)[0]
            if self.line in ready:
                self._hear()
            if 0 in ready and not self._type():
                return

    def _listens(self) -> bool:
        """Input of a pipe waits until somebody is there; a user can always leave."""
        return self.has_input and (self.line >= 0 or os.isatty(0))

    def _connect(self) -> None:
        if not os.path.islink(self.link):
            return
        with self.world.reading():
            terminal = nmdm.far_terminal(self.world, self.path)
        if not terminal:
            nmdm.sweep(self.world)
            return
        with contextlib.suppress(OSError):
            self.line = os.open(terminal, os.O_RDWR | os.O_NOCTTY)

    def _hear(self) -> None:
        try:
            data = os.read(self.line, 4096)
        except OSError:
            data = b""
        if data:
            _write(data)
        else:
            os.close(self.line)
            self.line = -1

    def _type(self) -> bool:
        """Send what was typed; False when it was ``~.`` (or ``~^D``)."""
        data = os.read(0, 4096)
        self.has_input = bool(data)
        sends = bytearray()
        for char in data:
            if self.after_tilde:
                self.after_tilde = False
                if char in b".\x04":
                    return False
                sends += bytes([char]) if char == ord("~") else b"~" + bytes([char])
            elif char == ord("~") and self.at_start:
                self.after_tilde = True
                continue
            else:
                sends.append(char)
            self.at_start = char in b"\r\n"
        if self.line >= 0:
            with contextlib.suppress(OSError):
                os.write(self.line, sends)
        return True
