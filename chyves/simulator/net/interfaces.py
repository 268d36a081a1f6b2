# SPDX-License-Identifier: BSD-2-Clause
"""Network interfaces of the simulated kernel, and what the simulated bhyve does with a tap.

A tap whose opener has ended is closed from then on: it is down, without addresses, and still a
member of its bridge (sys/net/if_tuntap.c, tundtor).
"""

import errno
import hashlib
import re
from dataclasses import dataclass, fields, replace
from typing import Any

from chyves.simulator import kernel
from chyves.simulator.opened import close_device, holders, open_device
from chyves.simulator.world import World

LONGEST_NAME = 15
"""IFNAMSIZ without the final NUL."""

CLONERS = {
    "lo": "",
    "tun": "",
    "tap": "",
    "vmnet": "",
    "vlan": "",
    "bridge": "if_bridge.ko",
    "epair": "if_epair.ko",
}
"""What can be created, and the module file that makes it possible (empty: in the kernel)."""

TUNTAPS = ("tap", "vmnet", "tun")


@dataclass(frozen=True)
class Interface:
    """An interface as the kernel has it now.

    ``device`` is its name at birth, which its node in /dev keeps. ``attached`` and ``joined`` count
    upwards: the order of interfaces, and of members in their bridge. ``inet`` holds addresses like
    ``192.0.2.10/24``. ``flags`` are those of a member of a bridge (if_bridgevar.h); ``tag`` and
    ``parent`` belong to a vlan, ``pid`` is the process that has opened a tap. A ``dying`` one is
    out of sight and waits for its opener to end.
    """

    name: str
    kind: str
    device: str
    index: int
    attached: int
    ether: str = ""
    mtu: int = 1500
    up: bool = False
    description: str = ""
    groups: tuple[str, ...] = ()
    inet: tuple[str, ...] = ()
    bridge: str = ""
    joined: int = 0
    flags: int = 0
    tag: int = 0
    parent: str = ""
    pid: int = 0
    dying: bool = False

    @property
    def is_span(self) -> bool:
        return bool(self.flags & SPAN)


LEARNING, DISCOVER, SPAN, AUTOEDGE, AUTOPTP = 0x1, 0x2, 0x8, 0x40, 0x100
MEMBER_FLAGS = LEARNING | DISCOVER | AUTOEDGE | AUTOPTP
"""Flags of a new member (bridge_ioctl_add)."""

_FIELDS = [field.name for field in fields(Interface)]


def boot(world: World) -> None:
    """Make the network cards, the first with an address, and lo0."""
    for number, nic in enumerate(world.machine.nics):
        ether = f"00:25:90:{_digest(world, nic)[:4].hex(':')[:8]}"
        inet = ("192.0.2.10/24",) if number == 0 else ()
        driver = nic.rstrip("0123456789")
        groups = (driver,) if driver in ("lagg", "wlan") else ()
        attach(world, nic, "nic", ether=ether, up=True, inet=inet, groups=groups)
    attach(world, "lo0", "lo", mtu=16384, up=True, inet=("127.0.0.1/8",), groups=("lo",))


def attach(world: World, name: str, kind: str, **facts: Any) -> Interface:
    """Add an interface with the lowest index that is free."""
    rows = [row for _, row in world.table("interfaces").items()]
    taken = {row["index"] for row in rows}
    interface = Interface(
        name,
        kind,
        device=name,
        index=next(number for number in range(1, len(rows) + 2) if number not in taken),
        attached=1 + max((row["attached"] for row in rows), default=0),
        **facts,
    )
    store(world, interface)
    if kind in TUNTAPS:
        world.path(f"/dev/{name}").touch()
    return interface


def store(world: World, interface: Interface) -> None:
    world.table("interfaces")[interface.name] = {name: getattr(interface, name) for name in _FIELDS}


def detach(world: World, interface: Interface) -> None:
    """Take an interface away; a bridge lets its members go, a vlan goes with its parent."""
    del world.table("interfaces")[interface.name]
    for node in {interface.name, interface.device}:
        world.path(f"/dev/{node}").unlink(missing_ok=True)
    for other in interfaces(world) if interface.kind not in TUNTAPS else ():
        if other.bridge == interface.name:
            store(world, left(other))
        elif other.parent == interface.name:
            detach(world, other)


def left(member: Interface) -> Interface:
    """Return the interface as it is outside of its bridge."""
    return replace(member, bridge="", joined=0, flags=0)


def find(world: World, name: str) -> Interface | None:
    """Return the interface of this name as it is now."""
    record = world.table("interfaces").get(name)
    interface = as_it_is(world, record) if record else None
    return None if interface is None or interface.dying else interface


