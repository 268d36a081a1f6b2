# SPDX-License-Identifier: BSD-2-Clause
"""Who is cloned from whom."""

from chyves.model.family import Branch, Link, links, rows, trees

ROOT = "tank/chyves/guests"


def named(*pairs: str) -> list[Link]:
    """Links from words such as ``web<gold``."""
    return [Link(guest, parent, "@s") for guest, _, parent in (p.partition("<") for p in pairs)]


def shape(known: list[Link]) -> list[str]:
    return [f"{' ' * depth}{link.guest}" for tree in trees(known) for depth, link in rows(tree)]


def test_links_come_from_the_datasets() -> None:
    assert links(
        [
            (f"{ROOT}/web10/disk0", f"{ROOT}/gold/disk0@one"),
            (f"{ROOT}/web10/disk1", f"{ROOT}/gold/disk1@one"),
            (f"{ROOT}/web9/img/a", f"{ROOT}/gold/img/a@two"),
            (f"{ROOT}/self/disk1", f"{ROOT}/self/disk0@x"),
            (f"{ROOT}/odd/disk0", "tank/images/debian@v1"),
            ("tank/other", f"{ROOT}/gold/disk0@one"),
        ]
    ) == [
        Link("web9", "gold", "@two"),
        Link("web10", "gold", "@one"),
        Link("odd", "tank/images/debian", "@v1"),
    ]


def test_clones_of_clones() -> None:
    known = named("b<a", "d<c", "c<b", "x<b", "z<y")
    assert shape(known) == ["a", " b", "  c", "   d", "  x", "y", " z"]


def test_a_guest_of_two_origins_is_below_both() -> None:
    assert shape(named("web<gold", "web<data")) == ["gold", " web", "data", " web"]


def test_a_ring_is_no_trap() -> None:
    assert shape(named("b<a", "a<b", "c<b")) == ["a", " b", "  c"]


def test_no_clones() -> None:
    assert trees([]) == []


def test_a_root_has_no_snapshot() -> None:
    assert trees(named("b<a")) == [Branch("a", "", (Branch("b", "@s", ()),))]
