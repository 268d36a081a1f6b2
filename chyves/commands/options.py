# SPDX-License-Identifier: BSD-2-Clause
"""The options that many verbs share, and the two kinds of verbs."""

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import click

from chyves.app import App
from chyves.commands.forms import entries_of
from chyves.errors import Invalid


def _into(
    setter: Callable[[App, Any], None],
) -> Callable[[click.Context, click.Parameter, Any], Any]:
    def callback(ctx: click.Context, param: click.Parameter, value: Any) -> Any:
        if value:
            setter(ctx.obj, value)
        return value

    return callback


def _flag(names: list[str], text: str, setter: Callable[[App, Any], None]) -> click.Option:
    return click.Option(
        names, is_flag=True, expose_value=False, callback=_into(setter), help=text, is_eager=True
    )


def _set_output(name: str, value: bool) -> Callable[[App, Any], None]:
    return lambda app, _: setattr(app.output, name, value)


class Directory(click.Path):
    """A directory, there or to be made. Nothing is none: as from a variable that is not set."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not value:
            self.fail("no directory is named", param, ctx)
        return super().convert(value, param, ctx)


def simulate_option() -> click.Option:
    return click.Option(
        ["--simulate"],
        metavar="DIR",
        type=Directory(path_type=Path, file_okay=False),
        expose_value=False,
        is_eager=True,
        default=lambda: os.environ.get("CHYVES_SIMULATE") or None,
        callback=_into(lambda app, directory: app.simulate(directory)),
        help="Work on the FreeBSD host simulated in DIR.",
    )


def talk_options(*, short: bool = True) -> list[click.Parameter]:
    return [
        _flag(
            ["-q", "--quiet"] if short else ["--quiet"],
            "Say nothing but data, results and errors.",
            _set_output("quiet", True),
        ),
        _flag(
            ["-v", "--verbose"] if short else ["--verbose"],
            "Say more.",
            _set_output("verbose", True),
        ),
        _flag(["--json"], "Report as JSON.", _set_output("json", True)),
    ]


def reading_options(*, short: bool = True) -> list[click.Parameter]:
    return [
        *talk_options(short=short),
        _flag(
            ["-H", "--no-headers"],
            "Tab-separated, without a header line.",
            _set_output("headers", False),
        ),
        _flag(
            ["-p", "--exact"] if short else ["--exact"],
            "Sizes in bytes, times in seconds; properties and logs as they are.",
            _set_output("exact", True),
        ),
    ]


def changing_options() -> list[click.Parameter]:
    return [
        *talk_options(),
        _flag(
            ["-n", "--dry-run"],
            "Show what would be run, and run nothing.",
            lambda app, _: app.dry_run(),
        ),
        _flag(["-y", "--yes"], "Do not ask.", _set_output("yes", True)),
    ]


def argument(*names: str, may_be_empty: bool = False, **settings: Any) -> Callable[[Any], Any]:
    """Declare an argument of a command, completed by what the table has in its place. A word that
    is there and empty is refused: it does not mean what no word means."""
    callback = None if may_be_empty else _check_words
    return click.argument(*names, shell_complete=_complete, callback=callback, **settings)


def _check_words(ctx: click.Context, _: click.Parameter, value: Any) -> Any:
    if not ctx.resilient_parsing:
        refuse_empty(value if isinstance(value, tuple) else (value,))
    return value


def refuse_empty(words: Iterable[object]) -> None:
    """Raise Invalid if one of the words is empty."""
    if "" in words:
        raise Invalid("a word is empty", hint="as from a variable that is not set; or leave it out")


def _complete(ctx: click.Context, _: click.Parameter, beginning: str) -> list[Any]:
    from chyves.commands.completion import offer  # needed by a shell only

    return offer(ctx, beginning)


class Verb(click.Command):
    """A command whose help begins with all of its forms."""

    def format_usage(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        prefix = "Usage: "
        entries = [one for one in entries_of(ctx.info_name or "") if one.load() is self]
        for form in (form for entry in entries for form in entry.synopsis):
            formatter.write_usage("chyves", f"{form} [options]", prefix)
            prefix = " " * len(prefix)


class Reading(Verb):
    """A verb that only looks: it needs no root and starts a fixed number of programs."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.params.extend(reading_options())


class Mixed(Verb):
    """A word under which some forms only look and others change something."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        options = {option.name: option for option in [*reading_options(), *changing_options()]}
        self.params.extend(options.values())


class Changing(Verb):
    """A verb that changes something: it needs root, and says with --dry-run what it would do."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.params.extend(changing_options())

    def invoke(self, ctx: click.Context) -> Any:
        ctx.obj.require_root()
        return super().invoke(ctx)
