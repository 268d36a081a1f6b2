# SPDX-License-Identifier: BSD-2-Clause
"""Bridges: where they lead and which taps are on them, as steps to take.

Whoever applies the steps holds the host's lock from reading the interfaces on.
"""

import re
from collections.abc import Iterable, Sequence

from chyves.errors import Conflict, Invalid, NotFound
from chyves.model import ifnames
from chyves.model.interfaces import Planner, uplinks
from chyves.model.network import (
    PRIVATE,
    Associations,
    Bridge,
    Change,
    Present,
    join_interfaces,
    require_closed,
)


def uplink_key(bridge: str) -> str:
    return f"{bridge}_phy_attach"


def taps_key(bridge: str) -> str:
    return f"{bridge}_tap_members"


def require_known(bridge: str, network: Associations) -> Bridge:
    """Return a bridge that is recorded. Raises NotFound."""
    if bridge not in network.bridges:
        raise NotFound(
            f"no such bridge: {bridge}",
            hint=f"there are: {', '.join(network.bridges) or 'none'}; "
            f"chyves network {bridge} private makes it",
        )
    return network.bridges[bridge]


def require_uplink(bridge: str, uplink: str, now: Present) -> None:
    """Raise NotFound, Invalid or Conflict if a bridge cannot lead out of the host by an interface:
    it is not there, leads nowhere or is the uplink of another bridge."""
    if uplink not in now.actual:
        raise NotFound(
            f"no such interface: {uplink}", hint=f"interfaces of this host: {uplinks(now.actual)}"
        )
    if now.actual[uplink].is_wireless_client:
        raise Invalid(
            f"{uplink} is a client of a wireless network, and such an interface cannot be bridged",
            hint=f"interfaces that can: {uplinks(now.actual)}; "
            f"or keep {bridge} private and let the host route",
        )
    if not now.actual[uplink].may_be_uplink:
        raise Invalid(
            f"{uplink} does not lead out of this host",
            hint=f"interfaces that do: {uplinks(now.actual)}",
        )
    for other in now.known.bridges.values():
        if other.name != bridge and other.uplink == uplink:
            raise Conflict(
                f"{uplink} is the uplink of {other.name}",
                hint=f"chyves network {other.name} private frees it",
            )


def require_possible(wanted: Associations, now: Present) -> None:
    """Raise why bridges cannot lead where they are wanted to, or new guests cannot join the one
    that is wanted. What is recorded already is not asked for again."""
    for bridge in wanted.bridges.values():
        if bridge.name not in now.known.bridges:
            ifnames.bridge(bridge.name)
        if bridge.leads_out and bridge.uplink != now.known.bridge(bridge.name).uplink:
            require_uplink(bridge.name, bridge.uplink, now._replace(known=wanted))
    if wanted.default != now.known.default:
        make_default(wanted.default, now)


def attach(bridge: str, uplink: str, now: Present) -> Change:
    """Lead a bridge out of the host; what it led to before is taken off.

    Raises NotFound, Invalid, Conflict, Precondition.
    """
    require_uplink(bridge, uplink, now)
    planner = now.planner()
    before = now.known.bridge(bridge).interface
    if before != uplink:
        planner.leave(before, bridge)
    planner.bridge(bridge, uplink)
    return Change(tuple(planner.steps), {uplink_key(bridge): uplink})


def make_private(bridge: str, now: Present) -> Change:
    """Keep a bridge within the host: whatever leads out is taken off, VLANs too."""
    planner = now.planner()
    planner.bridge(bridge)
    before = now.known.bridge(bridge).interface
    for member in planner.actual[bridge].members:
        if member == before or (member in now.actual and now.actual[member].leads_out):
            planner.leave(member, bridge)
    return Change(tuple(planner.steps), {uplink_key(bridge): PRIVATE})


def make_default(bridge: str, now: Present) -> Change:
    """Let the taps of new guests join a bridge. Raises NotFound if there is no such bridge."""
    if bridge not in now.actual:
        require_known(bridge, now.known)
    return Change(default=bridge)


