# SPDX-License-Identifier: BSD-2-Clause
"""``list``: what there is on this host. Needs no root and nothing set up."""

from collections.abc import Callable, Mapping, Sequence

import click

from chyves.app import App
from chyves.commands import info, networks, resources, snapshot
from chyves.commands.clones import list_clones
from chyves.commands.options import Reading, argument
from chyves.commands.processes import list_processes
from chyves.commands.unfinished import warn_of_unfinished
from chyves.errors import Invalid
from chyves.model.properties import Scope, find
from chyves.model.words import near


@click.command("list", cls=Reading, context_settings={"ignore_unknown_options": True})
@argument("words", nargs=-1, type=click.UNPROCESSED, metavar="[WORD [NAME]]")
@click.pass_obj
def list_command(app: App, words: tuple[str, ...]) -> None:
    """Show all guests; or bridges, clones, defaults, disks, firmware, global properties, groups,
    media, pools, processes, known properties, snapshots; or one property of all guests."""
    if not words:
        list_guests(app)
        return
    _require_no_flags(words)
    word, rest = words[0], words[1:]
    if len(rest) > (1 if word in NARROWED else 0):
        raise Invalid(
            f"list {word} takes no more words: {' '.join(rest)}", hint="see chyves list --help"
        )
    if word in LISTS:
        LISTS[word](app, rest[0] if rest else "")
    else:
        list_property(app, word)


def _require_no_flags(words: Sequence[str]) -> None:
    for word in words:
        if word.startswith("--"):
            raise click.NoSuchOption(word)
        if word.startswith("-"):
            raise Invalid(
                f"list takes no flags for columns: {word}",
                hint="info does: chyves info -h; those of list: "
                "chyves global set default_list_flags=-<flags>",
            )


def list_guests(app: App) -> None:
    inventory = app.inventory
    flags = info.flags_by_default(inventory, "default_list_flags")
    info.show(app, inventory, inventory.guests, flags)
    warn_of_unfinished(app, inventory)


def list_disks(app: App, _: str) -> None:
    inventory = app.inventory
    info.show(app, inventory, inventory.guests, "zdn")


def list_pools(app: App, _: str) -> None:
    inventory = app.inventory
    pools = (*inventory.pools, *inventory.offline)
    app.report.data = [
        {"name": pool.name, "role": pool.role, "version": pool.version} for pool in pools
    ]
    app.output.table(
        ("Pool:", "Role:", "Version:"), [(pool.name, pool.role, pool.version) for pool in pools]
    )


def list_defaults(app: App, _: str) -> None:
    inventory = app.inventory
    inventory.primary()
    _show_values(app, "Guest Default:", inventory.defaults)


def _show_values(app: App, header: str, values: Mapping[str, str]) -> None:
    app.report.data = dict(values)
    app.output.table((header, "Value:"), sorted(values.items()))


def list_global(app: App, name: str) -> None:
    """Show the properties of the pools, and the global ones, which the primary pool keeps."""
    inventory = app.inventory
    pools = [inventory.pool(name)] if name else list(inventory.pools)
    rows: list[tuple[str, str, str, str]] = []
    data = {}
    for pool in pools:
        groups = {"pool": pool.config}
        if pool.role == "primary":
            groups = {"global": inventory.globals, **groups}
        data[pool.name] = {kind: dict(values) for kind, values in groups.items()}
        for kind, values in groups.items():
            rows += [(pool.name, kind, key, value) for key, value in sorted(values.items())]
    app.report.data = data
    app.output.table(("Pool:", "Type:", "Property:", "Value:"), rows)


def list_groups(app: App, _: str) -> None:
    """Show the groups, and which guests are in each."""
    groups = app.inventory.groups()
    app.report.data = [{"name": name, "guests": members} for name, members in groups.items()]
    rows = [(name, ",".join(members)) for name, members in groups.items()]
    app.output.table(("Group:", "Guests:"), rows)


def list_properties(app: App, _: str) -> None:
    """Show which properties the guests have."""
    names = sorted({name for guest in app.inventory.guests for name in guest.config})
    data = []
    for name in names:
        known = find(name, Scope.GUEST)
        data.append({"name": name, "help": known.help if known else None})
    app.report.data = data
    app.output.table(("Property:", "Meaning:"), [(d["name"], d["help"] or "-") for d in data])


def list_property(app: App, name: str) -> None:
    """Show one property of all guests."""
    inventory = app.inventory
    if not find(name, Scope.GUEST) and not any(name in guest.config for guest in inventory.guests):
        names = {key for guest in inventory.guests for key in guest.config}
        hint = near(name, [*LISTS, *names], "lists") or f"lists: {', '.join(LISTS)}, <property>"
        if name in inventory.names:
            hint = f"of a guest: chyves {name} get all, chyves {name} disk list"
        raise Invalid(f"nothing to list: {name}", hint=hint)
    rows = [(guest.name, guest.value(name)) for guest in inventory.guests]
    app.report.data = [{"guest": guest, "value": value} for guest, value in rows]
    app.output.table(("Guest:", f"{name}:"), rows)


def list_snapshots(app: App, name: str) -> None:
    inventory = app.inventory
    chosen = inventory.select(name) if name else list(inventory.guests)
    snapshot.show_snapshots(app, chosen, top_only=not name)


NARROWED = {"global", "processes", "snapshots", "tap"}
"""Lists that take a name behind them."""

LISTS: dict[str, Callable[[App, str], None]] = {
    "bridges": lambda app, _: networks.show_bridges(app),
    "clones": list_clones,
    "defaults": list_defaults,
    "disks": list_disks,
    "firmware": lambda app, _: resources.show(app, "Firmware"),
    "global": list_global,
    "groups": list_groups,
    "iso": lambda app, _: resources.show(app, "ISO"),
    "pools": list_pools,
    "processes": list_processes,
    "properties": list_properties,
    "snapshots": list_snapshots,
    "tap": networks.show_taps,
}
