# SPDX-License-Identifier: BSD-2-Clause
"""``network``: bridges, and interfaces of guests."""

import click

from chyves.app import App
from chyves.backend import guests, locks, net, numbers, store, wiring
from chyves.backend.facts import gather_facts
from chyves.commands.forms import misunderstood
from chyves.commands.options import Changing
from chyves.errors import Invalid, Precondition
from chyves.model import kinds, layout, network


@click.command("network", cls=Changing)
@click.argument("words", nargs=-1, metavar="BRIDGE|GUEST ACTION [INTERFACE] [BRIDGE]")
@click.pass_obj
def network_command(app: App, words: tuple[str, ...]) -> None:
    """Lead bridges out of the host or keep them within it; give guests interfaces."""
    inventory = app.inventory
    inventory.require_current()
    if not wiring.is_automatic(inventory):
        raise Precondition(
            "network_design_mode is system: the admin arranges the network",
            hint="chyves global set network_design_mode=auto",
        )
    match words:
        case (bridge, "attach", uplink):
            _change_bridge(app, bridge, uplink)
        case (bridge, "private"):
            _change_bridge(app, bridge, network.PRIVATE)
        case (bridge, "default"):
            make_default(app, inventory, bridge)
        case (name, "add", interface):
            add(app, inventory, name, interface, "")
        case (name, "add", interface, bridge):
            add(app, inventory, name, interface, bridge)
        case (name, "remove", interface):
            remove(app, inventory, name, interface)
        case _:
            raise misunderstood("network", words)


def _change_bridge(app: App, bridge: str, uplink: str) -> None:
    kinds.bridge(bridge)
    with app.report.item(bridge), locks.host_lock(app.host):
        inventory = store.read_inventory(app.host)
        actual = net.interfaces(app.host)
        if uplink == network.PRIVATE:
            change = network.make_private(bridge, actual)
        else:
            change = network.attach(
                bridge,
                kinds.uplink(uplink),
                wiring.associations(inventory),
                actual,
                bridged_addresses=gather_facts(app.host, ()).bridged_addresses,
            )
        wiring.carry_out(app.host, inventory, change)
        app.report.done(bridge, "private" if uplink == network.PRIVATE else f"attached to {uplink}")


def make_default(app: App, inventory: store.Inventory, bridge: str) -> None:
    """Put the taps of new guests on this bridge."""
    kinds.bridge(bridge)
    with app.report.item(bridge), locks.host_lock(app.host):
        path = layout.defaults_config(inventory.primary().name)
        store.set_values(app.host, path, {"bridge": bridge})
        app.report.done(bridge, "default bridge of new guests")


def add(app: App, inventory: store.Inventory, name: str, interface: str, bridge: str) -> None:
    """Give a guest one more interface; it finds it when it starts the next time."""
    _require_words(interface, bridge)
    guest = inventory.guest(name)
    with (
        app.report.item(name),
        locks.guest_lock(app.host, name),
        locks.host_lock(app.host),
    ):
        guests.require_down(app.host, name, "change its interfaces")
        inventory = store.read_inventory(app.host)
        guest = inventory.guest(name)
        if interface.startswith("vale"):
            change = network.add_vale(name, guest.net_ifaces(), interface)
        else:
            known = wiring.associations(inventory)
            actual = net.interfaces(app.host)
            bridge = bridge or known.default
            if interface == "tap":
                interface = wiring.left_tap(inventory, actual, name, bridge) or numbers.next_tap(
                    inventory, actual
                )
            change = network.add_tap(
                name,
                guest.net_ifaces(),
                interface,
                bridge,
                known,
                actual,
                owners=wiring.owners(inventory.guests, but=name),
                bridged_addresses=gather_facts(app.host, ()).bridged_addresses,
            )
        wiring.carry_out(app.host, inventory, change, guest)
        app.report.done(name, f"has {interface}", interface=interface)


def _require_words(interface: str, bridge: str) -> None:
    if interface != "tap":
        kinds.guest_interfaces(interface)
    if bridge:
        kinds.bridge(bridge)
        if interface.startswith("vale"):
            raise Invalid(
                f"{interface} is on a VALE switch, not on {bridge}", hint="leave the bridge out"
            )


def remove(app: App, inventory: store.Inventory, name: str, interface: str) -> None:
    """Take an interface from a guest, and a tap off its bridge."""
    inventory.guest(name)
    with (
        app.report.item(name),
        locks.guest_lock(app.host, name),
        locks.host_lock(app.host),
    ):
        guests.require_down(app.host, name, "change its interfaces")
        inventory = store.read_inventory(app.host)
        guest = inventory.guest(name)
        shared = interface in wiring.owners(inventory.guests, but=name)
        change = network.remove_interfaces(
            name,
            guest.net_ifaces(),
            [interface],
            wiring.associations(inventory),
            {} if shared else net.interfaces(app.host),
        )
        if shared:
            change = change._replace(steps=(), globals={})
        wiring.carry_out(app.host, inventory, change, guest)
        app.report.done(name, f"has {interface} no more", interface=interface)
