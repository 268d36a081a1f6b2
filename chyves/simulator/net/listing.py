# SPDX-License-Identifier: BSD-2-Clause
"""What ifconfig prints of an interface.

Lines and their order are those of a FreeBSD 13.2 transcript; 14 (netlink) always has a line of
options and knows LOWER_UP, 15 adds the flags of a bridge (sbin/ifconfig of each release).
"""

import ipaddress
from collections.abc import Mapping

from chyves.simulator.net.interfaces import TUNTAPS, Interface, members
from chyves.simulator.programs import Io
from chyves.simulator.world import World

_FLAGS = {
    0x1: "UP",
    0x2: "BROADCAST",
    0x8: "LOOPBACK",
    0x10: "POINTOPOINT",
    0x40: "RUNNING",
    0x100: "PROMISC",
    0x800: "SIMPLEX",
    0x8000: "MULTICAST",
    0x1000000: "LOWER_UP",
}
UP, LOOPBACK, POINTOPOINT, RUNNING, PROMISC, LOWER_UP = 0x1, 0x8, 0x10, 0x40, 0x100, 0x1000000
BROADCAST, SIMPLEX, MULTICAST = 0x2, 0x800, 0x8000
KNOWSEPOCH = 0x20
"""Set by drivers up to FreeBSD 13; has no name in the output."""

_CAPABILITIES = {
    0x1: "RXCSUM",
    0x2: "TXCSUM",
    0x8: "VLAN_MTU",
    0x10: "VLAN_HWTAGGING",
    0x20: "JUMBO_MTU",
    0x80: "VLAN_HWCSUM",
    0x400: "LRO",
    0x2000: "WOL_MAGIC",
    0x10000: "VLAN_HWFILTER",
    0x80000: "LINKSTATE",
    0x200000: "RXCSUM_IPV6",
    0x400000: "TXCSUM_IPV6",
    0x800000: "HWSTATS",
}
_CAPABLE = {"tap": 0x80000, "vmnet": 0x80000, "tun": 0x80000, "vlan": 0x80000, "lo": 0x680003}
_MEMBER = {
    0x1: "LEARNING",
    0x2: "DISCOVER",
    0x4: "STP",
    0x8: "SPAN",
    0x10: "STICKY",
    0x800: "PRIVATE",
    0x20: "EDGE",
    0x40: "AUTOEDGE",
    0x80: "PTP",
    0x100: "AUTOPTP",
}
_ND6 = {
    "lo": "21<PERFORMNUD,AUTO_LINKLOCAL>",
    "tun": "21<PERFORMNUD,AUTO_LINKLOCAL>",
    "bridge": "9<PERFORMNUD,IFDISABLED>",
}
_SLOW_CARDS = ("em", "igb", "bge", "re", "msk", "alc", "fxp")


def named_bits(word: int, names: Mapping[int, str]) -> str:
    """Return ``8802<BROADCAST,SIMPLEX,MULTICAST>``."""
    return f"{word:x}<{','.join(name for bit, name in names.items() if word & bit)}>"


def is_active(interface: Interface) -> bool:
    """Tell whether the link is up: that of a tap while it is open, that of the others always."""
    return interface.pid > 0 if interface.kind in TUNTAPS else True


def flags(world: World, interface: Interface) -> int:
    """Return the flags of the interface as its release counts them."""
    kind, modern = interface.kind, world.release.major >= 14
    word = MULTICAST | (UP if interface.up else 0)
    if kind == "lo":
        word |= LOOPBACK | (RUNNING if interface.inet else 0)
    elif kind == "tun":
        word |= POINTOPOINT | (RUNNING if interface.pid else 0)
    else:
        word |= BROADCAST | SIMPLEX | (RUNNING if _is_running(interface) else 0)
    if kind in ("nic", "epair") and not modern:
        word |= KNOWSEPOCH
    if interface.bridge and not interface.is_span:
        word |= PROMISC
    carrier = interface.up if kind in ("lo", "bridge") else is_active(interface)
    return word | (LOWER_UP if modern and carrier else 0)


def _is_running(interface: Interface) -> bool:
    if interface.kind == "bridge":
        return interface.up
    if interface.kind == "vlan":
        return bool(interface.parent)
    if interface.kind == "vmnet":
        return interface.pid > 0 or interface.up
    return interface.pid > 0 if interface.kind in TUNTAPS else True


def _capabilities(interface: Interface) -> int:
    if interface.kind != "nic":
        return 0x8 if interface.kind == "epair" else _CAPABLE.get(interface.kind, 0)
    return 0x80028 if interface.device.startswith("vtnet") else 0x8124BB


