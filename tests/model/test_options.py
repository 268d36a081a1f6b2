# SPDX-License-Identifier: BSD-2-Clause
"""The user's own options for bhyve and bhyveload."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chyves.errors import Invalid
from chyves.model.options import split_bargs, split_bhyveload_flags


def test_options_in_every_spelling() -> None:
    expected = [("-A", ""), ("-S", ""), ("-p", "0:1"), ("-G", "w1234")]
    assert split_bargs("-A -S -p 0:1 -G w1234") == expected
    assert split_bargs("-ASp0:1 -Gw1234") == expected
    assert split_bargs("-ASp '0:1' \"-Gw1234\"") == expected
    assert split_bargs("") == []


@pytest.mark.parametrize(
    ("bargs", "why"),
    [
        ("-A 'x", "cannot be split into words: No closing quotation"),
        ("-A web", "web is neither an option nor an option's value"),
        ("-z", "option -z not recognized"),
        ("-A -p", "option -p requires argument"),
        ("--help", "option --help not recognized"),
        ("-Ah", "bargs has -h"),
    ],
)
def test_what_bhyve_would_not_take(bargs: str, why: str) -> None:
    with pytest.raises(Invalid, match=why):
        split_bargs(bargs)


def test_what_bhyveload_would_not_take() -> None:
    assert split_bhyveload_flags("-C -e a=b") == [("-C", ""), ("-e", "a=b")]
    with pytest.raises(Invalid, match="bhyveload_flags: option -A not recognized"):
        split_bhyveload_flags("-A")


@given(st.text())
def test_any_text_is_split_or_refused(text: str) -> None:
    for split in (split_bargs, split_bhyveload_flags):
        try:
            pairs = split(text)
        except Invalid:
            continue
        assert all(len(option) == 2 and option[0] == "-" for option, _ in pairs)
