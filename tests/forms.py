# SPDX-License-Identifier: BSD-2-Clause
"""Which form of which command a line is, and which forms change something: by these, tests find
what they leave out."""

import re
from collections.abc import Iterable

import click

from chyves.commands.options import Changing
from chyves.commands.table import GUEST_VERBS, TOP_COMMANDS, Entry
from tests.documents import synopses

OPTIONS = {"--yes", "-y", "--json", "--dry-run", "-n", "-q", "-H", "-p"}
"""Options that any line may have."""

_TOKEN = re.compile(r"\[,\.\.\.\]| \[\.\.\.\]| \[|[][| ]|<[^>]+>|\{\w\}|[^][|<{ ]+")


def form_of(line: str) -> str:
    """Return the form of a line, as the synopsis has it. Raises LookupError if there is none."""
    words = [word for word in line.split() if word not in OPTIONS]
    said = " ".join(_without_options(words))
    forms = synopses()
    found = [form for form in forms if _pattern(form).fullmatch(" ".join(words))] or [
        form for form in forms if _pattern(form).fullmatch(said)
    ]
    if words and words[0] in TOP_COMMANDS:
        found = [form for form in found if form.split()[0] == words[0]]
    if not found:
        raise LookupError(f"no form of any command: {line}")
    return min(found, key=lambda form: form.count("<"))


def _without_options(words: list[str]) -> list[str]:
    """Leave out the options that a verb has besides its forms, with their values."""
    entry = next((e for e in map(_entry, words[:2]) if e), None)
    options = {o: p for p in (entry.load().params if entry else ()) for o in p.opts}
    left, rest = [], list(words)
    while rest:
        word = rest.pop(0)
        option = options.get(word) if word.startswith("--") else None
        if not isinstance(option, click.Option):
            left.append(word)
        elif not option.is_flag and rest:
            rest.pop(0)
    return left


def _entry(word: str) -> Entry | None:
    return TOP_COMMANDS.get(word) or GUEST_VERBS.get(word)


def forms_of(lines: Iterable[str]) -> set[str]:
    return {form_of(line) for line in lines}


def changing_forms(reading: Iterable[str]) -> set[str]:
    """Return the forms that change something, or may: all of commands that only change, and of the
    others those that are not the form of a line that only reads."""
    only_look = forms_of(reading)
    entries: list[Entry] = [*TOP_COMMANDS.values(), *GUEST_VERBS.values()]
    changing = {s for e in entries if isinstance(e.load(), Changing) for s in e.synopsis}
    assert not changing & only_look
    return changing | (set(synopses()) - only_look)


def _pattern(form: str) -> re.Pattern[str]:
    """Return a pattern of all lines of a form. A group is open for each word, in which ``|``
    divides, and one for each bracket."""
    pattern, brackets = "(?:", []
    for token in _TOKEN.findall(form):
        match token:
            case "[,...]":
                pattern += "(?:,[^ ]+)*"
            case " [...]":
                pattern += "(?: [^ ]+)*"
            case " [" | "[":
                brackets.append(token)
                pattern += ")(?: (?:" if token == " [" else "(?:(?:"
            case "]":
                pattern += "))?(?:" if brackets.pop() == " [" else "))?"
            case " ":
                pattern += ") (?:"
            case "|":
                pattern += "|"
            case _ if token[0] in "<{":
                pattern += "[^ ]+"
            case _ if token[0] == "-" and len(token) > len("-ce"):
                pattern += f"-[{token[1:]}]+"
            case _:
                pattern += re.escape(token)
    return re.compile(f"{pattern})")
