# SPDX-License-Identifier: BSD-2-Clause
"""Guests that cannot start: why, what to do about it, and nothing left behind."""

import json
import signal
import socket
from collections.abc import Iterator
from contextlib import chdir

import pytest

from chyves.errors import Exit
from chyves.simulator import faults
from tests.cli.conftest import Chyves
from tests.cli.runs import Runs, new_host, run_on
from tests.simulator.living import living
from tests.simulator.vms import wait_for


@pytest.fixture
def runs(chyves: Chyves) -> Iterator[Runs]:
    with run_on(chyves) as runs:
        runs.chyves("network bridge0 private")
        runs.create()
        runs.install("web")
        yield runs


def refused(runs: Runs, code: Exit, line: str = "web start") -> list[str]:
    """Type a line that is refused before anything happens; return the complaint and the hint."""
    before = runs.commands("bhyve")
    done = runs.chyves(line, code=code)
    assert done.out == ""
    assert runs.commands("bhyve") == before
    runs.assert_nothing_left()
    complaint, hint = done.said
    return [complaint.removeprefix("chyves: "), hint.removeprefix("hint: ")]


def test_a_template(runs: Runs) -> None:
    runs.chyves("web set template=yes")
    assert refused(runs, Exit.PRECONDITION) == [
        "web: it is a template",
        "chyves web clone <new> makes a guest of it, chyves web set template=no makes it one",
    ]


@pytest.mark.parametrize(("version", "word"), [("0200", "older"), ("0900", "newer")])
def test_a_guest_of_another_version(runs: Runs, version: str, word: str) -> None:
    config = runs.host.path("/chyves/tank/guests/web/.config/.cfg")
    lines = [
        f"chyves_guest_version={version}" if line.startswith("chyves_guest_version=") else line
        for line in config.read_text().splitlines()
    ]
    config.write_text("\n".join(lines) + "\n")
    complaint, hint = refused(runs, Exit.PRECONDITION)
    assert complaint.startswith("web: ")
    assert version in complaint
    assert hint


def test_no_disk_and_no_medium(runs: Runs) -> None:
    runs.chyves.run("zfs", "destroy", "tank/chyves/guests/web/disk0")
    complaint, hint = refused(runs, Exit.PRECONDITION)
    assert complaint == "web: it has no disk, and no ISO was given"
    assert "chyves web start <iso>" in hint


def test_an_unknown_iso(runs: Runs) -> None:
    assert refused(runs, Exit.NOT_FOUND, "web start os.iso") == [
        "no such ISO: os.iso",
        "chyves iso list shows what there is",
    ]


def test_a_file_that_is_no_iso_resource(runs: Runs) -> None:
    file = runs.chyves.directory / "x.iso"
    file.touch()
    complaint, hint = refused(runs, Exit.NOT_FOUND, f"web start {file}")
    assert complaint == f"no such file: {file}"
    assert hint == f"on the simulated host that is {runs.chyves.host.path(str(file))}"
    with chdir(file.parent):
        complaint, hint = refused(runs, Exit.NOT_FOUND, "web start x.iso")
    assert complaint == "no such ISO: x.iso"
    assert hint == "chyves iso import x.iso keeps it"
    there = runs.chyves.host.path(str(file))
    there.parent.mkdir(parents=True)
    there.touch()
    with chdir(file.parent):
        _, hint = refused(runs, Exit.NOT_FOUND, "web start x.iso")
    assert hint == "chyves <guest> start ./x.iso takes the file, chyves iso import x.iso keeps it"


def test_an_unknown_guest_stops_all(runs: Runs) -> None:
    complaint, _ = refused(runs, Exit.NOT_FOUND, "web,wbe start")
    assert complaint == "no such guest: wbe"


def test_no_firmware(runs: Runs) -> None:
    runs.chyves("web set loader=uefi")
    complaint, hint = refused(runs, Exit.PRECONDITION)
    assert complaint == "web: it has no firmware, which loader uefi needs"
    assert "chyves firmware import" in hint


def test_firmware_that_is_gone(runs: Runs) -> None:
    firmware = runs.host.path("/tmp/BHYVE.fd")
    firmware.write_bytes(bytes(1 << 20))
    runs.chyves(f"firmware import {firmware} -q")
    runs.chyves("web set loader=uefi uefi_firmware=BHYVE.fd")
    runs.host.path("/chyves/tank/Firmware/BHYVE.fd/BHYVE.fd").unlink()
    complaint, _ = refused(runs, Exit.PRECONDITION)
    assert complaint == "web: /chyves/tank/Firmware/BHYVE.fd/BHYVE.fd does not exist"


