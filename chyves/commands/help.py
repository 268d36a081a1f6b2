# SPDX-License-Identifier: BSD-2-Clause
"""``help`` and ``version``: they need no root, no pool and no FreeBSD."""

import click

from chyves import __version__
from chyves.app import App
from chyves.commands.forms import entries_of
from chyves.commands.options import Reading, argument
from chyves.commands.table import GUEST_VERBS, TOP_COMMANDS, Entry
from chyves.errors import Invalid
from chyves.model.layout import DATASET_VERSION, GUEST_VERSION
from chyves.model.words import near

LEGEND = (
    ("<guest>", "the name of one guest"),
    ("<guest>[,...]", "one name, or several with commas between"),
    (":<group>", "the guests of a group, also in a list"),
    ("rcboot", "the guests that start at boot, also in a list"),
    ("all", "every guest"),
    ("[ ]", "may be left out"),
    ("a|b", "a or b"),
    ("{n}", "a number"),
)


@click.command("version", cls=Reading)
@click.pass_obj
def version(app: App) -> None:
    """Show versions."""
    facts = versions(app)
    app.report.data = {name.replace(" ", "_"): value for name, value in facts.items()}
    for name, value in facts.items():
        app.output.line(f"{name}: {value}" if app.output.headers else f"{name}\t{value}")


def versions(app: App) -> dict[str, str]:
    """Return the versions of chyves, of what it keeps, and of the host."""
    facts = {
        "chyves": __version__,
        "dataset version": DATASET_VERSION,
        "guest version": GUEST_VERSION,
        "host": app.host.system(),
    }
    if app.host.simulated:
        facts["simulated in"] = str(app.host.simulated)
    return facts


@click.command("help", cls=Reading)
@argument("command", required=False)
@click.pass_context
def help_command(ctx: click.Context, command: str | None) -> None:
    """Show the whole command language, or one command with its options."""
    app: App = ctx.obj
    if command:
        _explain(ctx, command)
        return
    app.report.data = {
        "version": __version__,
        "commands": [_as_data(word, entry) for word, entry in _entries()],
    }
    app.output.line(f"chyves {__version__}, bhyve virtual-machine manager\n")
    app.output.line("COMMANDS:")
    for _, entry in _entries():
        for synopsis in entry.synopsis:
            app.output.line(f"  chyves {synopsis}")
        app.output.line(f"      {entry.summary}")
    app.output.line("\nWORDS:")
    for word, meaning in LEGEND:
        app.output.line(f"  {word:<14}{meaning}")
    app.output.line("\nOptions of each command: chyves help <command>. More: man chyves")


def _explain(ctx: click.Context, word: str) -> None:
    entries = entries_of(word)
    if not entries:
        hint = near(word, dict(_entries()), "commands") or "'chyves help' shows all"
        raise Invalid(f"no such command: {word}", hint=hint)
    app: App = ctx.obj
    data = [_as_data(word, entry) for entry in entries]
    app.report.data = {"version": __version__, "commands": data}
    for entry in entries:
        command = entry.load()
        with command.make_context(word, [], parent=ctx.parent, resilient_parsing=True) as context:
            app.output.line(command.get_help(context))


def _entries() -> list[tuple[str, Entry]]:
    return sorted([*TOP_COMMANDS.items(), *GUEST_VERBS.items()])


def _as_data(word: str, entry: Entry) -> dict[str, object]:
    return {"word": word, "synopsis": list(entry.synopsis), "summary": entry.summary}
