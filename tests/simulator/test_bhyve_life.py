# SPDX-License-Identifier: BSD-2-Clause
"""How a running VM ends, what it leaves behind, and what can be done with that (transcripts
bhyve-exitcodes.txt, bhyve-running.txt, bhyve-running2.txt, realvm.txt)."""

import signal
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from chyves.simulator.bhyve import vmm
from chyves.simulator.net import interfaces
from chyves.simulator.opened import holders
from chyves.simulator.world import Machine, World
from tests.guests import scripted_iso
from tests.simulator.conftest import run
from tests.simulator.vms import ISO, Vms, make_world, wait_for


@pytest.fixture
def host(tmp_path: Path) -> World:
    return make_world(tmp_path / "host", Machine(release="13.2", pools={}))


@pytest.fixture
def vms(host: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Vms]:
    monkeypatch.setenv("CHYVES_SIMULATE_GUEST", "scripted")
    vms = Vms(host)
    yield vms
    vms.close()


def ended(child: subprocess.Popen[str]) -> tuple[int, str]:
    _, err = child.communicate(timeout=20)
    return child.returncode, err


@pytest.mark.parametrize(
    ("command", "code"), [("reboot", 0), ("poweroff", 1), ("halt", 2), ("panic", 3)]
)
def test_the_exit_code_says_how_the_guest_ended(vms: Vms, command: str, code: int) -> None:
    child = vms.boot("web", commands=(command,))
    assert ended(child) == (code, "")
    assert vms.world.path("/dev/vmm/web").exists(), "the VM object stays"


def test_what_bhyve_cannot_handle(vms: Vms) -> None:
    code, said = ended(vms.boot("web", commands=("crash",)))
    assert code == -signal.SIGABRT
    assert said.startswith("vm exit[0]\n\treason\t\tVMX\n")


def test_it_shows_itself_by_name(vms: Vms) -> None:
    child = vms.boot("web")
    assert [(p.pid, p.title) for p in vms.world.processes()] == [(child.pid, "bhyve: web")]


def test_sigterm_is_the_power_button_of_a_guest_with_acpi(vms: Vms) -> None:
    child = vms.boot("web")
    vms.terminal("web").expect("login: ")
    child.terminate()
    assert ended(child) == (1, "")


def test_sigterm_kills_before_the_guest_has_acpi(vms: Vms) -> None:
    child = vms.boot("web", commands=("noacpi",))
    vms.terminal("web").expect("login: ")
    child.terminate()
    assert ended(child) == (-signal.SIGTERM, "")
    assert vms.world.path("/dev/vmm/web").exists()


def test_a_guest_may_ignore_the_button(vms: Vms) -> None:
    child = vms.boot("web", commands=("hang",))
    vms.terminal("web").expect("login: ")
    child.terminate()
    with pytest.raises(subprocess.TimeoutExpired):
        child.wait(0.3)
    assert run(vms.world, "bhyvectl", "--vm=web", "--force-poweroff").code == 0
    assert ended(child) == (1, "")


def test_force_reset_and_a_second_request(vms: Vms) -> None:
    child = vms.boot("web")
    assert run(vms.world, "bhyvectl", "--vm=web", "--force-reset").code == 0
    assert ended(child) == (0, "")
    again = run(vms.world, "bhyvectl", "--vm=web", "--force-poweroff")
    assert (again.code, again.stdout) == (255, "errno = 37\n")


def test_destroying_a_running_vm_looks_like_a_power_off(vms: Vms) -> None:
    child = vms.boot("web")
    vms.terminal("web").expect("login: ")
    assert run(vms.world, "bhyvectl", "--vm=web", "--destroy").code == 0
    assert ended(child) == (1, "vm_run error -1, errno 6\n")
    assert not vms.world.path("/dev/vmm").exists(), "the directory goes with the last VM"


@pytest.mark.parametrize("command", ["reboot", "poweroff"])
def test_the_loader_must_run_before_every_start(vms: Vms, command: str) -> None:
    ended(vms.boot("web", commands=(command,)))
    again = vms.bhyve("web", "-s", f"3,ahci-cd,{ISO}")
    assert ended(again) == (71, "bhyve: could not activate CPU 0: Device busy\n")
    vms.load("web")
    assert ended(vms.bhyve("web", "-s", f"3,ahci-cd,{ISO}"))[0] in (0, 1)


