# SPDX-License-Identifier: BSD-2-Clause
"""The order of guests at boot and at shutdown."""

from collections.abc import Mapping

import pytest

from chyves.model import boot
from chyves.model.config import ConfigFile
from chyves.model.guest import Guest


def order(**properties: str) -> boot.Order:
    """Return the order of guests, each given as the text of its properties."""
    return boot.order(guest(name, text) for name, text in properties.items())


def guest(name: str, text: str) -> Guest:
    config = ConfigFile.parse("".join(f"{line}\n" for line in text.split()))
    return Guest(name, "tank", config, ConfigFile(), ConfigFile())


def names(found: boot.Order) -> list[str]:
    return [one.name for one in found.turns]


def test_the_highest_first_and_equals_by_name() -> None:
    found = order(zoo="rcboot=2", off="rcboot=0", db="rcboot=10", web10="rcboot=1", web9="rcboot=1")
    assert names(found) == ["db", "zoo", "web9", "web10", "off"]
    assert names(boot.starting(found)) == ["db", "zoo", "web9", "web10"]
    assert boot.waves(found) == [["off"], ["web9", "web10"], ["zoo"], ["db"]]
    assert found.notes == ()


def test_a_guest_comes_after_those_that_it_needs() -> None:
    found = order(
        web="rcboot=9 rcboot_after=db,cache",
        db="rcboot=1 rcboot_after=disk",
        cache="rcboot=1",
        disk="rcboot=1",
    )
    assert names(found) == ["disk", "db", "cache", "web"]
    assert boot.waves(found)[0] == ["web"]
    assert boot.waves(found).index(["db"]) < boot.waves(found).index(["disk"])


@pytest.mark.parametrize(
    "circle", [{"web": "web"}, {"web": "db", "db": "web"}, {"a": "b", "b": "c", "c": "a"}]
)
def test_a_circle_is_told_and_all_start(circle: Mapping[str, str]) -> None:
    found = order(
        **{name: f"rcboot=1 rcboot_after={after}" for name, after in circle.items()}, x="rcboot=1"
    )
    assert sorted(names(found)) == sorted([*circle, "x"])
    assert len(found.notes) == 1
    assert all(name in found.notes[0] for name in circle)


def test_after_a_guest_that_does_not_start_with_the_host() -> None:
    found = boot.starting(order(web="rcboot=1 rcboot_after=db,gone", db="rcboot=0"))
    assert names(found) == ["web"]
    assert found.notes == (
        "web comes after db, which does not start with the host",
        "web comes after gone, which does not start with the host",
    )


@pytest.mark.parametrize("wrong", ["rcboot=1 rcboot_delay=x", "rcboot_after=a,,b"])
def test_a_damaged_property_keeps_no_other_guest_from_starting(wrong: str) -> None:
    found = order(web=wrong, db="rcboot=1")
    assert names(boot.starting(found)) == ["db"]
    assert len(found.notes) == 1
    assert "of web" in found.notes[0]
