# SPDX-License-Identifier: BSD-2-Clause
"""The one object a command receives. Everything in it is built on first use."""

import sys
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from chyves.errors import ChyvesError, Exit, Invalid, NotPermitted
from chyves.output import Output, Report, stdout

if TYPE_CHECKING:
    from chyves.backend.host import Host
    from chyves.backend.inventory import Inventory
    from chyves.backend.journal import Journal

ABOUT_GUESTS = ("dataset", "network")
"""Commands without a selector that report on guests."""

EVERYBODY = ("all", "rcboot")
"""Selectors that may mean any guest."""

NEEDS_NOTHING = ("stop", "reclaim")
"""Commands that do without the properties of guests."""

PROGRAM = 3
"""The level of a program that is run, in the logs."""


class App:
    """One run of chyves: the host, the options, what is reported."""

    def __init__(self) -> None:
        self.output = Output()
        self.report = Report(self.output)
        self.selector = ""
        self.command = ""
        self.words: Sequence[str] = ()
        """The command line behind ``chyves``."""
        self._journal: Journal | None = None
        self._simulated: Path | None = None
        self.settings: Mapping[str, str] = {}
        """The global properties that are in force, as they were last read."""
        self._dry = False
        self._told: set[str] = set()

    def simulate(self, directory: Path) -> None:
        """Work on the host simulated in ``directory``."""
        self._simulated = Path(directory)

    def dry_run(self) -> None:
        """Run nothing that changes the host, and ask nothing."""
        self._dry = self.output.yes = True

    @cached_property
    def host(self) -> "Host":
        from chyves.hosts import open_host

        host = open_host(self._simulated)
        host.tell = self._tell
        if self._dry:
            host.plan = []
        if host.simulated:
            self.output.say(f"chyves: the host is simulated, in {host.simulated}")
        return host

    @property
    def inventory(self) -> "Inventory":
        """All pools and guests, as they are now."""
        from chyves.backend.survey import read_inventory
        from chyves.model.host_properties import all_in_force, not_in_force

        inventory = read_inventory(self.host)
        self.settings = all_in_force(inventory.globals)
        self.output.obey(self.settings)
        for problem in (*inventory.problems, *not_in_force(inventory.globals)):
            self._tell_once(problem)
        lost = inventory.set_aside(self.selector)
        for guest in inventory.unreadable:
            meant = self.selector in EVERYBODY or guest.name in lost
            self._tell_of(guest.name, inventory.why_unreadable(guest), meant=meant)
        if twice := inventory.twice():
            left_out = self._left_out(inventory)
            for name, error in twice.items():
                self._tell_of(name, error, meant=name in left_out)
        return inventory

    def _left_out(self, inventory: "Inventory") -> set[str]:
        """Return the names on two pools that are meant without being said, if any."""
        try:
            return inventory.left_out(self.selector) if self.selector else set()
        except ChyvesError:  # who asks for them says it
            return set()

    def _tell_of(self, guest: str, error: ChyvesError, *, meant: bool) -> None:
        """Report a guest with which nothing can be done; one that is ``meant``, as a failure."""
        if not meant or self.command in NEEDS_NOTHING:
            self._tell_once(f"{guest}: {error.message}; {error.hint}")
        elif guest not in self._told:
            self._told.add(guest)
            self.report.failed(error, guest)

    def _tell_once(self, problem: str) -> None:
        if problem not in self._told:
            self._told.add(problem)
            self.report.warn(problem)

    def require_no_json(self) -> None:
        """Raise Invalid where JSON is asked for and a person is to work with another program."""
        if self.output.json and not self._dry:
            raise Invalid("what a console shows is no JSON", hint="--json goes with --dry-run")

    @property
    def is_typed(self) -> bool:
        """Tell whether root is at a terminal, and no program reads along."""
        to_terminal = sys.stdout.isatty() and sys.stderr.isatty()
        talks = not (self.output.quiet or self.output.json or self._dry)
        return to_terminal and talks and self.host.is_root()

    def require_root(self) -> None:
        """Raise NotPermitted unless run by root (or with --dry-run). From here on it is logged what
        this command line does, and how it ends."""
        if self._dry:
            return
        if not self.host.is_root():
            raise NotPermitted(
                "only root may do this", hint="run it with doas or sudo, or look with --dry-run"
            )
        stdout.goes_on = True
        if self._journal is None:
            from chyves.backend.journal import Journal

            self._journal = Journal(self.host, self.words, self.report.warn)
            self.report.listen = self.note

    def note(self, level: int, text: str, targets: str = "") -> None:
        """Log something about targets (names with commas between), if this run is logged."""
        if self._journal:
            guests = bool(self.selector) or self.command in ABOUT_GUESTS
            self._journal.note(level, text, targets, guests=guests)

    def _tell(self, level: int, line: str) -> None:
        if level == PROGRAM:
            self.output.detail(line)
        self.note(level, line, self.report.target)

    def finish(self) -> Exit:
        """Print what the report holds back, and return the exit code."""
        host = self.__dict__.get("host")
        return self.report.finish(self.command, host.plan if host else None)
