# SPDX-License-Identifier: BSD-2-Clause
"""What start makes ready for loader and bhyve, and what it finds against a guest before."""

import stat
from collections.abc import Iterator
from contextlib import chdir

import psutil
import pytest

from chyves.errors import Exit
from chyves.simulator.reboot import reboot
from chyves.simulator.world import World
from tests.cli.conftest import Chyves
from tests.cli.runs import Runs, run_on
from tests.faults.killing import killed_everywhere
from tests.guests import scripted_iso

FIRMWARE = "/usr/local/share/uefi-firmware/BHYVE_UEFI.fd"
VARIABLES = "/chyves/tank/guests/web/uefi-vars.fd"


@pytest.fixture
def runs(chyves: Chyves) -> Iterator[Runs]:
    chyves.run("kldload", "vmm", "nmdm")
    with run_on(chyves) as runs:
        yield runs


def with_grub(runs: Runs, system: str = "default") -> None:
    runs.create()
    runs.chyves(f"web set loader=grub-bhyve os={system} -q")


def with_firmware(runs: Runs) -> None:
    runs.create()
    runs.install("web")
    runs.chyves(f"firmware import {runs.host.path(FIRMWARE)} -q")
    runs.chyves("web set loader=uefi uefi_firmware=BHYVE_UEFI.fd -q")


def bhyve_words(runs: Runs) -> str:
    return " ".join(runs.commands("bhyve")[-1])


def loader_words(runs: Runs) -> str:
    return " ".join(runs.commands("grub-bhyve")[-1])


def test_grub_boots_an_installed_system(runs: Runs) -> None:
    with_grub(runs)
    runs.install("web")
    runs.chyves("web start")
    disk = "/dev/zvol/tank/chyves/guests/web/disk0"
    assert f"booted from {disk}" in runs.terminal().expect("login: ")
    folder = "/var/run/chyves/guests/web/grub"
    assert runs.chyves.file(f"{folder}/device.map") == f"(hd0) {disk}\n"
    assert f" -S -m {folder}/device.map -r hd0,msdos1 -c /dev/nmdm50A -M 256M chy-web" in (
        loader_words(runs)
    )


def test_grub_starts_an_installer_and_then_what_it_installed(runs: Runs) -> None:
    """Each boot has a configuration of its own: the one of the installer ends with its medium."""
    with_grub(runs, "openbsd")
    runs.chyves(f"web start {runs.medium('install75.iso')}")
    shell = runs.shell()
    folder = "/var/run/chyves/guests/web"
    assert runs.chyves.file(f"{folder}/grub-install/grub.cfg") == (
        "kopenbsd -h com0 (cd0)/7.5/amd64/bsd.rd\nboot\n"
    )
    shell.type("install\r")
    shell.expect("Installed on")
    shell.type("reboot\r")
    runs.wait_for_reboots(1)
    assert "booted from /dev/zvol/tank" in runs.terminal().expect("login: ")
    assert f"-r host -d {folder}/grub " in loader_words(runs)
    assert "ahci-cd" not in bhyve_words(runs)


def test_files_of_ones_own_for_grub(runs: Runs) -> None:
    with_grub(runs, "custom")
    runs.install("web")
    folder = runs.host.path("/chyves/tank/guests/web")
    complaint = runs.chyves.refused("web start", code=Exit.PRECONDITION)
    assert "/chyves/tank/guests/web/device.map does not exist" in complaint
    assert "with os=custom you write it" in complaint
    (folder / "device.map").write_text("(hd0) /dev/zvol/tank/chyves/guests/web/disk0\n")
    (folder / "grub.cfg").write_text("linux (hd0,1)/vmlinuz root=/dev/vda1\nboot\n")
    runs.chyves("web start")
    assert "-r host -d /chyves/tank/guests/web " in loader_words(runs)


def test_grub_that_is_not_installed(runs: Runs) -> None:
    with_grub(runs)
    runs.host.path("/usr/local/sbin/grub-bhyve").unlink()
    assert runs.chyves.refused("web start", code=Exit.PRECONDITION).splitlines() == [
        "web: grub-bhyve is not installed",
        "hint: pkg install grub2-bhyve",
    ]


