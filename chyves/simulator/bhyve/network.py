# SPDX-License-Identifier: BSD-2-Clause
"""Which guests reach each other, and under which addresses."""

from collections.abc import Sequence

from chyves.simulator.bhyve import vmm
from chyves.simulator.bhyve.devices import Nic
from chyves.simulator.world import World


def address_of(mac: str) -> str:
    """Return the address a test guest gives itself: ``10.`` and the last three octets of its MAC,
    in a network of 8 bits. ``00:a0:98:6f:f9:18`` is 10.111.249.24."""
    octets = [int(octet, 16) for octet in mac.split(":")[-3:]]
    return ".".join(["10", *map(str, octets)])


def host_name(address: str) -> str:
    """Return the host name a test guest gives itself: ``guest-111-249-24``."""
    return "guest-" + "-".join(address.split(".")[1:])


def links(nics: Sequence[Nic]) -> list[list[str]]:
    """Return what the record of a VM keeps: ``[["tap50", "10.111.249.24"], ...]``."""
    return [[nic.backend, address_of(nic.mac)] for nic in nics]


def addresses(world: World, vm: str) -> list[tuple[str, str]]:
    """Return the cards of a running VM and their addresses."""
    with world.reading():
        record = world.table("vmm").get(vm)
    return [(backend, address) for backend, address in record["links"]] if record else []


def set_address(world: World, vm: str, address: str) -> bool:
    """Give the first card another address; False if there is none."""
    with world.changing():
        record = world.table("vmm").get(vm)
        if record is None or not record["links"]:
            return False
        (backend, _), *others = record["links"]
        vmm.update(world, vm, record["generation"], links=[[backend, address], *others])
    return True


def answers(world: World, vm: str, address: str) -> bool:
    """Tell whether ``address`` belongs to this guest, or to a running one on the same segment."""
    with world.reading():
        own = {segment(world, backend) for backend, _ in addresses(world, vm)} - {""}
        for name, record in world.table("vmm").items():
            if name != vm and not (record["active"] and world.alive(record["pid"])):
                continue
            for backend, its in record["links"]:
                if its == address and (name == vm or segment(world, backend) in own):
                    return True
    return False


def segment(world: World, backend: str) -> str:
    """Return the network a backend is on: its bridge or VALE switch, otherwise itself; empty if
    the interface or its bridge is down."""
    from chyves.simulator.net import interfaces

    if backend.startswith("vale"):
        return backend.partition(":")[0]
    with world.reading():
        tap = interfaces.find(world, backend)
        bridge = interfaces.find(world, tap.bridge) if tap and tap.bridge else None
    if tap is None or not tap.up or (bridge and not bridge.up):
        return ""
    return bridge.name if bridge else tap.name
