# SPDX-License-Identifier: BSD-2-Clause
"""``run``: a guest in the foreground; ``reload``; disks that go back at each start or reboot."""

import json
import re
import shlex
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from chyves.backend import wanted
from chyves.backend.run import Result
from chyves.errors import Exit
from chyves.model import layout
from chyves.simulator.host import SimulatedRunner
from tests.cli.conftest import Chyves
from tests.cli.plans import same_as_the_real_run
from tests.cli.runs import Runs, run_on
from tests.simulator.vms import Terminal, wait_for


@pytest.fixture
def runs(chyves: Chyves) -> Iterator[Runs]:
    with run_on(chyves) as runs:
        runs.chyves("network bridge0 private")
        runs.create()
        runs.install("web")
        yield runs


def wait_for_start(runs: Runs) -> None:
    wait_for(lambda: runs.phase() == "running" and runs.seen()["pid"], "it runs", seconds=30)
    runs.wait_for_acpi()


def test_run_ends_with_the_guest(runs: Runs) -> None:
    foreground = runs.process("web run -q")
    wait_for_start(runs)
    runs.type("reboot")
    runs.wait_for_reboots(1)
    assert foreground.poll() is None, "a reboot is no end"
    runs.type("poweroff")
    said = foreground.communicate(timeout=30)
    assert foreground.returncode == 0
    assert said[0].splitlines()[-1] == "web: ended: powered off"


def test_run_tells_a_bad_end_by_its_exit_code(runs: Runs) -> None:
    foreground = runs.process("web run -q")
    assert foreground.stdout
    assert foreground.stdout.readline().startswith("web: running")
    runs.type("panic")
    said = foreground.communicate(timeout=30)
    assert foreground.returncode == Exit.FAILED
    assert "chyves: web: ended: crashed: triple fault" in said[1]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_run_stops_the_guest(runs: Runs, number: signal.Signals) -> None:
    foreground = runs.process("web run -q")
    wait_for_start(runs)
    foreground.send_signal(number)
    said = foreground.communicate(timeout=30)
    assert foreground.returncode == 0, said
    assert said[0].splitlines()[-1] == "web: stopped"
    runs.assert_nothing_left()


def test_a_second_signal_to_run_takes_the_power(runs: Runs) -> None:
    runs.install("web", "hang")
    foreground = runs.process("web run -q")
    wait_for_start(runs)
    mark = hook_that_touches(runs, "prestop")
    foreground.terminate()
    wait_for(mark.exists, "it is to stop", seconds=20)
    time.sleep(0.5)  # behind the hook the button is pressed, which nobody sees
    foreground.terminate()
    foreground.communicate(timeout=30)
    assert foreground.returncode == 0
    assert runs.seen()["last_end"] == "powered off by force"


def hook_that_touches(runs: Runs, event: str, then: str = "") -> Path:
    """Install a hook that touches a file, which ``then`` has as ``{}``; return the file."""
    mark = runs.host.path(f"/tmp/{event}")
    hook = runs.host.path(f"/usr/local/etc/chyves/hooks/{event}")
    hook.parent.mkdir(parents=True)
    hook.write_text(f"#!/bin/sh\ntouch {mark}\n{then.format(mark)}\n")
    hook.chmod(0o755)
    return mark


def test_run_stays_with_a_guest_that_runs_already(runs: Runs) -> None:
    """As after a kill -9 of run: the guest has gone on, and its supervisor may be gone too."""
    first = runs.process("web run -q")
    wait_for_start(runs)
    pid = runs.seen()["pid"]
    first.kill()
    first.communicate()
    runs.supervisor().kill()
    second = runs.process("web run -q")
    wait_for(lambda: runs.phase() == "running", "it is taken over", seconds=20)
    assert runs.seen()["pid"] == pid
    runs.type("poweroff")
    said = second.communicate(timeout=30)
    assert second.returncode == 0, said