def test_a_medium_that_is_a_file(runs: Runs) -> None:
    runs.create()
    iso = scripted_iso(runs.host.path("/tmp/x.iso"))
    runs.chyves("web start /tmp/x.iso")
    assert "booted from /tmp/x.iso" in runs.terminal().expect("login: ")
    runs.chyves("web reclaim -q")
    for name in ("./x.iso", "../tmp/x.iso"):
        with chdir(iso.parent):
            assert "-d /tmp/x.iso" in runs.chyves(f"web start {name} --dry-run").out


def test_no_device_moves_when_another_one_comes(runs: Runs) -> None:
    runs.create()
    runs.install("web")
    runs.chyves("web start --dry-run")
    runs.chyves("web start -q")
    first = bhyve_words(runs)
    assert runs.chyves.json("web get pci_slots")["web"]["pci_slots"] == ("4=disk:disk0,5=net:tap50")
    runs.chyves("web reclaim -q")
    runs.chyves("web disk add 1M -q")
    runs.chyves("network web add tap -q")
    runs.chyves("web start -q")
    second = bhyve_words(runs)
    for device in ("-s 4,ahci-hd,", "-s 5,virtio-net,tap50,mac="):
        assert device in first
    for word in first.split():
        assert word in second.split(), f"{word} has moved"
    assert "-s 6,ahci-hd,/dev/zvol/tank/chyves/guests/web/disk1 -s 7,virtio-net,tap51" in second


def test_places_follow_a_guest(runs: Runs) -> None:
    runs.create()
    runs.install("web")
    runs.chyves("web disk add 1M -q")
    runs.chyves("web set pci_slots=9=disk:disk1,7=net:tap50 -q")
    runs.chyves("web rename shop -qy")
    runs.chyves("shop clone kid -cu -q")
    for name, tap in (("shop", "tap50"), ("kid", "tap51")):
        line = runs.chyves(f"{name} start --dry-run").out.splitlines()[-1]
        assert f"-s 7,virtio-net,{tap},mac=" in line
        assert f"-s 9,ahci-hd,/dev/zvol/tank/chyves/guests/{name}/disk1" in line


def test_firmware_keeps_its_variables_with_the_guest(runs: Runs) -> None:
    with_firmware(runs)
    runs.chyves("web start")
    runs.terminal().expect("login: ")
    file = runs.host.path(VARIABLES)
    assert file.read_bytes() == runs.host.path(FIRMWARE.replace(".fd", "_VARS.fd")).read_bytes()
    assert f"BHYVE_UEFI.fd,{VARIABLES} " in bhyve_words(runs)
    file.write_bytes(b"changed".ljust(132 << 10, b"\0"))
    runs.chyves("web reclaim -q")
    runs.chyves("web start -q")
    assert file.read_bytes().startswith(b"changed")


def test_firmware_without_a_template_has_no_variables(runs: Runs) -> None:
    with_firmware(runs)
    runs.host.path(FIRMWARE).write_bytes(bytes(1 << 20))
    assert ".fd,/" not in runs.chyves("web start --dry-run").out


def test_a_vnc_password_is_seen_by_nobody(runs: Runs) -> None:
    with_firmware(runs)
    runs.chyves("web set uefi_console_output=vnc uefi_vnc_password_file=vnc uefi_vnc_port=5977 -q")
    secret = runs.host.path("/chyves/tank/guests/web/vnc")
    complaint = runs.chyves.refused("web start", code=Exit.PRECONDITION)
    assert "VNC password cannot be read from /chyves/tank/guests/web/vnc: No such file" in complaint
    secret.write_text("pa%s\n")
    secret.chmod(0o644)
    complaint = runs.chyves.refused("web start", code=Exit.PRECONDITION)
    assert "others than root may read or write /chyves/tank/guests/web/vnc" in complaint
    secret.chmod(0o600)
    dry = runs.chyves("web start --dry-run").out
    assert "# /var/run/chyves/guests/web/bhyve.conf: (for root alone)" in dry
    done = runs.chyves("web start -v")
    settings = runs.host.path("/var/run/chyves/guests/web/bhyve.conf")
    assert settings.read_text() == "pci.0.2.0.password=pa%%s\n"
    assert stat.S_IMODE(settings.stat().st_mode) == 0o600
    everything = [dry, done.out, done.err, str(runs.state()), str(runs.chyves.commands())]
    everything += [" ".join(psutil.Process(p.pid).cmdline()) for p in runs.programs()]
    everything += runs.log("/chyves/tank/logs")
    assert [text for text in everything if "pa%" in text] == []


