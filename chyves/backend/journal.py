# SPDX-License-Identifier: BSD-2-Clause
"""What one command line does to the host, for the logs: who said it, which programs it runs, what
becomes of each guest."""

import errno
import os
import pwd
import shlex
from collections.abc import Callable, Sequence

from chyves.backend import log
from chyves.backend.host import Host
from chyves.model import layout
from chyves.model.words import without_secrets

RESULT, STEP, PROGRAM = 1, 2, 3
"""Levels of lines in the log; 4 is for what nobody writes any more."""

NO_GUESTS = ("all", "defaults", "global")


class Journal:
    """The lines that one command line leaves in the logs.

    Nothing is written before there is something to tell; then who said what comes first, in each
    log that is written to. ``complain`` is told once if a log cannot be written.
    """

    def __init__(self, host: Host, words: Sequence[str], complain: Callable[[str], None]) -> None:
        self._host = host
        self._heading = f"{caller()}: chyves {shlex.join(words)}"
        self._complain = complain
        self._settings = log.Settings("", "off")
        self._begun: set[str] = set()
        self._is_told = False

    def note(self, level: int, message: str, targets: str = "", *, guests: bool = True) -> None:
        """Write a line about ``targets``, names with commas between or nothing in particular;
        with ``guests`` those of them that are guests have it in their logs too."""
        if not self._settings.primary or self._has_moved():
            self._settings = log.settings(self._host)
        about = f"{targets}: {message}" if targets else message
        names = targets.split(",") if guests else []
        self._write(log.host_folder(self._host, self._settings), level, about)
        for name in names:
            if name not in NO_GUESTS:
                folder = log.guest_folder(self._host, self._settings, name)
                self._write(folder, level, about, but=errno.EROFS)

    def _has_moved(self) -> bool:
        """Tell whether the log of the host is on another pool since."""
        return not self._host.path(layout.host_logs(self._settings.primary)).is_dir()

    def _write(self, folder: str, level: int, about: str, *, but: int = 0) -> None:
        """Write to a log, if there is one. Nothing is said of the error ``but``: with a template
        its log is read-only."""
        if not folder:
            return
        lines = [(level, about)]
        if folder not in self._begun:
            self._begun.add(folder)
            lines.insert(0, (RESULT, self._heading))
        for rank, message in lines:
            error = log.append(
                self._host, folder, rank, f"({os.getpid()}) {without_secrets(message)}"
            )
            if error and error.errno != but and not self._is_told:
                self._is_told = True
                self._complain(f"cannot write the log {error.filename}: {error.strerror}")


def caller() -> str:
    """Return who runs chyves: ``root``, or ``root for alice`` where sudo or doas, or the session
    that was logged in to, says so."""
    try:
        user = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        user = str(os.getuid())
    person = os.environ.get("SUDO_USER") or os.environ.get("DOAS_USER") or _session()
    return user if person in ("", user) else f"{user} for {person}"


def _session() -> str:
    try:
        return os.getlogin()
    except OSError:
        return ""
