# SPDX-License-Identifier: BSD-2-Clause
"""Interfaces of guests: what is wanted against what is there, as steps to take.

Whoever applies the steps holds the host's lock from reading the interfaces on.
"""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from chyves.errors import Busy, Conflict, NotFound, Precondition
from chyves.model.interfaces import Interface, Planner, Step

PRIVATE = "private"
NOTHING = "-"

Owners = Mapping[str, Sequence[str]]
"""The guests that have an interface, by its name; exact clones share theirs."""


class Change(NamedTuple):
    """What a verb comes to: steps to take on the host, properties to write into global.cfg and the
    guest's file, sentences for the user; properties to drop from global.cfg, a new default bridge,
    and properties to drop from the guest's file."""

    steps: tuple[Step, ...] = ()
    globals: Mapping[str, str] = {}
    guest: Mapping[str, str] = {}
    notes: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
    default: str = ""
    forgotten: tuple[str, ...] = ()


class Bridge(NamedTuple):
    """A bridge as global.cfg has it. ``uplink`` is an interface, ``private``, or empty as long as
    nobody has decided; ``taps`` are its planned members."""

    name: str
    uplink: str = ""
    taps: tuple[str, ...] = ()

    @property
    def interface(self) -> str:
        """The interface it leads out by; empty if it does not."""
        return "" if self.uplink == PRIVATE else self.uplink

    @property
    def leads_out(self) -> bool:
        return bool(self.interface)


@dataclass(frozen=True)
class Associations:
    """Which tap belongs to which bridge, and where the bridges lead, by name of the bridge."""

    bridges: Mapping[str, Bridge]
    default: str = "bridge0"

    def bridge(self, name: str) -> Bridge:
        """Return a bridge; one that is not recorded yet is empty."""
        return self.bridges.get(name, Bridge(name))

    def bridges_with(self, tap: str) -> list[Bridge]:
        return [bridge for bridge in self.bridges.values() if tap in bridge.taps]

    def home_of(self, tap: str) -> str:
        """Return the bridge to which a tap belongs, or the default one."""
        return next((bridge.name for bridge in self.bridges_with(tap)), self.default)

    def bridge_of(self, tap: str, guest: str) -> Bridge:
        """Return the one bridge of a guest's tap.

        Raises Precondition if it has none, Conflict if it has several.
        """
        found = self.bridges_with(tap)
        if not found:
            raise Precondition(
                f"{tap} of {guest} belongs to no bridge",
                hint=f"chyves network {self.default} join {tap}",
            )
        if len(found) > 1:
            raise Conflict(
                f"{tap} of {guest} belongs to {' and '.join(bridge.name for bridge in found)}",
                hint=f"chyves network {found[-1].name} unjoin {tap}",
            )
        return found[0]


class Present(NamedTuple):
    """The network as it is recorded (``known``) and as the host has it (``actual``), and the guests
    by their interfaces. ``bridged_addresses`` tells whether an interface with an IP address may
    join a bridge."""

    known: Associations
    actual: Mapping[str, Interface]
    owners: Owners
    bridged_addresses: bool = True

    def planner(self) -> Planner:
        return Planner(dict(self.actual), self.bridged_addresses)

    def first_owner(self, tap: str) -> str:
        """Return a guest that has a tap; empty if none has."""
        return next(iter(self.owners.get(tap, ())), "")


def associations(properties: Mapping[str, str], default: str = "") -> Associations:
    """Read the associations from the properties of global.cfg; ``default`` is the default bridge,
    from the defaults."""
    found: dict[str, Bridge] = {}
    for key, value in properties.items():
        match = re.fullmatch(r"(bridge[0-9]{1,5})_(phy_attach|tap_members)", key)
        if not match:
            continue
        bridge = found.get(match[1], Bridge(match[1]))
        if match[2] == "phy_attach":
            bridge = bridge._replace(uplink="" if value == NOTHING else value)
        else:
            bridge = bridge._replace(taps=split_interfaces(value))
        found[match[1]] = bridge
    ordered = sorted(found, key=lambda name: int(name.removeprefix("bridge")))
    return Associations({name: found[name] for name in ordered}, default or "bridge0")


