# SPDX-License-Identifier: BSD-2-Clause
"""Programs of the administrator that are run when a guest starts and stops."""

import os
import shlex
import signal
import stat
import tempfile
from collections.abc import Sequence

from chyves.backend.host import Host
from chyves.backend.run import Result, TooSlow
from chyves.errors import HostError
from chyves.model import layout

SECONDS = 60.0
"""How long a hook may take."""

MOST_SAID = 4096
"""Bytes of what a hook has said that are told when it fails."""


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
        if problem := _run(host, ["env", *words, path]):
            problems.append(f"{path}: {problem}")
    if problems:
        raise HostError(f"hook {'; '.join(problems)}", hint="see HOOKS in chyves(8)")


def _run(host: Host, argv: Sequence[str]) -> str:
    """Run a hook to its end, and return what went wrong. What it leaves in the background may go
    on; whatever belongs to one that takes too long is killed."""
    line = shlex.join(argv)
    if host.plan is not None:
        host.plan.append(line)
        return ""
    host.tell(3, line)
    with tempfile.TemporaryFile() as said:
        child = host.runner.spawn(argv, stdout=said, stderr=said, new_session=True)
        try:
            code = child.wait(SECONDS)
        except BaseException as error:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
            if not isinstance(error, TooSlow):
                raise
            return f"took longer than {SECONDS:g} seconds"
        said.seek(0)
        done = Result(tuple(argv), code, "", said.read(MOST_SAID).decode(errors="replace"))
    return done.complaint() if code else ""


def _distrust(host: Host, path: str) -> str:
    """Return why a hook must not be run as root; nothing if it may."""
    for place in (os.path.dirname(path), path):
        found = host.path(place).lstat()
        if place == path and not stat.S_ISREG(found.st_mode):
            return f"{path} is no regular file"
        if found.st_uid != os.geteuid() or found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            return f"{path} is not run: others than root can write {place}"
    return "" if os.access(host.path(path), os.X_OK) else f"{path} is not executable"
