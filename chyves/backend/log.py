# SPDX-License-Identifier: BSD-2-Clause
"""Lines for the logs of a host and of a guest, a file for each month."""

import fcntl
import os
import time
from contextlib import suppress

from chyves.backend.host import Host


def append(host: Host, folder: str, level: int, message: str) -> None:
    """Append a line to this month's log in ``folder`` (``/chyves/tank/logs``): time in UTC, level
    1 to 4, message. Written in one piece under a lock, so that lines never mix. A folder that is
    missing, full or cannot be written is no reason to fail: the line is dropped."""
    now = time.time()
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S+0000", time.gmtime(now))
    path = f"{folder}/{time.strftime('%Y%m', time.gmtime(now))}.log"
    text = " ".join(message.split())
    line = f"{stamp} - [{level}] - {text}\n".encode(errors="replace")
    with suppress(OSError):
        host.may_write(path)
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        descriptor = os.open(host.path(path), flags, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            os.write(descriptor, line)
        finally:
            os.close(descriptor)