def join(bridge: str, taps: Sequence[str], now: Present) -> Change:
    """Put taps on a bridge; those that do not exist are made. A guest may run meanwhile.

    Raises Conflict if one is on another bridge, Precondition if the bridge cannot be made as it
    should be.
    """
    wanted = now.known.bridge(bridge)
    planner = now.planner()
    planner.bridge(bridge, wanted.interface)
    for tap in taps:
        for other in now.known.bridges_with(tap):
            if other.name != bridge:
                raise Conflict(
                    f"{tap} belongs to {other.name}",
                    hint=f"chyves network {other.name} unjoin {tap} comes first",
                )
        planner.tap(tap, bridge, now.first_owner(tap))
    return Change(tuple(planner.steps), {taps_key(bridge): _together(wanted.taps, taps)})


def _together(taps: Iterable[str], more: Iterable[str]) -> str:
    return join_interfaces(dict.fromkeys((*taps, *more)))


def unjoin(bridge: str, taps: Sequence[str], now: Present) -> Change:
    """Take taps off a bridge; one that chyves made and that no guest has is destroyed.

    Raises NotFound if one is not on it, Busy if one is open.
    """
    known = require_known(bridge, now.known)
    planner = now.planner()
    notes = []
    for tap in taps:
        if tap not in known.taps:
            homes = " and ".join(one.name for one in now.known.bridges_with(tap))
            elsewhere = f"it is on {homes}; " if homes else ""
            raise NotFound(
                f"{tap} is not on {bridge}",
                hint=f"{elsewhere}taps of {bridge}: {join_interfaces(known.taps)}",
            )
        require_closed(tap, now.actual)
        planner.leave(tap, bridge)
        if len(now.known.bridges_with(tap)) > 1:
            continue
        if tap in now.owners:
            guests = " and ".join(now.owners[tap])
            notes.append(f"until {tap} is on a bridge again, {guests} cannot start")
        elif tap in now.actual and now.actual[tap].is_ours:
            planner.destroy(tap)
    left = [tap for tap in known.taps if tap not in taps]
    return Change(
        tuple(planner.steps), {taps_key(bridge): join_interfaces(left)}, notes=tuple(notes)
    )


def migrate(old: str, new: str, now: Present) -> Change:
    """Let all taps of a bridge, and where it leads, go to another, which keeps its own.

    Raises NotFound; Invalid for one bridge twice; Busy if a tap is open; Conflict if the two
    cannot both be had: other uplinks, or taps that were to be kept within the host.
    """
    source, target = require_known(old, now.known), now.known.bridge(new)
    if old == new:
        raise Invalid(f"{old} is the same bridge", hint="name another one to migrate to")
    uplink = _common_uplink(source, target)
    planner = now.planner()
    for name in (*source.taps, source.interface):
        require_closed(name, now.actual)
        planner.leave(name, old)
    planner.bridge(new, "" if uplink == PRIVATE else uplink)
    for tap in source.taps:
        if tap in now.actual:
            planner.tap(tap, new, now.first_owner(tap))
    notes = _give_up(planner, old)
    return Change(
        tuple(planner.steps),
        {
            **({uplink_key(new): uplink} if uplink else {}),
            taps_key(new): _together(target.taps, source.taps),
        },
        notes=notes,
        dropped=(uplink_key(old), taps_key(old)),
        default=new if now.known.default == old else "",
    )


def _common_uplink(source: Bridge, target: Bridge) -> str:
    """Return where the target leads once it has taken over what the source has."""
    if not source.leads_out:
        return target.uplink or source.uplink
    if target.leads_out:
        raise Conflict(
            f"{source.name} leads to {source.uplink}, and {target.name} to {target.uplink}",
            hint=f"chyves network {source.name} private takes {source.uplink} off first",
        )
    if target.uplink == PRIVATE and target.taps:
        raise Conflict(
            f"{target.name} is private, and {source.name} leads to {source.uplink}",
            hint=f"to keep it so, first: chyves network {source.name} private",
        )
    return source.uplink


