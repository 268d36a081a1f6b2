# SPDX-License-Identifier: BSD-2-Clause
"""``wait``: until guests run, or have ended."""

import time

import click

from chyves.app import App
from chyves.backend import guests
from chyves.commands.options import Reading
from chyves.errors import Precondition

PAUSE = 0.1
"""Seconds between two looks."""


@click.command("wait", cls=Reading)
@click.option(
    "--for",
    "phase",
    type=click.Choice(["running", "stopped"]),
    required=True,
    help="What to wait for.",
)
@click.option(
    "--timeout",
    type=click.IntRange(0),
    metavar="SECONDS",
    help="How long to wait; without it for ever.",
)
@click.pass_obj
def wait(app: App, phase: str, timeout: int | None) -> None:
    """Wait until guests run, or have ended."""
    names = [guest.name for guest in app.inventory.select(app.selector)]
    deadline = float("inf") if timeout is None else time.monotonic() + timeout
    left = list(names)
    app.report.data = []
    while True:
        seen = guests.statuses(app.host, left)
        for name in [name for name in left if _is(seen[name], phase)]:
            left.remove(name)
            app.output.line(f"{name}: {phase}" if app.output.headers else f"{name}\t{phase}")
            app.report.data.append({"name": name, "phase": seen[name].phase})
        if not left or time.monotonic() >= deadline:
            break
        time.sleep(PAUSE)
    for name in left:
        with app.report.item(name):
            raise Precondition(
                f"not {phase} after {timeout} seconds, but {seen[name].phase}",
                hint="chyves list shows what each guest is doing",
            )


def _is(now: guests.Status, phase: str) -> bool:
    return now.is_down if phase == "stopped" else bool(now.bhyve) and now.phase != "loading"
