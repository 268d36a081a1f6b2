# SPDX-License-Identifier: BSD-2-Clause
"""Guests that are started and end well: by themselves, gracefully, by force."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from chyves.errors import Exit
from tests.cli.conftest import Chyves
from tests.cli.runs import Runs, run_on
from tests.simulator.vms import wait_for


@pytest.fixture
def runs(chyves: Chyves) -> Iterator[Runs]:
    with run_on(chyves) as runs:
        yield runs


def test_start_from_an_iso(runs: Runs) -> None:
    runs.create()
    done = runs.chyves(f"web start {runs.medium()}")
    pid = runs.seen()["pid"]
    assert done.out == f"web: running (pid {pid})\n"
    assert [(p.pid, p.title) for p in runs.programs()] == [(pid, "bhyve: chy-web")]
    assert runs.vms() == ["chy-web"]
    assert runs.tap().up
    assert runs.tap().opened_by == pid
    assert "booted from /chyves/tank/ISO/os.iso/os.iso" in runs.terminal().expect("login: ")
    seen = runs.seen()
    assert seen["phase"] == "running"
    assert seen["vm"]
    assert seen["supervisor"] not in (None, pid)
    assert runs.chyves("list").out.splitlines()[1].split()[2:5] == ["YES", "YES", f"({pid})"]


def test_start_from_the_disk(runs: Runs) -> None:
    runs.booted()
    said = runs.terminal().expect("login: ")
    assert "booted from /dev/zvol/tank/chyves/guests/web/disk0" in said


def test_start_from_the_disk_with_firmware(runs: Runs) -> None:
    firmware = runs.host.path("/tmp/BHYVE.fd")
    firmware.write_bytes(bytes(1 << 20))
    runs.create()
    runs.install("web")
    runs.chyves(f"firmware import {firmware} -q")
    runs.chyves("web set loader=uefi uefi_firmware=BHYVE.fd cpu=2")
    runs.chyves("web start")
    shell = runs.shell()
    shell.type("nproc\r")
    shell.expect("2\r\n")
    assert runs.commands("bhyveload") == []


def test_start_a_list_and_all(runs: Runs) -> None:
    runs.create("web,db,mail")
    for name in ("web", "db", "mail"):
        runs.install(name)
    done = runs.chyves("db,web start")
    assert [line.split(" (")[0] for line in done.out.splitlines()] == [
        "db: running",
        "web: running",
    ]
    assert runs.phase("mail") == "stopped"

    done = runs.chyves("all start --json")
    results = json.loads(done.out)["results"]
    assert {r["target"]: r["changed"] for r in results} == {
        "web": False,
        "db": False,
        "mail": True,
    }
    assert runs.vms() == ["chy-db", "chy-mail", "chy-web"]


def test_a_running_guest_is_not_started_again(runs: Runs) -> None:
    runs.booted()
    before = runs.commands("bhyve")
    pid = runs.seen()["pid"]
    assert runs.chyves("web start").out == f"web: already running (pid {pid})\n"
    assert runs.commands("bhyve") == before
    assert runs.seen()["pid"] == pid


def test_of_two_starts_at_once_one_wins(runs: Runs) -> None:
    runs.create()
    runs.install("web")
    starts = [runs.process("web start -q") for _ in range(4)]
    said = sorted(start.communicate()[0] for start in starts)
    assert [start.returncode for start in starts] == [0] * 4
    pid = runs.seen()["pid"]
    assert [line for line in said if line.startswith("web: running")] == [
        f"web: running (pid {pid})\n"
    ]
    assert sum(line.startswith("web: already running (pid ") for line in said) == 3
    assert len(runs.commands("bhyve")) == 1


def test_start_and_delete_at_once(runs: Runs) -> None:
    runs.create()
    runs.install("web")
    start, delete = runs.process("web start -q"), runs.process("web delete --yes -q")
    said = [*start.communicate(), *delete.communicate()]
    if delete.returncode == Exit.OK:
        assert start.returncode == Exit.NOT_FOUND, said
        assert runs.chyves.json("list") == []
        assert runs.vms() == []
    else:
        assert (start.returncode, delete.returncode) == (Exit.OK, Exit.BUSY), said
        assert runs.phase() == "running"


def test_a_dry_start_shows_all_and_does_nothing(runs: Runs) -> None:
    runs.create()
    runs.install("web")
    runs.chyves.run("ifconfig", "tap50", "destroy")
    lines = runs.chyves("web start --dry-run").out.splitlines()
    assert lines[:2] == ["kldload -n vmm", "kldload -n nmdm"]
    assert lines[2:-3] == [
        "ifconfig tap50 create description 'chyves-tap web'",
        "ifconfig bridge0 addm tap50",
        "ifconfig tap50 up",
        "# pci_slots=4=disk:disk0,5=net:tap50 in /chyves/tank/guests/web/.config/.cfg",
    ]
    assert lines[-3].startswith("bhyveload -S -m 256M -d /dev/zvol/tank/chyves/guests/web/disk0 ")
    assert lines[-2] == "ifconfig tap50 up"
    assert lines[-1].startswith("bhyve ")
    assert lines[-1].endswith(" chy-web")
    assert runs.phase() == "stopped"
    runs.assert_nothing_left()


def test_stop(runs: Runs) -> None:
    runs.booted()
    assert runs.chyves("web stop").out == "web: stopped\n"
    seen = runs.seen()
    assert (seen["phase"], seen["last_end"]) == ("stopped", "powered off")
    assert [end["code"] for end in seen["exits"]] == [1]
    runs.assert_nothing_left()
    assert not runs.tap().up
    assert runs.tap().opened_by is None
    assert "tap50" in runs.tap("bridge0").members


def test_stop_what_does_not_run(runs: Runs) -> None:
    runs.create()
    done = runs.chyves("web stop --json")
    assert json.loads(done.out)["results"] == [
        {"target": "web", "result": "not running", "changed": False}
    ]


@pytest.mark.parametrize(
    ("command", "end", "code"), [("poweroff", "powered off", 1), ("halt", "halted", 2)]
)
def test_an_end_from_inside(runs: Runs, command: str, end: str, code: int) -> None:
    runs.booted()
    runs.type(command)
    seen = runs.wait_for_phase("stopped")
    assert seen["last_end"] == end
    assert [one["code"] for one in seen["exits"]] == [code]
    runs.assert_nothing_left()


def test_a_reboot_from_inside(runs: Runs) -> None:
    runs.booted()
    before = runs.seen()
    runs.type("reboot")
    runs.wait_for_reboots(1)
    seen = runs.seen()
    assert seen["supervisor"] == before["supervisor"]
    assert seen["pid"] != before["pid"]
    assert [(one["code"], one["reason"]) for one in seen["exits"]] == [(0, "reset")]
    assert runs.tap().up, "closing a tap takes it down"
    programs = [argv[:2] for argv in runs.chyves.commands() if argv[0].startswith("bhyve")]
    assert [argv[0] for argv in programs] == [
        "bhyveload",
        "bhyve",
        "bhyvectl",
        "bhyveload",
        "bhyve",
    ]
    assert programs[2] == ["bhyvectl", "--destroy"]
    runs.shell().close()


def test_the_iso_is_taken_out_on_the_first_reboot(runs: Runs) -> None:
    runs.create()
    runs.chyves(f"web start {runs.medium()}")
    runs.type("install", "reboot")
    runs.wait_for_reboots(1)
    assert "booted from /dev/zvol/" in runs.terminal().expect("login: ")
    first, second = runs.commands("bhyve")
    assert any("ahci-cd" in word for word in first)
    assert not any("ahci-cd" in word for word in second)


def test_the_iso_is_taken_out_on_the_reboot_that_is_asked_for(runs: Runs) -> None:
    runs.create()
    runs.chyves("web set eject_iso_on_n_reboot=2")
    runs.chyves(f"web start {runs.medium()}")
    runs.type("install", "reboot")
    runs.wait_for_reboots(1)
    shell = runs.terminal()
    assert "booted from /chyves/tank/ISO/os.iso/" in shell.expect("login: ")
    shell.type("root\rreboot\r")
    runs.wait_for_reboots(2)
    assert "booted from /dev/zvol/" in runs.terminal().expect("login: ")
    runs.chyves("iso delete os.iso --yes")


def test_what_is_on_the_disk_survives_reboot_and_stop(runs: Runs) -> None:
    runs.booted()
    shell = runs.shell()
    shell.type("write note kept for good\r")
    shell.expect("# ")
    shell.type("reboot\r")
    runs.wait_for_reboots(1)
    runs.chyves("web stop")
    runs.chyves("web start")
    shell = runs.shell()
    shell.type("cat note\r")
    shell.expect("kept for good\r\n")


def test_stop_of_a_guest_that_ignores_its_button(
    runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chyves.commands.ending.PATIENCE", 0.1)
    runs.booted("web", "hang")
    done = runs.chyves("web stop --timeout 0 --json", code=Exit.BUSY)
    assert json.loads(done.out)["changed"]
    assert done.said == [
        "chyves: web: still running after 0 seconds",
        "hint: it may ignore its power button: chyves web stop force",
    ]
    assert runs.phase() == "running"
    runs.chyves("web set stop_timeout=0")
    runs.chyves("web stop", code=Exit.BUSY)
    assert runs.chyves("web stop force").out == "web: stopped\n"
    assert runs.seen()["last_end"] == "powered off by force"
    assert runs.log("/chyves/tank/guests/web/logs")[-1] == "[1] - web: powered off by force"
    runs.assert_nothing_left()


def test_a_guest_that_ignores_its_button_loses_its_power_in_the_end(runs: Runs) -> None:
    """And does not keep the others, which have their own time."""
    runs.booted("web", "hang")
    runs.booted("db")
    runs.booted("mail", "hang")
    runs.chyves("web set stop_timeout=1")
    runs.chyves("mail set stop_timeout=2")
    done = runs.chyves("all stop")
    assert done.out.splitlines() == [
        "db: stopped",
        "web: stopped by force: it ignored its power button for 1 seconds",
        "mail: stopped by force: it ignored its power button for 2 seconds",
    ]
    assert done.said[0] == "web: ignored its power button for 1 seconds, power off"
    assert runs.seen()["last_end"] == "powered off by force"
    runs.assert_nothing_left()


def test_the_timeout_of_the_line_counts_more_than_the_property(runs: Runs) -> None:
    runs.booted("web", "hang")
    done = runs.chyves("web stop --timeout 1 --json")
    (result,) = json.loads(done.out)["results"]
    assert result == {
        "target": "web",
        "result": "stopped by force: it ignored its power button for 1 seconds",
        "changed": True,
        "reason": "powered off by force",
        "forced": True,
    }


def test_a_guest_without_acpi_is_said_to_have_lost_its_power(runs: Runs) -> None:
    runs.create()
    runs.install("web", "noacpi")
    runs.chyves("web start")
    end = "ended as by a power failure: it had no power button (ACPI)"
    assert runs.chyves("web stop").out == f"web: stopped: {end}\n"
    seen = runs.seen()
    assert (seen["phase"], seen["last_end"]) == ("stopped", end)
    assert [one["code"] for one in seen["exits"]] == [-15]
    runs.assert_nothing_left()


def test_reclaim(runs: Runs) -> None:
    runs.booted("web", "hang")
    assert runs.chyves("web reclaim").out == "web: stopped\n"
    runs.assert_nothing_left()
    assert runs.chyves("web reclaim").out == "web: not running\n"


def test_stop_without_waiting(runs: Runs) -> None:
    runs.booted("web", "hang")
    assert runs.chyves("web stop --no-wait").out == "web: asked to stop\n"
    runs.booted("db")
    runs.chyves("db stop --no-wait")
    runs.wait_for_phase("stopped", "db")
    assert runs.phase("web") == "running"


def test_a_dry_stop_asks_nobody(runs: Runs) -> None:
    runs.booted()
    assert runs.chyves("web stop --dry-run").out.startswith("# press the power button of web\n")
    assert runs.chyves("web stop force --dry-run").out.startswith("# power off web\n")
    time.sleep(0.1)
    assert runs.phase() == "running"


def test_no_other_way_to_stop(runs: Runs) -> None:
    runs.booted()
    done = runs.chyves("web stop gently", code=Exit.USAGE)
    assert done.said[0] == "chyves: no such way to stop: gently"
    assert runs.phase() == "running"


def test_stop_while_the_loader_waits(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chyves.commands.start.SECONDS", 2)
    runs.create()
    runs.chyves("web start", code=Exit.PRECONDITION)
    assert runs.phase() == "loading"
    assert runs.chyves("web stop").out == "web: stopped\n"
    assert runs.seen()["phase"] == "stopped"
    runs.assert_nothing_left()


def test_stop_in_the_pause_before_a_restart(runs: Runs) -> None:
    runs.create()
    runs.install("web", "reboot")
    start = runs.process("web start -q")
    wait_for(lambda: runs.host.path("/var/run/chyves/guests/web/state.json").exists(), "a state")
    wait_for(lambda: runs.state()["reboots"] >= 8 and runs.phase() == "restarting", "a pause")
    began = time.monotonic()
    runs.chyves("web stop")
    assert time.monotonic() - began < 3, "it does not wait for the end of the pause"
    seen = runs.seen()
    assert (seen["phase"], seen["last_end"]) == ("stopped", "stopped before it started again")
    runs.assert_nothing_left()
    start.communicate()


def test_start_waits_for_a_supervisor_that_ends(runs: Runs) -> None:
    """Whoever sees that a guest has ended can start it again at once."""
    runs.booted()
    for _ in range(3):
        runs.type("poweroff")
        wait_for(lambda: runs.phase() in ("ending", "stopped"), "it has ended")
        assert runs.chyves("web start").out.startswith("web: running (pid ")


def test_a_guest_that_resets_again_and_again_is_given_up(runs: Runs) -> None:
    """With the pauses left out: python -c patches the one number, the rest is the supervisor."""
    runs.create()
    runs.install("web", "reboot")
    runs.chyves("web start --dry-run")
    order = {
        "simulated": str(runs.chyves.directory),
        "guest": "web",
        "launches": [
            {
                "loader": runs_argv(runs, "bhyveload"),
                "bhyve": runs_argv(runs, "bhyve"),
            }
        ],
        "eject_after": 0,
        "restarts": False,
        "revert": None,
        "pool": "tank",
        "taps": ["tap50"],
        "sockets": [],
        "holding": {},
        "waits_for_client": False,
        "logs": ["/chyves/tank/guests/web/logs"],
    }
    patched = (
        "from chyves.model import lifecycle; lifecycle.PATIENCE = 99;"
        "import sys; from chyves.supervise import main; sys.exit(main())"
    )
    runs.chyves.run("kldload", "vmm")
    runs.chyves.run("kldload", "nmdm")
    child = subprocess.Popen(
        [sys.executable, "-c", patched, "2"], stdin=subprocess.PIPE, stderr=subprocess.PIPE
    )
    _, reports = child.communicate(json.dumps(order).encode())
    phases = [json.loads(line)["phase"] for line in reports.splitlines()]
    assert phases.count("running") == 11
    seen = runs.wait_for_phase("failed")
    assert seen["last_end"] == ("given up: it reset 11 times in a row, each time within 10 seconds")
    assert len(seen["exits"]) == 11
    assert runs.log("/chyves/tank/guests/web/logs")[-1] == f"[1] - web: {seen['last_end']}"
    runs.assert_nothing_left()


def runs_argv(runs: Runs, program: str) -> list[str]:
    """Return the argv that a dry start of web shows."""
    lines = runs.chyves("web start --dry-run").out.splitlines()
    return next(line.split() for line in lines if line.startswith(f"{program} "))


def test_start_looks_once_for_all_guests(runs: Runs) -> None:
    runs.create("web,db,mail")
    for name in ("web", "db", "mail"):
        runs.install(name)
    before = len(runs.chyves.commands())
    runs.chyves("all start")
    words = [argv[0] for argv in runs.chyves.commands()[before:]]
    assert words.count("sysctl") == 1
    assert words.count("zfs") == 2


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGPIPE, signal.SIGCHLD])
def test_the_supervisor_takes_no_notice_of_stray_signals(
    runs: Runs, number: signal.Signals
) -> None:
    runs.booted()
    before = runs.seen()
    runs.supervisor().send_signal(number)
    time.sleep(0.1)
    assert runs.seen() == before
    runs.chyves("web stop")
    assert runs.seen()["last_end"] == "powered off"


def test_sigterm_to_the_supervisor_is_the_power_button(runs: Runs) -> None:
    runs.booted()
    runs.supervisor().terminate()
    assert runs.wait_for_phase("stopped")["last_end"] == "powered off"
    runs.assert_nothing_left()
