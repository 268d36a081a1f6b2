# SPDX-License-Identifier: BSD-2-Clause
"""nmdm(4): pairs of terminals, joined back to back.

Whoever opens one side makes the other side a pseudo-terminal of this machine, with a link to it
where FreeBSD has the device, so that any terminal program can open it. What nobody reads is dropped
when the terminal is full, and the pair is gone when its opener ends.
"""

import contextlib
import os
import re
import select
import time
import tty

from chyves.simulator.opened import holders, open_device
from chyves.simulator.world import World

_LAST_WORDS = 2.0  # seconds
_SLOW_READER = 0.05  # seconds


def is_nmdm(path: str) -> bool:
    """Tell whether ``path`` is a name nmdm(4) would clone: ``/dev/nmdm``, something, A or B."""
    return re.fullmatch(r"/dev/nmdm[^/]+[AB]", path) is not None


def other_side(path: str) -> str:
    return path[:-1] + ("B" if path.endswith("A") else "A")


class Line:
    """One side of a pair, opened by this process; reads do not block, writes not for long.

    Raises FileNotFoundError when nmdm.ko is not loaded.
    """

    def __init__(self, world: World, path: str) -> None:
        from chyves.simulator import kernel

        with world.reading():
            if not kernel.module_ready(world, "nmdm"):
                raise FileNotFoundError(path)
        self._world = world
        self._path = path
        self._link = world.path(other_side(path))
        self._far_end = -1
        self._published = ""
        self._is_full = False
        open_device(world, path, os.getpid())
        self.descriptor = -1
        self._connect()

    def _connect(self) -> None:
        with self._world.changing():
            sweep(self._world)
            peer = far_terminal(self._world, self._path)
            if peer:
                self.descriptor = os.open(peer, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
                return
            self.descriptor, self._far_end = os.openpty()
            os.set_blocking(self.descriptor, False)
            tty.setraw(self._far_end)
            if not far_terminal(self._world, other_side(self._path)):
                self._publish(os.ttyname(self._far_end))

    def _publish(self, terminal: str) -> None:
        self._published = terminal
        fresh = self._link.with_name(f".{self._link.name}")
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(terminal)
        fresh.replace(self._link)
        self._world.table("nmdm")[self._link.name] = {"pid": os.getpid(), "terminal": terminal}

    def read(self) -> bytes:
        """Return what the other side has sent, as far as it is there."""
        try:
            data = os.read(self.descriptor, 4096)
        except BlockingIOError:
            return b""
        except OSError:
            data = b""
        if not data and self._far_end < 0:
            self.close()
            self._connect()
        return data

    def write(self, data: bytes) -> None:
        """Send what the other side takes; what nobody reads is lost."""
        while data:
            try:
                data = data[os.write(self.descriptor, data) :]
                self._is_full = False
            except BlockingIOError:
                if not self._is_full:
                    self._is_full = not select.select([], [self.descriptor], [], _SLOW_READER)[1]
                if self._is_full:
                    return
            except OSError:
                return

    def close(self) -> None:
        """Close, once a cu at the other side has had the last words (they would be lost)."""
        deadline = time.monotonic() + _LAST_WORDS
        while self._is_being_read() and time.monotonic() < deadline:
            time.sleep(0.001)
        if self._published:
            with self._world.changing():
                _withdraw(self._world, self._link.name, os.getpid())
            self._published = ""
        for descriptor in (self.descriptor, self._far_end):
            if descriptor >= 0:
                os.close(descriptor)
        self.descriptor = self._far_end = -1

    def _is_being_read(self) -> bool:
        """Tell whether a cu has yet to read what was written. (FIONREAD would not do: bytes may
        still be on their way inside the kernel, which poll(2) waits for.)"""
        if not self._published or not select.select([self._far_end], [], [], 0)[0]:
            return False
        with self._world.reading():
            return bool(holders(self._world, f"/dev/{self._link.name}"))


def far_terminal(world: World, path: str) -> str:
    """Return the terminal that stands for ``path`` while a living process has the other side
    open, or an empty string."""
    record = world.table("nmdm").get(os.path.basename(path))
    return str(record["terminal"]) if record and world.alive(record["pid"]) else ""


def sweep(world: World) -> None:
    """Remove the links of openers that were killed."""
    with world.changing():
        for name, record in world.table("nmdm").items():
            if not world.alive(record["pid"]):
                _withdraw(world, name, record["pid"])


def _withdraw(world: World, name: str, pid: int) -> None:
    record = world.table("nmdm").get(name)
    if record is None or record["pid"] != pid:
        return
    link = world.path(f"/dev/{name}")
    with contextlib.suppress(OSError):
        if os.readlink(link) == record["terminal"]:
            link.unlink()
    del world.table("nmdm")[name]
