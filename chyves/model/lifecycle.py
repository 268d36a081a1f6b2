# SPDX-License-Identifier: BSD-2-Clause
"""What follows when bhyve or its loader ends: start it again, or stop, and why.

The supervisor imports this for every running guest, so it imports next to nothing.
"""

from enum import IntEnum
from typing import NamedTuple

QUICK_SECONDS = 10.0
"""A run shorter than this ends in a quick reboot: no operating system comes up and decides to
reboot in that time, a firmware or kernel that fails early does."""

PATIENCE = 5
"""Quick reboots in a row that are taken as they come; boot menus and installers do a few."""

QUICK_LIMIT = 10
"""Quick reboots in a row after which the guest is given up, half a minute of pauses later."""

INSTANT_SECONDS = 1.0
"""No guest powers itself off, or makes bhyve fail, within this time of starting bhyve."""

CRASH_SECONDS = 600.0
"""A run shorter than this that ends in a crash is one of a row of crashes."""

CRASH_LIMIT = 5
"""Crashes in a row after which on_crash=restart does not start the guest again."""

GOOD = {0: "reset", 1: "powered off", 2: "halted", 5: "suspended"}
"""Exit codes of bhyve(8) by which a guest ends well; 5 exists from FreeBSD 16."""

DELIBERATE = (-1, -2, -15)
"""SIGHUP, SIGINT and SIGTERM: somebody ended bhyve on purpose, which is no crash."""

TERMINATED = -15
"""SIGTERM, bhyve's power button: it ends a bhyve whose guest has not enabled ACPI (seen on FreeBSD
13.2)."""

KILLED = -9

TRIPLE_FAULT = 3

EX_USAGE = 64

UNSEEN = 256
"""In place of an exit code: nobody saw how the program ended."""

FORCED = "powered off by force"
NO_ACPI = "ended as by a power failure: it had no power button (ACPI)"

ABORTED = -6
"""SIGABRT: bhyve hit an assertion or an exit it does not handle, and said which."""

USAGE = ("usage:", "illegal option", "option requires an argument")
"""What bhyve and getopt(3) say, in lower case, when bhyve ends with 1 because of its argv."""

DESTROYED = "vm_run error -1, errno 6"
"""What bhyve says when its VM is destroyed under it; it then ends with 1, as for a power-off
(seen on FreeBSD 13.2)."""

SIGNALS = {
    1: "SIGHUP",
    2: "SIGINT",
    3: "SIGQUIT",
    4: "SIGILL",
    6: "SIGABRT",
    9: "SIGKILL",
    10: "SIGBUS",
    11: "SIGSEGV",
    15: "SIGTERM",
}
"""Signal numbers of FreeBSD, as far as bhyve dies of them."""


class Asked(IntEnum):
    """What somebody has asked of the guest."""

    NOTHING = 0
    BUTTON = 1
    """To end by itself: its power button was pressed."""
    FORCE = 2
    """To end at once."""


class Outcome(NamedTuple):
    """How one run of bhyve, or of its loader, ended.

    ``code`` is the exit code, negative for a signal as in ``subprocess``, or ``UNSEEN``;
    ``seconds`` is how long it ran; ``said`` is what it wrote to standard error, or the last 8 KiB
    of that.
    """

    code: int
    seconds: float
    loader: bool = False
    said: str = ""


class Ending(NamedTuple):
    """How an outcome is to be taken: ``reason`` in words, whether the guest ended ``well``, and
    whether it ``crashed``, so that it may be started again."""

    reason: str
    well: bool = False
    crashed: bool = False


class Next(NamedTuple):
    """What to do next. ``pause`` is in seconds, before a restart; ``reason`` is a short clause
    about the guest: ``powered off``."""

    restart: bool
    failed: bool
    reason: str
    pause: float = 0.0


class History(NamedTuple):
    """What matters of the runs before.

    ``reboots`` counts since the start, ``quick`` those in a row that came quickly, ``crashes``
    those in a row. ``eject_after`` is the reboot at which the installation medium is taken out; 0
    is never (or there is none). ``restarts``: a guest that crashed is started again (on_crash).
    """

    eject_after: int = 0
    restarts: bool = False
    reboots: int = 0
    quick: int = 0
    crashes: int = 0

    @property
    def launch(self) -> int:
        """Which of the launches comes next: 0 with the installation medium, 1 without it."""
        return int(self.is_ejected)

    @property
    def is_ejected(self) -> bool:
        """Tell whether the installation medium has been taken out."""
        return 0 < self.eject_after <= self.reboots

    def lived(self) -> dict[str, int]:
        """Return what a supervisor that follows has to know."""
        return {"reboots": self.reboots, "quick": self.quick, "crashes": self.crashes}


def stopped(reason: str) -> Next:
    """The guest has ended as it should."""
    return Next(restart=False, failed=False, reason=reason)


