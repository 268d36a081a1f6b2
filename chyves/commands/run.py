# SPDX-License-Identifier: BSD-2-Clause
"""``run``: a guest in the foreground, for whoever supervises programs."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import click

from chyves.app import App
from chyves.backend import guests, wanted
from chyves.commands import ending
from chyves.commands.launching import Starting, start_guest
from chyves.commands.options import Changing, argument
from chyves.commands.start import finish, setting_for
from chyves.errors import ChyvesError
from chyves.model.guest import Guest

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class _Asked(BaseException):
    """A signal came: the guest is to stop."""


@click.command("run", cls=Changing)
@argument("iso", required=False)
@click.pass_obj
def run(app: App, iso: str | None) -> None:
    """Start a guest and stay until it has ended; SIGTERM stops it."""
    guest = app.inventory.single(app.selector)
    with app.report.item(guest.name):
        try:
            with _signals_ask():
                _start(app, guest, iso)
                if app.host.plan is None:
                    _stay(app, guest)
        except _Asked:
            _stop(app, guest)


def _start(app: App, guest: Guest, iso: str | None) -> None:
    wanted.want(app.host, [guest.name], wanted.ON)
    launch = start_guest(app, setting_for(app, app.inventory, [guest], iso), guest)
    if isinstance(launch, Starting):
        with suppress(guests.Ended):
            finish(app, guest, launch, seconds=float("inf"))


def _stay(app: App, guest: Guest) -> None:
    """Stay as long as the guest runs. Raises ChyvesError if it does not end well."""
    while not (now := guests.status(app.host, guest.name)).is_down:
        guests.adopt(app.host, guest.name, now)
        guests.wait_for_supervisor_to_end(app.host, guest.name)
    if now.phase == "failed":
        raise ChyvesError(f"ended: {now.reason}", hint=f"chyves info, and the log of {guest.name}")
    app.report.done(guest.name, f"ended: {now.reason}")


def _stop(app: App, guest: Guest) -> None:
    """Press its power button; a further signal takes its power."""
    try:
        with _signals_ask():
            asked = ending.ask(app, [guest], force=False, limit=None)
            list(ending.wait_for_ends(app, asked))
    except _Asked:
        asked = ending.ask(app, [guest], force=True, limit=None)
        list(ending.wait_for_ends(app, asked))


@contextmanager
def _signals_ask() -> Iterator[None]:
    """Let the signals that end a program raise _Asked meanwhile."""

    def ask(*_: object) -> None:
        raise _Asked

    before = {number: signal.signal(number, ask) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
