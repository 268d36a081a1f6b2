# SPDX-License-Identifier: BSD-2-Clause
"""Which guests a word selects, and what a guest may be called."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chyves.commands.table import GUEST_VERBS, TOP_COMMANDS
from chyves.errors import Conflict, Invalid, NotFound
from chyves.model.selector import RESERVED, check_groups, check_new_names, parse_selector

NAMES = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,26}", fullmatch=True).filter(
    lambda name: name not in RESERVED
)

REFUSED_BY_0_2_0 = """
.config .defaults all clone console create dataset defaults delete destroy disk firmware get global
guests info iso list network primary reclaim rename reorder reset set snapshot start stop
"""


def test_all_is_in_version_order() -> None:
    assert parse_selector("all", ["web10", "db", "web2", "web"]) == ["db", "web", "web2", "web10"]
    assert parse_selector("all", []) == []


def test_names_are_in_the_order_given() -> None:
    assert parse_selector("web,db", ["db", "web", "web-2"]) == ["web", "db"]


def test_a_name_is_that_guest_and_no_other() -> None:
    assert parse_selector("web", ["web-2", "web.x", "web"]) == ["web"]
    for near in ("we", "w.b", "web-", "WEB"):
        with pytest.raises(NotFound, match="no such guest"):
            parse_selector(near, ["web", "web-2"])


def test_an_unknown_name_brings_a_suggestion() -> None:
    with pytest.raises(NotFound) as refusal:
        parse_selector("web,dbb", ["web", "db"])
    assert refusal.value.message == "no such guest: dbb"
    assert refusal.value.hint == "did you mean db?"
    with pytest.raises(NotFound) as refusal:
        parse_selector("x", ["web", "db"])
    assert refusal.value.hint == "guests: db, web"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("web,web", "named twice"),
        ("", "missing"),
        ("web,,db", "missing"),
        (",web", "missing"),
        ("web,all", "part of a list"),
    ],
)
def test_what_cannot_select_is_refused(text: str, reason: str) -> None:
    with pytest.raises(Invalid, match=reason) as refusal:
        parse_selector(text, ["web", "db"])
    assert refusal.value.hint


@pytest.mark.parametrize("name", ["doctor", "rcboot", ".hidden", "-x", "help", "host"])
def test_guests_of_chyves_0_2_0_are_found_whatever_they_are_called(name: str) -> None:
    existing = ["web", name]
    assert parse_selector(name, existing) == [name]
    assert parse_selector(f"{name},", existing) == [name]
    assert parse_selector(f"{name},web", existing) == [name, "web"]
    assert name in parse_selector("all", existing)


@pytest.mark.parametrize("name", ["web", "a", "9", "_x", "a.b-c_d", "x" * 27, "allx", "Xdefaults"])
def test_good_names(name: str) -> None:
    assert check_new_names([name], ["other"]) == [name]


@pytest.mark.parametrize(
    "name", ["", "-a", ".a", "a b", "a/b", "a@b", "a,b", "ä", "x" * 28, "a\n", "a*", ":g"]
)
def test_bad_names(name: str) -> None:
    with pytest.raises(Invalid) as refusal:
        check_new_names(["good", name], [])
    assert "1 to 27 letters" in refusal.value.hint


@pytest.mark.parametrize("name", sorted({*REFUSED_BY_0_2_0.split(), *TOP_COMMANDS, *GUEST_VERBS}))
def test_words_of_the_command_language_are_no_names(name: str) -> None:
    with pytest.raises(Invalid):
        check_new_names([name], [])


def test_a_name_in_use_or_twice_is_refused() -> None:
    with pytest.raises(Conflict, match="guest web exists"):
        check_new_names(["new", "web"], ["web"])
    with pytest.raises(Invalid, match="new is named twice"):
        check_new_names(["new", "web", "new"], [])


GROUPS = {"prod": ["web10", "db"], "test": ["db", "web2"]}


@pytest.mark.parametrize(
    ("text", "selected"),
    [
        (":prod", "web10 db"),
        (":prod,:test", "web10 db web2"),
        ("web2,:prod", "web2 web10 db"),
        ("db,:test,web", "db web2 web"),
        ("rcboot", "web2 web10"),
        ("db,rcboot,:test", "db web2 web10"),
        (":test,", "db web2"),
    ],
)
def test_groups_and_what_starts_at_boot(text: str, selected: str) -> None:
    names = ["db", "web", "web2", "web10"]
    assert parse_selector(text, names, GROUPS, ["web2", "web10"]) == selected.split()


def test_nothing_starts_at_boot() -> None:
    assert parse_selector("rcboot", ["web"], {}, []) == []


def test_an_unknown_group_brings_a_suggestion() -> None:
    for text in (":prd", "web,:prd"):
        with pytest.raises(NotFound, match="no such group: :prd") as refusal:
            parse_selector(text, ["web"], GROUPS)
        assert refusal.value.hint == "did you mean :prod?"
    with pytest.raises(NotFound, match="no such group: :") as refusal:
        parse_selector(":", ["web"], GROUPS)
    assert refusal.value.hint == "groups: :prod, :test"
    with pytest.raises(NotFound) as refusal:
        parse_selector(":x", ["web"])
    assert refusal.value.hint == "chyves list groups"


def test_a_guest_is_no_group_and_a_group_no_guest() -> None:
    with pytest.raises(NotFound, match="no such group: :web"):
        parse_selector(":web", ["web"], GROUPS)
    with pytest.raises(NotFound, match="no such guest: prod"):
        parse_selector("prod", ["web"], GROUPS)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("prod", "prod"),
        (":prod", "prod"),
        ("prod,:web,prod", "prod,web"),
        ("a, b ,", "a,b"),
        ("", "-"),
        ("-", "-"),
        ("all,rcboot", "all,rcboot"),
    ],
)
def test_groups_as_they_are_kept(text: str, kept: str) -> None:
    assert check_groups(text) == kept


@pytest.mark.parametrize("text", ["a b", "a/b", ".a", "a,-b", "x" * 28, "::a", "é"])
def test_what_a_group_cannot_be_called(text: str) -> None:
    with pytest.raises(Invalid, match="no name for a group"):
        check_groups(text)


@given(st.lists(NAMES, unique=True, min_size=1, max_size=6))
def test_new_guests_can_be_selected(names: list[str]) -> None:
    assert check_new_names(names, []) == names
    assert parse_selector(",".join(names), names[::-1]) == names
    assert sorted(parse_selector("all", names)) == sorted(names)


@given(st.text(max_size=30))
def test_whatever_is_typed_selects_guests_or_is_refused(text: str) -> None:
    existing = ["web", "db"]
    with suppress(Invalid, NotFound):
        assert set(parse_selector(text, existing)) <= set(existing)