def interfaces(world: World) -> list[Interface]:
    """Return all interfaces, in the order in which they were attached."""
    records = [record for _, record in world.table("interfaces").items()]
    records.sort(key=lambda record: record["attached"])
    found = (as_it_is(world, record) for record in records)
    return [interface for interface in found if not interface.dying]


def members(world: World, bridge: str) -> list[Interface]:
    """Return the members of a bridge, the newest first, span ports last."""
    found = [interface for interface in interfaces(world) if interface.bridge == bridge]
    return sorted(found, key=lambda member: (member.is_span, -member.joined))


def as_it_is(world: World, record: dict[str, Any]) -> Interface:
    """Return the interface of a record, closed if its opener has ended."""
    interface = Interface(
        **{**record, "groups": tuple(record["groups"]), "inet": tuple(record["inet"])}
    )
    if not interface.pid or world.alive(interface.pid):
        return interface
    if interface.kind == "vmnet":
        return replace(interface, pid=0)
    return replace(interface, pid=0, up=False, inet=())


def generated_ether(world: World, name: str) -> str:
    """Return the address that FreeBSD derives from the host and the name (ether_gen_addr)."""
    digest = _digest(world, name)
    return f"58:9c:fc:{digest[0] & 0x10:02x}:{digest[1]:02x}:{digest[2]:02x}"


def _digest(world: World, name: str) -> bytes:
    return hashlib.sha256(f"{host_uuid(world)} {name}".encode()).digest()


def host_uuid(world: World) -> str:
    """Return ``kern.hostuuid``: another one for every simulated host."""
    digits = hashlib.sha256(str(world.directory).encode()).hexdigest()
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:32]))


def create_tap(world: World, name: str) -> Interface:
    """Create a tap (or vmnet), by ifconfig or by opening its device."""
    kind = name.rstrip("0123456789")
    return attach(world, name, kind, ether=generated_ether(world, name), groups=(kind,))


def lowest_free(world: World, kind: str) -> str:
    """Return the name ``<kind><n>`` with the lowest unit that no interface has or was born with."""
    records = [record for _, record in world.table("interfaces").items()]
    taken = {record["name"] for record in records} | {record["device"] for record in records}
    return next(f"{kind}{unit}" for unit in range(len(records) + 1) if f"{kind}{unit}" not in taken)


def open_tap(world: World, name: str, pid: int) -> int:
    """Open ``/dev/<name>`` for the process ``pid``; return 0, or the errno that open(2) sets.

    A tap that does not exist is made by opening it. The bhyve of FreeBSD 15 brings the tap up
    itself; before, only ``net.link.tap.up_on_open`` does. Closing needs no call: the tap is closed
    when the process has ended.
    """
    from chyves.simulator import sysctl

    with world.changing():
        if not world.is_root():
            return errno.EACCES
        tap = _by_node(world, name)
        if tap is None:
            if sysctl.value(world, "net.link.tap.devfs_cloning") != "1":
                return errno.ENOENT
            if not re.fullmatch(r"(tap|vmnet)(0|[1-9]\d{0,4})?", name):
                return errno.ENOENT
            tap = create_tap(world, name if name[-1].isdigit() else lowest_free(world, name))
        node = f"/dev/{tap.device}"
        if holders(world, node):
            return errno.EBUSY
        open_device(world, node, pid)
        up = sysctl.value(world, "net.link.tap.up_on_open") == "1" or world.release.major >= 15
        store(world, replace(tap, pid=pid, up=tap.up or up))
        kernel.log(world, f"{tap.name}: link state changed to UP")
    return 0


def close_tap(world: World, name: str, pid: int) -> None:
    """Close ``/dev/<name>`` while the process lives on."""
    with world.changing():
        tap = _by_node(world, name)
        if tap is not None and tap.pid == pid:
            close_device(world, f"/dev/{tap.device}", pid)
            store(world, replace(tap, pid=0, up=False, inet=()))


def _by_node(world: World, name: str) -> Interface | None:
    """Return the tap whose node in /dev is ``name``: the name it was born with, or has now."""
    found = [tap for tap in interfaces(world) if tap.kind in TUNTAPS]
    return next((tap for tap in found if name in (tap.device, tap.name)), None)


def bridge_of(world: World, name: str) -> str | None:
    """Return the bridge of which the interface is a member, or None."""
    with world.reading():
        interface = find(world, name)
    return interface.bridge or None if interface and not interface.is_span else None


def cloner_gone(world: World, file: str) -> None:
    """Destroy the interfaces of a cloner whose module was unloaded."""
    for interface in interfaces(world):
        if CLONERS.get(interface.kind) == file:
            detach(world, interface)
