# SPDX-License-Identifier: BSD-2-Clause
"""The forms of a command, as the table has them: which one was meant, and what it lacks."""

import re
from collections.abc import Iterable, Sequence

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


def misunderstood(command: str, words: Sequence[str]) -> Invalid:
    """Return what is wrong with the words behind a command that fit none of its forms: something
    is missing, or a word is not one of those that may stand there."""
    forms = {form: _tokens(command, form) for form in forms_of(command)}
    nearness = {form: _nearness(tokens, words) for form, tokens in forms.items()}
    nearest = max(nearness.values(), default=(0, 0))
    meant = [form for form in forms if nearness[form] == nearest]
    depth = nearest[0]
    expected = list(dict.fromkeys(t for form in meant for t in forms[form][depth : depth + 1]))
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
    """Return what the forms of a command may have behind the words that are there: from each form
    that these fit, the tokens up to the first that has to be there."""
    found = []
    for form in forms:
        tokens = [token for token in _tokens(command, form) if not token.startswith("[-")]
        if MORE in tokens:
            repeated = tokens.index(MORE)
            tokens[repeated:] = [tokens[repeated - 1]] * len(words)
        if _matching(tokens, words) == len(words):
            for token in tokens[len(words) :]:
                found.append(token)
                if not token.startswith("["):
                    break
    return found


def _tokens(command: str, form: str) -> list[str]:
    """Return what stands behind the command's word in one of its forms."""
    words = form.split()
    return words[words.index(command) + 1 :]


def _nearness(tokens: Sequence[str], words: Sequence[str]) -> tuple[int, int]:
    """Return how many words fit a form, from the first on, and how many of these fit nothing but
    its own words."""
    depth = _matching(tokens, words)
    return depth, sum("<" not in token for token in tokens[:depth])


def _matching(tokens: Sequence[str], words: Sequence[str]) -> int:
    """Return how many words fit a form, from the first on."""
    depth = 0
    for token, word in zip(tokens, words, strict=False):
        if not _fits(token, word):
            break
        depth += 1
    return depth


def _fits(token: str, word: str) -> bool:
    if token.startswith("[") or "<" in token:
        return True
    patterns = (re.sub(r"\\\{.*", ".+", re.escape(choice)) for choice in token.split("|"))
    return any(re.fullmatch(pattern, word) for pattern in patterns)
