# SPDX-License-Identifier: BSD-2-Clause
"""bhyveload: what it refuses, and when it stays at its prompt (transcripts bhyve-hw.txt,
bhyve-no-hw-virt.txt)."""

import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from chyves.simulator.world import Machine, World
from tests.guests import scripted_iso
from tests.simulator.conftest import run
from tests.simulator.vms import ISO, Vms, make_world, wait_for

USAGE = (
    "usage: bhyveload [-S][-c <console-device>] [-d <disk-path>] [-e <name=value>]\n"
    "                 [-h <host-path>] [-m memsize[K|k|M|m|G|g|T|t]] <vmname>\n"
)


@pytest.fixture
def host(tmp_path: Path) -> World:
    world = make_world(tmp_path / "host", Machine(release="13.2", memory=8 << 30, pools={}))
    scripted_iso(world.path(ISO))
    return world


@pytest.fixture
def vms(host: World) -> Iterator[Vms]:
    vms = Vms(host)
    yield vms
    vms.close()


@pytest.mark.parametrize(
    ("arguments", "code", "stdout", "stderr"),
    [
        ("", 1, "", USAGE),
        ("-h", 1, "", f"bhyveload: option requires an argument -- h\n{USAGE}"),
        ("-m 64M -d /nosuch.img vm1", 64, "", "bhyveload: Could not open '/nosuch.img'\n"),
        (f"-m abc -d {ISO} vm1", 64, "", "bhyveload: Invalid memsize 'abc'\n"),
        (
            f"-c /dev/nosuch -m 64M -d {ISO} vm1",
            64,
            "",
            "bhyveload: Could not open '/dev/nosuch'\n",
        ),
        ("-l /a -l /b vm1", 64, "", "bhyveload: -l can only be given once\n"),
        (f"-l /nosuch.so -m 64M -d {ISO} vm1", 1, 'Cannot open "/nosuch.so"\n', ""),
        (f"-S -m 100G -d {ISO} vm1", 1, "", "vm_setup_memory: Cannot allocate memory\n"),
        ("'bad name'", 1, "", "vm_create: Invalid argument\n"),
    ],
)
def test_what_it_refuses(host: World, arguments: str, code: int, stdout: str, stderr: str) -> None:
    result = run(host, "bhyveload", *shlex.split(arguments))
    assert (result.code, result.stdout, result.stderr) == (code, stdout, stderr)


def test_a_loaded_vm(vms: Vms) -> None:
    done = vms.run("bhyveload", "-m", "100G", "-d", ISO, "vm1")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Consoles: userboot  \n\nFreeBSD/amd64 User boot lua,")
    assert "Booting [/boot/kernel/kernel]...               \n" in done.stdout
    assert vms.world.path("/dev/vmm/vm1").exists()


def test_without_vmm(tmp_path: Path) -> None:
    world = make_world(tmp_path / "host", Machine(virtualization=False, pools={}))
    result = run(world, "bhyveload", "vm1")
    assert (result.code, result.stderr) == (1, "vm_create: Device not configured\n")


def test_not_root(host: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHYVES_SIMULATE_USER", "nobody")
    result = run(host, "bhyveload", "-m", "64M", "-d", ISO, "vm2")
    assert (result.code, result.stderr) == (1, "vm_create: Operation not permitted\n")


def test_an_empty_disk_leaves_it_at_its_prompt(vms: Vms) -> None:
    vms.world.path("/tmp/disk").write_bytes(bytes(1 << 20))
    argv = ["bhyveload", "-c", "/dev/nmdmwebA", "-m", "256M", "-d", "/tmp/disk", "web"]
    child = vms.spawn(*argv)
    terminal = vms.terminal("web")
    terminal.expect("\nOK ")
    assert [p.title for p in vms.world.processes()] == [shlex.join(argv)]
    terminal.type("boot\r")
    terminal.expect("boot not found")
    terminal.type("quit\r")
    assert child.wait(10) == 0
    wait_for(lambda: not vms.world.path("/dev/nmdmwebB").is_symlink(), "the console is gone")


def test_a_vm_whose_loader_was_left_does_nothing(vms: Vms) -> None:
    """Exit code 0 of the loader does not mean that there is something to run."""
    vms.world.path("/tmp/disk").write_bytes(bytes(1 << 20))
    loader = vms.spawn("bhyveload", "-c", "/dev/nmdmwebA", "-d", "/tmp/disk", "web")
    terminal = vms.terminal("web")
    terminal.expect("OK ")
    terminal.type("quit\r")
    assert loader.wait(10) == 0
    child = vms.bhyve("web")
    child.terminate()
    assert child.wait(10) == -15
