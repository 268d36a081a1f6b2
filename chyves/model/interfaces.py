# SPDX-License-Identifier: BSD-2-Clause
"""Network interfaces as they are, and the steps of ifconfig(8) that make them as they should be."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from chyves.errors import Conflict, Precondition

DEFAULT_MTU = 1500
TAP_OF = "chyves-tap "
"""Begins the description of a tap; the guest's name follows."""
NO_UPLINKS = frozenset(
    ("tap", "vmnet", "tun", "bridge", "lo", "stf", "wg", "enc", "pflog", "pfsync")
)
"""Interface groups whose members cannot lead out of the host, or cannot be on a bridge."""


class Interface(NamedTuple):
    """An interface as ifconfig(8) shows it.

    ``members`` are those of a bridge, ``opened_by`` is the pid of the process that holds a tap,
    ``status`` is ``active``, ``no carrier`` or empty, ``addresses`` are of IPv4 and IPv6.
    """

    name: str
    up: bool = False
    mtu: int = DEFAULT_MTU
    description: str = ""
    groups: tuple[str, ...] = ()
    members: tuple[str, ...] = ()
    opened_by: int | None = None
    status: str = ""
    addresses: tuple[str, ...] = ()
    is_access_point: bool = False

    @property
    def is_ours(self) -> bool:
        """Whether chyves made it."""
        return self.description.startswith("chyves-")

    @property
    def made_for(self) -> str:
        """The guest that chyves made it for; empty for any other interface."""
        return self.description.removeprefix(TAP_OF) if self.description.startswith(TAP_OF) else ""

    @property
    def may_be_uplink(self) -> bool:
        """Whether a bridge may lead out by it: a network card, a VLAN, a lagg, or one end of an
        epair whose other end is in a jail that routes."""
        return NO_UPLINKS.isdisjoint(self.groups) and not self.is_wireless_client

    @property
    def leads_out(self) -> bool:
        """Whether it leads out of the host for all that can be seen: of the epairs on a bridge,
        most lead to jails."""
        return self.may_be_uplink and "epair" not in self.groups

    @property
    def is_wireless_client(self) -> bool:
        """Whether it is a station of a wireless network, where an access point takes the frames
        of no address but its own (if_bridge(4), wlan(4)); as an access point it can be bridged."""
        return "wlan" in self.groups and not self.is_access_point


def without_holder(actual: Mapping[str, Interface], pid: int) -> dict[str, Interface]:
    """Return the interfaces as they are once a process has ended (0: none ends): a tap that is
    closed is down (if_tuntap.c)."""
    return {
        name: one._replace(opened_by=None, up=False) if pid and one.opened_by == pid else one
        for name, one in actual.items()
    }


class Step(NamedTuple):
    """One program to run. ``undo`` takes it back, if anything can; ``fine`` is what the program
    says when there was nothing left to do."""

    argv: tuple[str, ...]
    undo: tuple[str, ...] | None
    text: str
    fine: str = ""


