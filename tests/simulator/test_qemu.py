# SPDX-License-Identifier: BSD-2-Clause
"""Guests in QEMU: they really boot, talk, write to their disks and reach each other."""

import re
import shutil
import signal
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from chyves.simulator.bhyve.accelerator import boots
from chyves.simulator.net import interfaces
from chyves.simulator.world import Machine, World
from tests.guests import MissingPackages, tiny_linux
from tests.simulator.conftest import run
from tests.simulator.vms import Terminal, Vms, make_world, wait_for

pytestmark = [
    pytest.mark.qemu,
    pytest.mark.skipif(not shutil.which("qemu-system-x86_64"), reason="needs QEMU"),
]

TINY = "/tmp/tiny.iso"
BOOT_SECONDS = 90.0
CD = ("-s", f"3,ahci-cd,{TINY}")

TRIPLE_FAULT = b"\xfa\x0f\x01\x1e\x10\x7c\xcc"  # cli; lidt [an empty table]; int3
HANGS = b"\xfa\xf4"  # cli; hlt


@pytest.fixture
def host(tmp_path: Path) -> World:
    world = make_world(tmp_path / "host", Machine(release="13.2", cpu="amd", pools={}))
    with world.changing():
        interfaces.attach(world, "bridge0", "bridge", up=True)
        for number in (50, 51):
            tap = interfaces.create_tap(world, f"tap{number}")
            interfaces.store(world, replace(tap, bridge="bridge0", joined=number))
    run(world, "sysctl", "net.link.tap.up_on_open=1")
    return world


@pytest.fixture
def vms(host: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Vms]:
    monkeypatch.setenv("CHYVES_SIMULATE_GUEST", "qemu")
    (host.directory / "accelerator").write_text("tcg")
    vms = Vms(host)
    yield vms
    vms.close()


@pytest.fixture
def linux(host: World) -> None:
    try:
        shutil.copy(tiny_linux(), host.path(TINY))
    except MissingPackages as missing:
        pytest.skip(str(missing))


def log_in(vms: Vms, name: str) -> Terminal:
    terminal = vms.terminal(name)
    terminal.expect("login: ", BOOT_SECONDS)
    terminal.type("root\r")
    terminal.expect("# ")
    return terminal


def asked(terminal: Terminal, command: str) -> str:
    terminal.type(f"{command}; echo do''ne\r")
    return terminal.expect("\ndone")


def boot_sector(vms: Vms, code: bytes) -> None:
    image = code.ljust(510, b"\0") + b"\x55\xaa" + bytes(1 << 20)
    vms.world.path("/tmp/sector").write_bytes(image)
    vms.load("web", "/tmp/sector")


@pytest.mark.usefixtures("linux")
def test_two_guests(vms: Vms) -> None:
    vms.world.path("/tmp/disk").write_bytes(bytes(8 << 20))
    vms.load("web", TINY)
    vms.load("db", TINY)
    web = vms.bhyve("web", *CD, "-s", "4,ahci-hd,/tmp/disk", "-s", "5,virtio-net,tap50")
    db = vms.bhyve("db", *CD, "-c", "2", "-s", "5,virtio-net,tap51")
    here, there = log_in(vms, "web"), log_in(vms, "db")

    address = re.search(r"inet addr:(10\.[\d.]+)", asked(there, "ifconfig eth0"))
    assert address
    assert "2 packets received" in asked(here, f"ping -c 2 {address[1]}")
    gateway = asked(here, "ping -c 1 -W 1 192.0.2.10")
    assert "1 packets received" not in gateway, "a bridge is alone in the world"
    assert "\n2" in asked(there, "nproc")

    asked(here, "write note 'kept by a real Linux'")
    assert b"kept by a real Linux" in vms.world.path("/tmp/disk").read_bytes()
    here.type("reboot\r")
    assert web.wait(60) == 0
    there.type("poweroff\r")
    assert db.wait(60) == 1


@pytest.mark.usefixtures("linux")
def test_the_power_button(vms: Vms) -> None:
    vms.load("web", TINY)
    child = vms.bhyve("web", *CD)
    log_in(vms, "web")
    child.terminate()
    assert child.wait(60) == 1


def test_a_triple_fault(vms: Vms) -> None:
    boot_sector(vms, TRIPLE_FAULT)
    assert vms.bhyve("web", "-s", "4,ahci-hd,/tmp/sector").wait(60) == 3


def test_before_acpi_is_enabled_sigterm_kills(vms: Vms) -> None:
    boot_sector(vms, HANGS)
    child = vms.bhyve("web", "-s", "4,virtio-blk,/tmp/sector")
    child.terminate()
    assert child.wait(60) == -signal.SIGTERM


@pytest.mark.parametrize(("request_", "code"), [("--force-reset", 0), ("--force-poweroff", 1)])
def test_forced_ends(vms: Vms, request_: str, code: int) -> None:
    boot_sector(vms, HANGS)
    child = vms.bhyve("web", "-s", "4,nvme,/tmp/sector")
    assert run(vms.world, "bhyvectl", "--vm=web", request_).code == 0
    assert child.wait(60) == code


def test_qemu_dies_with_its_bhyve(vms: Vms) -> None:
    boot_sector(vms, HANGS)
    child = vms.bhyve("web", "-s", "4,ahci-hd,/tmp/sector")
    wait_for(lambda: children_of(child.pid), "QEMU is there")
    (qemu,) = children_of(child.pid)
    child.kill()
    child.wait()
    wait_for(lambda: not lives(qemu), "QEMU is gone")


def children_of(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_screen_with_a_password(vms: Vms) -> None:
    boot_sector(vms, HANGS)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    options = ("-s", "4,ahci-hd,/tmp/sector", "-s", f"29,fbuf,tcp=127.0.0.1:{port},password=x")
    child = vms.bhyve("web", *options)
    with socket.create_connection(("127.0.0.1", port), 20) as viewer:
        assert viewer.recv(12) == b"RFB 003.008\n"
        viewer.sendall(b"RFB 003.008\n")
        assert viewer.recv(2) == b"\x01\x02", "one kind of security: VNC's password"
    assert child.poll() is None


def test_the_probe_of_the_accelerator_can_succeed() -> None:
    assert boots("tcg")
