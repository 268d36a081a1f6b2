# SPDX-License-Identifier: BSD-2-Clause
"""bhyveload(8): puts a kernel into a VM for bhyve to run, or stays at its prompt.

What it reads of a kernel is simulated: a disk or ISO that could boot is one with a boot sector, an
ISO 9660 image, or the marker of the scripted guest.
"""

import os
import shlex
import sys
from dataclasses import dataclass, field

from chyves.simulator.bhyve import media, vmm
from chyves.simulator.bhyve.exits import EEXIST, Stop, VmmError
from chyves.simulator.bhyve.lpc import Console, Stdio, is_exclusive
from chyves.simulator.bhyve.nmdm import Line, is_nmdm
from chyves.simulator.bhyve.prompt import stay_at_prompt
from chyves.simulator.bhyve.sizes import memory_size
from chyves.simulator.opened import open_device
from chyves.simulator.programs import Io
from chyves.simulator.usage import Refused, parse
from chyves.simulator.world import World

_USAGE = """\
usage: bhyveload [-S][-c <console-device>] [-d <disk-path>] [-e <name=value>]
                 [-h <host-path>] [-m memsize[K|k|M|m|G|g|T|t]] <vmname>"""

_BANNER = b"Consoles: userboot  \r\n\r\nFreeBSD/amd64 User boot lua, Revision 1.2\r\n"

_LOADS = b"""\
|\b/\b-\b\\\b|\bLoading /boot/defaults/loader.conf\r
Loading /boot/device.hints\r
/\bLoading /boot/loader.conf\r
Loading kernel...\r
-\b/boot/kernel/kernel text=0xc9da0 text=0x60a790 \r
Loading configured modules...\r
\r
\rBooting [/boot/kernel/kernel]...               \r
"""

_FINDS_NOTHING = b"""\
|\bERROR: cannot open /boot/lua/loader.lua: no such file or directory.\r
\r
\r
Type '?' for a list of commands, 'help' for more detailed help.\r
"""

_PROMPT = b"OK "


@dataclass
class _Orders:
    """The command line."""

    vm: str = ""
    memory: int = 256 << 20
    wired: bool = False
    console: str = ""
    loader: str = "/boot/userboot.so"
    disks: list[str] = field(default_factory=list)


def bhyveload(world: World, arguments: list[str], io: Io) -> int:
    """bhyveload(8)."""
    try:
        with world.process(shlex.join(["bhyveload", *arguments])):
            return _load(world, parse_orders(world, arguments))
    except Stop as stop:
        return stop.tell(io)


def parse_orders(world: World, arguments: list[str]) -> _Orders:
    """Read the command line. Raises Stop."""
    try:
        parsed = parse("bhyveload", arguments, "CSc:d:e:h:l:m:", _USAGE)
    except Refused as refused:
        raise Stop(refused.code, refused.text) from None
    orders = _Orders(wired=parsed.has("S"))
    loaders = 0
    for letter, value in parsed.options:
        if letter == "c":
            orders.console = check_console(world, value)
        elif letter == "d":
            orders.disks.append(_open_disk(world, value))
        elif letter == "l":
            loaders += 1
            orders.loader = value
        elif letter == "m":
            orders.memory = memory_size(value) or 0
            if memory_size(value) is None:
                raise Stop(64, f"bhyveload: Invalid memsize '{value}'")
        if loaders > 1:
            raise Stop(64, "bhyveload: -l can only be given once")
    if len(parsed.operands) != 1:
        raise Stop(1, _USAGE)
    orders.vm = parsed.operands[0]
    return orders


def _open_disk(world: World, path: str) -> str:
    if path not in ("/dev/null", "/dev/zero") and not world.path(path).exists():
        raise Stop(64, f"bhyveload: Could not open '{path}'")
    if path.startswith("/dev/"):
        open_device(world, path, os.getpid())
    return path


def check_console(world: World, path: str) -> str:
    """Return the console if bhyve's loaders can open it. Raises Stop."""
    from chyves.simulator import kernel

    if path == "stdio":
        return ""
    with world.reading():
        is_line = is_nmdm(path) and kernel.module_ready(world, "nmdm")
    if not is_line or is_exclusive(world, path):
        raise Stop(64, f"bhyveload: Could not open '{path}'")
    return path


def _load(world: World, orders: _Orders) -> int:
    _open(world, orders)
    if orders.loader != "/boot/userboot.so" and not world.path(orders.loader).exists():
        raise Stop(1, stdout=f'Cannot open "{orders.loader}"')
    console: Console = Line(world, orders.console) if orders.console else Stdio()
    try:
        console.write(_BANNER)
        if not any(media.is_bootable(world.path(disk)) for disk in orders.disks):
            console.write(_FINDS_NOTHING)
            return stay_at_prompt(console, _PROMPT, b"quit", lambda word: word + b" not found\r\n")
        console.write(_LOADS)
        record = vmm.find(world, orders.vm)
        boot = [*orders.disks]
        vmm.update(world, orders.vm, record["generation"], loaded=True, boot=boot)
    except VmmError:
        raise Stop(1, "vm_set_register: Device not configured") from None
    finally:
        console.close()
        sys.stdout.flush()
    return 0


def _open(world: World, orders: _Orders) -> None:
    """Create the VM or make an idle one like new, and give it memory."""
    call = "vm_create"
    try:
        try:
            vmm.create(world, orders.vm)
        except VmmError as error:
            if error.errno != EEXIST:
                raise
            call = "vm_reinit"
            vmm.reinit(world, orders.vm)
        call = "vm_setup_memory"
        vmm.set_up_memory(world, orders.vm, orders.memory, wired=orders.wired)
    except VmmError as error:
        raise Stop(1, f"{call}: {error}") from None
