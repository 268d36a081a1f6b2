# SPDX-License-Identifier: BSD-2-Clause
"""What bhyve refuses, and what it lets pass, word for word as a FreeBSD 13.2 did (transcripts
bhyve-hw.txt and bhyve-no-hw-virt.txt)."""

import os
import shlex
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from chyves.simulator.bhyve import vmm
from chyves.simulator.bhyve.usage import usage
from chyves.simulator.world import Machine, World
from tests.simulator.conftest import run
from tests.simulator.vms import Vms, make_world, wait_for

AMD = Machine(release="13.2", cpu="amd", cores=2, memory=3 << 30, pools={})
INIT = "device emulation initialization error: "
ENOENT = "No such file or directory"


@pytest.fixture
def host(tmp_path: Path) -> World:
    """A host like that of the transcripts, with the idle VM vm1 and their files in /tmp."""
    world = make_world(tmp_path / "host", AMD)
    world.path("/tmp/empty.img").touch()
    with world.path("/tmp/odd.img").open("wb") as image:
        image.truncate(1000001)
    passwd = world.path("/etc/passwd")
    passwd.parent.mkdir(exist_ok=True)
    passwd.write_text("root\n")
    vmm.create(world, "vm1")
    return world


@pytest.fixture
def vms(host: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Vms]:
    monkeypatch.setenv("CHYVES_SIMULATE_GUEST", "scripted")
    vms = Vms(host)
    yield vms
    vms.close()


@pytest.mark.parametrize(
    ("arguments", "code", "stderr"),
    [
        ("-c abc vm1", 4, "bhyve: Invalid value for cpus: 'abc'"),
        ("-c 0 vm1", 4, "bhyve: Invalid value for cpus: '0'"),
        (
            "-c 2,sockets=3 vm1",
            4,
            "bhyve: Topology (3 sockets, 1 cores, 1 threads) does not match 2 vCPUs",
        ),
        ("-c 2,nosuch=1 vm1", 64, "bhyve: invalid cpu topology '2,nosuch=1'"),
        ("-m abc vm1", 64, "bhyve: invalid memsize 'abc'"),
        ("-m 512Q vm1", 64, "bhyve: invalid memsize '512Q'"),
        (
            "-p abc vm1",
            64,
            "invalid format: abc\nbhyve: invalid vcpu pinning configuration 'abc'",
        ),
        ("-s abc vm1", 4, 'Invalid PCI slot info field "abc"'),
        ("-s 3 vm1", 4, 'Invalid PCI slot info field "3"'),
        ("-s 3,nosuchdev vm1", 4, 'pci slot 0:3:0: unknown device "nosuchdev"'),
        ("-s 99,hostbridge vm1", 4, 'Invalid PCI slot info field "99,hostbridge"'),
        ("-s 32,hostbridge vm1", 4, 'Invalid PCI slot info field "32,hostbridge"'),
        ("-s 3:9,hostbridge vm1", 4, 'Invalid PCI slot info field "3:9,hostbridge"'),
        ("-s 256:0:0,hostbridge vm1", 4, 'Invalid PCI slot info field "256:0:0,hostbridge"'),
        ("-s 0,hostbridge -s 0,lpc vm1", 4, "pci slot 0:0:0 already occupied!"),
        ("-l abc vm1", 64, "bhyve: invalid lpc device configuration 'abc'"),
        ("-l com9,stdio vm1", 64, "bhyve: invalid lpc device configuration 'com9,stdio'"),
        ("-l nosuch,stdio vm1", 64, "bhyve: invalid lpc device configuration 'nosuch,stdio'"),
        ("-o nosuch vm1", 64, "bhyve: invalid configuration option 'nosuch'"),
        (
            "-k /nosuch.conf vm1",
            4,
            f"bhyve: Failed to open configuration file /nosuch.conf: {ENOENT}",
        ),
        ("-Z", 1, f"bhyve: illegal option -- Z\n{usage(13)}"),
        ("-n vm1", 1, f"bhyve: illegal option -- n\n{usage(13)}"),
        ("-c", 1, f"bhyve: option requires an argument -- c\n{usage(13)}"),
        ("", 1, usage(13)),
        ("vm1 vm2", 1, usage(13)),
        ("-h", 0, usage(13)),
    ],
)
def test_a_command_line_that_is_refused(
    host: World, arguments: str, code: int, stderr: str
) -> None:
    result = run(host, "bhyve", *shlex.split(arguments))
    assert (result.code, result.stdout, result.stderr) == (code, "", f"{stderr}\n")


