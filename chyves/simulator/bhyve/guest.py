# SPDX-License-Identifier: BSD-2-Clause
"""What runs in a VM: the protocol of a guest, and the choice of one."""

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from chyves.simulator.bhyve import media
from chyves.simulator.bhyve.devices import Disk, Parts
from chyves.simulator.world import World


class Ending(StrEnum):
    """Why a guest does not run any more."""

    RESET = "reset"
    POWEROFF = "poweroff"
    HALT = "halt"
    TRIPLE_FAULT = "triple fault"
    ABORT = "abort"


Say = Callable[[bytes], None]
"""How a guest writes to its first serial port."""


class Guest(Protocol):
    """A guest. ``descriptors`` are watched for input and then ``attend`` is called; ``ending`` is
    looked at after every call."""

    ending: Ending | None
    descriptors: tuple[int, ...]

    def start(self) -> None:
        """Boot."""

    def feed(self, data: bytes) -> None:
        """Take what was typed at the first serial port."""

    def attend(self) -> None:
        """Look at the descriptors."""

    def has_acpi(self) -> bool:
        """Tell whether the guest has enabled ACPI, so that SIGTERM is its power button."""

    def press_button(self) -> None:
        """Take the ACPI power button."""

    def show(self, client: int) -> None:
        """Serve a VNC client on a connected socket, which is then the guest's to close."""

    def stop(self) -> None:
        """End at once."""


@dataclass(frozen=True)
class Vm:
    """The virtual machine a guest is put into; ``memory`` in bytes. ``medium`` is the disk to boot
    from; without one there is nothing to run."""

    name: str
    generation: str
    memory: int
    cpus: tuple[int, int, int]
    parts: Parts
    uses_rom: bool
    medium: Disk | None


def boot_medium(world: World, parts: Parts, loaded: list[str], *, uses_rom: bool) -> Disk | None:
    """Return what the guest starts from: the first bootable of what the loader was given, or of
    the CDs and then the disks that the firmware finds."""
    if uses_rom:
        candidates = sorted(parts.disks, key=lambda disk: disk.kind != "ahci-cd")
    else:
        candidates = [_loaded(world, parts, path) for path in loaded]
    return next((disk for disk in candidates if media.is_bootable(disk.file)), None)


def _loaded(world: World, parts: Parts, path: str) -> Disk:
    """Return the disk a loader has read; it need not be one the VM has."""
    attached = [disk for disk in parts.disks if disk.path == path]
    return attached[0] if attached else Disk(path, str(world.path(path)), "virtio-blk", True)


def choose(world: World, vm: Vm, say: Say) -> Guest:
    """Return the guest for a VM, as CHYVES_SIMULATE_GUEST (``qemu`` or ``scripted``) has it; by
    default QEMU where it is installed, unless the medium is made for the scripted guest."""
    from chyves.simulator.bhyve.idle import Idle
    from chyves.simulator.bhyve.scripted import Scripted

    if vm.medium is None:
        return Idle(vm, say)
    wanted = os.environ.get("CHYVES_SIMULATE_GUEST", "")
    has_script = media.script(vm.medium.file) is not None
    if wanted == "qemu" or (not wanted and not has_script and shutil.which("qemu-system-x86_64")):
        from chyves.simulator.bhyve.qemu import Qemu

        return Qemu(world, vm, say)
    return Scripted(world, vm, say)