def test_reload_takes_up_what_was_changed(runs: Runs) -> None:
    runs.chyves("web start")
    runs.wait_for_acpi()
    runs.chyves("web set ram=512M")
    done = runs.chyves("web reload")
    assert [line.split(" (")[0] for line in done.out.splitlines()] == [
        "web: stopped",
        "web: running",
    ]
    first, second = runs.commands("bhyve")
    assert ("256M" in first, "512M" in second) == (True, True)


def test_reload_names_the_medium_that_it_takes_out(runs: Runs) -> None:
    runs.chyves(f"web start {runs.medium()}")
    medium = "/chyves/tank/ISO/os.iso/os.iso"
    done = runs.chyves("web reload -n")
    assert done.said == [f"chyves: web starts again without the medium {medium}"]
    assert medium not in done.out
    runs.chyves("web stop force")


def test_a_dry_start_is_in_the_order_of_the_real_one(runs: Runs) -> None:
    programs = ("kldload", "ifconfig", "bhyveload", "bhyve")
    planned = runs.chyves("web start -n").out.splitlines()
    told = json.loads(runs.chyves("web start -n --json").out)
    assert told["results"] == [{"target": "web", "result": "running", "changed": True}]
    before = len(runs.commands())
    runs.chyves("web start")
    ran = [shlex.join(argv) for argv in runs.commands()[before:] if argv != ["ifconfig", "-a"]]
    wanted = [line for line in planned if line.split()[0] in programs]
    assert [line for line in ran if line.split()[0] in programs] == wanted
    assert [line.split()[0] for line in wanted[-3:]] == ["bhyveload", "ifconfig", "bhyve"]


def test_a_guest_that_runs_without_the_medium_is_told(runs: Runs) -> None:
    medium = runs.medium()
    runs.chyves("web start")
    for line in (f"web start {medium}", f"web start {medium} -n", f"web run {medium}"):
        done = runs.chyves(line, code=Exit.BUSY)
        assert done.said == [
            f"chyves: web: runs already, and was started without {medium}",
            "hint: chyves web stop",
        ]
    runs.chyves("web stop force")
    runs.chyves(f"web start {medium}")
    assert runs.chyves(f"web start {medium}").out.startswith("web: already running (pid ")


def test_reload_is_for_guests_that_run(runs: Runs) -> None:
    assert runs.chyves("web reload").out == "web: not running\n"
    assert runs.phase() == "stopped"


def test_a_reload_that_was_killed_is_completed_by_another(runs: Runs) -> None:
    runs.install("web", "hang")
    runs.chyves("web start")
    runs.chyves("web set stop_timeout=60")
    reload = runs.process("web reload -q")
    wait_for(lambda: wanted.wanted(runs.host, "web") == wanted.AGAIN, "it has begun", seconds=20)
    reload.kill()
    reload.communicate()
    runs.install("web")
    runs.supervisor().send_signal(signal.SIGUSR1)
    runs.wait_for_phase("stopped")
    assert runs.chyves("web reload").out.startswith("web: running (pid ")
    runs.wait_for_acpi()
    runs.chyves("web stop")
    assert runs.chyves("web reload").out == "web: not running\n"


def test_a_dry_reload_shows_both_halves(runs: Runs) -> None:
    start = [
        line for line in runs.chyves("web start --dry-run").out.splitlines() if "kld" not in line
    ]
    runs.chyves("web start")
    runs.wait_for_acpi()
    hook_that_touches(runs, "prestart")
    lines = runs.chyves("web reload --dry-run").out.splitlines()
    told = json.loads(runs.chyves("web reload --dry-run --json").out)
    assert [(one["target"], one["result"]) for one in told["results"]] == [
        ("web", "stopped"),
        ("web", "running"),
    ]
    assert lines[0] == "# press the power button of web"
    assert lines[-1] == start[-1]
    assert lines[-1].startswith("bhyve ")
    assert any(line.endswith("hooks/prestart") for line in lines)
    assert runs.phase() == "running"


