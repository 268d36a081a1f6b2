# SPDX-License-Identifier: BSD-2-Clause
"""Guests start with the host in their order, and stop with it in time."""

import time
from collections.abc import Iterator

import pytest

from chyves.backend import locks
from chyves.errors import Exit
from chyves.model import layout
from tests.cli.conftest import Chyves
from tests.cli.runs import Runs, run_on
from tests.simulator.vms import wait_for


@pytest.fixture
def runs(chyves: Chyves) -> Iterator[Runs]:
    with run_on(chyves) as runs:
        runs.chyves("network bridge0 private")
        yield runs


def installed(runs: Runs, *names: str) -> None:
    runs.create(",".join(names))
    for name in names:
        runs.install(name)


def started(runs: Runs) -> list[str]:
    """Return the guests in the order in which their loaders were started."""
    return [argv[-1].removeprefix("chy-") for argv in runs.commands("bhyveload")]


def test_in_the_order_of_rcboot_and_of_what_they_come_after(runs: Runs) -> None:
    installed(runs, "web", "db", "mail", "off")
    runs.chyves("web set rcboot=9 rcboot_after=db db rcboot=1 mail rcboot=5")
    done = runs.chyves("rcboot start")
    assert started(runs)[0] == "db"
    in_turn = ["db", "web", "mail"]
    assert sorted(in_turn, key=lambda name: runs.supervisor(name).pid) == in_turn
    assert {line.split(":")[0] for line in done.out.splitlines()} == {"db", "web", "mail"}
    assert runs.phase("off") == "stopped"
    told = [line.split(" (")[0] for line in runs.doings("/chyves/tank/logs") if "running (" in line]
    assert told == ["[1] - db: running", "[1] - web: running", "[1] - mail: running"]


def test_no_guest_comes_after_itself(guests: Chyves) -> None:
    guests("mail create 1M -q")
    guests("web set rcboot_after=db -q")
    before = guests.state()
    for line, way in (
        ("web set rcboot_after=web", "web after web"),
        ("web set rcboot_after=mail,web", "web after web"),
        ("db set rcboot_after=web", "db after web after db"),
    ):
        assert guests.refused(line, code=Exit.USAGE) == (
            f"{line.split()[0]}: rcboot_after: {way}\nhint: a guest cannot come after itself"
        )
        assert guests.state() == before
    done = guests("db set rcboot_after=mail mail rcboot_after=gone,web", code=Exit.USAGE)
    assert done.out == "db: set rcboot_after=mail\n"
    assert done.said[0] == "chyves: mail: rcboot_after: mail after web after db after mail"


def test_a_guest_that_is_to_come_first_may_come_later(guests: Chyves) -> None:
    done = guests("web set rcboot_after=db,mail")
    assert done.out == "web: set rcboot_after=db,mail\n"
    assert done.said == ["chyves: web: mail is no guest: it is not waited for"]


def test_a_delay_is_between_a_guest_that_runs_and_the_next(runs: Runs) -> None:
    installed(runs, "web", "db")
    runs.chyves("db set rcboot=2 rcboot_delay=1 web rcboot=1")
    runs.chyves("rcboot start")
    ran, began = (runs.state(name)["started"] for name in ("db", "web"))
    assert began - ran >= 1


def test_what_goes_wrong_with_one_does_not_keep_the_others(runs: Runs) -> None:
    installed(runs, "web", "db")
    runs.chyves("web set rcboot=1 rcboot_after=db db rcboot=2 loader=uefi")
    done = runs.chyves("rcboot start", code=Exit.PRECONDITION)
    assert done.said[0].startswith("chyves: db: ")
    assert runs.phase("web") == "running"
    assert any(" - db: failed: " in line for line in runs.doings("/chyves/tank/logs"))


def test_nothing_starts_with_the_host(runs: Runs) -> None:
    runs.create()
    assert runs.chyves("rcboot start").out == ""
    runs.chyves("web set rcboot=1")
    lines = runs.chyves("rcboot start --dry-run").out.splitlines()
    assert lines[-1].startswith("bhyve ")


def test_it_waits_for_an_uplink(runs: Runs) -> None:
    installed(runs, "web")
    runs.chyves("web set rcboot=1")
    runs.chyves("network bridge0 attach em0")
    runs.chyves.run("ifconfig", "em0", "name", "away")
    boot = runs.process("rcboot start")
    wait_for(lambda: locks.held_by(runs.host, layout.BOOT_LOCK), "it boots", seconds=20)
    assert boot.stderr
    assert boot.stderr.readline().startswith("chyves: the host is simulated")
    assert boot.stderr.readline() == "waiting for the interface em0\n"
    assert started(runs) == []
    runs.chyves.run("ifconfig", "away", "name", "em0")
    said, _ = boot.communicate(timeout=60)
    assert said.startswith("web: running")


