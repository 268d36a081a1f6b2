# SPDX-License-Identifier: BSD-2-Clause
"""chyves on a real ZFS, killed before each step of a verb: zfs tells what is true, chyves says so,
and the same line said again completes it.

Steps are what changes the pool. Between two of them all is the same for ZFS; ``tests/faults`` kills
there as well, and completes each line that was killed. Here a line that is said again is mostly
killed again, one step later, which takes half the time.
"""

import os
import re
import signal
import traceback
from collections.abc import Callable, Mapping, Set
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from chyves.backend import zfs, zfscore
from chyves.errors import Exit
from chyves.simulator.host import SimulatedHost
from tests.cli.conftest import Chyves
from tests.lab.inside import volumes
from tests.lab.inside.conftest import WITHOUT_LIBRARY
from tests.lab.real import use_library

ROOT = "tank/chyves/guests/"
GUESTS = ("web", "webx")
DISK, LOGS, PROPERTIES = "/disk0", "/logs", "/.config"
PARTS = ("", PROPERTIES, DISK, "/img", LOGS)
"""The datasets of a guest, by what is behind its own."""

TOMBSTONE = re.compile(r"tank/chyves/\.deleted-web-\d{14}")

STEPS: Mapping[type, Set[str]] = {
    SimulatedHost: {"try_change", "note", "pipe"},
    zfscore.Core: {name for name in vars(zfscore.Core) if not name.startswith("_")} - {"exists"},
}
"""What chyves changes a host by."""


class Seen(NamedTuple):
    """The names of all datasets and snapshots, the marks of what is unfinished, and the text in
    each part of a guest."""

    names: frozenset[str]
    marks: Mapping[str, str]
    texts: Mapping[str, str]


Halfway = Callable[[Seen, Seen, Seen], str]


def never(_: Seen, __: Seen, ___: Seen) -> str:
    raise AssertionError("neither what was nor what was to be")


def half_created(seen: Seen, old: Seen, new: Seen) -> str:
    assert seen.marks == {f"{ROOT}web": "create"}
    assert old.names < seen.names <= new.names
    return f"{ROOT}web: the create of web is not finished"


def half_rolled_back(seen: Seen, old: Seen, new: Seen) -> str:
    """Each part is as it was or as it is to be; the properties, which the line needs when it is
    said again, go back last."""
    assert seen.marks.keys() == {f"{ROOT}web"}
    assert seen.marks[f"{ROOT}web"].startswith(f"{zfs.ROLLBACK}@one ")
    assert new.names <= seen.names <= old.names
    back = {f"web{part}" for part in PARTS if seen.texts[f"web{part}"] == new.texts[f"web{part}"]}
    assert dict(seen.texts) == {p: (new if p in back else old).texts[p] for p in old.texts}
    newer = {name.removeprefix(ROOT).partition("@")[0] for name in seen.names - new.names}
    assert newer & back <= {f"web{LOGS}"}, "gone back, and its newer snapshots are still there"
    assert f"web{PROPERTIES}" not in back or back == old.texts.keys()
    return f"{ROOT}web: the rollback of web is not finished"


def half_deleted(seen: Seen, old: Seen, new: Seen) -> str:
    """All is out of sight, as it was."""
    (tombstone,) = filter(TOMBSTONE.fullmatch, seen.names - old.names)
    hidden = {name.replace(f"{ROOT}web", tombstone) for name in old.names - new.names}
    assert seen == (new.names | hidden, {}, {})
    return f"{tombstone}: the delete or move of web is not finished"


class Verb(NamedTuple):
    """A line, the guest that there is before and after it, and how it ends when it is said again.
    ``halfway`` accepts what is neither as it was nor as it is to be, and returns how chyves names
    it; ``meanwhile`` is the guest that there is then."""

    line: str
    before: str
    after: str
    done: Exit
    halfway: Halfway = never
    meanwhile: str = ""


CREATE = Verb("web create 1M", "", "web", Exit.CONFLICT, half_created)
SNAPSHOT = Verb("web snapshot @one", "web", "web", Exit.CONFLICT)
ROLLBACK = Verb("web snapshot rollback @one", "web", "web", Exit.OK, half_rolled_back, "web")
RENAME = Verb("web rename webx", "web", "webx", Exit.NOT_FOUND)
RENAME_BACK = Verb("webx rename web", "webx", "web", Exit.NOT_FOUND)
DELETE = Verb("web delete", "web", "", Exit.NOT_FOUND, half_deleted)


