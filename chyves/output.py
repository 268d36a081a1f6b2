# SPDX-License-Identifier: BSD-2-Clause
"""For people and for machines: what is printed, and where. Data on stdout, talk on stderr."""

import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import click

from chyves.errors import ChyvesError, Exit, NotPermitted
from chyves.model.kinds import format_bytes
from chyves.model.visible import as_column, visible

SCHEMA = 1
"""Number of the JSON envelope; chyves(8) describes it."""

Row = Sequence[object]


class Stdout:
    """The standard output of a command line. One that changes something ``goes_on`` when nothing
    can be written any more: the rest of what it prints is lost then, and ``failure`` says why."""

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """Begin another command line."""
        self.goes_on = False
        self.failure: OSError | None = None

    def write(self, text: str) -> None:
        with self._kept_going():
            sys.stdout.write(text)

    def flush(self) -> None:
        with self._kept_going():
            sys.stdout.flush()

    @contextmanager
    def _kept_going(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if not self.goes_on:
                raise
            lose_output()
            self.failure = self.failure or error


stdout = Stdout()


def lose_output() -> None:
    """Let what is printed from here on, and what was not written yet, go nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


class Output:
    """Where a command talks. Set once from the options of the command line."""

    def __init__(self) -> None:
        self.json = False
        self.headers = True
        self.exact = False
        self.quiet = False
        self.verbose = False
        self.yes = False
        self.asks = True

    def obey(self, settings: Mapping[str, str]) -> None:
        """Talk as the host's properties have it (stdout_level, prompt_on_destruction), where the
        command line says nothing of it."""
        if not (self.quiet or self.verbose):
            self.quiet = settings["stdout_level"] == "0"
            self.verbose = settings["stdout_level"] == "3"
        self.asks = settings["prompt_on_destruction"] == "yes"

    def line(self, text: str) -> None:
        """Print a line of data."""
        if not self.json:
            stdout.write(f"{_talk(text)}\n")

    def flush(self) -> None:
        """Let a reader have what was printed so far."""
        stdout.flush()

    def say(self, text: str) -> None:
        """Tell a person what happens; not with -q."""
        if not self.quiet:
            tell(f"{text}\n")

    def detail(self, text: str) -> None:
        """Tell more, with -v."""
        if self.verbose:
            self.say(text)

    def complain(self, error: ChyvesError, about: str = "") -> None:
        """Tell of a failure, even with -q."""
        prefix = f"chyves: {about}: " if about else "chyves: "
        tell(f"{prefix}{error.message}\n")
        if error.hint:
            tell(f"hint: {error.hint}\n")

    def moment(self, seconds: float) -> str:
        """Return a time for a table: to the minute where the host is, or exact since 1970."""
        if self.exact:
            return str(int(seconds))
        return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))

    def table(
        self, headers: Sequence[str], rows: Sequence[Row], *, cut: int = 0, paged: bool = False
    ) -> None:
        """Print a table: aligned for people, lines cut to ``cut`` columns and through a pager if
        asked for; or with -H tab-separated without a header line. Control characters in cells are
        written out."""
        if self.json:
            return
        if not self.headers:
            lines = ["\t".join(as_column(str(cell)) for cell in row) for row in rows]
        else:
            import tabulate

            cells = [[visible(str(cell)) for cell in row] for row in rows]

            tabulate.MIN_PADDING = 0
            text = tabulate.tabulate(
                cells,
                list(headers),
                tablefmt="plain",
                disable_numparse=True,
                preserve_whitespace=True,
            )
            lines = [line.rstrip() for line in text.splitlines()]
        if cut and self.headers:
            lines = [line[:cut].rstrip() for line in lines]
        if paged and sys.stdout.isatty():
            page(lines)
        else:
            for line in lines:
                self.line(line)

    @contextmanager
    def progress(self, label: str, total: Callable[[], int]) -> Iterator[Callable[[int], None]]:
        """Yield what is to be told the bytes that were moved; a terminal shows how many of
        ``total`` (0 if nobody knows) that is, how fast it goes and how long it will take."""
        if self.quiet or self.json or not sys.stderr.isatty():
            yield lambda _: None
            return
        began, moved = time.monotonic(), 0

        def rate(_: object) -> str:
            seconds = max(time.monotonic() - began, 0.001)
            return f"{format_bytes(moved)}, {format_bytes(int(moved / seconds))}/s"

        length = total()
        with click.progressbar(
            length=length or 1,
            label=label,
            file=sys.stderr,
            item_show_func=rate,
            show_percent=length > 0,
            show_eta=length > 0,
            bar_template="%(label)s  [%(bar)s]  %(info)s" if length else "%(label)s  %(info)s",
        ) as bar:

            def advance(count: int) -> None:
                nonlocal moved
                moved += count
                bar.update(count)

            yield advance

    def ask(self, question: str) -> str:
        """Return what a person types; nothing where nobody is to be asked."""
        if self.yes or self.json or not (sys.stdin.isatty() and sys.stderr.isatty()):
            return ""
        stdout.flush()
        answer: str = click.prompt(question, default="", show_default=False, err=True)
        return answer

    def confirm(self, question: str) -> None:
        """Ask before something is lost. Raises NotPermitted on no, or where nobody can answer."""
        if self.yes or not self.asks:
            return
        if not (sys.stdin.isatty() and sys.stderr.isatty()):
            raise NotPermitted(
                f"not without a confirmation: {question}", hint="add --yes to go ahead"
            )
        stdout.flush()
        if not click.confirm(question, default=False, err=True):
            raise NotPermitted("not done")


def tell(text: str) -> None:
    """Write a line to a person, behind the data so far. Nobody to hear it is no reason to stop."""
    stdout.flush()
    try:
        sys.stderr.write(_talk(text))
    except OSError:
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115


def _talk(text: str) -> str:
    return visible(text, keep="\t\n")


class Report:
    """What became of each target of a verb; one exit code sums it up."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._codes: list[Exit] = []
        self._results: list[dict[str, Any]] = []
        self._errors: list[dict[str, Any]] = []
        self._warnings: list[str] = []
        self._touched = False
        self.data: Any = None
        """What a reading verb found, ready for JSON."""
        self.target = ""
        """What is worked on at the moment."""
        self.listen: Callable[[int, str, str], None] = lambda *_: None
        """Is told the level, the text and the target of each result, failure and warning."""

    @contextmanager
    def item(self, name: str) -> Iterator[None]:
        """Surround the work on one target: its failure is reported and does not stop the others."""
        outer, self.target = self.target, name
        try:
            yield
        except ChyvesError as error:
            self.failed(error, name)
        finally:
            self.target = outer

    def failed(self, error: ChyvesError, about: str = "") -> None:
        self._output.complain(error, about)
        self.listen(1, f"failed: {error.message}", about)
        self._codes.append(error.code)
        self._errors.append(
            {
                "target": about or None,
                "code": error.code.name.lower(),
                "message": error.message,
                "hint": error.hint or None,
            }
        )

    def done(self, name: str, what: str, *, changed: bool = True, **facts: object) -> None:
        """Note and print that ``what`` was done to ``name``, or was so already."""
        self._output.line(visible(f"{name}: {what}"))
        self.listen(1, what, name)
        self._results.append({"target": name, "result": what, "changed": changed, **facts})

    def planned(self, name: str, what: str) -> None:
        """Note what would be done to ``name``, in a dry run that prints the steps alone."""
        self._results.append({"target": name, "result": what, "changed": True})

    def touched(self) -> None:
        """Note that something is changed from here on, whatever fails behind it."""
        self._touched = True

    def warn(self, text: str) -> None:
        self._output.say(f"chyves: {text}")
        self._warnings.append(text)
        self.listen(2, text, self.target)

    def exit_code(self) -> Exit:
        """Return 0, the code that all failures share, or 1."""
        codes = set(self._codes)
        if not codes:
            return Exit.OK
        return codes.pop() if len(codes) == 1 else Exit.FAILED

    def finish(self, command: str, plan: list[str] | None) -> Exit:
        """Print what comes last, a plan or the JSON envelope, and return the exit code."""
        if plan is not None:
            for step in plan:
                self._output.line(step)
        if self._output.json:
            envelope = {
                "schema": SCHEMA,
                "command": command,
                "ok": not self._codes,
                "changed": plan is None and self._has_changed(),
                "data": self.data,
                "results": self._results,
                "plan": plan,
                "warnings": self._warnings,
                "errors": self._errors,
            }
            stdout.write(json.dumps(envelope, indent=2) + "\n")
        return self.exit_code()

    def _has_changed(self) -> bool:
        return self._touched or any(result["changed"] for result in self._results)


def page(lines: Sequence[str]) -> None:
    """Show lines through less(1), which ends by itself if they fit the screen."""
    from chyves.backend.run import PIPE, RealRunner

    pager = RealRunner().spawn(["less", "-F", "-S"], stdin=PIPE, stdout=None, stderr=None)
    try:
        pager.communicate("".join(f"{line}\n" for line in lines).encode())
    except BrokenPipeError:
        pager.wait()


def columns() -> int:
    """Return the width of the terminal in characters; COLUMNS says it too, 80 is the default."""
    import shutil  # needed with -w only

    return shutil.get_terminal_size((80, 24)).columns
