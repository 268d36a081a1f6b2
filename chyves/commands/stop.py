# SPDX-License-Identifier: BSD-2-Clause
"""``stop`` and ``reclaim``: end guests, gracefully or not."""

import click

from chyves.app import App
from chyves.commands import ending
from chyves.commands.options import Changing, argument
from chyves.errors import Invalid


@click.command("stop", cls=Changing)
@argument("how", required=False, metavar="[force]")
@click.option(
    "--timeout",
    type=click.IntRange(0, 86400),
    metavar="SECONDS",
    help="In place of stop_timeout; 0 never takes the power.",
)
@click.option(
    "--within",
    type=click.IntRange(1, 86400),
    metavar="SECONDS",
    help="End all within so many seconds, in the order of rcboot backwards.",
)
@click.option("--no-wait", is_flag=True, help="Press the power button and go on.")
@click.pass_obj
def stop(app: App, how: str | None, timeout: int | None, within: int | None, no_wait: bool) -> None:
    """Press the power button of guests and wait until they have ended, or take their power after
    stop_timeout; with force, take it at once."""
    if how not in (None, "force"):
        raise Invalid(f"no such way to stop: {how}", hint="chyves <guest> stop [force]")
    if within is not None:
        if how or no_wait or timeout is not None:
            raise Invalid("--within goes with no other way to stop", hint="leave the others out")
        from chyves.commands.boot import shut_down

        shut_down(app, app.inventory.select(app.selector, whatever=True), within)
        return
    _end(app, force=how == "force", limit=timeout, wait=not no_wait)


@click.command("reclaim", cls=Changing)
@click.pass_obj
def reclaim(app: App) -> None:
    """End guests at once and take back what they have left in the kernel."""
    _end(app, force=True, limit=None, wait=True)


def _end(app: App, *, force: bool, limit: int | None, wait: bool) -> None:
    chosen = app.inventory.select(app.selector, whatever=True)
    asked = ending.ask(app, chosen, force=force, limit=limit)
    if app.host.plan is not None:
        return
    if not wait:
        for one in asked:
            app.report.done(one.name, "asked to stop")
        return
    for _ in ending.wait_for_ends(app, asked):
        pass
