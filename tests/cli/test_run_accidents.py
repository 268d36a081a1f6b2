# SPDX-License-Identifier: BSD-2-Clause
"""Crashes, kills and strangers: what becomes of a guest, what is said of it, what is cleaned."""

import json
import os
import signal
import socket
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from chyves.backend import guests
from chyves.errors import Exit, Precondition
from chyves.model import lifecycle
from tests.cli.conftest import Chyves
from tests.cli.runs import Runs, run_on
from tests.simulator.vms import wait_for


@pytest.fixture
def runs(chyves: Chyves) -> Iterator[Runs]:
    with run_on(chyves) as runs:
        runs.chyves("network bridge0 private")
        yield runs


def test_a_panic(runs: Runs) -> None:
    runs.booted()
    runs.type("panic")
    seen = runs.wait_for_phase("failed")
    assert seen["last_end"] == "crashed: triple fault"
    assert [end["code"] for end in seen["exits"]] == [3]
    runs.assert_nothing_left()
    runs.chyves("web start")
    assert runs.phase() == "running"


def test_why_it_failed_is_shown(runs: Runs) -> None:
    runs.booted()
    runs.type("crash")
    reason = f"web failed: {runs.wait_for_phase('failed')['last_end']}"
    said = runs.chyves.file("/var/run/chyves/guests/web/bhyve.log").splitlines()[-10:]
    assert runs.chyves("list").said == [reason]
    assert runs.chyves("info -s").said == [reason, *(f"  {line}" for line in said)]
    assert runs.chyves("list -H").said == []
    runs.chyves("web start")
    assert runs.chyves("info -s").said == []


def test_a_crash_of_bhyve(runs: Runs) -> None:
    runs.booted()
    runs.type("crash")
    seen = runs.wait_for_phase("failed")
    assert seen["last_end"].startswith("bhyve was ended by SIGABRT: ")
    assert "inst_error" in seen["last_end"], "the last lines that bhyve said"
    assert "vm exit[0]" in runs.chyves.file("/var/run/chyves/guests/web/bhyve.log")
    runs.assert_nothing_left()


def test_bhyve_is_killed(runs: Runs) -> None:
    runs.booted()
    runs.bhyve().kill()
    assert runs.wait_for_phase("failed")["last_end"] == "bhyve was ended by SIGKILL"
    assert "FAILED" in runs.chyves("list").out
    runs.assert_nothing_left()


def test_its_vm_is_destroyed_from_outside(runs: Runs) -> None:
    runs.booted()
    runs.chyves.run("bhyvectl", "--destroy", "--vm=chy-web")
    assert runs.wait_for_phase("failed")["last_end"] == "its VM was destroyed from outside"
    runs.assert_nothing_left()


def test_it_is_powered_off_from_outside(runs: Runs) -> None:
    runs.booted()
    runs.chyves.run("bhyvectl", "--force-poweroff", "--vm=chy-web")
    assert runs.wait_for_phase("stopped")["last_end"] == "powered off"
    runs.assert_nothing_left()


def test_a_guest_that_crashes_is_started_again_if_that_is_wanted(runs: Runs) -> None:
    runs.create()
    runs.chyves("web set on_crash=restart")
    runs.install("web")
    runs.chyves("web start")
    runs.type("panic")
    wait_for(lambda: len(runs.state()["exits"]) == 1, "it has crashed")
    wait_for(lambda: runs.phase() == "running" and runs.seen()["pid"], "it runs again")
    runs.wait_for_acpi()
    seen = runs.seen()
    assert [end["reason"] for end in seen["exits"]] == ["crashed: triple fault"]
    assert runs.chyves("web stop").out == "web: stopped\n"
    runs.assert_nothing_left()


