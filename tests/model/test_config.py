# SPDX-License-Identifier: BSD-2-Clause
"""Property files: what is read, and that nothing changes but what is changed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chyves.errors import Invalid
from chyves.model.config import ConfigFile
from tests.tools import CHECKOUT

WRITTEN_BEFORE = CHECKOUT / "tests/data/chyves-0.2.0"

KEYS = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,8}", fullmatch=True)
VALUES = st.text(st.characters(codec=None, exclude_characters="\n\r\0"), max_size=20)
LINES = st.one_of(
    st.tuples(KEYS, VALUES).map("=".join),
    st.tuples(KEYS, VALUES).map("=".join).map(lambda line: f"{line}\r"),
    VALUES,
)
TEXTS = st.tuples(st.lists(LINES, max_size=8).map("\n".join), st.sampled_from(["", "\n"])).map(
    "".join
)


@pytest.mark.parametrize("name", ["g4.cfg", "pool2-pool.cfg"])
def test_a_file_of_chyves_0_2_0_is_kept_to_the_byte(name: str) -> None:
    data = (WRITTEN_BEFORE / name).read_bytes()
    text = data.decode("utf-8", "surrogateescape")
    config = ConfigFile.parse(text)
    assert config.text.encode("utf-8", "surrogateescape") == data
    assert config.set(dict(config)).text == text


def test_a_file_of_chyves_0_2_0_is_understood() -> None:
    config = ConfigFile.parse((WRITTEN_BEFORE / "g4.cfg").read_text())
    assert len(config) == 19
    assert config["bargs"] == "-A -H -P -S"
    assert config["bhyveload_flags"] == ""
    assert config["creation"] == (
        "Created on Mon Nov 23 16:42:17 UTC 2026 by chyves v0.2.0 2016/09/11 using __create()"
    )
    assert config.get("tap53_mac") is None


def test_a_changed_property_keeps_its_place() -> None:
    config = ConfigFile.parse("a=1\nb=2\nc=3\n")
    assert config.set({"b": "x"}).text == "a=1\nb=x\nc=3\n"
    assert config.text == "a=1\nb=2\nc=3\n"


def test_new_properties_come_last_in_their_order() -> None:
    assert ConfigFile.parse("a=1\n").set({"z": "1", "b": "2"}).text == "a=1\nz=1\nb=2\n"
    assert ConfigFile.parse("").set({"a": ""}).text == "a=\n"


def test_the_first_of_two_lines_counts_and_setting_leaves_one() -> None:
    config = ConfigFile.parse("a=1\nb=2\na=3\n")
    assert config["a"] == "1"
    assert config.set({"a": "1"}).text == "a=1\nb=2\n"
    assert config.set({"a": "4"}).text == "a=4\nb=2\n"
    assert config.set({"b": "4"}).text == "a=1\nb=4\na=3\n"


def test_unset_takes_all_lines_of_a_key_and_no_other() -> None:
    config = ConfigFile.parse("tap5_mac=x\ntap50_mac=y\ntap5_mac=z\n")
    assert config.unset(["tap5_mac"]).text == "tap50_mac=y\n"
    assert config.unset(["tap"]).text == config.text


def test_keys_are_matched_whole_and_never_as_pattern() -> None:
    config = ConfigFile.parse("ram=1G\nram_=2G\n")
    assert config.get("ram.") is None
    assert config.unset(["ram.*", "ra"]).text == config.text


@pytest.mark.parametrize("value", ["a=b", "  two  blanks ", "*", "'\"$(x)`", "-n", "", "ä\udcff"])
def test_values_are_kept_as_they_are(value: str) -> None:
    config = ConfigFile.parse("cpu=1\n").set({"description": value})
    assert ConfigFile.parse(config.text)["description"] == value


@pytest.mark.parametrize("value", ["a\nb=c", "a\rb", "a\0b"])
def test_a_value_of_more_than_a_line_is_refused(value: str) -> None:
    with pytest.raises(Invalid, match="line break"):
        ConfigFile.parse("").set({"notes": value})


@pytest.mark.parametrize("key", ["", "1a", "a b", "a=b", "ram.*", "ä", "a-b", "a\n"])
def test_a_key_that_chyves_0_2_0_could_not_load_is_not_written(key: str) -> None:
    with pytest.raises(Invalid, match="not a property name"):
        ConfigFile.parse("").set({key: "1"})


def test_a_refused_change_says_which_names_are_good() -> None:
    with pytest.raises(Invalid) as refusal:
        ConfigFile.parse("").set({"ram.*": "1"})
    assert "letters, digits and _" in refusal.value.hint


def test_lines_that_are_no_properties_stay() -> None:
    config = ConfigFile.parse("# by hand\n\n=odd\na.b=1\ncpu=1\n")
    assert dict(config) == {"a.b": "1", "cpu": "1"}
    assert config.set({"cpu": "2"}).text == "# by hand\n\n=odd\na.b=1\ncpu=2\n"


def test_a_missing_last_newline_does_not_join_lines() -> None:
    config = ConfigFile.parse("a=1\nb=2")
    assert config["b"] == "2"
    assert config.text == "a=1\nb=2"
    assert config.set({"c": "3"}).text == "a=1\nb=2\nc=3\n"
    assert config.set({"b": "3"}).text == "a=1\nb=3\n"


def test_a_file_with_carriage_returns_keeps_them_out_of_the_values() -> None:
    config = ConfigFile.parse("a=1\r\nb=2\r\n")
    assert config["a"] == "1"
    assert config.set({"a": "1"}).text == config.text
    assert config.set({"a": "9"}).text == "a=9\r\nb=2\r\n"


@given(TEXTS)
def test_any_text_is_kept(text: str) -> None:
    config = ConfigFile.parse(text)
    assert config.text == text
    assert config.set({}).text == text
    assert config.unset([]).text == text
    writable = {key: value for key, value in config.items() if key.isidentifier()}
    assert dict(config.set({k: v for k, v in writable.items() if k.isascii()})) == dict(config)


@given(TEXTS, st.dictionaries(KEYS, VALUES, max_size=4))
def test_setting_changes_what_is_set_and_nothing_else(text: str, values: dict[str, str]) -> None:
    before = ConfigFile.parse(text)
    after = before.set(values)
    assert dict(after) == {**before, **values}
    assert ConfigFile.parse(after.text) == after
    assert after.set(values).text == after.text
    kept = [line for line in before.text.split("\n") if line.partition("=")[0] not in values]
    assert [line for line in kept if line] == [
        line for line in after.text.split("\n") if line and line.partition("=")[0] not in values
    ]


@given(TEXTS, st.dictionaries(KEYS, VALUES, max_size=4))
def test_unset_takes_back_what_set_added(text: str, values: dict[str, str]) -> None:
    before = ConfigFile.parse(text)
    new = {key: value for key, value in values.items() if key not in before}
    assert before.set(new).unset(new).text.removesuffix("\n") == text.removesuffix("\n")
