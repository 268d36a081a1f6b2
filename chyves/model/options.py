# SPDX-License-Identifier: BSD-2-Clause
"""Options that users give bhyve and its loaders themselves: ``bargs``, ``bhyveload_flags``."""

import getopt
import shlex
from typing import NamedTuple

from chyves.errors import Invalid
from chyves.model.facts import HostFacts

Pairs = list[tuple[str, str]]

WIRED = ("-S", "")

ACPI = ("-A", "")
"""Gives the guest ACPI, and so a power button; bhyve of FreeBSD 15 always does."""

BHYVELOAD_OPTIONS = "CSc:d:e:h:l:m:"
"""getopt(3) string of bhyveload(8), FreeBSD 12 and later."""

BHYVE_OPTIONS = "abehuwxACDHIMPSWYf:g:k:n:o:p:r:G:c:s:m:l:K:U:"
"""All that bhyve(8) has known since FreeBSD 10."""

BHYVE_OPTIONS_BY_RELEASE = (
    (1600000, "aehuwxACDHIMPSWYfknoprGcsmlKU"),
    (1500000, "aehuwxACDHIPSWYfknoprGcsmlKU"),
    (1400000, "aehuwxACDHIPSWYfkoprGcsmlKU"),
    (1302000, "aehuwxACDHIPSWYkoprGcsmlKU"),
    (1300000, "aehuwxACDHIPSWYprGcsmlU"),
    (0, "abeghuwxACHIPSWYpGcsmlU"),
)
"""The letters that bhyve(8) knows from an osreldate on (usr.sbin/bhyve/bhyverun.c)."""


class Options(NamedTuple):
    """Words for the command lines of bhyve and bhyveload; ``notes`` are sentences for the user."""

    bhyve: tuple[str, ...]
    loader: tuple[str, ...]
    notes: tuple[str, ...]


def split_bargs(text: str) -> Pairs:
    """Split the options for bhyve, in any spelling that getopt(3) takes.

    Raises Invalid if bhyve of no release would take them, or would only print its help and end.
    """
    pairs = _split("bargs", text, BHYVE_OPTIONS, "see bhyve(8)")
    if any(letter == "-h" for letter, _ in pairs):
        raise Invalid("bargs has -h, which makes bhyve print its help and end", hint="leave it out")
    return pairs


def split_bhyveload_flags(text: str) -> Pairs:
    """Split the options for bhyveload. Raises Invalid if it would not take them."""
    return _split("bhyveload_flags", text, BHYVELOAD_OPTIONS, "see bhyveload(8)")


def _split(name: str, text: str, letters: str, hint: str) -> Pairs:
    try:
        pairs, rest = getopt.getopt(shlex.split(text), letters)
    except ValueError as error:
        raise Invalid(f"{name} cannot be split into words: {error}", hint=hint) from None
    except getopt.GetoptError as error:
        raise Invalid(f"{name}: {error.msg}", hint=hint) from None
    if rest:
        raise Invalid(f"{name}: {rest[0]} is neither an option nor an option's value", hint=hint)
    return pairs


def user_options(bargs: str, bhyveload_flags: str, facts: HostFacts) -> Options:
    """Return the options for both programs, as far as this release knows them.

    Loader and bhyve must agree on wired memory, or bhyve ends with ``Unable to setup memory (17)``:
    both get ``-S`` if either has it. Guests have ACPI on all releases. Raises Invalid.
    """
    pairs = split_bargs(bargs)
    flags = split_bhyveload_flags(bhyveload_flags)
    known = next(letters for since, letters in BHYVE_OPTIONS_BY_RELEASE if facts.osreldate >= since)
    wire = [WIRED] if WIRED in pairs + flags else []
    acpi = [ACPI] if facts.major < 15 and ACPI not in pairs else []
    unwired = acpi + [pair for pair in pairs if pair != WIRED]
    return Options(
        bhyve=_words([pair for pair in unwired if pair[0][1] in known] + wire, BHYVE_OPTIONS),
        loader=_words([pair for pair in flags if pair != WIRED] + wire, BHYVELOAD_OPTIONS),
        notes=tuple(
            f"bargs has {letter}, which bhyve of FreeBSD {facts.release} does not know: left out"
            for letter in dict.fromkeys(letter for letter, _ in pairs)
            if letter[1] not in known
        ),
    )


def _words(pairs: Pairs, letters: str) -> tuple[str, ...]:
    words: list[str] = []
    for option, argument in pairs:
        words += [option, argument] if f"{option[1]}:" in letters else [option]
    return tuple(words)