@pytest.mark.parametrize(
    ("properties", "code", "complaint"),
    [
        ("ram=9999G", Exit.PRECONDITION, "and this host 31G"),
        ("ram=30G bargs=-S", Exit.PRECONDITION, "it wires 30G of memory"),
        ("revert_to_snapshot_method=start", Exit.NOT_FOUND, "web has no snapshot to go back to"),
        ("loader=uefi", Exit.PRECONDITION, "it has no firmware"),
    ],
)
def test_reload_stops_no_guest_that_could_not_start_again(
    runs: Runs, properties: str, code: Exit, complaint: str
) -> None:
    runs.chyves("web start")
    pid = runs.seen()["pid"]
    runs.chyves(f"web set {properties}")
    for line in ("web reload", "web reload --dry-run"):
        done = runs.chyves(line, code=code)
        assert complaint in done.said[0]
        assert done.out == ""
    assert runs.seen()["pid"] == pid


def write_serial(runs: Runs, name: str, serial: str) -> None:
    """Change it in the file, as nothing forbids."""
    file = runs.host.path(layout.guest_config("tank", name))
    file.write_text(re.sub("serial=.*", f"serial={serial}", file.read_text()))


def test_reload_goes_by_what_the_others_were_started_with(runs: Runs) -> None:
    runs.create("db")
    runs.install("db")
    runs.chyves("db,web start")
    runs.wait_for_acpi()
    pid = runs.seen()["pid"]
    own = runs.seen("db")["properties"]["serial"]
    write_serial(runs, "db", "nmdm61")
    write_serial(runs, "web", own)
    done = runs.chyves("web reload", code=Exit.BUSY)
    assert done.said[0] == f"chyves: web: db is running with the same serial port, {own}"
    assert runs.seen()["pid"] == pid
    runs.chyves("db reload")
    assert runs.chyves("web reload").out.startswith("web: stopped")


def test_a_guest_that_is_reloaded_may_have_its_own_memory_again(runs: Runs) -> None:
    runs.chyves("web set ram=20G bargs=-S -q")
    runs.chyves("web start")
    runs.wait_for_acpi()
    runs.chyves("web set ram=24G")
    assert runs.chyves("web reload").out.splitlines()[-1].startswith("web: running (pid ")


def test_a_guest_that_was_stopped_is_not_started_by_a_reload_under_way(runs: Runs) -> None:
    runs.install("web", "hang")
    runs.chyves("web set stop_timeout=60")
    runs.chyves("web start")
    reload = runs.process("web reload -q")
    wait_for(lambda: wanted.wanted(runs.host, "web") == wanted.AGAIN, "it has begun", seconds=20)
    stop = runs.process("web stop force")  # no ancestor of reload, whose hook it might be
    assert stop.communicate(timeout=30)[0].startswith("web: stopped")
    said = reload.communicate(timeout=30)
    assert reload.returncode == Exit.BUSY
    assert "chyves: web: was stopped before it ran" in said[1]
    assert runs.phase() == "stopped"
    runs.chyves("web start")


@pytest.mark.parametrize("line", ["web stop", "web stop force", "all stop --within 30"])
def test_a_guest_that_was_stopped_is_not_started_by_a_start_under_way(
    runs: Runs, line: str
) -> None:
    mark = hook_that_touches(runs, "prestart", "while [ -e {}.holds ]; do sleep 0.05; done")
    mark.with_suffix(".holds").touch()
    start = runs.process("web start -q")
    wait_for(mark.exists, "its hook runs", seconds=20)
    assert runs.chyves(line).out == "web: not running\n"
    mark.with_suffix(".holds").unlink()
    said = start.communicate(timeout=30)
    assert start.returncode == Exit.BUSY
    assert "chyves: web: was stopped before it ran" in said[1]
    runs.assert_nothing_left()
    runs.chyves("web start")