def test_a_guest_that_crashes_again_and_again_is_slowed_down(runs: Runs) -> None:
    runs.create()
    runs.chyves("defaults set on_crash=restart")
    runs.install("web", "panic")
    start = runs.process("web start -q")
    state = runs.host.path("/var/run/chyves/guests/web/state.json")
    wait_for(state.exists, "it has begun")
    wait_for(lambda: len(runs.state()["exits"]) >= 3, "it has crashed three times", seconds=20)
    pauses = [end["time"] for end in runs.state()["exits"]]
    assert pauses[1] - pauses[0] >= 1
    assert pauses[2] - pauses[1] >= 2, "each pause is longer than the one before"
    runs.chyves("web stop")
    assert runs.seen()["last_end"] == "stopped before it started again"
    start.communicate()


def kill_supervisor(runs: Runs, name: str = "web") -> None:
    supervisor = runs.supervisor(name)
    supervisor.kill()
    wait_for(lambda: not runs.seen(name)["supervisor"], "the supervisor is gone")


def test_its_supervisor_is_killed(runs: Runs) -> None:
    runs.booted()
    pid = runs.seen()["pid"]
    kill_supervisor(runs)
    seen = runs.seen()
    assert (seen["phase"], seen["pid"]) == ("unsupervised", pid)
    assert runs.chyves("list").out.splitlines()[1].split()[3:5] == ["UNSUPERVISED", f"({pid})"]
    runs.chyves("web delete --yes", code=Exit.BUSY)
    assert runs.chyves("web start").out == f"web: already running (pid {pid}), taken over\n"
    seen = runs.seen()
    assert (seen["phase"], seen["pid"]) == ("running", pid)
    assert len(runs.commands("bhyve")) == 1, "it was not started again"
    assert runs.chyves("web start").out == f"web: already running (pid {pid})\n"
    assert runs.chyves("web stop").out == "web: stopped\n"
    assert runs.seen()["last_end"] == "powered off"
    runs.assert_nothing_left()


def test_a_guest_that_was_taken_over_lives_on_as_before(runs: Runs) -> None:
    """It comes back from a reboot, and what ended it is known."""
    runs.booted()
    runs.type("reboot")
    runs.wait_for_reboots(1)
    kill_supervisor(runs)
    runs.chyves("web start")
    runs.type("reboot")
    runs.wait_for_reboots(2)
    kill_supervisor(runs)
    runs.chyves("web start")
    runs.type("panic")
    seen = runs.wait_for_phase("failed")
    assert seen["last_end"] == "crashed: triple fault"
    assert [end["code"] for end in seen["exits"]] == [0, 0, 3]
    runs.assert_nothing_left()


def test_a_guest_that_was_taken_over_is_killed(runs: Runs) -> None:
    runs.booted()
    kill_supervisor(runs)
    runs.chyves("web start")
    runs.bhyve().kill()
    assert runs.wait_for_phase("failed")["last_end"] == "bhyve was ended by SIGKILL"
    runs.assert_nothing_left()


