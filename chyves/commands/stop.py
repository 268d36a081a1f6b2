# SPDX-License-Identifier: BSD-2-Clause
"""``stop`` and ``reclaim``: end guests, gracefully or not."""

from functools import partial

import click

from chyves.app import App
from chyves.backend import guests, locks, vmm
from chyves.commands.options import Changing
from chyves.errors import Busy, Invalid
from chyves.model import layout

FORCED_SECONDS = 20.0
"""Longer than the supervisor gives a forced power-off before it kills bhyve."""


@click.command("stop", cls=Changing)
@click.argument("how", required=False, metavar="[force]")
@click.option(
    "--timeout",
    type=click.IntRange(min=0),
    default=60,
    metavar="SECONDS",
    help="How long to wait for guests to end (60).",
)
@click.option("--no-wait", is_flag=True, help="Press the power button and go on.")
@click.pass_obj
def stop(app: App, how: str | None, timeout: int, no_wait: bool) -> None:
    """Press the power button of guests and wait until they have ended; with force, take the power
    away."""
    if how not in (None, "force"):
        raise Invalid(f"no such way to stop: {how}", hint="chyves <guest> stop [force]")
    _end(app, force=how == "force", seconds=0 if no_wait else timeout, wait=not no_wait)


@click.command("reclaim", cls=Changing)
@click.pass_obj
def reclaim(app: App) -> None:
    """End guests at once and take back what they have left in the kernel."""
    _end(app, force=True, seconds=FORCED_SECONDS, wait=True)


def _end(app: App, *, force: bool, seconds: float, wait: bool) -> None:
    names = [guest.name for guest in app.inventory.select(app.selector)]
    before = guests.statuses(app.host, names)
    asked = []
    for name in names:
        with app.report.item(name):
            now = before[name]
            if now.is_down:
                _clean_up(app, name, now)
                continue
            ask = partial(guests.ask_to_stop, app.host, name, now, force=force)
            app.host.note(f"{'power off' if force else 'press the power button of'} {name}", ask)
            asked.append(name)
    if app.host.plan is not None:
        return
    if not wait:
        for name in asked:
            app.report.done(name, "asked to stop")
        return
    _report_ends(app, asked, max(seconds, FORCED_SECONDS) if force else seconds)


def _report_ends(app: App, asked: list[str], seconds: float) -> None:
    ended = set()
    for name in guests.wait_until_down(app.host, asked, seconds):
        ended.add(name)
        with app.report.item(name), locks.guest_lock(app.host, name):
            now = guests.status(app.host, name)
            if now.is_down and now.has_vm:
                vmm.destroy(app.host, layout.vm_name(name))
            app.report.done(name, "stopped", reason=now.reason)
    for name in asked:
        if name not in ended:
            with app.report.item(name):
                raise Busy(
                    f"still running after {seconds:.0f} seconds",
                    hint=f"it may ignore its power button: chyves {name} stop force",
                )


def _clean_up(app: App, name: str, now: guests.Status) -> None:
    """Take a VM that nobody runs out of the kernel."""
    if not now.has_vm:
        app.report.done(name, "not running", changed=False)
        return
    with locks.guest_lock(app.host, name):
        if guests.status(app.host, name).is_down:
            vmm.destroy(app.host, layout.vm_name(name))
    app.report.done(name, "reclaimed from the kernel")
