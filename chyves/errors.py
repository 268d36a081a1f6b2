# SPDX-License-Identifier: BSD-2-Clause
"""What can go wrong, in few kinds: a message, a hint, an exit code."""

from enum import IntEnum


class Exit(IntEnum):
    """Exit codes; chyves(8) lists the same."""

    OK = 0
    FAILED = 1
    USAGE = 2
    NOT_FOUND = 3
    CONFLICT = 4
    BUSY = 5
    PRECONDITION = 6
    NOT_PERMITTED = 7
    HOST = 8
    BUG = 70
    INTERRUPTED = 130


class ChyvesError(Exception):
    """Something chyves was asked and cannot do.

    ``message`` is one sentence without a trailing dot; ``hint`` says what to do next, or is empty.
    """

    code = Exit.FAILED

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class Invalid(ChyvesError):
    """A word, name or value is not acceptable; the hint lists what is."""

    code = Exit.USAGE


class NotFound(ChyvesError):
    """A guest, pool, dataset, snapshot, resource, interface or property does not exist."""

    code = Exit.NOT_FOUND


class Conflict(ChyvesError):
    """It exists already, is owned by somebody else, or something depends on it."""

    code = Exit.CONFLICT


class Busy(ChyvesError):
    """It is running, open or locked by another process."""

    code = Exit.BUSY


class Precondition(ChyvesError):
    """The host, pool or guest is not in the state this needs."""

    code = Exit.PRECONDITION


class NotPermitted(ChyvesError):
    """Root is needed, or a prompt was answered no."""

    code = Exit.NOT_PERMITTED


class HostError(ChyvesError):
    """A program of the host, or a server, failed; the message ends with what it said."""

    code = Exit.HOST


class Interrupted(ChyvesError):
    """Somebody has interrupted it from the keyboard."""

    code = Exit.INTERRUPTED