def test_a_loader_that_was_taken_over_is_followed_by_bhyve(
    runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chyves.commands.start.SECONDS", 2)
    runs.create()
    runs.chyves("web start", code=Exit.PRECONDITION)
    kill_supervisor(runs)
    runs.chyves("web start", code=Exit.PRECONDITION)
    assert runs.phase() == "loading"
    assert runs.chyves("web stop").out == "web: stopped\n"
    runs.assert_nothing_left()


def test_two_that_take_a_guest_over_at_once(runs: Runs) -> None:
    runs.booted()
    kill_supervisor(runs)
    started = [runs.process("web start -q") for _ in range(3)]
    said = [start.communicate()[0] for start in started]
    assert [start.returncode for start in started] == [0] * 3
    assert sum("taken over" in line for line in said) == 1
    runs.chyves("web stop")
    runs.assert_nothing_left()


def test_a_process_that_is_not_the_guests_is_not_taken_over(runs: Runs) -> None:
    """And nothing of a running guest is touched by a supervisor that was sent to it by mistake."""
    runs.booted("web")
    runs.booted("db")
    kill_supervisor(runs)
    now = guests.status(runs.host, "web")
    wrong = now._replace(bhyve=runs.seen("db")["pid"])
    assert guests.adopt(runs.host, "web", wrong).phase == "unsupervised"
    assert runs.vms() == ["chy-db", "chy-web"]
    assert runs.seen()["pid"] == now.bhyve


def test_without_a_record_of_its_start_a_guest_is_left_as_it_is(runs: Runs) -> None:
    runs.booted()
    kill_supervisor(runs)
    runs.host.path("/var/run/chyves/guests/web/order.json").unlink()
    assert runs.chyves("web start").out == f"web: already running (pid {runs.seen()['pid']})\n"
    assert runs.phase() == "unsupervised"
    assert runs.chyves("web stop").out == "web: stopped\n"
    runs.assert_nothing_left()


def test_a_hung_guest_without_supervisor(runs: Runs) -> None:
    runs.booted("web", "hang")
    kill_supervisor(runs)
    runs.chyves("web stop --no-wait")
    assert runs.chyves("web stop force").out == "web: stopped\n"
    runs.assert_nothing_left()


def test_a_bhyve_that_does_not_end_without_supervisor(
    runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chyves.commands.ending.FORCED_SECONDS", 0.2)
    runs.booted()
    bhyve = runs.bhyve()
    kill_supervisor(runs)
    bhyve.suspend()
    runs.chyves("web reclaim", code=Exit.BUSY)
    assert runs.chyves("web reclaim").out == "web: stopped\n"
    runs.assert_nothing_left()


def test_the_supervisor_is_killed_while_the_loader_waits(
    runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chyves.commands.start.SECONDS", 2)
    runs.create()
    runs.chyves("web start", code=Exit.PRECONDITION)
    kill_supervisor(runs)
    (loader,) = runs.programs()
    seen = runs.seen()
    assert (seen["phase"], seen["pid"]) == ("unsupervised", loader.pid)
    with pytest.raises(Precondition, match="its loader waits"):
        guests.Underway(runs.chyves.host, "web").wait(2)
    assert runs.phase() == "loading"
    kill_supervisor(runs)
    done = runs.chyves("web start", code=Exit.PRECONDITION)
    assert done.said[0] == "chyves: web: its loader waits at a prompt: nothing to boot?"
    assert runs.phase() == "loading"
    assert runs.chyves("web stop force").out == "web: stopped\n"
    runs.assert_nothing_left()


def test_supervisor_and_bhyve_are_killed(runs: Runs) -> None:
    runs.booted()
    bhyve = runs.bhyve()
    kill_supervisor(runs)
    bhyve.kill()
    runs.wait_for_phase("left")
    assert runs.vms() == ["chy-web"]
    runs.chyves("web delete --yes", code=Exit.BUSY)
    done = runs.chyves("web start")
    assert done.said == ["web: taking its old VM out of the kernel"]
    assert runs.phase() == "running"
    assert runs.tap().up


@pytest.mark.parametrize("verb", ["stop", "reclaim"])
def test_what_was_left_is_reclaimed(runs: Runs, verb: str) -> None:
    runs.booted()
    bhyve = runs.bhyve()
    kill_supervisor(runs)
    bhyve.kill()
    runs.wait_for_phase("left")
    assert runs.chyves(f"web {verb}").out == "web: reclaimed from the kernel\n"
    runs.assert_nothing_left()


def test_a_vm_left_by_somebody_else_under_its_name(runs: Runs) -> None:
    runs.create()
    runs.install("web")
    runs.chyves.run("kldload", "vmm")
    runs.chyves.run("bhyvectl", "--create", "--vm=chy-web")
    assert runs.phase() == "left"
    runs.chyves("web start")
    assert runs.phase() == "running"


def test_a_vm_that_is_not_ours_is_left_alone(runs: Runs) -> None:
    runs.booted()
    runs.chyves.run("bhyvectl", "--create", "--vm=chy-web2")
    runs.chyves.run("bhyvectl", "--create", "--vm=web")
    runs.chyves("all stop")
    runs.chyves("all reclaim")
    assert runs.vms() == ["chy-web2", "web"]
    for name in runs.vms():
        runs.chyves.run("bhyvectl", "--destroy", f"--vm={name}")


def test_the_state_cannot_be_written(runs: Runs) -> None:
    """A full /var/run ends no guest: here the state's file is a folder that is not empty."""
    runs.booted()
    state = runs.host.path("/var/run/chyves/guests/web/state.json")
    state.unlink()
    (state / "in the way").mkdir(parents=True)
    supervisor = runs.host.path("/var/run/chyves/guests/web/run.lock").read_text().strip()
    runs.type("reboot")
    wait_for(lambda: len(runs.commands("bhyve")) == 2, "it has rebooted")
    runs.terminal().expect("login: ")
    (state / "in the way").rmdir()
    state.rmdir()
    assert runs.seen()["supervisor"] == int(supervisor)
    runs.chyves("web stop")
    assert runs.seen()["last_end"] == "powered off"


def test_the_log_is_gone(runs: Runs) -> None:
    runs.booted()
    for folder in ("/chyves/tank/logs", "/chyves/tank/guests/web/logs"):
        for file in runs.host.path(folder).iterdir():
            file.unlink()
            file.mkdir()
    runs.type("reboot")
    runs.wait_for_reboots(1)
    runs.chyves("web stop")
    assert runs.seen()["last_end"] == "powered off"


def test_damage_to_the_state_file_is_no_damage(runs: Runs) -> None:
    runs.booted()
    runs.chyves("web stop")
    runs.host.path("/var/run/chyves/guests/web/state.json").write_text('{"phase": "runn')
    assert runs.phase() == "stopped"
    runs.chyves("web start")
    assert runs.phase() == "running"


def test_what_bhyve_inherits(runs: Runs) -> None:
    """No lock, no signal ignored or blocked, no descriptor but its own three; and the supervisor
    keeps no terminal."""
    runs.booted()
    bhyve, supervisor = runs.bhyve(), runs.supervisor()
    folder = runs.host.path("/var/run/chyves/guests/web")
    inherited = {os.readlink(f"/proc/{bhyve.pid}/fd/{number}") for number in (0, 1, 2)}
    assert inherited == {"/dev/null", str(folder / "bhyve.log")}
    opened = [file.path for file in bhyve.open_files()]
    assert str(folder / "run.lock") not in opened
    status = dict(
        line.split(":\t", 1)
        for line in Path(f"/proc/{bhyve.pid}/status").read_text().splitlines()
        if line.startswith("Sig")
    )
    ignored, blocked = int(status["SigIgn"], 16), int(status["SigBlk"], 16)
    assert not blocked
    assert not ignored & 1 << (signal.SIGHUP - 1)
    assert not ignored & 1 << (signal.SIGINT - 1)
    assert os.getsid(supervisor.pid) != os.getsid(0)
    assert supervisor.terminal() is None
    assert supervisor.ppid() == 1 or psutil.Process(supervisor.ppid()).name() != "pytest"


def test_a_blocked_signal_of_the_starter_is_not_inherited(runs: Runs) -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGCHLD})
    try:
        runs.booted()
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM, signal.SIGCHLD})
    runs.chyves("web stop")
    assert runs.seen()["last_end"] == "powered off"


