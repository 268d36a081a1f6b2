# SPDX-License-Identifier: BSD-2-Clause
"""Groups of guests, and the guests that start at boot, where guests are named."""

import pytest

from chyves.errors import Exit
from tests.cli.conftest import Chyves


@pytest.fixture
def three(guests: Chyves) -> Chyves:
    """web and db are in prod, mail and db start at boot."""
    guests("mail create 1M -q")
    guests("web,db group add :prod -q")
    guests("mail set rcboot=5 db rcboot=1 -q")
    return guests


def named(chyves: Chyves, selector: str) -> list[str]:
    """Return the guests that a selector means, in their order."""
    return list(chyves.json(f"{selector} get cpu"))


@pytest.mark.parametrize(
    ("selector", "selected"),
    [
        (":prod", "db web"),
        ("web,:prod", "web db"),
        (":prod,mail", "db web mail"),
        ("rcboot", "mail db"),
        (":prod,rcboot", "db web mail"),
    ],
)
def test_selectors(selector: str, selected: str, three: Chyves) -> None:
    assert named(three, selector) == selected.split()


def test_verbs_take_groups(three: Chyves) -> None:
    assert three(":prod set notes=x rcboot notes=y").out == (
        "db: set notes=y\nweb: set notes=x\nmail: set notes=y\n"
    )
    three(":prod snapshot @one -q")
    assert {s["guest"] for s in three.json("list snapshots :prod")} == {"db", "web"}
    assert three("rcboot stop").out == "mail: not running\ndb: not running\n"
    assert three(":prod delete --yes").out == "db: deleted\nweb: deleted\n"
    assert three.json("list groups") == []


def test_nothing_starts_at_boot(guests: Chyves) -> None:
    assert guests("rcboot stop").out == ""


def test_verbs_of_one_guest_take_a_group_of_one(three: Chyves) -> None:
    three("mail group add :solo -q")
    assert three(":solo disk add 1M").out.startswith("mail: disk1 added")
    assert three.refused(":prod disk add 1M", code=Exit.USAGE).startswith("this takes one guest")


def test_clones_are_in_the_groups_of_their_origin(three: Chyves) -> None:
    three("web clone twin -q")
    assert named(three, ":prod") == ["db", "twin", "web"]


def test_an_unknown_group_names_those_that_there_are(three: Chyves) -> None:
    why = three.refused("web,:prd set cpu=2", code=Exit.NOT_FOUND)
    assert why == "no such group: :prd\nhint: did you mean :prod?"


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("web group", "add|remove is missing behind 'group'"),
        ("web group add", ":<group>[,...] is missing behind 'group add'"),
        ("web group join :prod", "no such group command: join :prod"),
        ("web group add :pro/d", "no name for a group: 'pro/d'"),
        ("web group add :", "no group is named by ':'"),
        ("new,:prod create 1M", "no name for a guest: ':prod'"),
        ("rcboot create 1M", "rcboot is a word of chyves"),
        (":all,all get cpu", "all cannot be part"),
    ],
)
def test_words_that_are_no_good(line: str, why: str, three: Chyves) -> None:
    three("web group add :all -q")
    assert three.refused(line, code=Exit.USAGE).startswith(why)


def test_what_is_so_already_changes_nothing(three: Chyves) -> None:
    before = three.state()
    assert three("web group add :prod").out == "web: in :prod\n"
    assert three("mail group remove :prod").out == "mail: in no group\n"
    assert three.state() == before


def test_a_template_stays_in_its_groups(three: Chyves) -> None:
    three("web set template=yes -q")
    three.refused("web group remove :prod", code=Exit.PRECONDITION)
    assert three("web group add :prod").out == "web: in :prod\n"


def test_groups_as_a_property(three: Chyves) -> None:
    assert three("mail set groups=:prod,:eu").out == "mail: set groups=prod,eu\n"
    assert named(three, ":prod") == ["db", "mail", "web"]
    three(":eu unset groups -q")
    assert [group["name"] for group in three.json("list groups")] == ["prod"]


def test_a_group_written_by_hand_is_understood(three: Chyves) -> None:
    file = three.host.path("/chyves/tank/guests/mail/.config/.cfg")
    file.write_text(file.read_text() + "groups= :prod , -\n")
    assert named(three, ":prod") == ["db", "mail", "web"]
