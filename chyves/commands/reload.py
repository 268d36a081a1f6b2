# SPDX-License-Identifier: BSD-2-Clause
"""``reload``: running guests take up changed properties."""

from collections.abc import Sequence
from itertools import chain
from typing import NamedTuple

import click

from chyves.app import App
from chyves.backend import guests, wanted
from chyves.commands import ending
from chyves.commands.launching import Setting, rehearse
from chyves.commands.options import Changing
from chyves.commands.start import Starter, setting_for
from chyves.model import hostchecks
from chyves.model.guest import Guest
from chyves.model.holding import given_back


class _Sorted(NamedTuple):
    """``going`` are to be stopped and started, each known to be able to start again, ``stopped``
    were stopped by an earlier reload and not started. ``setting`` is that of their start, ``lines``
    are the shell lines of it."""

    going: list[Guest]
    stopped: list[Guest]
    setting: Setting
    lines: list[str]


@click.command("reload", cls=Changing)
@click.pass_obj
def reload(app: App) -> None:
    """Stop and start running guests, for changed properties to be taken up."""
    inventory = app.inventory
    going, stopped, setting, lines = _sort(app, inventory.select(app.selector))
    asked = ending.ask(app, going, force=False, limit=None, wish=wanted.AGAIN)
    if app.host.plan is not None:
        app.host.plan += lines
        for guest in (*going, *stopped):
            app.report.planned(guest.name, "running")
        return
    starter = Starter(app, setting)
    for name in chain((guest.name for guest in stopped), ending.wait_for_ends(app, asked)):
        starter.start(inventory.guest(name))
    starter.finish_all()
    _forget(app, [*going, *stopped])


def _sort(app: App, chosen: Sequence[Guest]) -> _Sorted:
    """Tell what is to be done with each guest; where there is nothing to do, that is reported."""
    setting = setting_for(app, app.inventory, chosen)
    found = _Sorted([], [], setting, [])
    left = setting.facts
    now = guests.statuses(app.host, [guest.name for guest in chosen])
    for guest in chosen:
        status = now[guest.name]
        with app.report.item(guest.name):
            was_stopped = wanted.wanted(app.host, guest.name) == wanted.AGAIN
            if not (status.is_live or was_stopped):
                app.report.done(guest.name, "not running", changed=False)
                continue
            free = given_back(status.holding, left)
            found.lines.extend(rehearse(app, setting._replace(facts=free), guest, status))
            left = hostchecks.without(guest, free)
            if medium := status.holding.in_drive:
                app.report.warn(f"{guest.name} starts again without the medium {medium}")
            (found.going if status.is_live else found.stopped).append(guest)
    facts = setting.facts
    for guest in found.going:
        facts = given_back(now[guest.name].holding, facts)
    return found._replace(setting=setting._replace(facts=facts))


def _forget(app: App, chosen: Sequence[Guest]) -> None:
    """Leave those off that could not be started: that is for whoever mends them."""
    names = [guest.name for guest in chosen]
    failed = [name for name in names if wanted.wanted(app.host, name) == wanted.AGAIN]
    wanted.want(app.host, failed, wanted.ON)