def test_others_may_look_but_not_lock_whatever_the_starters_umask(runs: Runs) -> None:
    before = os.umask(0o077)
    try:
        runs.booted()
    finally:
        os.umask(before)
    folder = runs.host.path("/var/run/chyves/guests/web")
    assert stat.S_IMODE(folder.stat().st_mode) == 0o755
    assert stat.S_IMODE((folder / "state.json").stat().st_mode) == 0o644
    assert stat.S_IMODE((folder / "run.lock").stat().st_mode) == 0o600


def test_the_pause_is_as_long_as_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where programs of the host are children, whose ends are signals: on a real one."""
    from chyves.backend import supervisor as module
    from chyves.backend.host import Host
    from chyves.backend.run import RealRunner

    assert lifecycle.QUICK_LIMIT > lifecycle.PATIENCE
    host = Host(RealRunner(), tmp_path)
    reading, writing = os.pipe()
    handlers = {n: signal.getsignal(n) for n in range(1, 32) if n not in (9, 19, 32)}
    order = {
        "guest": "web",
        "launches": [],
        "taps": [],
        "sockets": [],
        "holding": {},
        "waits_for_client": False,
        "logs": [],
        "eject_after": 0,
        "restarts": False,
        "revert": None,
        "pool": "tank",
    }
    life = module.Supervisor(host, order, writing)
    try:
        life._wakeup = module._signals_as_bytes()
        host.ask(sys.executable, "-c", "")
        import time

        began = time.monotonic()
        life._pause(0.3)
        assert time.monotonic() - began >= 0.3
    finally:
        signal.set_wakeup_fd(-1)
        for number, handler in handlers.items():
            if handler is not None and signal.getsignal(number) is not handler:
                signal.signal(number, handler)
        for descriptor in (reading, writing, life._wakeup):
            os.close(descriptor)


def vnc_guest(runs: Runs) -> int:
    """Create a guest that waits for somebody to look at its screen; return the port."""
    firmware = runs.host.path("/tmp/BHYVE.fd")
    firmware.write_bytes(bytes(1 << 20))
    runs.create()
    runs.install("web")
    runs.chyves(f"firmware import {firmware} -q")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    runs.chyves(
        "web set loader=uefi uefi_firmware=BHYVE.fd uefi_console_output=vnc "
        f"uefi_vnc_ip=127.0.0.1 uefi_vnc_port={port} uefi_vnc_pause_until_client_connect=yes"
    )
    return port


def test_a_guest_that_waits_for_a_vnc_client(runs: Runs) -> None:
    port = vnc_guest(runs)
    done = runs.chyves("web start --json")
    (result,) = json.loads(done.out)["results"]
    assert result["result"] == f"running (pid {result['pid']}), waits for a VNC client"
    assert (runs.phase(), runs.seen()["pid"]) == ("running", result["pid"])
    assert f"YES ({result['pid']})" in runs.chyves("list").out
    assert runs.chyves("web wait --for running --timeout 1").out == "web: running\n"
    assert runs.chyves("web start").out == f"web: already running (pid {result['pid']})\n"
    assert runs.chyves("web reload").out.splitlines()[0].startswith("web: stopped")
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        assert client.recv(12).startswith(b"RFB 003.008")
    runs.wait_for_acpi()
    runs.chyves("web stop")
    runs.assert_nothing_left()


@pytest.mark.parametrize(
    ("how", "end"), [("stop", f"stopped: {lifecycle.NO_ACPI}"), ("stop force", "stopped")]
)
def test_the_end_of_a_guest_that_waits_for_a_vnc_client(runs: Runs, how: str, end: str) -> None:
    vnc_guest(runs)
    runs.chyves("web start")
    assert runs.chyves(f"web {how}").out == f"web: {end}\n"
    runs.assert_nothing_left()


def test_a_guest_that_waits_for_a_vnc_client_without_supervisor(runs: Runs) -> None:
    vnc_guest(runs)
    runs.chyves("web start")
    kill_supervisor(runs)
    assert runs.phase() == "unsupervised"
    assert runs.chyves("web start").out.startswith("web: already running (pid ")
    runs.chyves("web stop force")
    runs.assert_nothing_left()