def is_gigabit(interface: Interface) -> bool:
    return interface.kind == "nic" and interface.device.startswith(_SLOW_CARDS)


def is_wireless(interface: Interface) -> bool:
    """Tell whether it is a station of a wireless network."""
    return "wlan" in interface.groups


def media(world: World, interface: Interface) -> str:
    """Return the line about the medium, or nothing where there is none."""
    if interface.kind in ("tap", "vmnet"):
        return "Ethernet autoselect"
    if interface.kind == "epair":
        return "Ethernet 10Gbase-T (10Gbase-T <full-duplex>)"
    if is_wireless(interface):
        return "IEEE 802.11 Wireless Ethernet OFDM/54Mbps mode 11g"
    if interface.kind == "nic" or (interface.kind == "vlan" and interface.parent):
        slow = is_gigabit(interface) or interface.parent.startswith(_SLOW_CARDS)
        return f"Ethernet autoselect ({'1000baseT' if slow else '10Gbase-T'} <full-duplex>)"
    return ""


def show(world: World, interface: Interface, family: str, io: Io) -> None:
    """Print an interface; with ``family`` (inet, inet6, ether) only what belongs to it."""
    io.out(
        f"{interface.name}: flags={named_bits(flags(world, interface), _FLAGS)} "
        f"metric 0 mtu {interface.mtu}"
    )
    if interface.description:
        io.out(f"\tdescription: {interface.description}")
    capabilities = _capabilities(interface)
    if capabilities:
        io.out(f"\toptions={named_bits(capabilities, _CAPABILITIES)}")
    elif world.release.major >= 14:
        io.out("\toptions=0")
    if interface.ether and family in ("", "ether", "link", "lladdr"):
        io.out(f"\tether {interface.ether}")
    if interface.name == "lo0" and family in ("", "inet6"):
        io.out("\tinet6 ::1 prefixlen 128")
        io.out(f"\tinet6 fe80::1%lo0 prefixlen 64 scopeid {interface.index:#x}")
    if family in ("", "inet"):
        for address in interface.inet:
            _show_address(address, interface, io)
    if not family:
        _show_rest(world, interface, io)
    if interface.pid:
        io.out(f"\tOpened by PID {interface.pid}")


def _show_address(address: str, interface: Interface, io: Io) -> None:
    ip = ipaddress.IPv4Interface(address)
    line = f"\tinet {ip.ip} netmask {int(ip.netmask):#010x}"
    is_broadcast = interface.kind not in ("lo", "tun")
    io.out(f"{line} broadcast {ip.network.broadcast_address}" if is_broadcast else line)


def _show_rest(world: World, interface: Interface, io: Io) -> None:
    if interface.kind == "bridge":
        _show_bridge(world, interface, io)
    if interface.groups:
        io.out(f"\tgroups: {' '.join(interface.groups)}")
    if interface.kind == "vlan":
        parent = interface.parent or "<none>"
        io.out(f"\tvlan: {interface.tag} vlanproto: 802.1q vlanpcp: 0 parent interface: {parent}")
    medium = media(world, interface)
    if medium:
        io.out(f"\tmedia: {medium}")
        link = "associated" if is_wireless(interface) else "active"
        io.out(f"\tstatus: {link if is_active(interface) else 'no carrier'}")
    nd6 = _ND6.get(interface.kind, "29<PERFORMNUD,IFDISABLED,AUTO_LINKLOCAL>")
    io.out(f"\tnd6 options={nd6}")


def _show_bridge(world: World, bridge: Interface, io: Io) -> None:
    io.out("\tid 00:00:00:00:00:00 priority 32768 hellotime 2 fwddelay 15")
    io.out("\tmaxage 20 holdcnt 6 proto rstp maxaddr 2000 timeout 1200")
    priority = 32768 if bridge.up else 0
    io.out(f"\troot id 00:00:00:00:00:00 priority {priority} ifcost 0 port 0")
    if world.release.major >= 15:
        io.out("\tbridge flags=0<>")
    priority = cost = 0
    for member in members(world, bridge.name):
        if not member.is_span:
            priority, cost = 128, _path_cost(member)
        io.out(f"\tmember: {member.name} flags={named_bits(member.flags, _MEMBER)}")
        port = f"port {member.index} priority {priority} path cost {cost}"
        if world.release.major >= 15:
            io.out(f"\t        {port} vlan protocol 802.1q")
        else:
            io.out(f"\t        ifmaxaddr 0 {port}")


def _path_cost(member: Interface) -> int:
    if member.kind in TUNTAPS:
        return 2000000
    return 20000 if is_gigabit(member) or member.parent.startswith(_SLOW_CARDS) else 2000
