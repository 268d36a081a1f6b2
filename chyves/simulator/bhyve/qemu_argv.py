# SPDX-License-Identifier: BSD-2-Clause
"""The QEMU command line for a VM."""

import hashlib
import json
import os

from chyves.simulator.bhyve import media, network
from chyves.simulator.bhyve.devices import Disk, Nic
from chyves.simulator.bhyve.guest import Vm
from chyves.simulator.world import World

PROGRAM = "qemu-system-x86_64"
_FIRMWARE = ("/usr/share/ovmf/OVMF.fd", "/usr/local/share/edk2-qemu/QEMU_UEFI-x86_64.fd")
_PORTS_PER_CONTROLLER = 6


def command_line(world: World, vm: Vm, accelerator: str, serial: int, monitor: int) -> list[str]:
    """Return the argv; ``serial`` and ``monitor`` are sockets that QEMU inherits."""
    sockets, cores, threads = vm.cpus
    cpu = "host" if accelerator == "kvm" else "max"
    topology = f"sockets={sockets},cores={cores},threads={threads}"
    argv = [PROGRAM, "-name", vm.name.replace(",", ",,"), "-nodefaults", "-no-user-config"]
    argv += ["-machine", "q35,sata=off", "-accel", accelerator, "-cpu", cpu]
    argv += ["-smp", topology, "-m", f"{max(vm.memory >> 20, 1)}M"]
    argv += ["-display", "none", "-no-reboot", "-boot", "strict=on", "-d", "cpu_reset"]
    argv += ["-chardev", f"socket,id=com1,fd={serial}", "-serial", "chardev:com1"]
    argv += ["-chardev", f"socket,id=qmp,fd={monitor}", "-mon", "chardev=qmp,mode=control"]
    argv += _firmware(vm)
    argv += _screen(vm)
    argv += _disks(vm)
    for number, nic in enumerate(vm.parts.nics):
        argv += _nic(world, number, nic)
    return argv


def _firmware(vm: Vm) -> list[str]:
    """UEFI only where it is installed and the medium can use it; SeaBIOS boots all others."""
    found = [path for path in _FIRMWARE if os.path.exists(path)]
    if vm.uses_rom and found and vm.medium and media.boots_with_efi(vm.medium.file):
        return ["-bios", found[0]]
    return []


def _screen(vm: Vm) -> list[str]:
    screen = vm.parts.screen
    if screen is None:
        return []
    return ["-device", "VGA", "-vnc", "none,password=on" if screen.password else "none"]


def _disks(vm: Vm) -> list[str]:
    disks = [disk for disk in vm.parts.disks if _holds_anything(disk)]
    if vm.medium and vm.medium not in disks:
        disks.append(vm.medium)
    argv: list[str] = []
    ports = 0
    for number, disk in enumerate(disks):
        argv += ["-blockdev", _blockdev(disk, f"disk{number}")]
        boot = _boot_order(vm, disk, number)
        if disk.kind.startswith("ahci"):
            controller, port = divmod(ports, _PORTS_PER_CONTROLLER)
            if port == 0:
                argv += ["-device", f"ich9-ahci,id=ahci{controller}"]
            ports += 1
            model = "ide-cd" if disk.kind == "ahci-cd" else "ide-hd"
            device = f"{model},bus=ahci{controller}.{port}"
        elif disk.kind == "nvme":
            device = f"nvme,serial=BHYVE-{number}"
        else:
            device = "virtio-blk-pci"
        argv += ["-device", f"{device},drive=disk{number}{boot}"]
    return argv


def _holds_anything(disk: Disk) -> bool:
    return os.path.isfile(disk.file) and os.path.getsize(disk.file) >= 512


def _boot_order(vm: Vm, disk: Disk, number: int) -> str:
    """The medium first; behind it firmware tries the others, a loader has none."""
    if disk == vm.medium:
        return ",bootindex=0"
    return f",bootindex={number + 1}" if vm.uses_rom else ""


def _blockdev(disk: Disk, name: str) -> str:
    file = {"driver": "file", "filename": disk.file, "locking": "off", "discard": "unmap"}
    description = {"driver": "raw", "node-name": name, "read-only": disk.read_only, "file": file}
    return json.dumps({**description, "discard": "unmap"})


def _nic(world: World, number: int, nic: Nic) -> list[str]:
    """A segment is a multicast group on the loopback interface, named after host and bridge; a
    card whose bridge is down is alone on a hub."""
    segment = network.segment(world, nic.backend)
    if segment:
        digest = hashlib.sha256(f"{world.directory}\0{segment}".encode()).digest()
        group = f"239.{digest[0]}.{digest[1]}.{digest[2]}"
        port = 20000 + int.from_bytes(digest[3:5], "big") % 40000
        backend = f"socket,id=net{number},mcast={group}:{port},localaddr=127.0.0.1"
    else:
        backend = f"hubport,id=net{number},hubid={number}"
    model = "e1000" if nic.kind == "e1000" else "virtio-net-pci"
    return ["-netdev", backend, "-device", f"{model},netdev=net{number},mac={nic.mac},romfile="]