def test_a_console_of_virtio_is_made_again_at_each_start(runs: Runs) -> None:
    runs.create()
    runs.install("web")
    runs.chyves("web set virtio_console_1=agent -q")
    runs.chyves("web start -q")
    assert runs.host.path("/var/run/chyves/guests/web/agent.sock").exists()
    runs.type("reboot")
    runs.wait_for_reboots(1)
    assert runs.phase() == "running"


def test_a_disk_that_cannot_be_written(runs: Runs) -> None:
    runs.create()
    runs.chyves.run("zfs", "set", "readonly=on", "tank/chyves/guests/web/disk0")
    complaint = runs.chyves.refused("web start", code=Exit.PRECONDITION)
    assert "disk0 cannot be written: tank/chyves/guests/web/disk0 has readonly=on" in complaint
    runs.chyves("web set virtio_block_options_disk0=ro -q")
    assert "disk0,ro" in runs.chyves("web start --dry-run").out


def test_all_that_is_against_a_guest_is_told_at_once(runs: Runs) -> None:
    runs.create()
    runs.chyves("web set cpu=9 ram=100G pcidev_1=passthru,6/0/0 -q")
    complaint, hint = runs.chyves.refused("web start", code=Exit.PRECONDITION).splitlines()
    assert complaint.removeprefix("web: ").split("; ") == [
        "it has 9 CPUs, and this host allows 8",
        "it has 100G of memory, and this host 31G",
        "PCI device 6/0/0 belongs to the driver mps, not to ppt",
    ]
    assert 'pptdevs="6/0/0"' in hint


def test_guests_of_one_start_share_the_memory(runs: Runs) -> None:
    runs.create("web,db")
    for name in ("web", "db"):
        runs.install(name)
    runs.chyves("all set ram=16G -q")
    done = runs.chyves("all start", code=Exit.PRECONDITION)
    assert "db: running" in done.out
    assert "web: it wires 16G of memory, and this host has" in done.err


def test_a_device_of_the_host(runs: Runs) -> None:
    runs.create()
    runs.install("web")
    runs.chyves.run("sysrc", "-f", "/boot/loader.conf", "vmm_load=YES", "pptdevs=6/0/0")
    reboot(World(runs.chyves.directory))
    runs.chyves("web set pcidev_1=passthru,6/0/0 -q")
    runs.chyves("web start -q")
    assert "-s 6,passthru,6/0/0 " in bhyve_words(runs)
    assert runs.phase() == "running"


def test_things_of_the_host_that_are_not_there(runs: Runs) -> None:
    with_firmware(runs)
    runs.chyves("web set uefi_console_output=vnc uefi_vnc_port=5978 uefi_vnc_keyboard=klingon -q")
    runs.chyves("web set tpm=/dev/tpm0 audio_play=/dev/dsp0 virtio_9p_1=src=/usr/src,ro -q")
    complaint, hint = runs.chyves.refused("web start", code=Exit.PRECONDITION).splitlines()
    assert complaint.removeprefix("web: ").split("; ") == [
        "/dev/dsp0 does not exist",
        "/dev/tpm0 does not exist",
        "/usr/share/bhyve/kbdlayout/klingon does not exist",
        "/usr/src does not exist",
    ]
    assert hint == "hint: a property of the guest, or the line, names it"


def test_a_start_that_was_killed_is_done_by_the_next(chyves: Chyves) -> None:
    """Whatever it had written by then: files of the loader, UEFI variables, places of devices."""
    chyves.run("kldload", "vmm", "nmdm")
    with run_on(chyves) as runs:
        with_firmware(runs)
        chyves("web set uefi_vnc_password_file=vnc uefi_console_output=vnc uefi_vnc_port=5979 -q")
        secret = runs.host.path("/chyves/tank/guests/web/vnc")
        secret.touch(0o600)
        secret.write_text("secret")
    expected = chyves("web start --dry-run").out.splitlines()[-1]
    for host in killed_everywhere(chyves, "web start"):
        with run_on(host) as runs:
            host("web start")
            assert runs.phase() == "running"
            assert " ".join(runs.commands("bhyve")[-1]) == expected
            host("web reclaim -q")
