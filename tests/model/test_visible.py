# SPDX-License-Identifier: BSD-2-Clause
"""Control characters are written out, and columns can be read back."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chyves.model.visible import as_column, visible


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain, naïve 日本 🐡", "plain, naïve 日本 🐡"),
        ("C:\\new", "C:\\new"),
        ("\x1b[2Jgone", "\\x1b[2Jgone"),
        ("\x1b]0;title\x07", "\\x1b]0;title\\x07"),
        ("a\tb\nc\rd", "a\\tb\\nc\\rd"),
        ("\x9b2J \x85", "\\u009b2J \\u0085"),
        ("\udc9b2J caf\udce9", "\\x9b2J caf\udce9"),
        ("\u202egnp.exe\u2066", "\\u202egnp.exe\\u2066"),
        ("\0\x7f", "\\x00\\x7f"),
    ],
)
def test_visible(text: str, shown: str) -> None:
    assert visible(text) == shown


def test_what_is_kept() -> None:
    assert visible("a\tb\n\x1b", keep="\t\n") == "a\tb\n\\x1b"


TEXTS = st.text(st.characters() | st.sampled_from("\\tnx\t\n\x1b\x9b\udc9b"))
NAMED = {"t": "\t", "n": "\n", "r": "\r", "\\": "\\"}


@given(TEXTS)
def test_nothing_moves_the_cursor(text: str) -> None:
    assert not re.search(r"[\x00-\x1f\x7f-\x9f\u202e]", visible(text) + as_column(text))


def _read_back(text: str) -> str:
    def original(found: re.Match[str]) -> str:
        word = found[1]
        if word in NAMED:
            return NAMED[word]
        number = int(word[1:], 16)
        return chr(number + 0xDC00 if word[0] == "x" and number >= 0x80 else number)

    return re.sub(r"\\(t|n|r|\\|x[0-9a-f]{2}|u[0-9a-f]{4})", original, text)


@given(TEXTS)
def test_a_column_can_be_read_back(text: str) -> None:
    assert _read_back(as_column(text)) == text