def test_more_memory_than_the_host_has(runs: Runs) -> None:
    runs.chyves("web set ram=64G")
    complaint, hint = refused(runs, Exit.PRECONDITION)
    assert complaint == "web: it has 64G of memory, and this host 31G"
    assert hint == "chyves web set ram=<less>"


def test_a_processor_that_cannot_virtualize(bare: Chyves) -> None:
    with run_on(new_host(bare, virtualization=False)) as runs:
        runs.create()
        runs.install("web")
        dry = runs.chyves("web start --dry-run", code=Exit.PRECONDITION)
        assert dry.said[0].startswith("chyves: web: this host's processor cannot virtualize")
        complaint, hint = refused(runs, Exit.PRECONDITION)
        assert complaint == "kernel module vmm is loaded but did not initialise"
        assert "switched off in the BIOS" in hint


def test_no_unrestricted_guest(bare: Chyves) -> None:
    with run_on(new_host(bare, unrestricted_guest=False)) as runs:
        runs.create()
        runs.install("web")
        runs.chyves("web set cpu=2")
        complaint, hint = refused(runs, Exit.PRECONDITION)
        assert complaint.endswith("lacks unrestricted guest (UG), so a guest can have 1 CPU, not 2")
        assert hint == "chyves web set cpu=1"
        runs.chyves("web set cpu=1 loader=uefi")
        complaint, _ = refused(runs, Exit.PRECONDITION)
        assert "lacks unrestricted guest (UG), which loader uefi needs" in complaint
        runs.chyves("web set loader=bhyveload")
        runs.chyves("web start")


def test_modules_are_not_loaded_against_the_will_of_the_admin(runs: Runs) -> None:
    runs.chyves("global set auto_load_kernel_mods=no")
    assert refused(runs, Exit.PRECONDITION) == [
        "kernel module vmm is not loaded",
        "kldload vmm, or: chyves global set auto_load_kernel_mods=yes",
    ]
    assert runs.commands("kldload") == []
    runs.chyves.run("kldload", "vmm")
    runs.chyves.run("kldload", "nmdm")
    runs.chyves("web start")


def test_a_tap_on_another_bridge(runs: Runs) -> None:
    runs.chyves.run("ifconfig", "bridge0", "deletem", "tap50")
    runs.chyves.run("ifconfig", "bridge9", "create")
    runs.chyves.run("ifconfig", "bridge9", "addm", "tap50")
    complaint, hint = refused(runs, Exit.CONFLICT)
    assert "bridge9" in complaint
    assert hint
    assert "tap50" in runs.tap("bridge9").members, "it is not ours to move"


def test_a_tap_that_somebody_has_open(runs: Runs) -> None:
    from chyves.simulator.net import interfaces

    with living(runs.chyves.host.world, "openvpn") as pid:
        interfaces.open_tap(runs.chyves.host.world, "tap50", pid)
        done = runs.chyves("web start", code=Exit.BUSY)
        assert done.said == [
            f"chyves: web: tap50 is open by process {pid}",
            f"hint: see what it is: ps -p {pid}; stop it first",
        ]
    runs.assert_nothing_left()
    runs.chyves("web start")


def test_an_uplink_that_is_missing(runs: Runs) -> None:
    config = runs.host.path("/chyves/tank/.config/global.cfg")
    runs.chyves("network bridge0 attach em0")
    assert "bridge0_phy_attach=em0\n" in config.read_text()
    config.write_text(
        config.read_text().replace("bridge0_phy_attach=em0", "bridge0_phy_attach=em7")
    )
    complaint, hint = refused(runs, Exit.PRECONDITION)
    assert "em7" in complaint
    assert hint


def test_a_tap_that_is_missing_on_a_network_that_the_admin_keeps(runs: Runs) -> None:
    runs.chyves("global set network_design_mode=system")
    runs.chyves.run("ifconfig", "tap50", "destroy")
    complaint, hint = refused(runs, Exit.PRECONDITION)
    assert complaint == "web: tap50 of web does not exist on this host"
    assert hint.endswith("make it with ifconfig tap50 create")


def test_all_reasons_are_told_at_once(runs: Runs) -> None:
    runs.chyves("web set ram=64G cpu=9")
    complaint, _ = refused(runs, Exit.PRECONDITION)
    assert complaint == (
        "web: it has 9 CPUs, and this host allows 8; it has 64G of memory, and this host 31G"
    )


def test_the_same_serial_port_as_a_running_guest(runs: Runs) -> None:
    runs.booted("db")
    config = runs.host.path("/chyves/tank/guests/web/.config/.cfg")
    config.write_text(config.read_text().replace("serial=nmdm50", "serial=nmdm51"))
    done = runs.chyves("web start", code=Exit.BUSY)
    assert done.said == [
        "chyves: web: db is running with the same serial port, nmdm51",
        "hint: chyves web set serial=nmdm<n>, or chyves db stop",
    ]
    assert runs.vms() == ["chy-db"]