def split_interfaces(value: str) -> tuple[str, ...]:
    """Split ``tap50,vale0:1``; ``-`` and empty elements are nothing."""
    return tuple(name for name in value.split(",") if name not in ("", NOTHING))


def join_interfaces(names: Iterable[str]) -> str:
    """Write a list of interfaces as a property has it."""
    return ",".join(names) or NOTHING


def start_guest(
    guest: str,
    taps: Sequence[str],
    network: Associations,
    actual: Mapping[str, Interface],
    *,
    bridged_addresses: bool = True,
    up: bool = True,
) -> Change:
    """Return what makes the taps of a guest ready before it starts (network_design_mode=auto), and
    ``up`` if they are to be.

    Raises Precondition if a tap has no bridge or an uplink is missing; Conflict if a tap or an
    uplink is on another bridge; Busy if somebody has a tap open.
    """
    planner = Planner(dict(actual), bridged_addresses)
    notes = []
    _require_once(guest, taps)
    for tap in taps:
        require_closed(tap, actual)
        bridge = network.bridge_of(tap, guest)
        if not bridge.uplink:
            notes.append(
                f"{bridge.name} is treated as private; to say so: chyves network {bridge.name} "
                f"private, to lead out: chyves network {bridge.name} attach <interface>"
            )
        planner.bridge(bridge.name, bridge.interface)
        planner.tap(tap, bridge.name, guest, up=up)
    return Change(tuple(planner.steps), notes=tuple(dict.fromkeys(notes)))


def start_guest_on_system_network(
    guest: str, taps: Sequence[str], actual: Mapping[str, Interface]
) -> None:
    """Check the taps of a guest where the admin keeps the network (network_design_mode=system).

    Raises Precondition if one is missing: bhyve would silently make it, on no bridge; Busy if
    somebody has it open; Conflict if the guest has it twice.
    """
    _require_once(guest, taps)
    for tap in taps:
        if tap not in actual:
            raise Precondition(
                f"{tap} of {guest} does not exist on this host",
                hint=f"network_design_mode is system: make it with ifconfig {tap} create",
            )
        require_closed(tap, actual)


def add_tap(
    guest: str,
    interfaces: Sequence[str],
    tap: str,
    bridge: str,
    network: Associations,
    actual: Mapping[str, Interface],
    *,
    owners: Owners,
    bridged_addresses: bool = True,
) -> Change:
    """Give a guest one more tap, on a bridge.

    ``interfaces`` are those the guest has; ``owners`` has those of the others.
    Raises Conflict if the tap is somebody's or on another bridge, Busy if it is open, Precondition
    if the bridge cannot be made as it should be.
    """
    _require_free(guest, interfaces, tap, owners)
    for other in network.bridges_with(tap):
        if other.name != bridge:
            raise Conflict(
                f"{tap} belongs to {other.name}", hint="take another one, or just say: tap"
            )
    require_closed(tap, actual)
    wanted = network.bridge(bridge)
    planner = Planner(dict(actual), bridged_addresses)
    planner.bridge(bridge, wanted.interface)
    planner.tap(tap, bridge, guest)
    taps = wanted.taps if tap in wanted.taps else (*wanted.taps, tap)
    is_new = bridge not in (*network.bridges, *actual, network.default)
    how = f"chyves network {bridge} attach <interface>"
    notes = (f"{bridge} is new, and leads nowhere: to lead it out: {how}",) if is_new else ()
    return Change(
        tuple(planner.steps),
        {f"{bridge}_tap_members": join_interfaces(taps)},
        {"net_ifaces": join_interfaces((*interfaces, tap))},
        notes=notes,
    )


def record_tap(tap: str, bridge: str, network: Associations) -> Change:
    """Write a tap of a guest into the list of a bridge; it joins when the guest starts, which tells
    if it cannot."""
    taps = (*network.bridge(bridge).taps, tap)
    return Change(globals={f"{bridge}_tap_members": join_interfaces(taps)})


