# SPDX-License-Identifier: BSD-2-Clause
"""Each verb that changes something is killed, and fails, at each of its steps: what a user sees is
as before or as wanted, and the same line said again completes it."""

import itertools
import json
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from chyves.errors import Exit
from tests.faults import harness
from tests.faults.harness import Chyves, Ended

LOOKS = ("list", "get", "-a", "-q", "-n")
"""Words of programs that only look: to be killed around one is to be killed between changes."""


class Scenario(NamedTuple):
    """A line, and what it is said on: ``on`` is ``bare`` or ``furnished`` and ``prepare`` has lines
    said before, or with a ! programs of the host.

    ``whole``: the change is one act, all of it is seen or nothing; else that goes for each guest,
    each snapshot, each tap of a bridge. ``done`` is the exit code of saying it again when nothing
    is left to do.
    ``lingers``: what a failure leaves is cleared away by saying it again, not by itself.
    ``kept`` are taps that stay without a guest on purpose.
    """

    line: str
    prepare: tuple[str, ...] = ()
    on: str = "furnished"
    whole: bool = True
    done: Exit = Exit.OK
    lingers: bool = False
    kept: tuple[str, ...] = ()


TWO_POOLS = ("dataset pool2 install",)
AWAY = (*TWO_POOLS, "mail create 1M pool2")
SNAPPED = ("web snapshot @one", "web set rcboot=2", "network web add tap", "web snapshot @two")
CLONED = (
    "kid create 1M",
    "!zfs destroy tank/chyves/guests/kid/disk0",
    "!zfs snapshot -r tank/chyves/guests/web@base",
    "!zfs clone tank/chyves/guests/web/disk0@base tank/chyves/guests/kid/disk0",
)
MOVED = (
    "network bridge0 private",
    "!ifconfig bridge0 deletem tap50",
    "!ifconfig bridge1 create",
    "!ifconfig bridge1 addm em0",
    "!ifconfig bridge1 addm tap50",
)

SCENARIOS = [
    Scenario("dataset tank install", on="bare", done=Exit.CONFLICT, lingers=True),
    Scenario("dataset pool2 install", done=Exit.CONFLICT, lingers=True),
    Scenario("mail create 1M", done=Exit.CONFLICT),
    Scenario("mail create 1M pool2", TWO_POOLS, done=Exit.CONFLICT),
    Scenario("web delete", done=Exit.NOT_FOUND, lingers=True),
    Scenario("web delete keepnet", done=Exit.NOT_FOUND, lingers=True, kept=("tap50",)),
    Scenario("web delete force", CLONED, whole=False, done=Exit.NOT_FOUND, lingers=True),
    Scenario("all delete", CLONED, whole=False, lingers=True),
    Scenario("dataset pool2 promote", AWAY, whole=False, lingers=True),
    Scenario("dataset pool2 uninstall force", AWAY, done=Exit.NOT_FOUND, lingers=True),
    Scenario("web rename shop", done=Exit.NOT_FOUND),
    Scenario("web clone new -iu", done=Exit.CONFLICT, lingers=True),
    Scenario("web clone new -cu", whole=False, done=Exit.CONFLICT, lingers=True),
    Scenario("web move pool2", (*TWO_POOLS, "web snapshot @one"), lingers=True),
    Scenario("web disk add 1M", whole=False),
    Scenario("web disk delete disk0", whole=False, done=Exit.NOT_FOUND),
    Scenario("web disk resize disk0 2M"),
    Scenario("web disk disk0 notes text"),
    Scenario("web set rcboot=3 description=one"),
    Scenario("web set serial=nmdm9 db rcboot=1", whole=False),
    Scenario("web set loader=uefi"),
    Scenario("defaults set ram=1G"),
    Scenario("global set tap_start_offset=100"),
    Scenario("web set template=yes description=gold"),
    Scenario("web set template=no", ("web set template=yes",)),
    Scenario("web unset disk0_notes", ("web set disk0_notes=old",)),
    Scenario("web,db group add :prod", whole=False),
    Scenario("web group remove :prod", ("web group add :prod",)),
    Scenario("network bridge0 attach em1"),
    Scenario("network bridge0 private"),
    Scenario("network bridge7 default", ("network bridge7 private",)),
    Scenario("network bridge0 join tap77", kept=("tap77",)),
    Scenario(
        "network bridge0 unjoin tap77",
        ("network bridge0 join tap77",),
        done=Exit.NOT_FOUND,
        lingers=True,
    ),
    Scenario("network bridge0 migrate bridge7", whole=False, done=Exit.NOT_FOUND),
    Scenario("network bridge7 delete", ("network bridge7 attach em1",), done=Exit.NOT_FOUND),
    Scenario("network import", MOVED, whole=False, lingers=True),
    Scenario("network web add tap", whole=False),
    Scenario("network web add tap77 bridge7", whole=False, done=Exit.CONFLICT),
    Scenario("network web add vale3", done=Exit.CONFLICT),
    Scenario("network web remove tap50", whole=False, done=Exit.NOT_FOUND),
    Scenario("iso import {media}/freebsd.iso", done=Exit.CONFLICT),
    Scenario("iso import {web}/freebsd.iso.xz", done=Exit.CONFLICT),
    Scenario("iso rename debian.iso linux.iso", done=Exit.NOT_FOUND, lingers=True),
    Scenario("iso delete debian.iso", done=Exit.NOT_FOUND),
    Scenario("web snapshot @one", done=Exit.CONFLICT),
    Scenario("web snapshot rollback @one", SNAPPED, whole=False, lingers=True),
    Scenario("web snapshot delete @one", SNAPPED, done=Exit.NOT_FOUND),
    Scenario("web snapshot delete @one%two", SNAPPED, done=Exit.NOT_FOUND),
]


