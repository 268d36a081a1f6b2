# SPDX-License-Identifier: BSD-2-Clause
"""``log``: what happened to guests, or on the host."""

import time
from collections.abc import Mapping
from contextlib import suppress
from typing import NamedTuple

import click

from chyves.app import App
from chyves.backend import log, logfiles
from chyves.backend.logfiles import Line, Mark
from chyves.commands.options import Reading, argument
from chyves.errors import ChyvesError, Invalid
from chyves.model import layout

LINES = 20
"""How many lines are shown unless a number is given."""

PAUSE = 0.25
"""Seconds between two looks for new lines."""


class Entry(NamedTuple):
    """A line of the log of ``name``: a guest, or global for the host."""

    name: str
    line: Line


@click.command("log", cls=Reading)
@argument("count", required=False, type=click.IntRange(min=0), metavar="[N]")
@click.option("-f", "--follow", is_flag=True, help="Go on with what comes, until Ctrl-C.")
@click.pass_obj
def log_command(app: App, count: int | None, follow: bool) -> None:
    """Show the last lines of the logs of guests, or of the host (global), in their order."""
    if follow and app.output.json:
        raise Invalid("what has no end is no JSON", hint="-f -H has columns between tabs")
    folders = _folders(app)
    marks = {name: logfiles.end(app.host, folder) for name, folder in folders.items()}
    entries: list[Entry] = []
    number = LINES if count is None else count
    for name, folder in folders.items():
        found = logfiles.last(app.host, folder, number, marks[name])
        entries += [Entry(name, line) for line in found]
    entries = _in_order(entries)[-number:] if number else []
    app.report.data = [_as_data(entry) for entry in entries]
    with suppress(*((KeyboardInterrupt,) if follow else ())):
        for entry in entries:
            _show(app, entry)
        _explain(app, folders, any(mark.name for mark in marks.values()))
        if follow:
            _follow(app, folders, marks)


def _folders(app: App) -> dict[str, str]:
    """Return the folder of each log that is asked for."""
    inventory = app.inventory
    if app.selector == "global":
        return {"global": layout.host_logs(inventory.primary().name)}
    chosen = inventory.select(app.selector, whatever=True)
    return {guest.name: layout.guest_logs(guest.pool, guest.name) for guest in chosen}


def _in_order(entries: list[Entry]) -> list[Entry]:
    """Sort by time; what has none stays behind what it follows in its log."""
    stamps, stamp, name = [], "", ""
    for number, entry in enumerate(entries):
        if entry.name != name:
            name, stamp = entry.name, ""
        stamp = entry.line.time or stamp
        stamps.append((stamp, number, entry))
    return [entry for _, _, entry in sorted(stamps)]


def _as_data(entry: Entry) -> dict[str, object]:
    line = entry.line
    return {"log": entry.name, "time": line.time, "level": line.level, "message": line.message}


def _show(app: App, entry: Entry) -> None:
    """Print a line as it is in the file, or with -H in columns."""
    line = entry.line
    if app.output.headers:
        app.output.line(line.text)
    else:
        app.output.table((), [(entry.name, line.time or "-", line.level or "-", line.message)])


def _explain(app: App, folders: Mapping[str, str], anything: bool) -> None:
    """Say why there is nothing."""
    mode = log.settings(app.host).mode
    if mode == "off":
        app.output.say("Nothing is logged: see log_mode and log_to_file in chyves list global.")
    elif mode == "host" and "global" not in folders:
        app.output.say("Guests are logged with the host only (log_mode): chyves global log")
    elif mode == "guest" and "global" in folders:
        app.output.say("Guests are logged by themselves only (log_mode): chyves <guest> log")
    elif not anything:
        app.output.say("Nothing has been logged yet.")


def _follow(app: App, folders: Mapping[str, str], marks: Mapping[str, Mark]) -> None:
    """Show lines as they come, until there is no log any more."""
    now = dict(marks)
    while now:
        app.output.flush()
        time.sleep(PAUSE)
        entries: list[Entry] = []
        for name in list(now):
            try:
                lines, now[name] = logfiles.read_on(app.host, folders[name], now[name])
            except ChyvesError as error:
                app.report.failed(error, name)
                del now[name]
            else:
                entries += [Entry(name, line) for line in lines]
        for entry in _in_order(entries):
            _show(app, entry)
