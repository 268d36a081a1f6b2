# SPDX-License-Identifier: BSD-2-Clause
"""Programs of the administrator around the life of a guest."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from chyves.errors import Exit
from tests.cli.conftest import Chyves
from tests.cli.runs import Runs, run_on
from tests.simulator.vms import wait_for

ALL = "/usr/local/etc/chyves/hooks"
OWN = "/chyves/tank/guests/web/hooks"

EVENTS = ("prestart", "poststart", "prestop", "poststop")


@pytest.fixture
def runs(chyves: Chyves) -> Iterator[Runs]:
    with run_on(chyves) as runs:
        runs.chyves("network bridge0 private")
        yield runs


def hook(runs: Runs, folder: str, event: str, script: str) -> Path:
    file = runs.host.path(f"{folder}/{event}")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.parent.chmod(0o755)
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)
    return file


def notes(runs: Runs) -> Path:
    return runs.host.path("/tmp/notes")


def noting(runs: Runs) -> str:
    """Return a script that writes down what it is told."""
    told = "$CHYVES_EVENT $CHYVES_POOL/$CHYVES_GUEST ${CHYVES_REASON:--} ${0##*/chyves/}"
    return f'echo "{told}" >>{notes(runs)}'


def told(runs: Runs) -> list[str]:
    return notes(runs).read_text().splitlines() if notes(runs).exists() else []


def test_each_is_told_what_happens_and_to_whom(runs: Runs) -> None:
    for event in EVENTS:
        hook(runs, ALL, event, noting(runs))
    runs.create()
    runs.install("web")
    hook(runs, OWN, "prestart", noting(runs))
    runs.chyves("web start")
    runs.wait_for_acpi()
    start = [
        "prestart tank/web - hooks/prestart",
        "prestart tank/web - tank/guests/web/hooks/prestart",
        "poststart tank/web - hooks/poststart",
    ]
    assert told(runs) == start
    runs.type("reboot")
    runs.wait_for_reboots(1)
    assert told(runs) == start, "a reboot is no start"
    runs.chyves("web stop")
    assert told(runs)[3:] == [
        "prestop tank/web - hooks/prestop",
        "poststop tank/web powered off hooks/poststop",
    ]
    runs.assert_nothing_left()


def test_an_end_from_inside_is_an_end(runs: Runs) -> None:
    hook(runs, ALL, "poststop", noting(runs))
    runs.booted()
    runs.type("panic")
    runs.wait_for_phase("failed")
    assert told(runs) == ["poststop tank/web crashed: triple fault hooks/poststop"]


def test_a_prestart_that_fails_keeps_the_guest_from_starting(runs: Runs) -> None:
    file = hook(runs, ALL, "prestart", "echo no licence >&2; exit 3")
    runs.create()
    runs.install("web")
    done = runs.chyves("web start", code=Exit.HOST)
    assert done.said == [
        f"chyves: web: hook {ALL}/prestart: no licence",
        "hint: see HOOKS in chyves(8)",
    ]
    assert runs.phase() == "stopped"
    runs.assert_nothing_left()
    file.unlink()
    runs.chyves("web start")


@pytest.mark.parametrize("event", ["poststart", "prestop", "poststop"])
def test_the_failure_of_another_is_told_and_no_more(runs: Runs, event: str) -> None:
    runs.create()
    hook(runs, OWN, event, "exit 3")
    runs.install("web")
    started = runs.chyves("web start")
    runs.wait_for_acpi()
    stopped = runs.chyves("web stop")
    assert stopped.out == "web: stopped\n"
    complaint = f"hook {OWN}/{event}: exit code 3"
    heard = [*started.said, *stopped.said, *runs.log("/chyves/tank/logs")]
    assert sum(complaint in line for line in heard) == 1, heard


def test_a_hook_has_only_so_much_time(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chyves.backend.hooks.SECONDS", 0.5)
    hook(runs, ALL, "prestart", "sleep 600 & sleep 600")
    runs.create()
    runs.install("web")
    done = runs.chyves("web start", code=Exit.HOST)
    assert "hooks/prestart: took longer than 0.5 seconds" in done.said[0]


def test_what_a_hook_leaves_in_the_background_holds_nobody(runs: Runs) -> None:
    hook(runs, ALL, "prestart", f"sleep 600 & echo $! >{notes(runs)}")
    runs.booted()
    sleeper = psutil.Process(int(told(runs)[0]))
    sleeper.kill()


def test_a_hook_that_takes_too_long_is_killed_with_all_it_has_begun(
    runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chyves.backend.hooks.SECONDS", 0.5)
    hook(runs, ALL, "prestart", f"sleep 600 & echo $! >{notes(runs)}; sleep 600")
    runs.create()
    runs.install("web")
    runs.chyves("web start", code=Exit.HOST)
    wait_for(lambda: not psutil.pid_exists(int(told(runs)[0])), "it is gone")


@pytest.mark.parametrize(
    ("event", "line"), [("prestart", "web set ram=512M"), ("poststop", "web start")]
)
def test_a_hook_that_waits_for_its_own_guest_is_told_so(runs: Runs, event: str, line: str) -> None:
    chyves = f"{sys.executable} -m chyves --simulate {runs.chyves.directory}"
    runs.create()
    runs.install("web")
    hook(runs, OWN, event, f"{chyves} {line} >{notes(runs)} 2>&1; echo $? >>{notes(runs)}")
    runs.chyves("web start")
    runs.chyves("web stop")
    wait_for(lambda: bool(told(runs)) and told(runs)[-1].isdigit(), "it has ended", seconds=20)
    complaint, hint, code = told(runs)[-3:]
    assert complaint.startswith("chyves: web: guest web: process ")
    assert complaint.endswith(" is at work on it, and waits for this hook")
    assert (hint, code) == ("hint: see HOOKS in chyves(8)", str(int(Exit.BUSY)))


def slow_end(runs: Runs) -> Path:
    """Let the hook of an end run until a file is gone, and return the file."""
    mark = runs.host.path("/tmp/held")
    mark.touch()
    hook(runs, ALL, "poststop", f"while [ -e {mark} ]; do sleep 0.05; done")
    runs.booted()
    return mark


def test_a_guest_has_ended_when_only_a_hook_runs(runs: Runs) -> None:
    mark = slow_end(runs)
    runs.type("poweroff")
    seen = runs.wait_for_phase("ending")
    assert (seen["pid"], seen["last_end"]) == (None, "powered off")
    assert "ENDING" in runs.chyves("list").out
    start = runs.process("web start -q")
    with pytest.raises(subprocess.TimeoutExpired):
        start.communicate(timeout=1)
    mark.unlink()
    said = start.communicate(timeout=30)
    assert said[0].startswith("web: running (pid "), said


@pytest.mark.parametrize("how", ["stop --timeout 1", "stop force"])
def test_a_hook_of_the_end_is_waited_for_and_not_taken_for_the_guest(
    runs: Runs, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.setattr("chyves.commands.ending.FORCED_SECONDS", 1)
    mark = slow_end(runs)
    stop = runs.process(f"web {how} -q")
    runs.wait_for_phase("ending")
    with pytest.raises(subprocess.TimeoutExpired):
        stop.communicate(timeout=2)
    mark.unlink()
    said = stop.communicate(timeout=30)
    assert (said[0], stop.returncode) == ("web: stopped\n", 0)
    assert "ignored" not in said[1]
    runs.assert_nothing_left()


def test_a_hook_that_does_not_end_is_named(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chyves.commands.ending.HOOK_SECONDS", 0.5)
    mark = slow_end(runs)
    done = runs.chyves("web stop --timeout 1", code=Exit.BUSY)
    assert "web: ended, but a hook of its end still runs (supervisor " in done.said[0]
    assert done.said[1] == "hint: chyves web wait --for stopped"
    mark.unlink()
    runs.chyves("web wait --for stopped --timeout 20")


@pytest.mark.parametrize("what", ["file", "folder", "link", "mode"])
def test_what_others_could_write_is_not_run(runs: Runs, what: str) -> None:
    file = hook(runs, ALL, "prestart", noting(runs))
    runs.create()
    runs.install("web")
    if what == "link":
        file.rename(file.with_name("real"))
        file.symlink_to("real")
    elif what == "mode":
        file.chmod(0o644)
    else:
        (file if what == "file" else file.parent).chmod(0o777)
    done = runs.chyves("web start", code=Exit.HOST)
    assert f"hook {ALL}/prestart is no" in done.said[0]
    assert told(runs) == []
    assert runs.phase() == "stopped"


def test_a_dry_run_shows_hooks_and_runs_none(runs: Runs) -> None:
    for event in EVENTS:
        hook(runs, ALL, event, noting(runs))
    runs.create()
    runs.install("web")

    def shown(line: str) -> list[str]:
        plan = runs.chyves(f"{line} --dry-run").out.splitlines()
        return [re.sub("^env CHYVES_EVENT=([a-z]*) .*", r"\1", step) for step in plan]

    starting = [step for step in shown("web start") if step.startswith(("pre", "bhyve ", "post"))]
    assert [step.partition(" ")[0] for step in starting] == ["prestart", "bhyve", "poststart"]
    assert told(runs) == []
    runs.chyves("web start")
    before = told(runs)
    destroy = "bhyvectl --destroy --vm=chy-web"
    button = ["prestop", "# press the power button of web", destroy, "poststop"]
    assert shown("web stop") == button
    power = "bhyvectl --force-poweroff --vm=chy-web"
    assert shown("web stop force") == ["# power off web", power, destroy, "poststop"]
    assert told(runs) == before
