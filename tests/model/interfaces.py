# SPDX-License-Identifier: BSD-2-Clause
"""Interfaces of a host, and what comes of a change, as tests write them."""

from chyves.model.interfaces import Interface
from chyves.model.network import Associations, Change, associations

EM0 = Interface("em0", up=True, status="active")
EM1 = Interface("em1")
VLAN7 = Interface("vlan7", up=True, groups=("vlan",))
LO0 = Interface("lo0", up=True, mtu=16384, groups=("lo",))


def host(*found: Interface) -> dict[str, Interface]:
    return {interface.name: interface for interface in (EM0, EM1, VLAN7, LO0, *found)}


def bridge(name: str, *members: str, up: bool = True, mtu: int = 1500) -> Interface:
    return Interface(name, up=up, mtu=mtu, groups=("bridge",), members=members)


def tap(
    name: str,
    *,
    up: bool = True,
    mtu: int = 1500,
    opened_by: int | None = None,
    ours: bool = True,
) -> Interface:
    described = "chyves-tap web" if ours else ""
    return Interface(name, up, mtu, described, groups=("tap",), opened_by=opened_by)


def lines(change: Change) -> list[str]:
    return [" ".join(step.argv) for step in change.steps]


def undos(change: Change) -> list[str]:
    return [" ".join(step.undo or ()) for step in change.steps]


def net(**properties: str) -> Associations:
    return associations(properties)
