# SPDX-License-Identifier: BSD-2-Clause
"""The end of a process that is no child, and its exit code."""

import os
import select
import sys
from typing import Protocol

from chyves.errors import HostError


class Watch(Protocol):
    """A process that is watched until its end."""

    def fileno(self) -> int:
        """Return a descriptor that can be read once the process has ended."""

    def poll(self) -> int | None:
        """Return the exit code as subprocess has it; None while the process runs."""


def watch(pid: int) -> Watch:
    """Watch a process. Raises ProcessLookupError if there is none, HostError on a system whose
    kernel does not tell the exit code to others than the parent."""
    if sys.platform.startswith("freebsd"):
        return _KernelWatch(pid)
    raise HostError("this system does not tell how a process ends that is no child")


if sys.platform != "linux":

    class _KernelWatch:
        """NOTE_EXIT of kqueue(2): the exit status comes as from wait(2)."""

        def __init__(self, pid: int) -> None:
            self._queue = select.kqueue()
            self._code: int | None = None
            end = select.kevent(pid, select.KQ_FILTER_PROC, select.KQ_EV_ADD, select.KQ_NOTE_EXIT)
            self._queue.control([end], 0)

        def fileno(self) -> int:
            return self._queue.fileno()

        def poll(self) -> int | None:
            for event in self._queue.control(None, 1, 0):
                self._code = os.waitstatus_to_exitcode(event.data)
            return self._code
