# SPDX-License-Identifier: BSD-2-Clause
"""What the simulated kernel does to interfaces when ifconfig asks, and what it refuses.

Sources: sys/net/{if.c,if_clone.c,if_bridge.c,if_tuntap.c,if_vlan.c}; where a FreeBSD 13.2
transcript says otherwise, the transcript.
"""

import ipaddress
import re
import time
from dataclasses import replace

from chyves.simulator import kernel, sysctl
from chyves.simulator.net.interfaces import (
    CLONERS,
    LONGEST_NAME,
    MEMBER_FLAGS,
    SPAN,
    TUNTAPS,
    Interface,
    as_it_is,
    attach,
    create_tap,
    detach,
    find,
    generated_ether,
    interfaces,
    left,
    lowest_free,
    members,
    store,
)
from chyves.simulator.opened import holders
from chyves.simulator.world import World

HIGHEST_TAP = 0x7FFF
SMALLEST_MTU, LARGEST_MTU, LARGEST_FRAME = 72, 65535, 9216
LONGEST_DESCRIPTION = 1023
CREATABLE_PARENTS = ("nic", "tap", "epair")


class Failed(Exception):
    """The kernel refuses; the text is strerror(3)'s."""


def root_only(world: World) -> None:
    if not world.is_root():
        raise Failed("Operation not permitted")


def existing(world: World, name: str) -> Interface:
    interface = find(world, name)
    if interface is None:
        raise Failed("Device not configured")
    return interface


def create(world: World, name: str, tag: int = 0, parent: str = "") -> str:
    """Clone an interface from ``tap`` (the next that is free), ``tap5`` or ``em0.7``; return its
    name."""
    root_only(world)
    _bury(world)
    trunk, dot, number = name.rpartition(".")
    if dot and find(world, trunk) and number.isdigit():
        return _create_vlan(world, name, int(number), trunk).name
    match = re.fullmatch(r"([a-z]+)(0|[1-9][0-9]{0,6})?", name)
    kind = match[1] if match else ""
    if kind not in CLONERS or not _has_cloner(world, kind):
        raise Failed("Invalid argument")
    if match and match[2] is None:
        name = lowest_free(world, kind)
    elif _is_taken(world, name):
        raise Failed("File exists")
    if kind == "vlan":
        return _create_vlan(world, name, tag, parent).name
    if kind == "epair":
        return _create_epair(world, name)
    if kind in ("tap", "vmnet"):
        if int(name.removeprefix(kind)) > HIGHEST_TAP:
            raise Failed("Device not configured")
        return create_tap(world, name).name
    ether = generated_ether(world, name) if kind == "bridge" else ""
    mtu = 16384 if kind == "lo" else 1500
    return attach(world, name, kind, ether=ether, mtu=mtu, groups=(kind,)).name


def _has_cloner(world: World, kind: str) -> bool:
    return not CLONERS[kind] or kernel.file_loaded(world, CLONERS[kind])


def _is_taken(world: World, name: str) -> bool:
    """Tell whether an interface has this name or was born with it, one that is dying included."""
    table = world.table("interfaces")
    return name in table or any(record["device"] == name for _, record in table.items())


def _bury(world: World) -> None:
    """Take away the dying interfaces whose opener has ended."""
    dying = [record for _, record in world.table("interfaces").items() if record["dying"]]
    for record in dying:
        if not holders(world, f"/dev/{record['device']}"):
            detach(world, as_it_is(world, record))


def _create_vlan(world: World, name: str, tag: int, parent: str) -> Interface:
    ether = "00:00:00:00:00:00"
    if parent:
        trunk = existing(world, parent)
        bridges = ("bridge",) if world.release.major >= 15 else ()
        if trunk.kind not in (*CREATABLE_PARENTS, *bridges):
            raise Failed("Protocol not supported")
        if any(
            other.kind == "vlan" and (other.parent, other.tag) == (parent, tag)
            for other in interfaces(world)
        ):
            raise Failed("File exists")
        ether = trunk.ether
    return attach(world, name, "vlan", ether=ether, groups=("vlan",), tag=tag, parent=parent)


def _create_epair(world: World, name: str) -> str:
    middle = generated_ether(world, name)[9:]
    for end in ("a", "b"):
        ether = f"02:{middle[3:]}:{middle[:2]}:00:0{end}"
        attach(world, f"{name}{end}", "epair", ether=ether, groups=("epair",))
    return f"{name}a"


