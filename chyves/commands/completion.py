# SPDX-License-Identifier: BSD-2-Clause
"""What a shell offers for the word that is typed: what the table of commands has in its place, and
the names that this host has."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial

import click
from click.core import ParameterSource
from click.shell_completion import CompletionItem

from chyves.app import App
from chyves.commands.forms import entries_of, next_tokens
from chyves.commands.table import GUEST_VERBS, TOP_COMMANDS
from chyves.model import layout, places
from chyves.model.properties import SHARED, Scope, find, known_names, settable
from chyves.model.selector import ALL, BOOT, GROUP, is_selector

LIST = "[,...]"
"""Ends what may be a list with commas."""

Words = Sequence[str]


def offer(ctx: click.Context, beginning: str) -> list[CompletionItem]:
    """Return what a word of a command that begins so can be, by what the table has in its place."""
    words, command = _typed(ctx), ctx.info_name or ""
    entries = [one for one in entries_of(command) if one.load() is ctx.command]
    forms = [form for entry in entries for form in entry.synopsis if _takes(form, ctx.obj.selector)]
    choices = [
        choice for token in next_tokens(command, forms, words) for choice in token.split("|")
    ]
    offered = []
    for choice in dict.fromkeys(choices):
        offered += _quietly(ctx.obj, partial(_choice, ctx, words, choice, beginning))
    return list({item.value: item for item in offered}.values())


def _typed(ctx: click.Context) -> list[str]:
    """Return the arguments before the word that is typed."""
    typed: list[str] = []
    for param in ctx.command.params:
        name = param.name or ""
        if isinstance(param, click.Argument) and _is_typed(ctx, name):
            value = ctx.params[name]
            typed += value if isinstance(value, tuple) else [str(value)]
    return typed


def _is_typed(ctx: click.Context, name: str) -> bool:
    return ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE


def _quietly(app: App, look: Callable[[], list[CompletionItem]]) -> list[CompletionItem]:
    """Return what there is to offer; nothing, rather than a complaint, if that cannot be found."""
    app.output.quiet = True
    try:
        return look()
    except Exception:
        return []


def _choice(ctx: click.Context, words: Words, choice: str, beginning: str) -> list[CompletionItem]:
    """Return what may stand for one choice of a token such as ``<guest>[,...]|all``."""
    if choice == "<file>":
        return [CompletionItem(beginning, type="file")]
    if choice == "<property>=<value>":
        return _that_begin(_assignments(ctx, beginning), beginning)
    if choice == "@<first>%<last>":
        labels = _labels(ctx, words) if "%" in beginning else []
        return _that_begin([label.removeprefix("@") for label in labels], beginning, "%")
    look = _NAMES.get(choice.removesuffix(LIST))
    names = look(ctx, words) if look else [choice] if choice.isalpha() else []
    return _that_begin(names, beginning, "," if choice.endswith(LIST) else "")


def _that_begin(names: Iterable[str], beginning: str, between: str = "") -> list[CompletionItem]:
    """Return the names that go on as was begun; of a list with something ``between``, those that
    are not named yet behind the last of it."""
    head, mark, last = beginning.rpartition(between) if between else ("", "", beginning)
    said = head.split(between) if between else ()
    fit = [name for name in names if name.startswith(last) and name not in said]
    return [CompletionItem(head + mark + name) for name in fit]


# -- names of this host -------------------------------------------------------------------------


def _guests(app: App) -> list[str]:
    """Return the names of all guests and groups."""
    inventory = app.inventory
    return [*inventory.names, *(f"{GROUP}{group}" for group in inventory.groups())]


def _pools(ctx: click.Context, _: Words) -> list[str]:
    inventory = ctx.obj.inventory
    if ctx.info_name != "dataset":
        return [pool.name for pool in inventory.pools]
    from chyves.backend import zfs

    return [name for name in zfs.top_datasets(ctx.obj.host) if "/" not in name]


def _media(ctx: click.Context, _: Words) -> list[str]:
    there = map(places.classify, ctx.obj.inventory.datasets)
    kind = "Firmware" if ctx.info_name == "firmware" else "ISO"
    return [one.name for one in there if isinstance(one, places.Resource) and one.kind == kind]


def _labels(ctx: click.Context, _: Words) -> list[str]:
    from chyves.backend import snapshots

    chosen = ctx.obj.inventory.select(ctx.obj.selector)
    roots = [layout.guest_dataset(guest.pool, guest.name) for guest in chosen]
    return [one.label for one in snapshots.taken(ctx.obj.host, roots) if one.dataset in roots]


def _disks(ctx: click.Context, _: Words) -> list[str]:
    inventory = ctx.obj.inventory
    return list(inventory.numbered_disks(inventory.single(ctx.obj.selector)))


def _bridges(ctx: click.Context, _: Words) -> list[str]:
    from chyves.backend import wiring

    return list(wiring.associations(ctx.obj.inventory).bridges)


def _uplinks(ctx: click.Context, _: Words) -> list[str]:
    from chyves.backend import net

    return [name for name, one in net.interfaces(ctx.obj.host).items() if one.leads_out]


def _taps(ctx: click.Context, words: Words) -> list[str]:
    """Return the taps of a bridge or of guests, or those that a bridge can get."""
    from chyves.backend import wiring

    inventory = ctx.obj.inventory
    who, act = words
    on_bridge = wiring.associations(inventory).bridge(who).taps
    if act == "unjoin":
        return list(on_bridge)
    if act == "join":
        return [tap for tap in wiring.owners(inventory) if tap not in on_bridge]
    chosen = inventory.select(who) if act == "remove" else ()
    return [tap for guest in chosen for tap in guest.net_ifaces()]


def _commands(_: click.Context, __: Words) -> list[str]:
    return [*TOP_COMMANDS, *GUEST_VERBS]


_NAMES: Mapping[str, Callable[[click.Context, Words], list[str]]] = {
    "<guest>": lambda ctx, _: _guests(ctx.obj),
    ":<group>": lambda ctx, _: [name for name in _guests(ctx.obj) if name.startswith(GROUP)],
    "<pool>": _pools,
    "<iso>": _media,
    "<name>": _media,
    "@<name>": _labels,
    "disk{n}": _disks,
    "bridge{n}": _bridges,
    "bridge{m}": _bridges,
    "<interface>": _uplinks,
    "tap{n}": _taps,
    "<command>": _commands,
    "<property>": lambda ctx, _: _properties(ctx),
}


def selectors(app: App, beginning: str) -> list[CompletionItem]:
    """Offer what a line about guests begins with."""

    guests = _quietly(app, lambda: _that_begin([*_guests(app), BOOT], beginning, ","))
    return [*guests, *_that_begin([ALL, *SHARED], beginning)]


def verbs(selector: str) -> list[str]:
    """Return the verbs that go with what a line begins with: few do with ``global``."""
    return [
        verb
        for verb, entry in GUEST_VERBS.items()
        if any(_takes(form, selector) for form in entry.synopsis)
    ]


def _takes(form: str, selector: str) -> bool:
    """Tell whether a form of a command is for what a line begins with; what is for ``all`` is for
    groups too, and for those that start with the host."""
    who = form.split()[0].split("|")
    if selector in (*SHARED, ALL):
        return selector in who
    if GROUP in selector or BOOT in selector.split(","):
        return ALL in who
    return not is_selector(selector) or f"<guest>{LIST}" in who


# -- properties ---------------------------------------------------------------------------------


def _properties(ctx: click.Context) -> list[str]:
    """Return the properties that can be looked at, or removed."""
    scope, own = _scope(ctx), _own_properties(ctx)
    if ctx.info_name != "unset":
        return [*_plain(known_names(scope)), *own]
    return [name for name in own if not (row := find(name, scope)) or row.may_be_unset(scope)]


def _own_properties(ctx: click.Context) -> list[str]:
    """Return the properties in the files that are looked at."""
    inventory = ctx.obj.inventory
    if ctx.obj.selector in SHARED:
        return list(inventory.globals if ctx.obj.selector == "global" else inventory.defaults)
    chosen = inventory.select(ctx.obj.selector) if ctx.obj.selector else inventory.guests
    return [name for guest in chosen for name in guest.config]


def _assignments(ctx: click.Context, beginning: str) -> list[str]:
    """Return the properties that can be set, each with its ``=``, or behind that its values."""
    scope = _scope(ctx)
    name, equals, _value = beginning.partition("=")
    if equals:
        row = find(name, scope)
        return [f"{name}={one}" for one in row.kind.choices] if row else []
    return [f"{one}=" for one in _plain(row.name for row in settable(scope))]


def _scope(ctx: click.Context) -> Scope:
    return SHARED.get(ctx.obj.selector, Scope.GUEST)


def _plain(names: Iterable[str]) -> list[str]:
    return [name for name in names if "{n}" not in name]