def delete(bridge: str, now: Present) -> Change:
    """Forget a bridge without taps; on the host it is destroyed if chyves made it.

    Raises NotFound; Conflict if it has taps or new guests would join it.
    """
    known = require_known(bridge, now.known)
    if known.taps:
        raise Conflict(
            f"{bridge} has taps: {join_interfaces(known.taps)}",
            hint=f"chyves network {bridge} migrate bridge{{n}}, or: "
            f"chyves network {bridge} unjoin {join_interfaces(known.taps)}",
        )
    if now.known.default == bridge:
        raise Conflict(
            f"{bridge} is the default bridge", hint="chyves network bridge{n} default comes first"
        )
    planner = now.planner()
    notes = _give_up(planner, bridge, known.interface)
    dropped = (uplink_key(bridge), taps_key(bridge))
    return Change(tuple(planner.steps), notes=notes, dropped=dropped)


def _give_up(planner: Planner, bridge: str, uplink: str = "") -> tuple[str, ...]:
    """Destroy a bridge on the host, if chyves made it and nobody else uses it; return why not."""
    there = planner.actual.get(bridge)
    if there is None:
        return ()
    others = [name for name in there.members if name != uplink]
    if not there.is_ours:
        return (f"{bridge} stays on the host: chyves did not make it",)
    if others or there.addresses:
        users = ", ".join([*others, *there.addresses])
        return (f"{bridge} stays on the host as it is: it has {users}",)
    planner.leave(uplink, bridge)
    planner.destroy(bridge)
    return ()


def importable(now: Present) -> list[str]:
    """Return the bridges of the host that concern guests: those that are recorded, and those that
    have the tap of a guest."""
    return [
        one.name
        for one in now.actual.values()
        if "bridge" in one.groups
        and (one.name in now.known.bridges or now.owners.keys() & one.members)
    ]


def imported(bridge: str, now: Present) -> Change:
    """Return what the host shows of a bridge, to be recorded: where it leads, and the taps of
    guests on it. What is recorded and not there now, as after a boot, stays recorded.

    Raises Invalid for a name chyves cannot keep, Conflict if it leads out twice or by the uplink
    of another bridge.
    """
    if not re.fullmatch("bridge(0|[1-9][0-9]{0,4})", bridge):
        taps = join_interfaces(name for name in now.actual[bridge].members if name in now.owners)
        raise Invalid(
            f"{taps} is on it, but chyves knows bridges by names like bridge0",
            hint=f"ifconfig {bridge} name bridge<n>, and in /etc/rc.conf likewise",
        )
    before = now.known.bridge(bridge)
    uplink = _present_uplink(before, now)
    there = [name for name in reversed(now.actual[bridge].members) if name in now.owners]
    globals_ = {uplink_key(bridge): uplink, taps_key(bridge): _together(before.taps, there)}
    for other in now.known.bridges.values():
        left = [tap for tap in other.taps if tap not in there]
        if other.name != bridge and len(left) < len(other.taps):
            globals_[taps_key(other.name)] = join_interfaces(left)
    return Change(globals=globals_)


def _present_uplink(before: Bridge, now: Present) -> str:
    """Return where a bridge of the host leads."""
    members = now.actual[before.name].members
    if before.interface in members:
        return before.interface
    found = [name for name in members if name in now.actual and now.actual[name].leads_out]
    if len(found) > 1:
        raise Conflict(
            f"it leads out by {' and '.join(found)}, and chyves keeps one uplink of a bridge",
            hint=f"ifconfig {before.name} deletem {found[0]}, or make a lagg(4) of them",
        )
    if not found:
        return before.uplink or PRIVATE
    for other in now.known.bridges.values():
        if other.uplink == found[0] and other.name != before.name:
            raise Conflict(
                f"it leads to {found[0]}, which is recorded as the uplink of {other.name}",
                hint=f"chyves global set {uplink_key(other.name)}=private",
            )
    return found[0]