def add_taps(
    guest: str,
    bridges: Mapping[str, str],
    network: Associations,
    actual: Mapping[str, Interface],
    *,
    bridged_addresses: bool = True,
) -> Change:
    """Give a new guest its taps, which nobody has; ``bridges`` are theirs, by tap.

    Raises Precondition or Conflict if a bridge cannot be made as it should be.
    """
    planner = Planner(dict(actual), bridged_addresses)
    members: dict[str, tuple[str, ...]] = {}
    for tap, bridge in bridges.items():
        wanted = network.bridge(bridge)
        planner.bridge(bridge, wanted.interface)
        planner.tap(tap, bridge, guest)
        members[bridge] = (*members.get(bridge, wanted.taps), tap)
    return Change(
        tuple(planner.steps),
        {f"{bridge}_tap_members": join_interfaces(taps) for bridge, taps in members.items()},
    )


def add_vale(guest: str, interfaces: Sequence[str], name: str, *, owners: Owners) -> Change:
    """Give a guest a port on a VALE switch; it comes into being when bhyve opens it. Guests can
    share a switch, and each has a port of its own there if it names none.

    Raises Conflict if the guest has it, or another guest that port.
    """
    switch, _, port = name.partition(":")
    if name in interfaces or (port and name in owners):
        owner = guest if name in interfaces else owners[name][0]
        raise Conflict(
            f"{name} belongs to guest {owner}", hint=f"take another port, or just say: {switch}"
        )
    return Change(guest={"net_ifaces": join_interfaces((*interfaces, name))})


def remove_interfaces(
    guest: str,
    interfaces: Sequence[str],
    names: Collection[str],
    network: Associations,
    actual: Mapping[str, Interface],
) -> Change:
    """Take interfaces from a guest: off the bridges, on the host and in the plan, and what the
    guest says of them. A tap that chyves made is destroyed.

    Raises NotFound if the guest does not have one of them, Busy if a tap is open.
    """
    for name in names:
        if name not in interfaces:
            raise NotFound(
                f"{guest} has no interface {name}",
                hint=f"it has: {join_interfaces(interfaces)}",
            )
        require_closed(name, actual)
    planner = Planner(dict(actual))
    globals_ = {}
    for bridge in network.bridges.values():
        left = tuple(tap for tap in bridge.taps if tap not in names)
        if left != bridge.taps:
            globals_[f"{bridge.name}_tap_members"] = join_interfaces(left)
            for name in bridge.taps:
                if name in names:
                    planner.leave(name, bridge.name)
    for name in names:
        if name in actual and actual[name].is_ours:
            planner.destroy(name)
    left = tuple(name for name in interfaces if name not in names)
    taps = [name for name in names if name.startswith("tap")]
    forgotten = tuple(f"{tap}_{word}" for tap in taps for word in ("mac", "mtu"))
    return Change(
        tuple(planner.steps),
        globals_,
        {"net_ifaces": join_interfaces(left)},
        forgotten=forgotten,
    )


def rename_guest(
    old: str, new: str, taps: Sequence[str], actual: Mapping[str, Interface]
) -> Change:
    """Return what lets the taps on the host that chyves made for a guest tell its new name."""
    planner = Planner(dict(actual))
    for tap in taps:
        if tap in actual and actual[tap].description == f"chyves-tap {old}":
            undo = (tap, "description", f"chyves-tap {old}")
            planner.step(f"call {tap} {new}'s", tap, "description", f"chyves-tap {new}", undo=undo)
    return Change(tuple(planner.steps))


def _require_once(guest: str, taps: Sequence[str]) -> None:
    for tap in taps:
        if taps.count(tap) > 1:
            raise Conflict(
                f"{guest} has {tap} more than once", hint=f"chyves network {guest} remove {tap}"
            )


def _require_free(guest: str, interfaces: Sequence[str], name: str, owners: Owners) -> None:
    if name in interfaces:
        raise Conflict(f"{guest} has {name} already", hint="take another one, or just say: tap")
    if name in owners:
        raise Conflict(
            f"{name} belongs to guest {owners[name][0]}", hint="take another one, or just say: tap"
        )


def require_closed(tap: str, actual: Mapping[str, Interface]) -> None:
    if tap in actual and actual[tap].opened_by is not None:
        raise Busy(
            f"{tap} is open by process {actual[tap].opened_by}",
            hint=f"see what it is: ps -p {actual[tap].opened_by}; stop it first",
        )