def test_of_two_exact_clones_that_start_at_once_one_runs(runs: Runs) -> None:
    runs.install("web")
    runs.chyves("web clone db -ie -q")
    starts = [runs.process(f"{name} start -q") for name in ("web", "db")]
    said = [start.communicate(timeout=60) for start in starts]
    assert sorted(start.returncode for start in starts) == [0, Exit.BUSY], said
    assert len(runs.vms()) == 1


def failed(runs: Runs, code: Exit = Exit.HOST) -> list[str]:
    """Start a guest that does not stay up; return complaint and hint when it is gone."""
    done = runs.chyves("web start", code=code)
    assert done.out == ""
    runs.wait_for_phase("failed")
    runs.assert_nothing_left()
    complaint, hint = done.said
    assert hint == "hint: see /var/run/chyves/guests/web/bhyve.log"
    return [complaint.removeprefix("chyves: web: did not stay up: "), runs.seen()["last_end"]]


def test_a_serial_port_that_somebody_else_holds(runs: Runs) -> None:
    runs.chyves.run("kldload", "nmdm")
    cu = runs.chyves.host.runner.spawn(["cu", "-l", "/dev/nmdm50A"])
    wait_for(lambda: any(p.title.startswith("cu ") for p in runs.host.processes()), "cu")
    try:
        told, kept = failed(runs)
    finally:
        cu.kill()
        cu.wait()
    assert told == kept
    assert told == ("the loader failed with exit code 64: bhyveload: Could not open '/dev/nmdm50A'")


def test_a_loader_that_fails(runs: Runs) -> None:
    runs.chyves("web set", "bhyveload_flags=-l /boot/userboot_4th.so")
    told, kept = failed(runs)
    assert told == kept
    assert "/boot/userboot_4th.so" in told


def leave_nothing_to_boot(runs: Runs) -> None:
    with runs.disk("web").open("r+b") as disk:
        disk.write(bytes(65536))


