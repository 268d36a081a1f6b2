# SPDX-License-Identifier: BSD-2-Clause
"""Text that comes from files and names, made harmless for terminals and columns."""

import re

_UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\udc80-\udc9f]")
"""Controls, also those of eight bits where they are no UTF-8, and what changes the direction in
which the rest of a line is read."""

_NAMED = {"\t": r"\t", "\n": r"\n", "\r": r"\r"}


def visible(text: str, *, keep: str = "") -> str:
    r"""Return a text in which each control character is written out, ESC as ``\x1b``; those in
    ``keep`` stay. ``\x80`` is a byte that is no UTF-8, ``\u0080`` the character."""
    if text.isprintable():
        return text
    return _UNSEEN.sub(lambda found: found[0] if found[0] in keep else _escape(found[0]), text)


def as_column(text: str) -> str:
    r"""Return a text for a column between tabs: ``visible``, with backslashes doubled, so that a
    program can tell what it was."""
    return visible(text.replace("\\", r"\\"))


def _escape(character: str) -> str:
    number = ord(character)
    if character in _NAMED:
        return _NAMED[character]
    if 0xDC80 <= number < 0xDD00:  # a byte, as surrogateescape keeps it
        return f"\\x{number - 0xDC00:02x}"
    return f"\\x{number:02x}" if number < 0x80 else f"\\u{number:04x}"