def test_the_usage_text_is_that_of_a_13_2() -> None:
    lines = usage(13).split("\n")
    assert lines[0] == "Usage: bhyve [-AaCDeHhPSuWwxY]"
    assert lines[1] == "             [-c [[cpus=]numcpus][,sockets=n][,cores=n][,threads=n]]"
    assert lines[3] == "             [-p vcpu:hostcpu] [-r file] [-s pci] [-U uuid] vmname"
    assert lines[4] == "       -A: create ACPI tables"
    assert lines[-1] == "       -Y: disable MPtable generation"
    assert len(lines) == 28


@pytest.mark.parametrize("word", ["help", "h", ""])
def test_models_are_listed(host: World, word: str) -> None:
    result = run(host, "bhyve", "-s", word)
    assert result.code == 0
    assert result.stdout == "\n".join(
        [
            *("ahci", "ahci-hd", "ahci-cd", "e1000", "dummy", "hda", "fbuf", "amd_hostbridge"),
            *("hostbridge", "lpc", "nvme", "passthru", "virtio-9p", "virtio-blk"),
            *("virtio-console", "virtio-input", "virtio-net", "virtio-rnd", "virtio-scsi"),
            *("uart", "xhci", ""),
        ]
    )


@pytest.mark.parametrize(
    ("release", "devices"),
    [
        ("13.2", "bootrom com1 com2 com3 com4 pc-testdev"),
        ("14.3", "bootrom com1 com2 com3 com4 tpm pc-testdev"),
    ],
)
def test_lpc_devices_are_listed(tmp_path: Path, release: str, devices: str) -> None:
    world = make_world(tmp_path / "host", Machine(release=release, pools={}))
    assert run(world, "bhyve", "-l", "help").stdout.split() == devices.split()


def test_the_configuration_is_dumped_with_the_code_of_a_power_off(host: World) -> None:
    arguments = "-c 2 -m 1G -s 4:1,virtio-net,tap0,mac=58:9c:fc:00:00:01 -o config.dump=1 vm1"
    result = run(host, "bhyve", *arguments.split())
    assert result.code == 1
    assert "cpus=2\n" in result.stdout
    assert "memory.size=1G\n" in result.stdout
    assert "pci.0.4.1.device=virtio-net\npci.0.4.1.backend=tap0\n" in result.stdout
    assert "pci.0.4.1.mac=58:9c:fc:00:00:01\n" in result.stdout


def test_a_configuration_file_is_read_in_its_place(host: World) -> None:
    host.path("/tmp/vm.conf").write_text("# a VM\n\nname=fromfile\nmemory.size=1G\n")
    result = run(host, "bhyve", *shlex.split("-k /tmp/vm.conf -m 2G -o config.dump=yes"))
    assert "name=fromfile\n" in result.stdout
    assert "memory.size=2G\n" in result.stdout
    host.path("/tmp/vm.conf").write_text("name=x\nnonsense\n")
    assert run(host, "bhyve", "-k", "/tmp/vm.conf").stderr == (
        "bhyve: /tmp/vm.conf line 2: invalid config option 'nonsense'\n"
    )


BASE = "-c 1 -m 64M -s 0,hostbridge"