def test_a_reload_that_failed_is_not_completed_later(runs: Runs) -> None:
    runs.chyves("web start")
    runs.wait_for_acpi()
    hook_that_touches(runs, "prestart", "exit 3")
    done = runs.chyves("web reload", code=Exit.HOST)
    assert done.out == "web: stopped\n"
    runs.host.path("/usr/local/etc/chyves/hooks/prestart").unlink()
    assert runs.chyves("web reload").out == "web: not running\n"
    runs.chyves("web start")


@pytest.mark.parametrize(("command", "code"), [("poweroff", 0), ("panic", Exit.FAILED)])
def test_run_of_a_guest_that_ends_at_once(runs: Runs, command: str, code: int) -> None:
    runs.install("web", command)
    assert "ended: " in str(runs.chyves("web run", code=code))


def test_run_stays_while_the_loader_waits(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    runs.disk("web").write_bytes(bytes(1 << 20))
    foreground = runs.process("web run -q")
    runs.wait_for_phase("loading")
    with pytest.raises(subprocess.TimeoutExpired):
        foreground.communicate(timeout=2)
    foreground.terminate()
    said = foreground.communicate(timeout=30)
    assert foreground.returncode == 0, said
    runs.assert_nothing_left()


def ask(shell: Terminal, command: str) -> str:
    """Type a command in a guest; return what comes up to the next prompt."""
    shell.type(f"{command}\r")
    return shell.expect("# ")


@pytest.fixture
def kiosk(runs: Runs) -> Runs:
    """A guest whose disk says clean, and a snapshot of it; then it says dirty."""
    runs.chyves("web start")
    runs.wait_for_acpi()
    ask(runs.shell(), "write note clean")
    runs.chyves("web stop")
    runs.chyves("web snapshot @clean")
    runs.chyves("web start")
    runs.wait_for_acpi()
    ask(runs.shell(), "write note dirty")
    return runs


def test_a_snapshot_of_a_guest_that_ran_is_named(runs: Runs) -> None:
    runs.chyves("web start")
    runs.wait_for_acpi()
    runs.chyves("web snapshot @clean -q")
    runs.chyves("web stop")
    for verb in ("rollback", "delete"):
        done = runs.chyves(f"web snapshot {verb} @clean --yes", code=Exit.NOT_FOUND)
        assert done.said[-1] == "hint: there is @clean-LIVE-SYSTEM: it ran"


def test_the_disks_go_back_at_each_start(kiosk: Runs) -> None:
    """To a snapshot from before the property was set: that stays as it is."""
    kiosk.chyves("web stop")
    kiosk.chyves("web set revert_to_snapshot=@clean revert_to_snapshot_method=start")
    assert "zfs rollback tank/chyves/guests/web/disk0@clean" in (
        kiosk.chyves("web start --dry-run").out
    )
    done = kiosk.chyves("web start")
    assert done.said == ["web: its disks went back to @clean"]
    shell = kiosk.shell()
    assert "clean" in ask(shell, "cat note")
    ask(shell, "write note dirty")
    shell.type("reboot\r")
    kiosk.wait_for_reboots(1)
    assert "dirty" in ask(kiosk.shell(), "cat note"), "a reboot is no start"
    assert kiosk.seen()["properties"]["revert_to_snapshot_method"] == "start"


def test_a_dry_reload_shows_what_becomes_of_disks_and_taps(kiosk: Runs) -> None:
    kiosk.chyves("web stop")
    kiosk.chyves("web set revert_to_snapshot=@clean revert_to_snapshot_method=start")
    kiosk.chyves("web start")
    kiosk.wait_for_acpi()
    tap, *rest = same_as_the_real_run(kiosk.chyves, "web reload")
    assert (tap, rest[-1]) == ("ifconfig tap50 up", "ifconfig tap50 up")
    assert all(line.startswith("zfs rollback ") for line in rest[:-1])
    kiosk.wait_for_acpi()


def test_the_disks_go_back_at_each_reboot(kiosk: Runs) -> None:
    kiosk.chyves("web stop")
    kiosk.chyves("web set revert_to_snapshot_method=reboot")
    kiosk.chyves("web start")
    kiosk.wait_for_acpi()
    shell = kiosk.shell()
    assert "dirty" in ask(shell, "cat note")
    shell.type("reboot\r")
    kiosk.wait_for_reboots(1)
    assert "clean" in ask(kiosk.shell(), "cat note")


def test_a_start_that_cannot_go_back_has_written_nothing(runs: Runs) -> None:
    runs.chyves("web set revert_to_snapshot_method=start -q")
    before = runs.chyves.state()
    for line in ("web start -n", "web start"):
        assert "zfs" not in runs.chyves(line, code=Exit.NOT_FOUND).out
    assert not [name for name in runs.chyves.changed(before) if name.endswith(".cfg")]


def test_without_its_snapshot_a_guest_does_not_start(kiosk: Runs) -> None:
    kiosk.chyves("web stop")
    kiosk.chyves("web set revert_to_snapshot=@gone revert_to_snapshot_method=both")
    done = kiosk.chyves("web start", code=Exit.NOT_FOUND)
    assert done.said[0] == "chyves: web: no such snapshot: web@gone"
    kiosk.chyves("web set revert_to_snapshot=@clean")
    kiosk.chyves("web snapshot @newer")
    done = kiosk.chyves("web start", code=Exit.CONFLICT)
    assert "has snapshots newer than @clean: @newer" in done.said[0]
    kiosk.assert_nothing_left()


def test_a_guest_whose_disk_zfs_does_not_take_back_does_not_start(kiosk: Runs) -> None:
    """Because of a bookmark, which is newer and no snapshot."""
    kiosk.chyves("web stop")
    kiosk.chyves("web set revert_to_snapshot_method=start")
    disk = "tank/chyves/guests/web/disk0"
    kiosk.chyves.run("zfs", "snapshot", f"{disk}@gone")
    kiosk.chyves.run("zfs", "bookmark", f"{disk}@gone", f"{disk}#mark")
    kiosk.chyves.run("zfs", "destroy", f"{disk}@gone")
    done = kiosk.chyves("web start", code=Exit.CONFLICT)
    assert done.said == [
        f"chyves: web: cannot rollback to '{disk}@clean': more recent snapshots or bookmarks "
        f"exist: {disk}#mark",
        "hint: zfs list -t snapshot,bookmark shows which",
    ]
    kiosk.assert_nothing_left()
    kiosk.chyves.run("zfs", "destroy", f"{disk}#mark")
    assert "web: its disks went back to @clean" in kiosk.chyves("web start").said


def test_a_guest_whose_disk_is_busy_does_not_start(
    kiosk: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    kiosk.chyves("web stop")
    kiosk.chyves("web set revert_to_snapshot_method=start")
    run = SimulatedRunner.run

    def refuse(
        self: SimulatedRunner, argv: Sequence[str], *, timeout: float | None = None
    ) -> Result:
        if list(argv[:2]) != ["zfs", "rollback"]:
            return run(self, argv, timeout=timeout)
        return Result(tuple(argv), 1, "", f"cannot rollback '{argv[2]}': dataset is busy\n")

    monkeypatch.setattr(SimulatedRunner, "run", refuse)
    done = kiosk.chyves("web start", code=Exit.BUSY)
    assert done.said == [
        "chyves: web: cannot rollback 'tank/chyves/guests/web/disk0@clean': dataset is busy",
        "hint: fstat shows which process has it open",
    ]
    kiosk.assert_nothing_left()


def test_a_guest_that_cannot_go_back_at_a_reboot_stays_off(kiosk: Runs) -> None:
    kiosk.chyves("web stop")
    kiosk.chyves("web set revert_to_snapshot=@clean revert_to_snapshot_method=reboot")
    kiosk.chyves("web start")
    kiosk.wait_for_acpi()
    kiosk.chyves("web snapshot @newer")
    kiosk.type("reboot")
    seen = kiosk.wait_for_phase("failed")
    assert "has snapshots newer than @clean" in seen["last_end"]
    kiosk.assert_nothing_left()
