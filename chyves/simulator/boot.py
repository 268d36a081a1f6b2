# SPDX-License-Identifier: BSD-2-Clause
"""What a simulated host has after power-on."""

import shlex
import sys

from chyves.simulator import hardware, kernel
from chyves.simulator.net import interfaces
from chyves.simulator.programs import PROGRAMS
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
    command = shlex.join([sys.executable, "-I", "-m", "chyves.simulator", str(world.directory)])
    for name in PROGRAMS:
        program = world.bin / name
        program.write_text(f'#!/bin/sh\nexec {command} {name} "$@"\n')
        program.chmod(0o755)
