# SPDX-License-Identifier: BSD-2-Clause
"""A guest goes on when its supervisor is killed; what another one needs to take it over.

The supervisor imports this for every running guest, so it imports next to nothing.
"""

import json
import os
import time
from collections.abc import Mapping
from typing import Any

from chyves.backend.host import Host
from chyves.errors import HostError, NotFound
from chyves.model import layout


def keep(host: Host, path: str, record: Mapping[str, Any], *, mode: int = 0o644) -> None:
    """Write a record in place of the one before, as a whole. Raises OSError."""
    file = host.path(path)
    fresh = file.with_suffix(".new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, mode)
    with os.fdopen(descriptor, "w") as stream:
        json.dump(record, stream)
    fresh.replace(file)


def keep_order(host: Host, guest: str, order: Mapping[str, Any]) -> None:
    """Keep how a guest is run, for root only: it has command lines. Raises OSError."""
    keep(host, layout.order_file(guest), order, mode=0o600)


def kept_order(host: Host, guest: str) -> Mapping[str, Any]:
    """Return how a guest is run. Raises NotFound if that is not known."""
    try:
        order: dict[str, Any] = json.loads(host.path(layout.order_file(guest)).read_text())
    except (OSError, ValueError):
        raise NotFound(f"nothing is known about how {guest} was started") from None
    return order


def kept_state(host: Host, guest: str) -> dict[str, Any]:
    """Return what a supervisor has kept of its guest's life; nothing if that cannot be read."""
    try:
        kept: dict[str, Any] = json.loads(host.path(layout.state_file(guest)).read_text())
    except (OSError, ValueError):
        return {}
    return kept


class Adopted:
    """The loader or bhyve of a guest, that was started by a supervisor which is gone.

    Has of ``subprocess.Popen`` what a supervisor uses. ``runs`` is true for bhyve; ``began`` is
    when it was started, on the monotonic clock. Raises HostError unless the process ``pid`` is the
    guest's: it is watched first and asked for its name then, so that no later process can be it.
    """

    def __init__(self, host: Host, guest: str, pid: int, kept: Mapping[str, Any]) -> None:
        self.pid = pid
        self.returncode = 0
        self._watch = host.watch(pid)
        title = host.try_ask("ps", "-ww", "-o", "command=", "-p", str(pid)).stdout.strip()
        vm = layout.vm_name(guest)
        self.runs = title.removesuffix(" (bhyve)") == f"bhyve: {vm}"
        if not self.runs and title.split()[-1:] != [vm]:
            raise HostError(f"process {pid} is no longer that of {guest}")
        if kept.get("phase") == "running":
            self.runs = True  # it may still be opening its devices
        since = kept.get("since", time.time()) if kept.get("pid") == pid else time.time()
        self.began = time.monotonic() - max(0.0, time.time() - since)

    def fileno(self) -> int:
        """Return a descriptor that can be read once the process has ended."""
        return self._watch.fileno()

    def poll(self) -> int | None:
        """Return the exit code as subprocess has it; None while the process runs."""
        code = self._watch.poll()
        if code is not None:
            self.returncode = code
        return code

    def terminate(self) -> None:
        self._signal(15)

    def kill(self) -> None:
        self._signal(9)

    def _signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)
