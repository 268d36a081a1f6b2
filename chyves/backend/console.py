# SPDX-License-Identifier: BSD-2-Clause
"""Those who are at the serial port of a guest, and how they are made to leave it."""

import os
import signal
import time
from collections.abc import Sequence
from contextlib import suppress

from chyves.backend.host import Host, Process
from chyves.backend.processes import consoles
from chyves.errors import Busy

PATIENCE = 3.0
"""Seconds that cu may take to end after each signal."""


def end(host: Host, serial: str, users: Sequence[Process]) -> None:
    """End the processes of cu(1) that were seen at a serial port, if they are the same still; cu
    gives the line and its terminal back on SIGTERM. Raises Busy if one does not end."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        for process in _still_there(host, serial, users):
            with suppress(ProcessLookupError):
                os.kill(process.pid, number)
        deadline = time.monotonic() + PATIENCE
        while _still_there(host, serial, users):
            if time.monotonic() > deadline:
                break
            time.sleep(0.02)
        else:
            return
    raise Busy(f"cu does not end (pid {pids(users)})", hint=f"ps -p {users[0].pid} -o state,wchan")


def pids(users: Sequence[Process]) -> str:
    return ", ".join(str(process.pid) for process in users)


def _still_there(host: Host, serial: str, users: Sequence[Process]) -> list[Process]:
    return [one for one in consoles(host.processes()).get(serial, ()) if one in users]
