# SPDX-License-Identifier: BSD-2-Clause
"""How a lasting program of the simulated host has ended, for others than its parent.

FreeBSD's kernel tells everybody (kqueue(2), NOTE_EXIT), Linux the parent only: there the program
leaves it in a file. One that could not was killed.
"""

import os
import select
import signal

from chyves.simulator.world import World


def leave_end(world: World, code: int) -> None:
    """Leave how this process ends: ``code`` is negative for a signal."""
    world.end_file(os.getpid()).write_text(f"{code}\n")


class EndWatch:
    """A process of the simulated host that is watched until its end."""

    def __init__(self, world: World, pid: int) -> None:
        self._file = world.end_file(pid)
        self._descriptor = os.pidfd_open(pid)
        self._poll = select.poll()
        self._poll.register(self._descriptor, select.POLLIN)

    def fileno(self) -> int:
        return self._descriptor

    def poll(self) -> int | None:
        if not self._poll.poll(0):
            return None
        try:
            return int(self._file.read_text())
        except FileNotFoundError:
            return -signal.SIGKILL