@pytest.mark.parametrize(
    ("arguments", "code", "stderr"),
    [
        ("-c 1000 -m 64M -s 0,hostbridge", 71, "bhyve: vm_set_topology"),
        ("-c 3 -m 64M -s 0,hostbridge", 71, "bhyve: vm_set_topology"),
        (
            "-c 1 -m 1 -s 0,hostbridge",
            4,
            f"mptable requires mapped mem\nerror to build the guest tables: {ENOENT}",
        ),
        ("-c 1 -m 0 -s 0,hostbridge", 4, "Unable to setup memory (22)"),
        ("-c 1 -m 8G -S -s 0,hostbridge", 4, "Unable to setup memory (12)"),
        (
            f"{BASE} -s 31,lpc -l com1,/dev/nosuch",
            4,
            f"Unable to initialize backend '/dev/nosuch' for LPC device com1\n{INIT}{ENOENT}",
        ),
        (
            f"{BASE} -s 31,lpc -l com1,/etc/passwd",
            4,
            "Unable to initialize backend '/etc/passwd' for LPC device com1\n"
            f"{INIT}Inappropriate ioctl for device",
        ),
        (
            f"{BASE} -s 31,lpc -l com1,tcp=127.0.0.1:7000",
            4,
            "Unable to initialize backend 'tcp=127.0.0.1:7000' for LPC device com1\n"
            f"{INIT}{ENOENT}",
        ),
        (f"{BASE} -s 31,lpc -s 30,lpc", 4, f"Only one LPC bridge is allowed.\n{INIT}{ENOENT}"),
        (f"{BASE} -A -U abc", 4, "Invalid UUID"),
        (f"{BASE} -A -U 123e4567-e89b-12d3-a456-42661417400", 4, "Invalid UUID"),
        (f"{BASE} -G abc", 1, "bhyve: gdb address resolution: Name does not resolve"),
        (
            f"{BASE} -s 3,virtio-blk",
            4,
            'Missing "path" for block device.\n'
            f"Could not open backing file: {ENOENT}\n{INIT}{ENOENT}",
        ),
        (
            f"{BASE} -s 3,virtio-blk,/nosuch.img",
            4,
            f"bhyve: Could not open backing file: /nosuch.img: {ENOENT}\n"
            f"Could not open backing file: {ENOENT}\n{INIT}{ENOENT}",
        ),
        (
            f"{BASE} -s 3,virtio-blk,/dev/null",
            4,
            "Could not fetch dev blk/sector size: Inappropriate ioctl for device\n"
            "Could not open backing file: Inappropriate ioctl for device\n"
            f"{INIT}Inappropriate ioctl for device",
        ),
        (
            f"{BASE} -s 3,virtio-blk,/tmp/odd.img,sectorsize=777",
            4,
            f"Invalid sector size 777/777\nCould not open backing file: {ENOENT}\n{INIT}{ENOENT}",
        ),
        (
            f"{BASE} -s 3,ahci-hd,/nosuch.img",
            4,
            f"bhyve: Could not open backing file: /nosuch.img: {ENOENT}\n{INIT}{ENOENT}",
        ),
        (
            f"{BASE} -s 3,ahci-cd,/nosuch.iso",
            4,
            f"bhyve: Could not open backing file: /nosuch.iso: {ENOENT}\n{INIT}{ENOENT}",
        ),
        (f"{BASE} -s 3,ahci-cd", 4, f'Missing "path" for block device.\n{INIT}{ENOENT}'),
        (
            f"{BASE} -s 3,nvme,/nosuch.img",
            4,
            f"bhyve: Could not open backing file: /nosuch.img: {ENOENT}\n"
            f"nvme: Could not open backing file: {ENOENT}\n{INIT}{ENOENT}",
        ),
        (f"{BASE} -s 3,virtio-net,vtnet0", 4, f"{INIT}{ENOENT}"),
        (f"{BASE} -s 3,virtio-net,tap0,mac=zz", 4, f"Invalid MAC zz\n{INIT}{ENOENT}"),
        (
            f"{BASE} -s 3,virtio-net,tap0,mac=ff:ff:ff:ff:ff:ff",
            4,
            f"Invalid MAC ff:ff:ff:ff:ff:ff\n{INIT}{ENOENT}",
        ),
        (f"{BASE} -s 3,virtio-net,tap0,mtu=99999", 4, f"{INIT}Invalid argument"),
        (
            f"{BASE} -s 3,virtio-9p,share=/nosuch",
            4,
            f"virtio-9p: failed to open '/nosuch': {ENOENT}\n{INIT}{ENOENT}",
        ),
        (f"{BASE} -s 3,virtio-9p,share", 4, f"virtio-9p: path required\n{INIT}{ENOENT}"),
        (
            f"{BASE} -s 3,virtio-console,port1=/nosuch/x.sock",
            4,
            f"cannot create port 0: {ENOENT}\n{INIT}{ENOENT}",
        ),
        (
            f"{BASE} -s 3,passthru,9/9/9",
            4,
            f"bhyve: passthru requires guest memory to be wired\n{INIT}{ENOENT}",
        ),
        (
            f"-S {BASE} -s 3,passthru,0/1/0",
            4,
            f"bhyve: PCI device at 0/1/0 is not using the ppt(4) driver\n{INIT}{ENOENT}",
        ),
        (f"{BASE} -s 3,fbuf,w=9999", 4, f"fbuf: width 9999 too large\n{INIT}{ENOENT}"),
        (
            f"{BASE} -s 3,xhci,nosuch",
            4,
            f'pci_xhci: unknown device model "nosuch"\n{INIT}{ENOENT}',
        ),
        (
            f"{BASE} -s 31,lpc -l bootrom,/nosuch.fd",
            4,
            f'Error opening bootrom "/nosuch.fd": {ENOENT}\n{INIT}{ENOENT}',
        ),
        (
            f"{BASE} -s 31,lpc -l bootrom,/tmp/odd.img",
            4,
            f"bhyve: ROM size 1000001 is not a multiple of the page size\n{INIT}{ENOENT}",
        ),
    ],
)
def test_a_vm_that_does_not_start(host: World, arguments: str, code: int, stderr: str) -> None:
    result = run(host, "bhyve", *shlex.split(arguments), "vm1")
    assert (result.code, result.stdout, result.stderr) == (code, "", f"{stderr}\n")
    assert host.path("/dev/vmm/vm1").exists(), "a failed start leaves the VM behind"