def test_a_killed_bhyve_leaves_a_vm_that_only_destroy_helps(vms: Vms) -> None:
    child = vms.boot("web")
    vms.terminal("web").expect("login: ")
    child.kill()
    assert ended(child)[0] == -signal.SIGKILL
    assert vms.world.path("/dev/vmm/web").exists()
    assert vms.run("bhyveload", "-d", ISO, "web").stderr == "vm_reinit: Device busy\n"
    assert run(vms.world, "bhyvectl", "--vm=web", "--force-poweroff").code == 0
    assert run(vms.world, "bhyvectl", "--vm=web", "--destroy").code == 0
    assert not vms.world.path("/dev/nmdmwebB").is_symlink()
    assert vms.boot("web").poll() is None


def test_a_running_vm_is_not_started_twice(vms: Vms) -> None:
    vms.boot("web")
    done = vms.run("bhyve", "-m", "256M", "-s", "0,hostbridge", "web")
    assert (done.returncode, done.stderr) == (
        71,
        "bhyve: could not activate CPU 0: Device busy\n",
    )
    done = vms.run("bhyveload", "-m", "256M", "-d", ISO, "web")
    assert (done.returncode, done.stderr) == (1, "vm_reinit: Device busy\n")
    vms.world.path("/tmp/rom.fd").write_bytes(bytes(4096))
    done = vms.run("bhyve", "-m", "256M", "-s", "31,lpc", "-l", "bootrom,/tmp/rom.fd", "web")
    assert (done.returncode, done.stderr) == (4, "vm_reinit: Device busy\n")


def test_a_reset_asked_of_an_idle_vm_ends_the_next_bhyve(vms: Vms) -> None:
    scripted_iso(vms.world.path(ISO))
    vms.load("web")
    assert run(vms.world, "bhyvectl", "--vm=web", "--force-poweroff").code == 0
    assert ended(vms.bhyve("web")) == (1, "")


def test_with_a_boot_rom_no_loader_is_needed(vms: Vms) -> None:
    scripted_iso(vms.world.path(ISO), "reboot")
    vms.world.path("/tmp/rom.fd").write_bytes(bytes(4096))
    options = ("-s", f"3,ahci-cd,{ISO}", "-l", "bootrom,/tmp/rom.fd")
    for _ in range(2):
        assert ended(vms.bhyve("web", *options)) == (0, "")


def test_firmware_that_finds_nothing_stays_in_its_shell(vms: Vms) -> None:
    vms.world.path("/tmp/rom.fd").write_bytes(bytes(4096))
    child = vms.bhyve("web", "-l", "bootrom,/tmp/rom.fd")
    vms.terminal("web").expect("Shell> ")
    child.terminate()
    assert ended(child)[0] == -signal.SIGTERM


def test_destroy_on_power_off_does_nothing_before_15(vms: Vms, tmp_path: Path) -> None:
    ended(vms.boot("web", "-D", commands=("poweroff",)))
    assert vms.world.path("/dev/vmm/web").exists()
    newer = Vms(make_world(tmp_path / "15", Machine(release="15.0", pools={})))
    ended(newer.boot("web", "-D", commands=("poweroff",)))
    assert not newer.world.path("/dev/vmm/web").exists()
    newer.close()


def test_a_missing_tap_appears_and_a_busy_one_is_refused(vms: Vms) -> None:
    child = vms.boot("web", "-s", "4,virtio-net,tap99")
    with vms.world.reading():
        tap = interfaces.find(vms.world, "tap99")
    assert tap
    assert (tap.pid, tap.bridge) == (child.pid, "")
    vmm.create(vms.world, "db")
    done = vms.run("bhyve", "-s", "0,hostbridge", "-s", "4,virtio-net,tap99", "db")
    assert (done.returncode, done.stdout) == (4, "open of tap device /dev/tap99 failed\n")
    assert done.stderr == "device emulation initialization error: Device busy\n"


def test_its_devices_are_open_while_it_lives(vms: Vms) -> None:
    disk = vms.world.path("/dev/zvol/tank/disk0")
    disk.parent.mkdir(parents=True)
    disk.write_bytes(bytes(1 << 20))
    child = vms.boot("web", "-s", "4,virtio-blk,/dev/zvol/tank/disk0")
    vms.terminal("web").expect("login: ")
    with vms.world.reading():
        assert holders(vms.world, "/dev/zvol/tank/disk0") == [child.pid]
        assert holders(vms.world, "/dev/nmdmwebA") == [child.pid]
    child.terminate()
    ended(child)
    with vms.world.reading():
        assert holders(vms.world, "/dev/zvol/tank/disk0") == []


