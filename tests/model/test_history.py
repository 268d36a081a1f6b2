# SPDX-License-Identifier: BSD-2-Clause
"""Which snapshots a word means, and what goes when a guest goes back."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chyves.errors import Busy, ChyvesError, Conflict, Invalid, NotFound
from chyves.model import layout
from chyves.model.history import History, Snapshot

ROOT = "tank/chyves/guests/web"
PARTS = ("", "/.config", "/logs", "/disk0", "/disk1")
LABELS = ("@a", "@b", "@c", "@d")


def history(*names: str, **more: tuple[int, tuple[str, ...]]) -> History:
    """Return a history of snapshots that are named from the guest's dataset on; ``more`` are the
    holds and clones of those of the guest as a whole."""
    taken = []
    for name in names:
        holds, clones = more.get(name.removeprefix("@"), (0, ()))
        taken.append(Snapshot(f"{ROOT}{name}", 0, 0, holds, clones))
    return History("web", ROOT, tuple(taken))


def names(snapshots: Sequence[Snapshot]) -> list[str]:
    return [snapshot.name.removeprefix(ROOT) for snapshot in snapshots]


WHOLE = history(
    *LABELS, "/.config@a", "/.config@b", "/.config@c", "/.config@d", "/disk0@own", "/disk0@c"
)


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        ("@a", ["@a", "/.config@a"]),
        ("@own", ["/disk0@own"]),
        ("@b%c", ["@b", "@c", "/.config@b", "/.config@c", "/disk0@c"]),
        ("@%b", ["@a", "@b", "/.config@a", "/.config@b"]),
        ("@d%", ["@d", "/.config@d"]),
        ("@a,c%d", ["@a", "@c", "@d", "/.config@a", "/.config@c", "/.config@d", "/disk0@c"]),
        ("@a,@c%@d", ["@a", "@c", "@d", "/.config@a", "/.config@c", "/.config@d", "/disk0@c"]),
        ("@own,a", ["@a", "/.config@a", "/disk0@own"]),
    ],
)
def test_words_mean_snapshots(words: str, meant: list[str]) -> None:
    assert names(WHOLE.named(words)) == meant


@pytest.mark.parametrize(
    ("words", "error", "said"),
    [
        ("@e", NotFound, "no such snapshot: web@e"),
        ("@a,e", NotFound, "no such snapshot: web@e"),
        ("@own%d", NotFound, "no such snapshot: web@own"),
        ("@c%b", NotFound, "no snapshots of web in @c%b"),
        ("@a,", Invalid, "not a snapshot: '@'"),
        ("@a%b%c", Invalid, "not a snapshot: '@b%c'"),
        ("a", Invalid, "not a snapshot: 'a'"),
    ],
)
def test_a_word_that_means_none(words: str, error: type[ChyvesError], said: str) -> None:
    with pytest.raises(error) as raised:
        WHOLE.named(words)
    assert raised.value.message == said


def test_the_newest_is_none_that_is_there_for_clones() -> None:
    origin = f"{layout.ORIGIN}1"
    assert history("@a", origin).label("") == "@a"
    with pytest.raises(NotFound, match="web has no snapshots"):
        history(origin).label("")
    assert history(origin).label(origin) == origin


def test_a_snapshot_of_a_guest_that_ran_is_hinted_at() -> None:
    with pytest.raises(NotFound) as raised:
        history("@a-LIVE-SYSTEM").label("@a")
    assert raised.value.hint == "there is @a-LIVE-SYSTEM: it ran"


@pytest.mark.parametrize(
    ("needed", "error", "said"),
    [
        ((0, ("tank/other",)), Conflict, f"{ROOT}@c has clones: tank/other"),
        ((1, ()), Busy, f"{ROOT}@c is held"),
    ],
)
def test_what_needs_a_newer_snapshot_stops_a_rollback(
    needed: tuple[int, tuple[str, ...]], error: type[ChyvesError], said: str
) -> None:
    mine = history("@a", "@b", "@c", c=needed)
    with pytest.raises(error) as raised:
        mine.rollback("@b")
    assert raised.value.message == said
    assert names(mine.rollback("@c").targets) == ["@c"]


def test_disks_go_back_without_properties_and_log() -> None:
    mine = history(*(part + label for part in PARTS[:-1] for label in ("@a", "@b")), "/disk1@a")
    assert mine.reversion("@b") == [f"{ROOT}/disk0@b"]
    with pytest.raises(Conflict, match="/disk0 has snapshots newer than @a: @b"):
        mine.reversion("@a")


@st.composite
def histories(draw: st.DrawFn) -> History:
    """What snapshots a guest can have: datasets that came later lack the first, snapshots of one
    disk alone stand between, and any but the last may have been destroyed by hand."""
    found = []
    for part in PARTS:
        since = draw(st.integers(0, len(LABELS))) if part else 0
        for label in LABELS[since:]:
            if draw(st.booleans()):
                found.append(f"{part}{label}")
            if part and draw(st.booleans()):
                found.append(f"{part}{label}-own")
    return history(*found)


@given(mine=histories(), data=st.data())
def test_a_rollback_leaves_nothing_newer_and_takes_nothing_older(
    mine: History, data: st.DataObject
) -> None:
    if not mine.labels:
        return
    label = data.draw(st.sampled_from(mine.labels))
    back = mine.rollback(label)
    gone = {*back.lost, *back.orphans}
    assert len(gone) == len(back.lost) + len(back.orphans)
    assert not gone & set(back.targets)
    left = history(*names([one for one in mine.taken if one not in gone]))
    for target in back.targets:
        own = [one.label for one in left.taken if one.dataset == target.dataset]
        assert own[-1] == label
    newer = mine.labels[mine.labels.index(label) + 1 :]
    assert not {one.label for one in left.taken} & set(newer)
    reached = {one.dataset for one in back.targets}
    assert {one.dataset for one in back.lost} <= reached
    for one in gone:
        assert one.dataset in reached or one.label in newer
    parts = [one.dataset for one in back.targets]
    assert f"{ROOT}/.config" not in parts[:-1]