class Trial:
    """A scenario on a host of its own: how it is before, and after an unharmed run."""

    def __init__(self, scenario: Scenario, host: Chyves, media: Path, web: str) -> None:
        self.scenario = scenario
        self.line = scenario.line.format(media=media, web=web)
        self.host = host
        for line in scenario.prepare:
            if line.startswith("!"):
                host.program(*line[1:].split())
            else:
                host(line)
        self.old = harness.sights(host)
        first = len(host.commands())
        unharmed = host.copy("unharmed")
        unharmed(self.line)
        self.programs = unharmed.commands()[first:]
        self.new = harness.sights(unharmed)
        assert self.new != self.old
        assert harness.unowned(unharmed, scenario.kept) == []

    def changes(self) -> list[int]:
        """Return the numbers of the programs that change something, the first is 1."""
        return [
            number
            for number, argv in enumerate(self.programs, 1)
            if not set(argv) & set(LOOKS) and len(argv) > 2 and argv[0] != "sysctl"
        ]

    def require_old_or_new(self, hurt: Chyves) -> None:
        """Everything can be looked at, and is as before or as wanted."""
        seen = harness.only_owned(harness.sights(hurt))
        old, new = harness.only_owned(self.old), harness.only_owned(self.new)
        if self.scenario.whole:
            assert seen in (old, new)
            return
        before, after, now = harness.facts(old), harness.facts(new), harness.facts(seen)
        assert before & after <= now <= before | after

    def is_done(self, hurt: Chyves) -> bool:
        return harness.sights(hurt) == self.new and not self.unowned(hurt)

    def unowned(self, hurt: Chyves) -> list[str]:
        return harness.unowned(hurt, self.scenario.kept)

    def complete(self, hurt: Chyves) -> None:
        """Say the line again, unless all is done: then it is, and nothing is left over."""
        if not self.is_done(hurt):
            seems_done = harness.only_owned(harness.sights(hurt)) == harness.only_owned(self.new)
            again = hurt.ends(self.line)
            assert again.code in ((0, self.scenario.done) if seems_done else (0,)), again
        assert harness.sights(hurt) == self.new
        assert self.unowned(hurt) == []


@pytest.fixture(params=SCENARIOS, ids=[one.line.replace(" ", "-") for one in SCENARIOS])
def trial(
    request: pytest.FixtureRequest,
    bare_host: Chyves,
    furnished_host: Chyves,
    media: Path,
    web: str,
) -> Trial:
    scenario = request.param
    host = bare_host if scenario.on == "bare" else furnished_host
    return Trial(scenario, host.copy("trial"), media, web)


def _killed(trial: Trial, hurt: Chyves, arm: harness.Arm) -> Ended:
    ended = hurt.ends_under(arm, trial.line)
    if ended.was_killed:
        trial.require_old_or_new(hurt)
        trial.complete(hurt)
    return ended


def test_it_can_be_killed_around_each_program(trial: Trial) -> None:
    for number in trial.changes():
        for act in ("kill-before", "kill-after"):
            hurt = trial.host.copy("hurt")
            arm = harness.on_program(hurt, act, number)
            assert _killed(trial, hurt, arm).was_killed


def test_it_can_be_killed_while_it_handles_files(trial: Trial) -> None:
    for number in itertools.count(1):
        arm = harness.kill_at_file_step(number)
        if not _killed(trial, trial.host.copy("hurt"), arm).was_killed:
            return


def test_a_program_that_fails_is_told_and_changes_nothing(trial: Trial) -> None:
    changing = trial.changes()
    for number, argv in enumerate(trial.programs, 1):
        hurt = trial.host.copy("hurt")
        ended = hurt.ends_under(harness.on_program(hurt, "fail", number), f"{trial.line} --json")
        if ended.code == 0:
            assert harness.sights(hurt) == trial.new, f"{argv} failed in silence"
        else:
            _require_told(trial, ended, argv)
            trial.require_old_or_new(hurt)
            assert trial.scenario.lingers or not trial.unowned(hurt), argv
        if number in changing:
            trial.complete(hurt)


def _require_told(trial: Trial, ended: Ended, argv: list[str]) -> None:
    assert ended.code != Exit.BUG, ended.err
    errors: list[dict[str, Any]] = json.loads(ended.out)["errors"]
    assert errors
    assert len(errors) == 1 or not trial.scenario.whole, (argv, errors)
    assert not any("\n" in error["message"] for error in errors)