def test_it_does_not_wait_for_ever(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chyves.commands.boot.HOST_SECONDS", 0)
    installed(runs, "web")
    runs.chyves("web set rcboot=1")
    runs.chyves("network bridge0 attach em0")
    runs.chyves.run("ifconfig", "em0", "name", "away")
    done = runs.chyves("rcboot start", code=Exit.PRECONDITION)
    assert "em0" in done.err


def test_a_shutdown_goes_backwards_and_ends_in_time(runs: Runs) -> None:
    for name in ("web", "db", "mail"):
        runs.booted(name, *(("hang",) if name == "mail" else ()))
    runs.chyves("db set rcboot=5 web rcboot=1")
    began = time.monotonic()
    done = runs.chyves("all stop --within 6")
    assert time.monotonic() - began < 10
    assert sorted(line.split(":")[0] for line in done.out.splitlines()) == ["db", "mail", "web"]
    assert "mail: stopped by force: it ignored its power button for 3 seconds" in done.out
    ends = {name: runs.state(name)["exits"][-1] for name in ("web", "db", "mail")}
    assert ends["web"]["time"] < ends["db"]["time"]
    assert ends["mail"]["reason"] == "powered off by force"
    runs.assert_nothing_left()


def test_a_shutdown_shows_its_order(runs: Runs) -> None:
    for name in ("web", "db"):
        runs.booted(name)
    runs.chyves("db set rcboot=5 web rcboot_after=db")
    began = time.monotonic()
    lines = runs.chyves("all stop --within 600 --dry-run").out.splitlines()
    assert time.monotonic() - began < 60, "it does not wait for guests that nobody has asked"
    assert lines == [
        "# press the power button of web",
        "bhyvectl --destroy --vm=chy-web",
        "# press the power button of db",
        "bhyvectl --destroy --vm=chy-db",
    ]


def test_a_shutdown_ends_a_boot_that_goes_on(runs: Runs) -> None:
    installed(runs, "web", "db")
    runs.chyves("web set rcboot=2 rcboot_delay=600 db rcboot=1")
    boot = runs.process("rcboot start -q")
    wait_for(lambda: runs.phase() == "running" and runs.seen()["pid"], "web runs", seconds=30)
    done = runs.chyves("all stop --within 20")
    assert done.out.splitlines()[-1].startswith("web: stopped")
    said = f"guests that start with the host are started no more (process {boot.pid})"
    assert f"chyves: {said}" in done.said
    assert any(line.endswith(said) for line in runs.doings("/chyves/tank/logs"))
    boot.communicate(timeout=10)
    assert boot.returncode != 0
    assert runs.phase("db") == "stopped"
    runs.assert_nothing_left()


def test_a_boot_goes_on_without_those_that_are_stopped_meanwhile(runs: Runs) -> None:
    installed(runs, "web", "db", "mail")
    runs.chyves("web set rcboot=3 db rcboot=2 mail rcboot=1")
    go = runs.host.path("/tmp/go")
    hook = runs.host.path(layout.hooks("tank", "web", "prestart")[-1])
    hook.parent.mkdir(mode=0o755, parents=True)
    hook.write_text(f"#!/bin/sh\nwhile ! [ -e {go} ]; do sleep 0.05; done\n")
    hook.chmod(0o755)
    boot = runs.process("rcboot start")
    wait_for(lambda: any("env" in argv for argv in runs.commands()), "the hook runs", seconds=20)
    assert runs.chyves("db stop --within 20").out == "db: not running\n"
    go.touch()
    out, err = boot.communicate(timeout=60)
    assert [line.split(" (")[0] for line in out.splitlines()] == ["web: running", "mail: running"]
    assert "db: was stopped before it ran" in err
    runs.chyves("all stop force -q")


def test_the_ways_to_stop_do_not_mix(runs: Runs) -> None:
    runs.create()
    for more in ("force", "--no-wait", "--timeout 3"):
        runs.chyves(f"web stop {more} --within 5", code=Exit.USAGE)


def test_wait_until_it_runs_and_until_it_has_ended(runs: Runs) -> None:
    installed(runs, "web", "db")
    waiting = runs.process("web,db wait --for running -q")
    runs.chyves("web,db start")
    assert sorted((waiting.communicate(timeout=30)[0]).splitlines()) == [
        "db: running",
        "web: running",
    ]
    waiting = runs.process("all wait --for stopped --json")
    runs.chyves("all stop")
    waiting.communicate(timeout=30)
    assert waiting.returncode == 0
    runs.chyves("web wait --for stopped --timeout 0")
    done = runs.chyves("web wait --for running --timeout 0", code=Exit.PRECONDITION)
    assert done.said[0] == "chyves: web: not running after 0 seconds, but stopped"
    runs.chyves("web wait", code=Exit.USAGE)