def test_a_loader_that_waits_at_its_prompt(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chyves.commands.start.SECONDS", 2)
    leave_nothing_to_boot(runs)
    told = json.loads(runs.chyves("web start --json", code=Exit.PRECONDITION).out)
    assert (told["ok"], told["changed"]) == (False, True)
    assert runs.phase() == "loading"
    assert runs.chyves("list").out.splitlines()[1].split()[3] == "LOADING"
    assert "OK " in runs.terminal().expect("OK ")
    again = runs.chyves("web start", code=Exit.PRECONDITION)
    assert (again.out, again.said) == (
        "",
        [
            "chyves: web: its loader waits at a prompt: nothing to boot?",
            "hint: look with 'chyves web console', or end it with 'chyves web stop'",
        ],
    )
    told = json.loads(runs.chyves("web start --json", code=Exit.PRECONDITION).out)
    assert (told["ok"], told["changed"]) == (False, False)


def test_a_guest_that_another_command_starts_is_waited_for(runs: Runs) -> None:
    first, second = (runs.process("web start") for _ in range(2))
    said = sorted(process.communicate()[0] for process in (first, second))
    pid = runs.seen()["pid"]
    assert said == [f"web: already running (pid {pid})\n", f"web: running (pid {pid})\n"]


def test_a_start_that_is_interrupted_says_what_goes_on(runs: Runs) -> None:
    leave_nothing_to_boot(runs)
    start = runs.process("web start")
    runs.terminal().expect("OK ")
    start.send_signal(signal.SIGINT)
    said = start.communicate(timeout=20)[1].splitlines()
    assert said[-2:] == ["web goes on starting; chyves web stop ends it", "chyves: interrupted"]
    assert start.returncode == Exit.INTERRUPTED
    assert runs.phase() == "loading"


@pytest.mark.parametrize(
    ("bargs", "says"),
    [
        ("-s 9,virtio-blk,/nothing", "bhyve failed with exit code 4: "),
        ("-p 0:9999", "bhyve failed with exit code 64: hostcpu '9999' outside valid range"),
        ("-p 0:99", "bhyve was ended by SIGABRT: Assertion failed: (error == 0)"),
        ("-l com1,/dev/nmdm77A", "bhyve was ended by SIGABRT: "),
    ],
)
def test_bhyve_that_ends_at_once(runs: Runs, bargs: str, says: str) -> None:
    runs.chyves("web set", f"bargs=-A -H -P -S {bargs}")
    told, kept = failed(runs)
    assert told == kept
    assert told.startswith(says)
    complaint = told.rpartition(": ")[2].rpartition("; ")[2]
    assert complaint in runs.chyves.file("/var/run/chyves/guests/web/bhyve.log")


def test_a_taken_vnc_port(runs: Runs) -> None:
    firmware = runs.host.path("/tmp/BHYVE.fd")
    firmware.write_bytes(bytes(1 << 20))
    runs.chyves(f"firmware import {firmware} -q")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        runs.chyves(
            "web set loader=uefi uefi_firmware=BHYVE.fd uefi_console_output=vnc "
            f"uefi_vnc_ip=127.0.0.1 uefi_vnc_port={port} uefi_vnc_pause_until_client_connect=yes"
        )
        complaint, hint = refused(runs, Exit.PRECONDITION)
    assert complaint == (
        f"web: something listens on port {port} of 127.0.0.1, where its VNC console shall be"
    )
    assert hint == f"see sockstat -l -p {port}, or chyves web set uefi_vnc_port=<free>"
    runs.chyves("web set uefi_vnc_ip=192.0.2.1 -q")
    complaint, hint = refused(runs, Exit.PRECONDITION)
    assert "192.0.2.1, where its VNC console shall be, is no address of this host" in complaint
    assert "web set uefi_vnc_ip=" in hint


def test_one_failure_does_not_stop_the_others(runs: Runs) -> None:
    runs.create("db,mail")
    runs.install("mail")
    runs.chyves.run("zfs", "destroy", "tank/chyves/guests/db/disk0")
    done = runs.chyves("web,db,mail start --json", code=Exit.PRECONDITION)
    report = json.loads(done.out)
    assert [result["target"] for result in report["results"]] == ["web", "mail"]
    assert [(error["target"], error["code"]) for error in report["errors"]] == [
        ("db", "precondition")
    ]
    assert not report["ok"]
    assert runs.vms() == ["chy-mail", "chy-web"]


def test_failures_of_different_kinds_make_a_general_one(runs: Runs) -> None:
    runs.create("db")
    runs.chyves.run("zfs", "destroy", "tank/chyves/guests/db/disk0")
    runs.chyves("web set", "bargs=-A -H -P -S -p 0:9999")
    done = runs.chyves("web,db start", code=Exit.FAILED)
    assert len([line for line in done.said if line.startswith("chyves: ")]) == 2


def test_what_the_network_got_is_taken_back_when_the_guest_cannot_start(runs: Runs) -> None:
    runs.chyves.run("ifconfig", "tap50", "destroy")
    lock = runs.host.path("/var/run/chyves/guests/web/run.lock")
    lock.parent.mkdir(parents=True, exist_ok=True)
    lock.mkdir()
    done = runs.chyves("web start", code=Exit.HOST)
    assert done.said[0] == "chyves: web: its supervisor ended without a word"
    assert "tap50" not in runs.chyves.run("ifconfig", "-l").split()
    lock.rmdir()
    runs.chyves("web start")
    assert runs.tap().up


def test_what_the_network_got_is_taken_back_when_a_step_fails(runs: Runs) -> None:
    runs.chyves.run("ifconfig", "tap50", "destroy")
    before = len(runs.chyves.commands())
    runs.chyves("web start --dry-run")
    steps = [argv[0] for argv in runs.chyves.commands()[before:]]
    faults.order(runs.chyves.host.world, "fail", len(steps))
    done = runs.chyves("web start", code=Exit.HOST)
    assert done.said[0].endswith(": failed as ordered")
    faults.cancel(runs.chyves.host.world)
    assert "tap50" not in runs.chyves.run("ifconfig", "-l").split()
    runs.assert_nothing_left()


def test_only_root_starts_and_stops(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHYVES_SIMULATE_USER", "nobody")
    for verb in ("start", "stop", "reclaim", "console"):
        done = runs.chyves(f"web {verb}", code=Exit.NOT_PERMITTED)
        assert done.said[0] == "chyves: only root may do this"
    monkeypatch.delenv("CHYVES_SIMULATE_USER")
    assert runs.phase() == "stopped"


def test_a_dry_run_counts_what_it_has_started(runs: Runs) -> None:
    """What two guests cannot both have, the second does not get."""
    runs.chyves("web clone twin -ce -q")
    runs.chyves("twin set notes=x -q")
    dry = runs.chyves("web,twin start --dry-run", code=Exit.BUSY)
    real = runs.chyves("web,twin start", code=Exit.BUSY)
    assert dry.said == [line for line in real.said if "treated as private" not in line]
    assert "bhyve" in dry.out
    runs.chyves("web stop force")


def test_a_dry_run_counts_memory(runs: Runs) -> None:
    runs.create("db")
    runs.chyves("web,db set ram=20G bargs=-S -q")
    done = runs.chyves("web,db start --dry-run", code=Exit.PRECONDITION)
    assert done.said[0].startswith("chyves: db: it ")