def destroy(world: World, name: str) -> None:
    """Destroy a cloned interface. One that a process has open is out of sight at once, but this
    waits, in the kernel and out of the reach of any signal, until that process ends."""
    with world.changing():
        root_only(world)
        interface = existing(world, name)
        if interface.kind == "nic" or interface.device == "lo0":
            raise Failed("Invalid argument")
        node = f"/dev/{interface.device}"
        waits = bool(holders(world, node))
        if waits:
            store(world, replace(left(interface), dying=True))
        elif interface.kind == "epair":
            for end in ("a", "b"):
                detach(world, existing(world, interface.device[:-1] + end))
        else:
            detach(world, interface)
    if not waits:
        return
    with (world.directory / "blocked.log").open("a") as log:
        log.write(f"ifconfig {name} destroy: open by {holders(world, node)}\n")
    while _is_open(world, node):
        time.sleep(0.02)
    with world.changing():
        _bury(world)


def _is_open(world: World, node: str) -> bool:
    with world.reading():
        return bool(holders(world, node))


def rename(world: World, name: str, new: str) -> None:
    root_only(world)
    interface = existing(world, name)
    if not new:
        raise Failed("Invalid argument")
    if len(new) > LONGEST_NAME:
        raise Failed("File name too long")
    if new == name:
        return
    if new in world.table("interfaces"):
        raise Failed("File exists")
    del world.table("interfaces")[name]
    store(world, replace(interface, name=new))
    if interface.kind in TUNTAPS:
        _alias_node(world, interface, new)
    for other in interfaces(world):
        if other.bridge == name:
            store(world, replace(other, bridge=new))
        elif other.parent == name:
            store(world, replace(other, parent=new))


def _alias_node(world: World, tap: Interface, new: str) -> None:
    """Keep the node of a renamed tap, and let its new name be another."""
    if tap.name != tap.device:
        world.path(f"/dev/{tap.name}").unlink(missing_ok=True)
    if new != tap.device:
        world.path(f"/dev/{new}").symlink_to(tap.device)


def set_up(world: World, name: str, up: bool) -> None:
    root_only(world)
    store(world, replace(existing(world, name), up=up))


def set_mtu(world: World, name: str, mtu: int) -> None:
    root_only(world)
    interface = existing(world, name)
    largest = LARGEST_FRAME if interface.kind == "nic" else LARGEST_MTU
    if not SMALLEST_MTU <= mtu <= largest:
        raise Failed("Invalid argument")
    modern = world.release.major >= 14
    if interface.kind == "bridge":
        for member in members(world, name):
            if not modern and member.mtu != mtu:
                raise Failed("Invalid argument")
            store(world, replace(member, mtu=mtu))
    elif modern and interface.bridge:
        raise Failed("Device busy")
    store(world, replace(interface, mtu=mtu))


def describe(world: World, name: str, text: str) -> None:
    root_only(world)
    if len(text.encode(errors="surrogateescape")) > LONGEST_DESCRIPTION:
        raise Failed("File name too long")
    store(world, replace(existing(world, name), description=text))


def join_group(world: World, name: str, group: str) -> None:
    root_only(world)
    interface = existing(world, name)
    if group not in interface.groups:
        store(world, replace(interface, groups=(*interface.groups, group)))


def leave_group(world: World, name: str, group: str) -> None:
    root_only(world)
    interface = existing(world, name)
    groups = tuple(other for other in interface.groups if other != group)
    store(world, replace(interface, groups=groups))


def set_ether(world: World, name: str, ether: str) -> None:
    root_only(world)
    interface = existing(world, name)
    if not interface.ether:
        raise Failed("Invalid argument")
    store(world, replace(interface, ether=ether))


def set_vlan(world: World, name: str, tag: int, parent: str) -> None:
    root_only(world)
    interface = existing(world, name)
    trunk = existing(world, parent)
    if interface.kind != "vlan":
        raise Failed("Invalid argument")
    if interface.parent:
        raise Failed("Device busy")
    store(world, replace(interface, tag=tag, parent=parent, ether=trunk.ether))