def test_an_address_that_is_not_of_this_machine(host: World) -> None:
    result = run(host, "bhyve", *f"{BASE} -s 3,fbuf,tcp=1.2.3.4:5900 vm1".split())
    assert result.code == 4
    assert result.stdout.startswith("fbuf frame buffer base: 0x")
    assert result.stderr == (
        "bind: Can't assign requested address\n"
        "device emulation initialization error: Can't assign requested address\n"
    )


def test_a_vnc_port_that_is_taken(host: World) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = run(host, "bhyve", *f"{BASE} -s 3,fbuf,tcp=127.0.0.1:{port} vm1".split())
    assert (result.code, result.stderr.split("\n")[0]) == (4, "bind: Address already in use")


def test_netmap_on_a_missing_interface(host: World) -> None:
    result = run(host, "bhyve", *f"{BASE} -s 3,virtio-net,netmap:nosuch0 vm1".split())
    assert result.code == 4
    assert result.stdout == (
        "Unable to nm_open(): interface 'netmap:nosuch0', errno (Device not configured)\n"
    )
    assert result.stderr.endswith(
        "nm_open [944] NIOCREGIF failed: Device not configured netmap:nosuch0\n"
        "device emulation initialization error: Device not configured\n"
    )


def test_a_vale_switch_without_a_port(host: World) -> None:
    result = run(host, "bhyve", *f"{BASE} -s 3,virtio-net,vale0 vm1".split())
    assert result.code == 4
    assert "errno (Invalid argument)" in result.stdout
    assert "missing ':' in vale name vale0\n" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("-s 31,lpc -l com1", "Assertion failed: (nvl->nvl_error == 0), function nvlist_find,"),
        (
            "-s 31,lpc -l com1,stdio -l com1,stdio",
            "Assertion failed: (sc->mev != NULL), function uart_opentty,",
        ),
        ("-s 3,virtio-net", "Assertion failed: (be != NULL), function netbe_get_cap,"),
        ("-s 3,hda,play=/dev/nosuch", "Assertion failed: (!err), function hda_init,"),
        ("-p 0:99", "Assertion failed: (error == 0), function fbsdrun_start_thread,"),
        ("-l bootrom,/nosuch.fd", "vm exit[0]\n\treason\t\tSVM\n\trip\t\t0x000000000000fff0\n"),
    ],
)
def test_what_makes_it_abort(vms: Vms, arguments: str, says: str) -> None:
    done = vms.run("bhyve", *BASE.split(), *arguments.split(), "vm1")
    assert done.returncode == -signal.SIGABRT
    assert done.stderr.startswith(says)