def test_files_of_the_guest_are_on_its_disk(vms: Vms) -> None:
    disk = vms.world.path("/tmp/disk")
    disk.write_bytes(bytes(1 << 20))
    child = vms.boot("web", "-s", "4,virtio-blk,/tmp/disk")
    shell = vms.shell("web")
    shell.type("write note kept across boots\r")
    shell.expect("# ")
    assert b"kept across boots" in disk.read_bytes()
    shell.type("reboot\r")
    assert ended(child) == (0, "")
    shell.close()
    vms.load("web")
    vms.bhyve("web", "-s", "4,ahci-hd,/tmp/disk,ro")
    shell = vms.shell("web")
    shell.type("cat note\r")
    shell.expect("\nkept across boots\r\n")
    shell.type("write note changed\r")
    shell.expect("Read-only file system")


def test_a_guest_installs_itself_and_boots_from_its_disk(vms: Vms) -> None:
    vms.world.path("/tmp/disk").write_bytes(bytes(1 << 20))
    ended(vms.boot("web", "-s", "4,virtio-blk,/tmp/disk", commands=("install", "reboot")))
    vms.load("web", "/tmp/disk")
    vms.bhyve("web", "-s", "4,virtio-blk,/tmp/disk")
    vms.terminal("web").expect("booted from /tmp/disk")


def test_guests_of_one_bridge_reach_each_other_and_no_others(vms: Vms) -> None:
    with vms.world.changing():
        for number, bridge in ((50, "bridge0"), (51, "bridge0"), (52, "bridge1")):
            if interfaces.find(vms.world, bridge) is None:
                interfaces.attach(vms.world, bridge, "bridge", up=True)
            tap = interfaces.create_tap(vms.world, f"tap{number}")
            interfaces.store(vms.world, replace(tap, bridge=bridge, joined=number))
    run(vms.world, "sysctl", "net.link.tap.up_on_open=1")
    for name, tap_name in (("web", "tap50"), ("db", "tap51"), ("far", "tap52")):
        vms.boot(name, "-s", f"4,virtio-net,{tap_name}")
    web, db, far = (vms.shell(name) for name in ("web", "db", "far"))
    for shell, address in ((db, "10.0.0.2"), (far, "10.0.0.3")):
        shell.type(f"ifconfig eth0 {address}\r")
        shell.expect("# ")
    web.type("ping 10.0.0.2\r")
    web.expect("1 packets received")
    web.type("ping 10.0.0.3\r")
    web.expect("0 packets received")


def test_the_mac_bhyve_derives_from_slot_and_name(vms: Vms) -> None:
    vms.boot("inner", "-s", "2,virtio-net,tap0")
    shell = vms.shell("inner")
    shell.type("ifconfig\r")
    shell.expect("inet 10.111.249.24 ")  # 00:a0:98:6f:f9:18 in realvm.txt


def test_waiting_for_a_viewer_it_still_has_its_command_line(vms: Vms) -> None:
    scripted_iso(vms.world.path(ISO))
    vms.load("web")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    child = vms.spawn(
        *("bhyve", "-m", "256M", "-s", "0,hostbridge"),
        *("-s", f"29,fbuf,tcp=127.0.0.1:{port},wait", "web"),
    )
    titles = [f"bhyve -m 256M -s 0,hostbridge -s 29,fbuf,tcp=127.0.0.1:{port},wait web"]
    wait_for(lambda: [p.title for p in vms.world.processes()] == titles, "bhyve starts")
    viewer = None
    while viewer is None:
        try:
            viewer = socket.create_connection(("127.0.0.1", port))
        except ConnectionRefusedError:
            assert child.poll() is None
    with viewer:
        wait_for(lambda: vms.is_running("web"), "the guest runs")
        assert viewer.recv(12) == b"RFB 003.008\n"


def test_fifty_guests(vms: Vms) -> None:
    scripted_iso(vms.world.path(ISO))
    names = [f"web{number}" for number in range(50)]
    loaders = [vms.spawn("bhyveload", "-d", ISO, name) for name in names]
    assert {loader.wait(60) for loader in loaders} == {0}
    children = [
        vms.spawn("bhyve", "-s", "31,lpc", "-l", f"com1,/dev/nmdm{name}A", name) for name in names
    ]
    for name in names:
        vms.terminal(name).expect("login: ")
    for child in children:
        child.terminate()
    assert {ended(child) for child in children} == {(1, "")}
