# SPDX-License-Identifier: BSD-2-Clause
"""What only one guest can have: taps, null-modem pairs, VNC ports, UUIDs, MAC addresses.

Whoever chooses one holds the host's lock until it is written.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count

from chyves.errors import Precondition
from chyves.model.ifnames import IF_MAXUNIT
from chyves.model.kinds import MANY

HIGHEST_PORT = 65535


Owners = Mapping[str, Collection[str]]
"""The guests that have a value, by the value."""


@dataclass(frozen=True)
class Taken:
    """What is in use, and by whom. ``interfaces`` are taps, and ports of VALE switches;
    ``elsewhere`` are taps that a bridge's list or the host has."""

    interfaces: Owners = field(default_factory=dict)
    serials: Owners = field(default_factory=dict)
    ports: Owners = field(default_factory=dict)
    uuids: Owners = field(default_factory=dict)
    macs: Owners = field(default_factory=dict)
    elsewhere: frozenset[str] = frozenset()


def in_use(
    guests: Iterable[tuple[str, Mapping[str, str]]],
    globals_: Mapping[str, str] | None = None,
    interfaces: Iterable[str] = (),
) -> Taken:
    """Return what is taken by guests (name and properties of each), by the lists of members in
    global.cfg and by the interfaces of the host."""
    owners: dict[str, defaultdict[str, list[str]]] = {what: defaultdict(list) for what in _WHAT}
    for guest, properties in guests:
        for name, value in properties.items():
            for what, one in _unique_values(name, value):
                owners[what][one].append(guest)
    elsewhere = {name for name in interfaces if _number(name, "tap") is not None}
    for name, value in (globals_ or {}).items():
        if re.fullmatch(r"bridge[0-9]+_tap_members", name):
            elsewhere.update(value.split(","))
    return Taken(**owners, elsewhere=frozenset(elsewhere))


def _unique_values(name: str, value: str) -> Iterator[tuple[str, str]]:
    """Yield what a property takes: the field of Taken, and the value as it is compared."""
    if value in ("", "-"):
        return
    if name == "net_ifaces":
        for interface in value.split(","):
            if interface.startswith("tap") or ":" in interface:
                yield "interfaces", interface
    elif name == "serial":
        yield "serials", value
    elif name == "uefi_vnc_port":
        yield "ports", value.lstrip("0")
    elif name == "uuid":
        yield "uuids", value.lower()
    elif name.endswith("_mac"):
        yield "macs", value.lower()


def claims(properties: Mapping[str, str]) -> tuple[str, ...]:
    """Return what a guest has for itself, or shares with its exact clones: interfaces, serial port,
    VNC port, UUID and MAC addresses, as they are compared."""
    found = (claim for item in properties.items() for claim in _unique_values(*item))
    return tuple(dict.fromkeys(value for _, value in found))


_WHAT = {
    "interfaces": "an interface",
    "serials": "the serial port",
    "ports": "the VNC port",
    "uuids": "the UUID",
    "macs": "a MAC address",
}


NUMBERED = frozenset({"net_ifaces", "serial", "uefi_vnc_port", "uuid"})
CHOOSES_PORT = frozenset({"loader", "uefi_console_output"})


def is_shared(name: str) -> bool:
    """Tell whether setting a property takes, or chooses, what only one guest can have."""
    return name in NUMBERED or name in CHOOSES_PORT or name.endswith("_mac")


def conflicts(
    taken: Taken, guest: str, properties: Mapping[str, str], names: Collection[str] | None = None
) -> list[str]:
    """Return a sentence for each value of a guest's properties that another guest has, or that it
    has twice itself. ``names`` are the properties that are asked about; None is all."""
    claims = [
        (name, *claim)
        for name, value in properties.items()
        for claim in _unique_values(name, value)
    ]
    own = Counter((what, one) for _, what, one in claims)
    found = []
    for name, what, one in claims:
        if names is None or name in names:
            owners: Owners = getattr(taken, what)
            others = {owner for owner in owners.get(one, ()) if owner != guest}
            if others:
                found.append(f"{one} is {_WHAT[what]} of {' and '.join(sorted(others))}")
            elif own[what, one] > 1:
                found.append(f"{one} is {_WHAT[what]} of {guest} twice")
    return list(dict.fromkeys(found))


def twice(properties: Mapping[str, str]) -> dict[str, str]:
    """Return the properties of a guest that name what an earlier one does, where bhyve takes one of
    each: a device of the host, a share, a console; with a sentence for each."""
    found: dict[str, str] = {}
    seen: dict[tuple[str, str], str] = {}
    for name, value in properties.items():
        kind, _, number = name.rpartition("_")
        if kind not in _NAMED or not number.isdigit():
            continue
        thing = re.fullmatch(_NAMED[kind], value)
        if thing and (kind, thing[1]) in seen:
            found[name] = f"{thing[1]} is what {seen[kind, thing[1]]} names already"
        elif thing:
            seen[kind, thing[1]] = name
    return found


_NAMED = {
    "pcidev": r"passthru,(\d+/\d+/\d+)(?:,.*)?",
    "virtio_9p": "([^=]+)=.*",
    "virtio_console": "(.+)",
}


def next_tap(taken: Taken, offset: int) -> str:
    """Return the tap for a new interface: one above the highest, and not below the offset."""
    return f"tap{_next([*taken.interfaces, *taken.elsewhere], 'tap', offset, IF_MAXUNIT)}"


def next_vale_port(used: Collection[str], switch: str) -> str:
    """Return the first numbered port of a VALE switch that nobody has: ``vale0:1``."""
    return next(port for n in count(1) if (port := f"{switch}:{n}") not in used)


def next_serial(taken: Taken, offset: int) -> str:
    """Return the null-modem pair for a new guest: one above the highest, not below the offset."""
    return f"nmdm{_next(taken.serials, 'nmdm', offset, MANY)}"


def next_port(taken: Taken, offset: int) -> str:
    """Return the VNC port for a guest: one above the highest, and not below the offset."""
    return str(_next(taken.ports, "", offset, HIGHEST_PORT))


def _next(names: Iterable[str], base: str, offset: int, high: int) -> int:
    """Return the next number; a gap once the highest is taken.

    Raises Precondition if there is none.
    """
    used = {number for name in names if (number := _number(name, base)) is not None}
    following = max(used, default=-1) + 1
    if max(following, offset) <= high:
        return max(following, offset)
    free = next((number for number in range(offset, high + 1) if number not in used), None)
    if free is None:
        raise Precondition(
            f"no number is left from {offset} to {high}",
            hint="see chyves list global for the properties that end in _start_offset",
        )
    return free


def _number(name: str, base: str) -> int | None:
    match = re.fullmatch(f"{base}([0-9]{{1,9}})", name)
    return int(match[1]) if match else None
