# SPDX-License-Identifier: BSD-2-Clause
"""Programs of the administrator that are run when a guest starts and stops."""

import os
import stat

from chyves.backend.host import Host
from chyves.errors import HostError
from chyves.model import layout

SECONDS = 60.0
"""How long a hook may take."""


def run_hooks(host: Host, event: str, pool: str, guest: str, reason: str = "") -> None:
    """Run the hook for all guests and that of the guest, where they are: ``prestart``,
    ``poststart``, ``prestop`` or ``poststop``, which is told the ``reason`` of the end.

    They have the environment of all programs, and CHYVES_EVENT, CHYVES_GUEST, CHYVES_POOL and
    CHYVES_REASON. Raises HostError if one fails, takes too long, or could be written by others
    than root; the others are run all the same.
    """
    told = {"EVENT": event, "GUEST": guest, "POOL": pool, "REASON": reason}
    words = [f"CHYVES_{name}={value}" for name, value in told.items() if value]
    problems = []
    for path in layout.hooks(pool, guest, event):
        if not os.path.lexists(host.path(path)):
            continue
        if problem := _distrust(host, path):
            problems.append(problem)
            continue
        done = host.try_change("env", *words, path, timeout=SECONDS)
        if done.code:
            problems.append(f"{path}: {done.complaint()}")
    if problems:
        raise HostError(f"hook {'; '.join(problems)}", hint="see HOOKS in chyves(8)")


def _distrust(host: Host, path: str) -> str:
    """Return why a hook must not be run as root; nothing if it may."""
    for place in (os.path.dirname(path), path):
        found = host.path(place).lstat()
        if place == path and not stat.S_ISREG(found.st_mode):
            return f"{path} is no regular file"
        if found.st_uid != os.geteuid() or found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            return f"{path} is not run: others than root can write {place}"
    return "" if os.access(host.path(path), os.X_OK) else f"{path} is not executable"