def failed(reason: str) -> Next:
    """The guest has ended and should not have."""
    return Next(restart=False, failed=True, reason=reason)


def after(history: History, outcome: Outcome, asked: Asked = Asked.NOTHING) -> tuple[History, Next]:
    """Decide what follows ``outcome``, and return the history with it.

    A loader that ended well is followed by bhyve and does not come here, unless the guest is to
    stop. A guest that was ``asked`` to end has ended, whatever the outcome.
    """
    ending = _ending(outcome)
    if asked:
        return history, stopped(_as_asked(outcome, asked) or ending.reason)
    if outcome.seconds >= CRASH_SECONDS:
        history = history._replace(crashes=0)
    if ending.crashed and history.restarts and not _never_ran(history, outcome):
        return _after_crash(history, ending.reason)
    if outcome.loader or outcome.code != 0:
        return history, stopped(ending.reason) if ending.well else failed(ending.reason)
    quick = history.quick + 1 if outcome.seconds < QUICK_SECONDS else 0
    history = history._replace(reboots=history.reboots + 1, quick=quick)
    if quick > QUICK_LIMIT:
        return history, failed(
            f"given up: it reset {quick} times in a row, each time within "
            f"{QUICK_SECONDS:.0f} seconds"
        )
    return history, Next(restart=True, failed=False, reason=ending.reason, pause=_pause(quick))


def _never_ran(history: History, outcome: Outcome) -> bool:
    """Tell whether bhyve failed on its own on its first run, at once, as where a device cannot be
    opened: no guest has crashed, and another try would find the same."""
    is_first = not (history.reboots or history.crashes)
    has_failed = outcome.code > 0 and outcome.code != TRIPLE_FAULT
    return is_first and has_failed and outcome.seconds < INSTANT_SECONDS


def _after_crash(history: History, reason: str) -> tuple[History, Next]:
    """Start it again after 1, 2, 4, 8, 16 seconds, then give it up."""
    crashes = history.crashes + 1
    history = history._replace(crashes=crashes, quick=0)
    if crashes > CRASH_LIMIT:
        return history, failed(
            f"given up after {crashes} crashes in a row, each within "
            f"{CRASH_SECONDS / 60:.0f} minutes: {reason}"
        )
    return history, Next(restart=True, failed=False, reason=reason, pause=2.0 ** (crashes - 1))


def _pause(quick: int) -> float:
    """Return the seconds to wait: none at first, then 1, 2, 4, 8, 16."""
    return 0.0 if quick <= PATIENCE else float(2 ** (quick - PATIENCE - 1))


def _as_asked(outcome: Outcome, asked: Asked) -> str:
    """Return what is to be said of an end that was asked for, if it is not what it looks like."""
    if outcome.loader:
        return ""
    if asked is Asked.FORCE and outcome.code in (1, KILLED):
        return FORCED
    if asked is Asked.BUTTON and outcome.code == TERMINATED:
        return NO_ACPI
    return ""


def _ending(outcome: Outcome) -> Ending:
    """Return why it ended, and what that means.

    The exit codes are those of bhyve(8); 64 and 71 are EX_USAGE and EX_OSERR of sysexits(3).
    """
    code, program = outcome.code, "the loader" if outcome.loader else "bhyve"
    said = _with(outcome.said.splitlines()[-3:])
    if code == UNSEEN:
        return Ending(f"{program} ended while nobody watched it")
    if code < 0:
        name = SIGNALS.get(-code, f"signal {-code}")
        crashed = not outcome.loader and code not in DELIBERATE
        reason = f"{program} was ended by {name}{said if code == ABORTED else ''}"
        return Ending(reason, crashed=crashed)
    if outcome.loader and code == 0:
        return Ending("ended before it ran", well=True)
    if outcome.loader:
        return Ending(f"the loader failed with exit code {code}{said}")
    if code == 1 and DESTROYED in outcome.said:
        return Ending("its VM was destroyed from outside")
    if code == 1 and _refused(outcome):
        return Ending(f"bhyve refused its arguments{_with(outcome.said.splitlines()[:1])}")
    if code in GOOD:
        return Ending(GOOD[code], well=True)
    if code == TRIPLE_FAULT:
        return Ending("crashed: triple fault", crashed=True)
    return Ending(f"bhyve failed with exit code {code}{said}", crashed=code != EX_USAGE)


def _refused(outcome: Outcome) -> bool:
    """Tell a wrong argv from a power-off, which has the same exit code."""
    if any(sign in outcome.said.lower() for sign in USAGE):
        return True
    complains = any(
        line.startswith("bhyve: ") and "deprecated" not in line
        for line in outcome.said.splitlines()
    )
    return complains and outcome.seconds < INSTANT_SECONDS


def _with(lines: list[str]) -> str:
    said = "; ".join(line.strip() for line in lines if line.strip())
    return f": {said}" if said else ""