class Lives:
    """The guest web, which is created, changed and deleted again and again."""

    def __init__(self, chyves: Chyves) -> None:
        self._chyves = chyves
        self._others = self.look().names
        self._told: set[str] = set()
        self._due = Exit.OK
        self.untouched = True

    def state(self, guest: str, text: str = "", *labels: str, log: str = "") -> Seen:
        """Return what there is to be seen of a guest with these snapshots, which has a text in each
        part, another in its log; or of none."""
        if not guest:
            return Seen(self._others, {}, {})
        own = {f"{ROOT}{guest}{part}{label}" for part in PARTS for label in ("", *labels)}
        texts = {f"{guest}{part}": text for part in PARTS} | {f"{guest}{LOGS}": log or text}
        return Seen(self._others | own, {}, texts)

    def look(self) -> Seen:
        """Ask ZFS what is true."""
        listing = self._chyves.run("zfs", "list", "-Ht", "all", "-o", f"name,{zfs.UNFINISHED}")
        marks = dict(line.split("\t") for line in listing.splitlines())
        own = {
            name: mark
            for name, mark in marks.items()
            if mark not in ("-", marks.get(re.sub("[@/][^@/]*$", "", name)))
        }
        parts = [guest + part for guest in GUESTS for part in PARTS if ROOT + guest + part in marks]
        return Seen(frozenset(marks), own, {part: self._read(part) for part in parts})

    def write(self, text: str) -> None:
        """Write a text to the disk, and to a file in each filesystem."""
        for part in PARTS:
            if part == DISK:
                volumes.write(self._node(f"web{part}"), text)
            else:
                self._file(f"web{part}").write_text(text)

    def _read(self, part: str) -> str:
        if part.endswith(DISK):
            return volumes.read(self._node(part))
        file = self._file(part)
        return file.read_text() if file.exists() else ""

    def _node(self, part: str) -> Path:
        return self._chyves.host.path(f"/dev/zvol/{ROOT}{part}")

    def _file(self, part: str) -> Path:
        return self._chyves.host.path(f"/chyves/tank/guests/{part}/file")

    def says(self, verb: Verb, code: Exit = Exit.OK) -> None:
        self._chyves(f"{verb.line} --yes", code=code)

    def dies(self, verb: Verb, step: int, old: Seen, new: Seen) -> bool:
        """Say a line that is killed before its n-th step, and see what is left of it; return
        whether it had so many steps."""
        died = kill_before(step, lambda: self.says(verb))
        seen = self.look()
        assert died or seen == new
        self.untouched = died and seen == old
        self._due = verb.done if seen == new else Exit.OK
        if not (self.untouched or seen == new):
            self._require_told(verb.halfway(seen, old, new), verb.meanwhile)
        return died

    def _require_told(self, warning: str, guest: str) -> None:
        """Chyves has to list this guest, or none, and to warn so. As it lists and warns by marks
        and names that are the same at many steps, it is asked once for each warning."""
        if warning in self._told:
            return
        self._told.add(warning)
        listed = self._chyves("list")
        assert [line.split()[0] for line in listed.out.splitlines()[1:]] == guest.split()
        warnings = [said for said in listed.said if said.startswith("chyves: ")]
        assert [said.partition(";")[0] for said in warnings] == [f"chyves: {warning}"]

    def completes(self, verb: Verb, new: Seen) -> None:
        """Say a line again, which has to end as what was left of it demands."""
        self.says(verb, self._due)
        assert self.look() == new

    def dies_ever_later(self, verb: Verb, old: Seen, new: Seen) -> None:
        """Say a line again and again, killed each time one step later, on what is left of the time
        before; until it comes to its end, and once more."""
        for step in count(1):
            if not self.dies(verb, step, old, new):
                self.completes(verb, new)
                return

    def go_on(self) -> None:
        """Take a newer snapshot, of something else, and go on after that."""
        self.write("two")
        self.by_hand("snapshot", "-r", f"{ROOT}web@two")
        self.write("three")

    def by_hand(self, *words: str) -> None:
        self._chyves.run("zfs", *words)


def kill_before(step: int, act: Callable[[], None]) -> bool:
    """Do it in a child that is killed before its n-th step; return whether it had so many."""
    child = os.fork()
    if child == 0:
        code = 99
        try:
            count_down(step)
            act()
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    assert status in (0, signal.SIGKILL)
    return status != 0


def count_down(left: int) -> None:
    """Let this process be killed before a step."""

    def counted(act: Callable[..., Any]) -> Callable[..., Any]:
        def step(self: object, *words: Any, **named: Any) -> Any:
            nonlocal left
            left -= act.__name__ != "try_change" or words[0] == "zfs"
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return act(self, *words, **named)

        return step

    for owner, names in STEPS.items():
        for name in names:
            setattr(owner, name, counted(getattr(owner, name)))


@pytest.fixture
def lives(one_pool: Chyves) -> Lives:
    return Lives(one_pool)


def test_verbs_are_killed_before_each_step(lives: Lives, monkeypatch: pytest.MonkeyPatch) -> None:
    if not WITHOUT_LIBRARY:
        use_library(monkeypatch)
    nobody = lives.state("")
    lives.dies_ever_later(CREATE, nobody, lives.state("web"))
    kill_snapshots(lives)
    used, renamed = (lives.state(guest, "one", "@one") for guest in GUESTS)
    lives.write("one")
    lives.dies_ever_later(RENAME, used, renamed)
    lives.says(RENAME_BACK)
    for step in count(1):
        died = lives.dies(DELETE, step, used, nobody)
        if lives.untouched:
            continue
        lives.completes(DELETE, nobody)
        if not died:
            return
        lives.says(CREATE)
        lives.write("one")
        lives.by_hand("snapshot", "-r", f"{ROOT}web@one")


def kill_snapshots(lives: Lives) -> None:
    """Take a snapshot and go back to it past a newer one. With libzfs_core a part can be in one
    state more: what is newer is destroyed, and nothing has gone back."""
    lives.write("one")
    plain, taken = (lives.state("web", "one", *labels) for labels in ((), ("@one",)))
    changed = lives.state("web", "three", "@one", "@two")
    back = lives.state("web", "one", "@one", log="three")
    lives.dies_ever_later(SNAPSHOT, plain, taken)
    lives.go_on()
    lives.dies_ever_later(ROLLBACK, changed, back)
