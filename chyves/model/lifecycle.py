# SPDX-License-Identifier: BSD-2-Clause
"""What follows when bhyve or its loader ends: start it again, or stop, and why.

The supervisor imports this for every running guest, so it imports next to nothing.
"""

from typing import Any, NamedTuple

QUICK_SECONDS = 10.0
"""A run shorter than this ends in a quick reboot: no operating system comes up and decides to
reboot in that time, a firmware or kernel that fails early does."""

PATIENCE = 5
"""Quick reboots in a row that are taken as they come; boot menus and installers do a few."""

QUICK_LIMIT = 10
"""Quick reboots in a row after which the guest is given up, half a minute of pauses later."""

INSTANT_SECONDS = 1.0
"""No guest powers itself off within this time of starting bhyve."""

GOOD = {0: "reset", 1: "powered off", 2: "halted", 5: "suspended"}
"""Exit codes of bhyve(8) by which a guest ends well; 5 exists from FreeBSD 16."""

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


class Outcome(NamedTuple):
    """How one run of bhyve, or of its loader, ended.

    ``code`` is the exit code, negative for a signal as in ``subprocess``; ``seconds`` is how long
    it ran; ``said`` is what it wrote to standard error, or the last 8 KiB of that.
    """

    code: int
    seconds: float
    loader: bool = False
    said: str = ""

    def as_dict(self) -> dict[str, Any]:
        return self._asdict()


class Next(NamedTuple):
    """What to do next. ``pause`` is in seconds, before a restart; ``reason`` is a short clause
    about the guest: ``powered off``."""

    restart: bool
    failed: bool
    reason: str
    pause: float = 0.0


class History(NamedTuple):
    """What matters of the runs before.

    ``reboots`` counts since the start, ``quick`` those in a row that came quickly.
    ``eject_after`` is the reboot at which the installation medium is taken out; 0 is never (or
    there is none).
    """

    eject_after: int = 0
    reboots: int = 0
    quick: int = 0

    @property
    def launch(self) -> int:
        """Which of the launches comes next: 0 with the installation medium, 1 without it."""
        return int(0 < self.eject_after <= self.reboots)


def stopped(reason: str) -> Next:
    """The guest has ended as it should."""
    return Next(restart=False, failed=False, reason=reason)


def failed(reason: str) -> Next:
    """The guest has ended and should not have."""
    return Next(restart=False, failed=True, reason=reason)


def after(history: History, outcome: Outcome, stop_wanted: bool = False) -> tuple[History, Next]:
    """Decide what follows ``outcome``, and return the history with it.

    A loader that ended well is followed by bhyve and does not come here, unless the guest is to
    stop. ``stop_wanted`` means that somebody asked for its end: then it ends, whatever the outcome.
    """
    reason, well = _reason(outcome)
    if stop_wanted:
        return history, stopped(reason)
    if outcome.loader or outcome.code != 0:
        return history, stopped(reason) if well else failed(reason)
    quick = history.quick + 1 if outcome.seconds < QUICK_SECONDS else 0
    history = history._replace(reboots=history.reboots + 1, quick=quick)
    if quick > QUICK_LIMIT:
        return history, failed(
            f"given up: it reset {quick} times in a row, each time within "
            f"{QUICK_SECONDS:.0f} seconds"
        )
    return history, Next(restart=True, failed=False, reason=reason, pause=_pause(quick))


def _pause(quick: int) -> float:
    """Return the seconds to wait: none at first, then 1, 2, 4, 8, 16."""
    return 0.0 if quick <= PATIENCE else float(2 ** (quick - PATIENCE - 1))


def _reason(outcome: Outcome) -> tuple[str, bool]:
    """Return why it ended, in words, and whether that is a good end.

    The exit codes are those of bhyve(8); 64 and 71 are EX_USAGE and EX_OSERR of sysexits(3).
    """
    code, program = outcome.code, "the loader" if outcome.loader else "bhyve"
    said = _with(outcome.said.splitlines()[-3:])
    if code < 0:
        name = SIGNALS.get(-code, f"signal {-code}")
        return f"{program} was ended by {name}{said if code == ABORTED else ''}", False
    if outcome.loader and code == 0:
        return "ended before it ran", True
    if outcome.loader:
        return f"the loader failed with exit code {code}{said}", False
    if code == 1 and DESTROYED in outcome.said:
        return "its VM was destroyed from outside", False
    if code == 1 and _refused(outcome):
        return f"bhyve refused its arguments{_with(outcome.said.splitlines()[:1])}", False
    if code in GOOD:
        return GOOD[code], True
    if code == 3:
        return "crashed: triple fault", False
    return f"bhyve failed with exit code {code}{said}", False


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
