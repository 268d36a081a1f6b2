# SPDX-License-Identifier: BSD-2-Clause
"""The command line: global options, ``<selector> <verb>``, and exceptions to exit codes."""

import os
import signal
from pathlib import Path

import click
from click.shell_completion import CompletionItem

from chyves.app import App
from chyves.commands.forms import forms_of, in_hint
from chyves.commands.table import GUEST_VERBS, TOP_COMMANDS, Entry
from chyves.errors import ChyvesError, Exit, Interrupted, Invalid
from chyves.model.selector import is_selector
from chyves.model.words import near
from chyves.output import lose_output, stdout, tell


class Lazy(click.Group):
    """A group whose commands are imported when they are used."""

    entries: dict[str, Entry]

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.entries)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        entry = self.entries.get(cmd_name)
        return entry.load() if entry else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(word, entry.summary) for word, entry in self.entries.items()])


class Verbs(Lazy):
    """What can be said behind a selector of guests."""

    entries = GUEST_VERBS

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        from chyves.commands.completion import verbs  # needed by a shell only

        possible = verbs(ctx.obj.selector)
        offered = super().shell_complete(ctx, incomplete)
        return [one for one in offered if one.value.startswith("-") or one.value in possible]

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in self.entries:
            is_command = args[0] in TOP_COMMANDS
            hint = in_hint(args[0]) if is_command else near(args[0], self.entries, "verbs")
            hint = hint or "'chyves help' shows all"
            raise Invalid(f"no such verb: {args[0]}", hint=hint)
        ctx.obj.command = args[0]
        return super().resolve_command(ctx, args)


class Root(Lazy):
    """``chyves <command> ...`` or ``chyves <selector> <verb> ...``."""

    entries = TOP_COMMANDS

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args == [""]:  # a variable of a script that is not set: 0.2.0 helps
            args = ["help"]
        word = args[0]
        if word in self.entries:
            ctx.obj.command = word
            return super().resolve_command(ctx, args)
        if word in GUEST_VERBS:
            if not set(args).isdisjoint(ctx.help_option_names):
                return word, GUEST_VERBS[word].load(), ["--help"]
            raise Invalid(f"{word} of which guest?", hint=in_hint(word))
        if len(args) == 1 and not ctx.resilient_parsing:
            if is_selector(word):
                raise Invalid(f"what about {word}?", hint=f"chyves {word} <verb>; see chyves help")
            raise Invalid(
                f"no such command: {word}",
                hint=near(word, [*self.entries, *GUEST_VERBS], "commands")
                or f"if it is a guest: chyves {word} <verb>; see also 'chyves help'",
            )
        ctx.obj.selector = word
        verbs = Verbs(word, params=_options(), add_help_option=True, options_metavar="")
        return word, verbs, args[1:]

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        from chyves.commands.completion import selectors  # needed by a shell only

        return [*super().shell_complete(ctx, incomplete), *selectors(ctx.obj, incomplete)]


def _options() -> list[click.Parameter]:
    """Return the options that may stand before a command or verb, and behind it."""
    from chyves.commands.options import changing_options, reading_options

    options = [*changing_options(), *reading_options()]
    return list({option.name: option for option in options}.values())


def _root() -> Root:
    from chyves.commands.options import simulate_option

    return Root(
        "chyves",
        params=[simulate_option(), *_options()],
        add_help_option=False,
        context_settings={"max_content_width": 100, "help_option_names": ["-h", "--help"]},
        invoke_without_command=True,
        callback=_no_command,
    )


@click.pass_context
def _no_command(ctx: click.Context) -> None:
    if ctx.invoked_subcommand is None:
        ctx.invoke(TOP_COMMANDS["help"].load())


def run(arguments: list[str], app: App | None = None) -> int:
    """Run one command line and return its exit code."""
    app = app or App()
    app.words = arguments
    stdout.begin()
    try:
        code = _invoke(_with_help_as_a_word(arguments), app)
        stdout.flush()
        if stdout.failure:
            lost = _lost(stdout.failure)
            return code or lost
        _remind(app)
        return code
    except BrokenPipeError as error:
        return _lost(error)
    except OSError as error:
        return _bug(error, app) if error.filename else _lost(error)
    except KeyboardInterrupt:  # while it is told
        tell("chyves: interrupted\n")
        return int(Exit.INTERRUPTED)
    except Exception as error:
        return _bug(error, app)


def _with_help_as_a_word(arguments: list[str]) -> list[str]:
    """Return the words with the command help in place of --help, if no command is before that."""
    for number, word in enumerate(arguments):
        if word in ("-h", "--help"):
            return [*arguments[:number], "help", *arguments[number + 1 :]]
        if not (word.startswith("-") or arguments[number - 1 : number] == ["--simulate"]):
            break
    return arguments


def _remind(app: App) -> None:
    """Tell of a newer chyves, if the host is set to look for one (check_for_updates)."""
    if app.settings.get("check_for_updates", "off") != "off" and app.is_typed:
        from chyves.commands.selfupgrade import remind

        remind(app)


def _lost(error: OSError) -> int:
    """Tell that output went nowhere, unless nobody was to read it; return the exit code."""
    lose_output()
    if isinstance(error, BrokenPipeError):
        return 128 + signal.SIGPIPE
    tell(f"chyves: cannot write the output: {error.strerror}\n")
    tell("hint: what was asked may have been done; look with chyves list\n")
    return int(Exit.FAILED)


def _invoke(words: list[str], app: App) -> int:
    root = _root()
    try:
        if "_CHYVES_COMPLETE" in os.environ:
            root.main(words, prog_name="chyves", obj=app)
        with root.make_context("chyves", words, obj=app) as context:
            root.invoke(context)
    except click.exceptions.Exit as error:
        return error.exit_code
    except (ChyvesError, click.ClickException) as error:
        app.output.json |= _wants_json(words)
        app.report.failed(error if isinstance(error, ChyvesError) else _usage(error))
    except (click.Abort, KeyboardInterrupt):
        app.report.failed(Interrupted("interrupted"))
        app.finish()
        return int(Exit.INTERRUPTED)
    return int(app.finish())


def _wants_json(words: list[str]) -> bool:
    """Tell whether JSON is asked for in a line that could not be read to its end."""
    return "--json" in words[: words.index("--") if "--" in words else len(words)]


def _usage(error: click.ClickException) -> Invalid:
    hint = ""
    if isinstance(error, click.UsageError) and error.ctx:
        word = error.ctx.info_name or ""
        hint = in_hint(word) if forms_of(word) else "'chyves help' shows all"
    said = " ".join(error.format_message().split())  # click's lists of choices have lines
    return Invalid(said.rstrip("."), hint=hint)


def _bug(error: Exception, app: App) -> int:
    import traceback  # needed after a bug only

    if app.output.verbose:
        traceback.print_exc()
    last = traceback.extract_tb(error.__traceback__)[-1]
    place = f"{Path(last.filename).name}:{last.lineno}"
    app.note(1, f"bug: {type(error).__name__}: {error} ({place})")
    tell(f"chyves: bug: {type(error).__name__}: {error} ({place})\n")
    tell("hint: run it again with -v and report what it prints\n")
    return int(Exit.BUG)
