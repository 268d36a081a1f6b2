# SPDX-License-Identifier: BSD-2-Clause
"""grub-bhyve(1) of the port sysutils/grub2-bhyve: boots what its configuration names, or stays at
its prompt (grub-core/kern/emu/main.c).

What it reads of a disk is simulated as for bhyveload; a configuration on the host is read for real:
the disk or CD that its ``linux``, ``kopenbsd`` or ``knetbsd`` names is what boots.
"""

import os
import re
import shlex
import sys
from dataclasses import dataclass, field

from chyves.simulator.bhyve import media, vmm
from chyves.simulator.bhyve.bhyveload import check_console
from chyves.simulator.bhyve.exits import EEXIST, Stop, VmmError
from chyves.simulator.bhyve.lpc import Console, Stdio
from chyves.simulator.bhyve.nmdm import Line
from chyves.simulator.bhyve.prompt import stay_at_prompt
from chyves.simulator.bhyve.sizes import memory_size
from chyves.simulator.opened import open_device
from chyves.simulator.programs import Io
from chyves.simulator.usage import Refused, parse
from chyves.simulator.world import World

_LETTERS = "r:m:d:vHc:eg:nM:SV?"
_USAGE = """\
Usage: grub-bhyve [OPTION...] vmname
Try 'grub-bhyve --help' or 'grub-bhyve --usage' for more information."""

_MENU = b"                             GNU GRUB  version 2.00\r\n\r\n"
_PROMPT = b"grub> "


@dataclass
class _Orders:
    """The command line."""

    vm: str = ""
    memory: int = 256 << 20
    wired: bool = False
    console: str = ""
    root: str = "host"
    folder: str = "/boot/grub"
    config: str = "grub.cfg"
    drives: dict[str, str] = field(default_factory=dict)


def grub_bhyve(world: World, arguments: list[str], io: Io) -> int:
    """grub-bhyve."""
    try:
        with world.process(shlex.join(["grub-bhyve", *arguments])):
            return _load(world, parse_orders(world, arguments))
    except Stop as stop:
        return stop.tell(io)


def parse_orders(world: World, arguments: list[str]) -> _Orders:
    """Read the command line. Raises Stop."""
    try:
        parsed = parse("grub-bhyve", arguments, _LETTERS, _USAGE, 64)
    except Refused as refused:
        raise Stop(refused.code, refused.text) from None
    orders = _Orders(wired=parsed.has("S"))
    device_map = "/boot/grub/device.map"
    for letter, value in parsed.options:
        if letter == "c":
            orders.console = value
        elif letter == "r":
            orders.root = value
        elif letter == "d":
            orders.folder = value
        elif letter == "g":
            orders.config = value
        elif letter == "m":
            device_map = value
        elif letter == "M":
            size = memory_size(value)
            if size is None:
                says = f"Invalid guest memory size `{value}'."
                raise Stop(1, f"{says}\nError in parsing command line arguments")
            orders.memory = size
    if not parsed.operands:
        raise Stop(1, f"Required VM name parameter not supplied\n{_USAGE}")
    orders.vm = parsed.operands[-1]
    orders.drives = _drives(world, device_map)
    return orders


def _drives(world: World, path: str) -> dict[str, str]:
    """Read a device map; one that is not there is an empty one, and so are drives without a
    file (grub-core/kern/emu/hostdisk.c)."""
    try:
        lines = world.path(path).read_text().splitlines()
    except OSError:
        return {}
    drives = {}
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        match = re.match(r"\s*\(([^)]+)\)\s*(\S+)", line)
        if not match:
            raise Stop(1, f"grub-bhyve: error: {path}:{number}: No open parenthesis found.")
        if world.path(match[2]).exists():
            drives[match[1]] = match[2]
    return drives


def _load(world: World, orders: _Orders) -> int:
    _open(world, orders)
    path = check_console(world, orders.console) if orders.console else ""
    for drive in orders.drives.values():
        if drive.startswith("/dev/"):
            open_device(world, drive, os.getpid())
    console: Console = Line(world, path) if path else Stdio()
    try:
        console.write(_MENU)
        disk = _boots_from(world, orders)
        if not disk:
            return stay_at_prompt(console, _PROMPT, b"exit", _refusal)
        console.write(f"Booting from {disk}\r\n".encode())
        record = vmm.find(world, orders.vm)
        vmm.update(world, orders.vm, record["generation"], loaded=True, boot=[disk])
    except VmmError:
        raise Stop(1, "vm_set_register: Device not configured") from None
    finally:
        console.close()
        sys.stdout.flush()
    return 0


def _boots_from(world: World, orders: _Orders) -> str:
    """Return the disk or CD that the configuration boots from; empty if there is none."""
    drive = orders.root.partition(",")[0]
    if drive == "host":
        try:
            text = world.path(f"{orders.folder}/{orders.config}").read_text()
        except OSError:
            return ""
        kernel = re.search(r"^k?(?:linux|openbsd|netbsd)\s.*?\((\w+)[,)]", text, re.MULTILINE)
        if not kernel or not re.search(r"^boot$", text, re.MULTILINE):
            return ""
        drive = kernel[1]
    disk = orders.drives.get(drive, "")
    return disk if disk and media.is_bootable(world.path(disk)) else ""


def _open(world: World, orders: _Orders) -> None:
    """Create the VM or make an idle one like new, and give it memory."""
    says = f"Could not create VM {orders.vm}"
    try:
        try:
            vmm.create(world, orders.vm)
        except VmmError as error:
            if error.errno != EEXIST:
                raise
            says = f"Could not reinit VM {orders.vm}"
            vmm.reinit(world, orders.vm)
        if not vmm.has_unrestricted_guest(world):
            raise Stop(1, "VM unrestricted guest capability required\nError in initializing VM")
        says = f"Could not setup memory for VM {orders.vm}"
        vmm.set_up_memory(world, orders.vm, orders.memory, wired=orders.wired)
    except VmmError:
        raise Stop(1, f"{says}\nError in initializing VM") from None


def _refusal(word: bytes) -> bytes:
    return b"error: can't find command `" + word + b"'.\r\n"
