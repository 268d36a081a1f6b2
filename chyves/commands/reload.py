# SPDX-License-Identifier: BSD-2-Clause
"""``reload``: running guests take up changed properties."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import chain

import click

from chyves.app import App
from chyves.backend import guests
from chyves.commands import ending
from chyves.commands.options import Changing
from chyves.commands.start import Setting, Starter, make_plan, setting_for, show_plan
from chyves.model.guest import Guest


@click.command("reload", cls=Changing)
@click.pass_obj
def reload(app: App) -> None:
    """Stop and start running guests, for changed properties to be taken up."""
    inventory = app.inventory
    chosen = inventory.select(app.selector)
    setting = setting_for(app, inventory, chosen)
    # What is free now says nothing: the guests give back what they have.
    setting = setting._replace(facts=replace(setting.facts, available=None))
    going, stopped = _sort(app, setting, chosen)
    asked = ending.ask(app, going, force=False, limit=None)
    if app.host.plan is not None:
        for guest in (*going, *stopped):
            show_plan(app, guest, make_plan(app, setting, guest))
        return
    starter = Starter(app, setting)
    for name in chain((guest.name for guest in stopped), ending.wait_for_ends(app, asked)):
        starter.start(inventory.guest(name))
    starter.finish_all()


def _sort(app: App, setting: Setting, chosen: Sequence[Guest]) -> tuple[list[Guest], list[Guest]]:
    """Return the guests that are to be stopped and started, each known to be able to start again,
    and those that an earlier reload has stopped and not started. The others are reported."""
    going, stopped = [], []
    now = guests.statuses(app.host, [guest.name for guest in chosen])
    for guest in chosen:
        with app.report.item(guest.name):
            if not now[guest.name].is_down:
                make_plan(app, setting, guest)
                guests.mark_reload(app.host, guest.name)
                going.append(guest)
            elif guests.is_reloading(app.host, guest.name):
                stopped.append(guest)
            else:
                app.report.done(guest.name, "not running", changed=False)
    return going, stopped