@pytest.mark.parametrize(
    "arguments",
    [
        "-m 1T",
        "-p 99:0",
        "-K nosuch",
        "-o nosuch=1",
        "-l com1,stdio",
        "-s 31:1,lpc",
        "-s 3,virtio-blk,/tmp",
        "-s 3,virtio-blk,/tmp/empty.img",
        "-s 3,virtio-blk,/tmp/odd.img,nosuchopt",
        "-s 3,virtio-net,vale0:1",
        "-s 3,fbuf,tcp=127.0.0.1:0,nosuch=1",
        "-s 3,xhci,tablet",
    ],
)
def test_what_passes_in_silence(vms: Vms, arguments: str) -> None:
    child = vms.spawn("bhyve", "-c", "1", "-s", "0,hostbridge", *arguments.split(), "vm1")
    wait_for(lambda: vms.is_running("vm1"), "the VM runs")
    os.kill(child.pid, signal.SIGTERM)
    assert child.wait(10) == -signal.SIGTERM, "nothing has enabled ACPI, so SIGTERM kills"
    assert child.stderr
    assert child.stderr.read() == ""


def test_the_kernel_module_is_needed(tmp_path: Path) -> None:
    world = make_world(tmp_path / "13", AMD, "nmdm")
    assert run(world, "bhyve", "vm1").stderr == "vm_create: No such file or directory\n"
    newer = make_world(tmp_path / "15", Machine(release="15.0", pools={}), "nmdm")
    result = run(newer, "bhyve", "-s", "31,lpc", "-l", "bootrom,/x", "vm1")
    assert (result.code, result.stderr) == (
        4,
        "bhyve: vm_openf: No such file or directory\n",
    )


@pytest.mark.parametrize("arguments", ["-c 1000 vm1", "-m 0 vm1", "-U abc vm1", "'bad name'"])
def test_a_processor_that_cannot_virtualize(tmp_path: Path, arguments: str) -> None:
    world = make_world(tmp_path / "host", Machine(release="13.2", virtualization=False, pools={}))
    result = run(world, "bhyve", *shlex.split(arguments))
    assert (result.code, result.stderr) == (4, "vm_create: Device not configured\n")
    assert not world.path("/dev/vmm").exists()


def test_only_root_makes_vms(host: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHYVES_SIMULATE_USER", "nobody")
    result = run(host, "bhyve", "-s", "0,hostbridge", "vm2")
    assert (result.code, result.stderr) == (4, "vm_create: Operation not permitted\n")


def test_without_a_loader_there_is_nothing_to_boot(host: World, tmp_path: Path) -> None:
    result = run(host, "bhyve", *BASE.split(), "nocreate")
    assert (result.code, result.stderr) == (4, "virtual machine cannot be booted\n")
    assert host.path("/dev/vmm/nocreate").exists()
    newer = make_world(tmp_path / "15", Machine(release="15.0", pools={}))
    result = run(newer, "bhyve", *BASE.split(), "nocreate")
    assert (result.code, result.stderr) == (4, "bhyve: no bootrom was configured\n")
    assert not newer.path("/dev/vmm").exists()


def test_without_unrestricted_guest(tmp_path: Path) -> None:
    world = make_world(
        tmp_path / "host", Machine(release="13.2", unrestricted_guest=False, pools={})
    )
    world.path("/tmp/rom.fd").write_bytes(bytes(4096))
    vmm.create(world, "vm1")
    result = run(world, "bhyve", *shlex.split("-c 2 -s 0,hostbridge vm1"))
    assert (result.code, result.stderr) == (4, "2 vCPUs requested but only 1 available\n")
    result = run(world, "bhyve", *shlex.split("-s 31,lpc -l bootrom,/tmp/rom.fd vm1"))
    assert (result.code, result.stderr) == (
        4,
        "ROM boot failed: unrestricted guest capability not available\n",
    )


def test_messages_that_newer_releases_changed(tmp_path: Path) -> None:
    world = make_world(tmp_path / "host", Machine(release="15.0", pools={}))
    vmm.create(world, "vm1")
    result = run(world, "bhyve", *f"{BASE} -s 3,ahci-hd,/nosuch vm1".split())
    assert result.stderr.endswith(f"\nDevice emulation initialization error: {ENOENT}\n")
    assert run(world, "bhyve", "-n", "id=0", "-h").code == 0, "-n came with 15.0"


def test_memory_must_be_what_the_loader_gave(host: World) -> None:
    vmm.set_up_memory(host, "vm1", 256 << 20, wired=False)
    result = run(host, "bhyve", *shlex.split("-m 64M vm1"))
    assert (result.code, result.stderr) == (4, "Unable to setup memory (22)\n")
    result = run(host, "bhyve", *shlex.split("-S -m 256M vm1"))
    assert (result.code, result.stderr) == (4, "Unable to setup memory (17)\n")