def unset_vlan(world: World, name: str) -> None:
    root_only(world)
    interface = existing(world, name)
    if interface.kind != "vlan":
        raise Failed("Invalid argument")
    store(world, replace(interface, tag=0, parent="", ether="00:00:00:00:00:00"))


def add_address(world: World, name: str, address: str, *, instead: bool) -> None:
    """Give an interface an address like ``10.0.0.1/24``, also ``instead`` of its first; that
    brings it up."""
    root_only(world)
    interface = existing(world, name)
    if interface.bridge and _forbids_member_addresses(world):
        raise Failed("Invalid argument")
    ip = str(ipaddress.IPv4Interface(address).ip)
    kept = interface.inet[1:] if instead else interface.inet
    kept = tuple(other for other in kept if other.partition("/")[0] != ip)
    store(world, replace(interface, inet=(*kept, address), up=True))


def remove_address(world: World, name: str, ip: str) -> None:
    """Remove an address, or the first if ``ip`` is empty."""
    root_only(world)
    interface = existing(world, name)
    found = [other for other in interface.inet if ip in ("", other.partition("/")[0])]
    if not found:
        raise Failed("Can't assign requested address")
    kept = tuple(other for other in interface.inet if other != found[0])
    store(world, replace(interface, inet=kept))


def _forbids_member_addresses(world: World) -> bool:
    return sysctl.value(world, "net.link.bridge.member_ifaddrs") == "0"


def _bridge(world: World, name: str) -> Interface:
    root_only(world)
    bridge = existing(world, name)
    if bridge.kind != "bridge":
        raise Failed("Invalid argument")
    return bridge


def _candidate(world: World, bridge: Interface, name: str) -> Interface:
    candidate = find(world, name)
    if candidate is None:
        raise Failed("No such file or directory")
    if candidate.bridge:
        same = candidate.bridge == bridge.name and not candidate.is_span
        raise Failed("File exists" if same else "Device busy")
    if candidate.kind not in ("nic", "tap", "vmnet", "epair", "vlan"):
        raise Failed("Invalid argument")
    return candidate


def add_member(world: World, bridge_name: str, name: str) -> None:
    """Add a member. The first one's MTU becomes the bridge's; a later one with another MTU is
    refused by 13 and adapted by 14. 15 refuses one with addresses."""
    bridge = _bridge(world, bridge_name)
    member = _candidate(world, bridge, name)
    if member.inet and _forbids_member_addresses(world):
        raise Failed("Invalid argument")
    rows = [row for _, row in world.table("interfaces").items() if row["bridge"] == bridge_name]
    if all(row["flags"] & SPAN for row in rows):
        store(world, replace(bridge, mtu=member.mtu))
    elif member.mtu != bridge.mtu:
        if world.release.major < 14:
            kernel.log(world, f"{bridge_name}: invalid MTU: {member.mtu}({name}) != {bridge.mtu}")
            raise Failed("Invalid argument")
        if member.kind == "nic" and bridge.mtu > LARGEST_FRAME:
            raise Failed("Invalid argument")
        member = replace(member, mtu=bridge.mtu)
    _join(world, bridge_name, member, MEMBER_FLAGS)


def add_span(world: World, bridge_name: str, name: str) -> None:
    bridge = _bridge(world, bridge_name)
    candidate = find(world, name)
    if candidate is not None and candidate.bridge:
        raise Failed("Device busy")
    _join(world, bridge_name, _candidate(world, bridge, name), SPAN)


def _join(world: World, bridge: str, member: Interface, flags: int) -> None:
    last = max((row["joined"] for _, row in world.table("interfaces").items()), default=0)
    store(world, replace(member, bridge=bridge, joined=last + 1, flags=flags))


def remove_member(world: World, bridge: str, name: str, *, span: bool = False) -> None:
    _bridge(world, bridge)
    member = find(world, name)
    if member is None or member.bridge != bridge or member.is_span != span:
        raise Failed("No such file or directory")
    store(world, left(member))


def set_member_flag(world: World, bridge: str, name: str, flag: int, on: bool) -> None:
    _bridge(world, bridge)
    member = find(world, name)
    if member is None or member.bridge != bridge:
        raise Failed("No such file or directory")
    flags = member.flags | flag if on else member.flags & ~flag
    store(world, replace(member, flags=flags))