@dataclass
class Planner:
    """Collects steps, and knows what the host looks like after each.

    ``bridged_addresses`` tells whether an interface with an IP address may join a bridge.
    """

    actual: dict[str, Interface]
    bridged_addresses: bool = True
    steps: list[Step] = field(default_factory=list)

    def step(self, text: str, *argv: str, undo: tuple[str, ...] = (), fine: str = "") -> None:
        undo = ("ifconfig", *undo) if undo else ()
        self.steps.append(Step(("ifconfig", *argv), undo or None, text, fine))

    def create(self, name: str, description: str) -> None:
        if name not in self.actual:
            argv = (name, "create", "description", description)
            self.step(f"create {name}", *argv, undo=(name, "destroy"), fine="exists")
            group = name.rstrip("0123456789")
            self.actual[name] = Interface(name, description=description, groups=(group,))

    def destroy(self, name: str) -> None:
        undo = (name, "create", "description", self.actual[name].description)
        self.step(f"destroy {name}", name, "destroy", undo=undo, fine="does not exist")
        del self.actual[name]

    def up(self, name: str) -> None:
        if not self.actual[name].up:
            self.step(f"bring {name} up", name, "up")
            self.actual[name] = self.actual[name]._replace(up=True)

    def set_mtu(self, name: str, mtu: int) -> None:
        before = self.actual[name].mtu
        if before != mtu:
            undo = (name, "mtu", str(before))
            self.step(f"set the MTU of {name} to {mtu}", name, "mtu", str(mtu), undo=undo)
            self.actual[name] = self.actual[name]._replace(mtu=mtu)

    def join(self, name: str, bridge: str, *, up: bool = True) -> None:
        """Add an interface to a bridge; on an empty bridge the first one sets the MTU."""
        host_bridge = self.actual[bridge]
        if name not in host_bridge.members:
            undo = (bridge, "deletem", name)
            self.step(
                f"add {name} to {bridge}", bridge, "addm", name, undo=undo, fine="File exists"
            )
            self.actual[bridge] = host_bridge._replace(
                members=(name, *host_bridge.members), mtu=self.actual[name].mtu
            )
        self.up(bridge)
        if up:
            self.up(name)

    def leave(self, name: str, bridge: str) -> None:
        host_bridge = self.actual.get(bridge)
        if host_bridge and name in host_bridge.members:
            undo = (bridge, "addm", name) if name in self.actual else ()
            fine = "No such file or directory"
            self.step(f"take {name} off {bridge}", bridge, "deletem", name, undo=undo, fine=fine)
            members = tuple(member for member in host_bridge.members if member != name)
            self.actual[bridge] = host_bridge._replace(members=members)

    def _require_on_no_other(self, name: str, bridge: str) -> None:
        """Raise Conflict if the kernel has the interface on another bridge."""
        for other in self.actual.values():
            if other.name != bridge and name in other.members:
                raise Conflict(
                    f"{name} is a member of {other.name}, not of {bridge}",
                    hint=f"if that is wrong: ifconfig {other.name} deletem {name}",
                )

    def bridge(self, name: str, uplink: str = "") -> None:
        """Make a bridge, lead out by ``uplink`` if it is given, and bring both up.

        Raises Precondition if the uplink is missing or cannot join, Conflict if it is on another
        bridge.
        """
        self.create(name, "chyves-bridge")
        if uplink:
            self._lead_out(name, uplink)
        self.up(name)

    def _lead_out(self, bridge: str, name: str) -> None:
        uplink, host_bridge = self.actual.get(name), self.actual[bridge]
        if uplink is None:
            raise Precondition(
                f"{name}, where {bridge} leads to, does not exist on this host",
                hint=f"chyves network {bridge} attach <interface>, "
                f"or chyves network {bridge} private; interfaces: {uplinks(self.actual)}",
            )
        if name not in host_bridge.members:
            self._require_on_no_other(name, bridge)
            self._require_no_address(uplink, bridge)
            if host_bridge.members and host_bridge.mtu != uplink.mtu:
                members = ", ".join(host_bridge.members)
                raise Precondition(
                    f"{name} has MTU {uplink.mtu}, but {bridge} has {host_bridge.mtu} "
                    f"because of its members {members}",
                    hint=f"ifconfig {name} mtu {host_bridge.mtu}, or take the members off",
                )
        self.join(name, bridge)

    def _require_no_address(self, uplink: Interface, bridge: str) -> None:
        if uplink.addresses and not self.bridged_addresses:
            raise Precondition(
                f"{uplink.name} has an IP address ({uplink.addresses[0]}), and from FreeBSD 15 on "
                "such an interface cannot join a bridge",
                hint=f"give the address to {bridge} instead (ifconfig_{bridge} in /etc/rc.conf), "
                "or allow it as before: sysctl net.link.bridge.member_ifaddrs=1",
            )

    def tap(self, name: str, bridge: str, guest: str, *, up: bool = True) -> None:
        """Make the tap of a guest, or of none, on its bridge, with the bridge's MTU.

        Raises Conflict if the tap is on another bridge.
        """
        self.create(name, f"{TAP_OF}{guest}".rstrip())
        self._require_on_no_other(name, bridge)
        if name not in self.actual[bridge].members:
            self.set_mtu(name, self.actual[bridge].mtu)
        self.join(name, bridge, up=up)


def uplinks(actual: Mapping[str, Interface]) -> str:
    """Return the names of those interfaces that may be uplinks, for a hint."""
    return ", ".join(name for name, one in actual.items() if one.leads_out) or "none"
