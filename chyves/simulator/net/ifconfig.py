# SPDX-License-Identifier: BSD-2-Clause
"""ifconfig(8): its options, as sbin/ifconfig/ifconfig.c of FreeBSD 13 reads them."""

import re

from chyves.simulator import kernel
from chyves.simulator.net import listing
from chyves.simulator.net.interfaces import CLONERS, Interface, find, interfaces
from chyves.simulator.net.words import ETHERNET, FAMILIES, Command
from chyves.simulator.programs import Io
from chyves.simulator.usage import Parsed, Refused, parse, refusing
from chyves.simulator.world import World

USAGE = """\
usage: ifconfig [-f type:format] [-g groupname] [-C] [-L] interface address_family
                [address [dest_address]] [parameters]
       ifconfig interface create
       ifconfig -a [-g groupname] [-C] [-L] [-d] [-m] [-u] [-v] [address_family]
       ifconfig -l [-d] [-u] [address_family]
       ifconfig [-g groupname] [-C] [-L] [-d] [-m] [-u] [-v]"""


@refusing
def ifconfig(world: World, arguments: list[str], io: Io) -> int:
    """ifconfig(8)."""
    parsed = parse("ifconfig", arguments, "G:adf:klmnuvg:CL", USAGE)
    names_only, everything = parsed.has("l"), parsed.has("a")
    if names_only and (everything or parsed.has("m")):
        raise Refused(USAGE)
    if parsed.has("u") and parsed.has("d"):
        raise Refused(USAGE)
    if parsed.has("C"):
        with world.reading():
            io.out(" ".join(_cloners(world)))
        return 0
    group = parsed.last("g")
    if group is not None and not everything:
        with world.reading():
            for interface in _in_order(world):
                if group in interface.groups:
                    io.out(interface.name)
        return 0
    if names_only or everything or not parsed.operands:
        _list(world, parsed, io)
        return 0
    name, *words = parsed.operands
    if not parsed.has("n"):
        _load_cloner(world, name)
    _about(world, name, words, io)
    return 0


def _cloners(world: World) -> list[str]:
    """Return what can be cloned; what was loaded last comes first."""
    loaded = [
        kind for file in world.table("kernel") for kind, needed in CLONERS.items() if needed == file
    ]
    return [*reversed(loaded), "vlan", "vmnet", "tap", "tun", "lo"]


def _load_cloner(world: World, name: str) -> None:
    """Load the module that the name hints at, if there is one; whoever may not is not told."""
    file = f"if_{re.split('[0-9]', name)[0]}.ko"
    with world.reading():
        missing = file in kernel.KLDS and not kernel.file_loaded(world, file)
    if missing and world.is_root():
        with world.changing():
            kernel.load(world, file)


def _in_order(world: World) -> list[Interface]:
    """Return the interfaces as they are listed: by index since 14, as they came before that."""
    found = interfaces(world)
    if world.release.major >= 14:
        found.sort(key=lambda interface: interface.index)
    return found


def _list(world: World, parsed: Parsed, io: Io) -> None:
    if len(parsed.operands) > 1:
        raise Refused(USAGE)
    family = parsed.operands[0] if parsed.operands else ""
    if family and family not in FAMILIES:
        raise Refused(f"ifconfig: Address family '{family}' unknown.\n{USAGE}")
    group = parsed.last("g")
    with world.reading():
        found = [
            interface
            for interface in _in_order(world)
            if (interface.up or not parsed.has("u"))
            and (not interface.up or not parsed.has("d"))
            and (group is None or group in interface.groups)
        ]
        if parsed.has("l"):
            names = [one.name for one in found if one.ether or family not in ETHERNET]
            io.out(" ".join(names))
            return
        for interface in found:
            listing.show(world, interface, family, io)


def _about(world: World, name: str, words: list[str], io: Io) -> None:
    with world.reading():
        present = find(world, name)
    creates = words[:1] in (["create"], ["plumb"])
    if present is None:
        if not creates:
            raise Refused(f"ifconfig: interface {name} does not exist")
        if len(name) > 15:
            raise Refused(f"ifconfig: {name}: cloning name too long")
    elif creates:
        if len(words) == 1:
            raise Refused(f"ifconfig: interface {name} already exists")
        creates, words = False, words[1:]
    command = Command(world, name, words)
    if present is not None:
        family = command.take_family()
        if not command.words:
            with world.reading():
                listing.show(world, present, family, io)
            return
    try:
        if creates:
            command.create()
        command.run(io)
    finally:
        if command.was_named:
            io.out(command.name)
