# SPDX-License-Identifier: BSD-2-Clause
"""Guests that are a real Linux in QEMU."""

import os
import re
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import Session, Shell, make_shell
from tests.guests import MissingPackages, tiny_linux
from tests.simulator.vms import wait_for
from tests.tools import need

pytestmark = [pytest.mark.qemu, pytest.mark.timeout(300)]

BOOT_SECONDS = 90.0

VNC_PORTS = 5900
"""The port of display 0 of VNC."""

FAULTS = bytes.fromhex("fa 0f 01 1e 10 7c cc").ljust(510, b"\0") + b"\x55\xaa"
"""A boot sector that ends in a triple fault: cli; lidt [0x7c10], of which all is zero; int3."""


def linux() -> Path:
    try:
        return tiny_linux()
    except MissingPackages as missing:
        if os.environ.get("CI") == "true":
            pytest.fail(str(missing))
        pytest.skip(str(missing))


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    """A host with the guests web and db on it, and an ISO with a real Linux."""
    need("qemu-system-x86_64")
    shell = make_shell(tmp_path / "host", "qemu")
    shutil.copy(linux(), tmp_path / "tiny.iso")
    shell(f"iso import {tmp_path}/tiny.iso -q")
    shell("web,db create 16M -q")
    yield shell
    shell.end()


def log_in(shell: Shell, name: str) -> Session:
    console = shell.session(f"{name} console")
    console.expect("login: ", BOOT_SECONDS)
    console.type("root\r")
    console.expect("# ")
    return console


def asked(console: Session, command: str) -> str:
    console.type(f"{command}; echo do''ne\r")
    return console.expect("\ndone")


def test_two_guests_on_one_bridge(shell: Shell) -> None:
    shell("web,db set eject_iso_on_n_reboot=0")
    shell("web,db start tiny.iso")
    web, db = log_in(shell, "web"), log_in(shell, "db")

    address = re.search(r"inet addr:(10\.[\d.]+)", asked(db, "ifconfig eth0"))
    assert address
    assert "1 packets received" in asked(web, f"ping -c 1 {address[1]}")

    asked(web, "write note 'kept by a real Linux'")
    db.kill()
    shell("db stop --timeout 100")
    assert shell.guest("db")["last_end"] == "powered off"

    web.type("reboot\r")
    web.expect("login: ", BOOT_SECONDS)
    web.type("root\r")
    web.expect("# ")
    assert "kept by a real Linux" in asked(web, "cat note")
    assert [end["code"] for end in shell.guest("web")["exits"]] == [0]

    shell("web stop --timeout 100")
    assert [end["code"] for end in shell.guest("web")["exits"]] == [0, 1]
    assert not shell.world.path("/dev/vmm").exists()


def test_ends_reboots_and_disks_that_go_back(shell: Shell) -> None:
    """On two bridges, between which nothing passes."""
    shell("network bridge1 private -q")
    shell("network db remove tap51 -q")
    shell("network db add tap bridge1 -q")
    shell("web set eject_iso_on_n_reboot=2 revert_to_snapshot_method=reboot -q")
    shell("web,db start tiny.iso")
    web, db = log_in(shell, "web"), log_in(shell, "db")
    address = re.search(r"inet addr:(10\.[\d.]+)", asked(db, "ifconfig eth0"))
    assert address
    assert " 0 packets received" in asked(web, f"ping -c 1 -W 1 {address[1]}")

    asked(web, "write note clean")
    web.type("poweroff\r")
    wait_for(lambda: shell.guest("web")["phase"] == "stopped", "it is off", BOOT_SECONDS)
    assert shell.guest("web")["last_end"] == "powered off"
    web.kill()
    shell("web snapshot @clean")

    shell("web start tiny.iso")
    web = log_in(shell, "web")
    asked(web, "write note dirty")
    web.type("reboot\r")
    web.expect("login: ", BOOT_SECONDS)
    web.type("root\r")
    web.expect("# ")
    assert "clean" in asked(web, "cat note"), "the ISO is in for one more reboot"
    web.type("reboot\r")
    wait_for(lambda: shell.guest("web")["phase"] == "loading", "the ISO is out", BOOT_SECONDS)
    assert [end["reason"] for end in shell.guest("web")["exits"]] == ["reset", "reset"]
    shell("web stop")

    shell("db stop force")
    assert shell.guest("db")["last_end"] == "powered off by force"
    assert not shell.world.path("/dev/vmm").exists()


def test_a_crash_loop_ends(shell: Shell) -> None:
    with shell.world.path("/dev/zvol/tank/chyves/guests/web/disk0").open("r+b") as disk:
        disk.write(FAULTS)
    shell("web set on_crash=restart")
    shell("web start")
    wait_for(lambda: shell.guest("web")["phase"] == "failed", "it is given up", 120.0)
    web = shell.guest("web")
    assert web["last_end"].startswith("given up after 6 crashes in a row")
    assert all(end["reason"].endswith("crashed: triple fault") for end in web["exits"])
    assert not web["supervisor"]
    assert not shell.world.path("/dev/vmm").exists()


def snapshot(shell: Shell, port: int, password: str) -> tuple[int, Path]:
    """Take a picture of a screen with a VNC client, as a person who is asked for a password."""
    picture = shell.directory / "screen.jpg"
    picture.unlink(missing_ok=True)
    argv = [need("vncsnapshot"), "-allowblank", f"127.0.0.1:{port - VNC_PORTS}", str(picture)]
    client = Session(argv, shell.env)
    try:
        client.expect("Password: ")
        client.type(f"{password}\n")
        return client.wait(), picture
    finally:
        client.close()


def test_the_screen_of_a_guest(shell: Shell) -> None:
    """It shows a picture to who has its password."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    firmware = shell.directory / "BHYVE.fd"
    firmware.write_bytes(bytes(1 << 20))
    shell(f"firmware import {firmware} -q")
    shell(
        "web set loader=uefi uefi_firmware=BHYVE.fd uefi_console_output=vnc "
        f"uefi_vnc_password_file=vnc uefi_vnc_port={port}"
    )
    secret = shell.world.path("/chyves/tank/guests/web/vnc")
    secret.touch(0o600)
    secret.write_text("sesame")
    shell("web start tiny.iso")
    code, picture = snapshot(shell, port, "sesame")
    assert code == 0
    assert picture.read_bytes().startswith(b"\xff\xd8\xff"), "it is a JPEG"
    code, picture = snapshot(shell, port, "barley")
    assert code != 0
    assert not picture.exists()
    assert "sesame" not in (shell.directory / "commands.log").read_text()
    shell("web stop force")
