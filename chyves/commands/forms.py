# SPDX-License-Identifier: BSD-2-Clause
"""The forms of a command, as the table has them: which one was meant, and what it lacks."""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from chyves.commands.table import GUEST_VERBS, TOP_COMMANDS, Entry
from chyves.errors import Invalid
from chyves.model.words import near

SHOWN = 2
"""A hint does not list more forms than this."""


MORE = "[...]"
"""Stands for more words of the kind before it."""


def entries_of(word: str) -> list[Entry]:
    """Return what a word stands for: nothing, a command, a verb of guests, or both."""
    return [table[word] for table in (TOP_COMMANDS, GUEST_VERBS) if word in table]


def forms_of(command: str) -> tuple[str, ...]:
    """Return the synopsis of a command or verb, empty for a word that is none."""
    return tuple(form for entry in entries_of(command) for form in entry.synopsis)


def in_hint(command: str, forms: Iterable[str] = ()) -> str:
    """Return a hint that shows how a command is written."""
    lines = [f"chyves {form}" for form in forms or forms_of(command)]
    return ", or ".join(lines) if len(lines) <= SHOWN else f"chyves help {command}"


class Walk(NamedTuple):
    """How far words go along a form: how many ``fit``, how many of these are ``exact``, its own
    words and not names in their place, and the ``place`` of the token behind them."""

    fit: int
    exact: int
    place: int

    @property
    def nearness(self) -> tuple[int, int]:
        return self.fit, self.exact


def misunderstood(command: str, words: Sequence[str]) -> Invalid:
    """Return what is wrong with the words behind a command that fit none of its forms: something
    is missing, or a word is not one of those that may stand there."""
    forms = {form: _tokens(command, form) for form in forms_of(command)}
    walks = {form: _walk(tokens, words) for form, tokens in forms.items()}
    nearest = max((walk.nearness for walk in walks.values()), default=(0, 0))
    meant = [form for form, walk in walks.items() if walk.nearness == nearest]
    depth = nearest[0]
    nexts = ((forms[form], walks[form].place) for form in meant)
    expected = list(dict.fromkeys(t for tokens, place in nexts for t in tokens[place : place + 1]))
    said = " ".join([command, *words])
    if depth < len(words) and not expected:
        said = " ".join([command, *words[:depth]])
        return Invalid(
            f"{said} takes no more words: {' '.join(words[depth:])}", hint=in_hint(command, meant)
        )
    if depth < len(words):
        literals = [word for token in expected for word in token.split("|") if word.isalpha()]
        hint = near(words[depth], literals, "valid") if literals else ""
        return Invalid(
            f"no such {command} command: {' '.join(words)}", hint=hint or in_hint(command, meant)
        )
    needed = [token for token in expected if not token.startswith("[")]
    return Invalid(
        f"{', '.join(needed) or 'something'} is missing behind '{said}'",
        hint=in_hint(command, meant),
    )


def next_tokens(command: str, forms: Iterable[str], words: Sequence[str]) -> list[str]:
    """Return what may stand behind the words that are there, without brackets: from each form that
    these fit, the tokens up to the first that has to be there. Of these forms those count that have
    the most of the words as their own: ``bridge0`` is a bridge, not a guest."""
    tokens = [
        [token for token in _tokens(command, form) if not token.startswith("[-")] for form in forms
    ]
    walks = [(one, _walk(one, words)) for one in tokens]
    fitting = [(one, walk) for one, walk in walks if walk.fit == len(words)]
    exact = max((walk.exact for _, walk in fitting), default=0)
    return [
        token
        for one, walk in fitting
        if walk.exact == exact
        for token in _possible(one, walk.place)
    ]


def _possible(tokens: Sequence[str], place: int) -> Iterator[str]:
    """Yield the tokens from a place on to the first that has to be there, without brackets."""
    for index in range(place, len(tokens)):
        yield _bare(tokens[index - 1 if tokens[index].startswith(MORE) else index])
        if not tokens[index].startswith("["):
            break


def _bare(token: str) -> str:
    """Return a token without the brackets around it: ``[<iso>]``, or the first of several."""
    if not token.startswith("["):
        return token
    inner = token[1:]
    return inner.removesuffix("]") if inner.count("]") > inner.count("[") else inner


def _tokens(command: str, form: str) -> list[str]:
    """Return what stands behind the command's word in one of its forms."""
    words = form.split()
    return words[words.index(command) + 1 :]


def _walk(tokens: Sequence[str], words: Sequence[str]) -> Walk:
    fit = exact = place = 0
    for word in words:
        if tokens[place : place + 1] and tokens[place].startswith(MORE):
            if _fits(tokens[place - 1], word):
                fit += 1
                continue
            place += 1
        if place == len(tokens) or not _fits(tokens[place], word):
            break
        fit += 1
        exact += _is_own(tokens[place], word)
        place += 1
    return Walk(fit, exact, place)


def _fits(token: str, word: str) -> bool:
    if "=" in token:
        return "=" in word
    return token.startswith("[") or "<" in token or _is_own(token, word)


def _is_own(token: str, word: str) -> bool:
    """Tell whether a word is one of the words of a token, and not a name in its place."""
    choices = (choice for choice in _bare(token).split("|") if "<" not in choice)
    patterns = (re.sub(r"\\\{.*", ".+", re.escape(choice)) for choice in choices)
    return any(re.fullmatch(pattern, word) for pattern in patterns)
