# SPDX-License-Identifier: BSD-2-Clause
"""``group``: which groups a guest is in; ``:name`` selects the guests of one."""

import click

from chyves.app import App
from chyves.backend import locks, store
from chyves.commands.forms import misunderstood
from chyves.commands.options import Changing, argument
from chyves.commands.properties import require_no_template
from chyves.errors import Invalid
from chyves.model import layout
from chyves.model.config import ConfigFile
from chyves.model.selector import check_groups, group_names


@click.command("group", cls=Changing)
@argument("words", nargs=-1, metavar="add|remove :GROUP[,...]")
@click.pass_obj
def group(app: App, words: tuple[str, ...]) -> None:
    """Put guests into groups, or take them out."""
    match words:
        case (("add" | "remove") as act, names):
            _change(app, act, _named(names))
        case _:
            raise misunderstood("group", words)


def _named(text: str) -> tuple[str, ...]:
    """Return the groups that a word names. Raises Invalid if it names none."""
    names = group_names(check_groups(text))
    if not names:
        raise Invalid(f"no group is named by {text!r}", hint="name one as :web")
    return names


def _change(app: App, act: str, names: tuple[str, ...]) -> None:
    inventory = app.inventory
    inventory.require_current()
    for guest in inventory.select(app.selector):
        with app.report.item(guest.name), locks.guest_lock(app.host, guest.name):
            guest = store.current(app.host, guest)
            before = guest.groups
            if act == "add":
                after = tuple(dict.fromkeys((*before, *names)))
            else:
                after = tuple(name for name in before if name not in names)
            if after != before:
                require_no_template(guest)
                _write(app, layout.guest_config(guest.pool, guest.name), after)
            said = f"in {', '.join(f':{name}' for name in after)}" if after else "in no group"
            app.report.done(guest.name, said, changed=after != before, groups=list(after))


def _write(app: App, path: str, names: tuple[str, ...]) -> None:
    text = ",".join(names)

    def change(config: ConfigFile) -> ConfigFile:
        return config.set({"groups": text}) if text else config.unset(["groups"])

    store.change_config(app.host, path, change, what=f"groups={text}" if text else "no groups")
