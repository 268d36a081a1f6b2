# SPDX-License-Identifier: BSD-2-Clause
"""``list bridges`` and ``list tap active``: the network as recorded, and as the host has it."""

from collections.abc import Mapping, Sequence
from typing import Any

from chyves.app import App
from chyves.backend import net, wiring
from chyves.errors import Invalid
from chyves.model.interfaces import Interface
from chyves.model.network import Bridge, Owners, join_interfaces


def show_bridges(app: App) -> None:
    """Show each bridge, where it leads, and its taps with their guests. A bridge that only the host
    has is none of chyves'."""
    inventory = app.inventory
    known, owners = wiring.associations(inventory), wiring.owners(inventory)
    actual = net.interfaces(app.host) if known.bridges else {}
    found = [
        _describe(bridge, bridge.name == known.default, owners, actual)
        for bridge in known.bridges.values()
    ]
    app.report.data = found
    for one in found:
        if app.output.headers:
            _show_tree(app, one)
        else:
            app.output.table((), [_row(one)])


def _row(bridge: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the columns of a bridge: of each tap there is one element in both taps and guests."""
    guests = ["+".join(tap["guests"]) or "-" for tap in bridge["taps"]]
    return (
        bridge["name"],
        bridge["uplink"] or "-",
        join_interfaces(tap["name"] for tap in bridge["taps"]),
        join_interfaces(guests),
        join_interfaces(bridge["others"]),
        "default" if bridge["default"] else "-",
    )


def _describe(
    bridge: Bridge, is_default: bool, owners: Owners, actual: Mapping[str, Interface]
) -> dict[str, Any]:
    """Return what there is to tell of a bridge; ``others`` are its members on the host that chyves
    knows nothing about."""
    there = actual.get(bridge.name)
    members = there.members if there else ()
    known = (bridge.interface, *bridge.taps)
    return {
        "name": bridge.name,
        "default": is_default,
        "uplink": bridge.uplink or None,
        "uplink_present": bridge.interface in actual if bridge.leads_out else None,
        "uplink_member": bridge.interface in members if bridge.leads_out else None,
        "present": there is not None,
        "mtu": there.mtu if there else None,
        "taps": [
            {"member": tap in members, **_describe_tap(tap, owners, actual)} for tap in bridge.taps
        ],
        "others": [member for member in members if member not in known],
    }


def _describe_tap(tap: str, owners: Owners, actual: Mapping[str, Interface]) -> dict[str, Any]:
    guests = owners.get(tap, [])
    return {
        "name": tap,
        "guest": guests[0] if guests else None,
        "guests": guests,
        "present": tap in actual,
        "opened_by": actual[tap].opened_by if tap in actual else None,
    }


def _show_tree(app: App, bridge: Mapping[str, Any]) -> None:
    app.output.line(f"Bridge: {bridge['name']}{' (default)' if bridge['default'] else ''}")
    if bridge["uplink_present"] is not None:
        app.output.line(f"  uplink: {bridge['uplink']}{_where_uplink(bridge)}")
    else:
        undecided = "" if bridge["uplink"] else " (attach an interface, or set it private)"
        app.output.line(f"  private{undecided}")
    for tap in bridge["taps"]:
        app.output.line(f"  {tap['name']}  {_users(tap['guests'])}{_where(tap)}")
    for name in bridge["others"]:
        app.output.line(f"  {name}  (not chyves')")


def _where_uplink(bridge: Mapping[str, Any]) -> str:
    """Return what is wrong with an uplink; a start or attach brings it back."""
    if not bridge["uplink_present"]:
        return " (not on this host)"
    has_fallen = bridge["present"] and not bridge["uplink_member"]
    return " (fallen off the bridge)" if has_fallen else ""


def _where(tap: Mapping[str, Any]) -> str:
    """Return what is wrong with a tap that ought to be on its bridge; a start makes what is
    missing."""
    return " (fallen off the bridge)" if tap["present"] and not tap["member"] else ""


def _users(guests: Sequence[str]) -> str:
    return ", ".join(guests) or "- (no guest)"


def show_taps(app: App, word: str) -> None:
    """Show the taps that are on the host, with their bridges and guests, and who has them open."""
    if word != "active":
        raise Invalid(f"nothing to list: tap {word}".rstrip(), hint="chyves list tap active")
    owners, actual = wiring.owners(app.inventory), net.interfaces(app.host)
    bridges = {member: one.name for one in actual.values() for member in one.members}
    found = [
        {"bridge": bridges.get(name), **_describe_tap(name, owners, actual)}
        for name, one in actual.items()
        if "tap" in one.groups
    ]
    app.report.data = found
    rows = [
        (one["name"], one["bridge"], ",".join(one["guests"]), one["opened_by"]) for one in found
    ]
    app.output.table(
        ("Tap:", "Bridge:", "Guest:", "Opened by:"),
        [[cell or "-" for cell in row] for row in rows],
    )
