# SPDX-License-Identifier: BSD-2-Clause
"""What a simulated host has after power-on."""

import shlex
import sys

from chyves.simulator import hardware, kernel
from chyves.simulator.net import interfaces
from chyves.simulator.programs import PACKAGED, PROGRAMS
from chyves.simulator.world import World
from chyves.simulator.zfs import pools


def boot(world: World) -> None:
    """Fill a fresh host: kernel, dmesg, network interfaces, pools, and programs for PATH."""
    with world.changing():
        kernel.boot(world)
        hardware.boot(world)
        interfaces.boot(world)
        for name, size in world.machine.pools.items():
            pools.create(world, name, size)
    _install(world)
    command = shlex.join([sys.executable, "-I", "-m", "chyves.simulator", str(world.directory)])
    for name in PROGRAMS:
        program = world.bin / name
        program.write_text(f'#!/bin/sh\nexec {command} {name} "$@"\n')
        program.chmod(0o755)


FIRMWARE = {
    "BHYVE_UEFI.fd": 2 << 20,
    "BHYVE_UEFI_CODE.fd": 2 << 20,
    "BHYVE_UEFI_VARS.fd": 132 << 10,
}
"""What edk2-bhyve installs, with its sizes; the first is a copy of the second."""


KEYBOARDS = ("default", "french_unix", "german", "us_unix")
"""Some of the layouts in /usr/share/bhyve/kbdlayout."""


def _install(world: World) -> None:
    """Put the files of grub2-bhyve and edk2-bhyve where pkg does, and keyboards of the base."""
    keyboards = world.path("/usr/share/bhyve/kbdlayout")
    keyboards.mkdir(parents=True)
    for name in KEYBOARDS:
        (keyboards / name).touch()
    for path in PACKAGED.values():
        file = world.path(path)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch(0o755)
    folder = world.path("/usr/local/share/uefi-firmware")
    folder.mkdir(parents=True)
    for name, size in FIRMWARE.items():
        with (folder / name).open("wb") as image:
            image.write(b"simulated " + (b"variables" if "VARS" in name else b"firmware"))
            image.truncate(size)
