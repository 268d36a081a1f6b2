# SPDX-License-Identifier: BSD-2-Clause
"""``network``: bridges, and interfaces of guests."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial

import click

from chyves.app import App
from chyves.backend import guests, locks, net, numbers, wiring
from chyves.backend.inventory import Inventory
from chyves.backend.survey import refresh
from chyves.commands.forms import misunderstood
from chyves.commands.options import Changing, argument
from chyves.commands.properties import require_no_template
from chyves.errors import Busy, Invalid, Precondition
from chyves.model import bridges, ifnames, network
from chyves.model.network import PRIVATE, Associations, Change, Present, join_interfaces


@click.command("network", cls=Changing)
@argument("words", nargs=-1, metavar="BRIDGE|GUESTS ACTION [INTERFACE] [BRIDGE]")
@click.pass_obj
def network_command(app: App, words: tuple[str, ...]) -> None:
    """Lead bridges out of the host or keep them within it, and put taps on them; give guests
    interfaces; take over the bridges that are there (import)."""
    inventory = app.inventory
    inventory.require_current()
    if words == ("import",):
        import_bridges(app)
        return
    if not wiring.is_automatic(inventory):
        raise Precondition(
            "network_design_mode is system: the admin arranges the network",
            hint="chyves global set network_design_mode=auto",
        )
    match words:
        case (bridge, "attach", uplink):
            attach(app, bridge, uplink)
        case (bridge, "private"):
            make_private(app, bridge)
        case (bridge, "default"):
            make_default(app, bridge)
        case (bridge, "join", taps):
            join(app, bridge, taps)
        case (bridge, "unjoin", taps):
            unjoin(app, bridge, taps)
        case (bridge, "migrate", other):
            migrate(app, bridge, other)
        case (bridge, "delete"):
            delete(app, bridge)
        case (selector, "add", interface):
            add(app, inventory, selector, interface, "")
        case (selector, "add", interface, bridge):
            add(app, inventory, selector, interface, bridge)
        case (selector, "remove", interface):
            remove(app, inventory, selector, interface)
        case _:
            raise misunderstood("network", words)


# -- bridges ------------------------------------------------------------------------------------


def attach(app: App, bridge: str, uplink: str) -> None:
    """Lead a bridge out of the host."""
    if uplink == PRIVATE:
        make_private(app, bridge)
        return

    def plan(now: Present) -> Change:
        return bridges.attach(bridge, ifnames.uplink(uplink), now)

    _change_bridge(app, bridge, plan, f"attached to {uplink}", uplink=uplink)


def make_private(app: App, bridge: str) -> None:
    """Keep a bridge within the host."""
    _change_bridge(app, bridge, partial(bridges.make_private, bridge), "private")


def make_default(app: App, bridge: str) -> None:
    """Put the taps of new guests on this bridge."""
    plan = partial(bridges.make_default, bridge)
    _change_bridge(app, bridge, plan, "default bridge of new guests")


def join(app: App, bridge: str, names: str) -> None:
    """Put taps on a bridge."""
    taps = ifnames.taps(names)
    plan = partial(bridges.join, bridge, taps)
    _change_bridge(app, bridge, plan, f"has {', '.join(taps)}", taps=taps)


def unjoin(app: App, bridge: str, names: str) -> None:
    """Take taps of guests that do not run off a bridge."""
    taps = ifnames.taps(names)
    plan = partial(bridges.unjoin, bridge, taps)
    said = f"has {', '.join(taps)} no more"
    _change_bridge(app, bridge, plan, said, moved=lambda _: taps, taps=taps)


def migrate(app: App, old: str, new: str) -> None:
    """Let another bridge take over the taps of a bridge, and where it leads."""
    ifnames.bridge(new)
    plan = partial(bridges.migrate, old, new)

    def moved(known: Associations) -> Sequence[str]:
        return known.bridge(old).taps

    _change_bridge(app, old, plan, f"migrated to {new}", moved=moved, to=new)


def delete(app: App, bridge: str) -> None:
    """Forget a bridge without taps."""
    _change_bridge(app, bridge, partial(bridges.delete, bridge), "deleted")


def _nothing(_: Associations) -> Sequence[str]:
    return ()


def _change_bridge(
    app: App,
    bridge: str,
    plan: Callable[[Present], Change],
    said: str,
    *,
    moved: Callable[[Associations], Sequence[str]] = _nothing,
    **facts: object,
) -> None:
    """Carry out a plan for one bridge; ``moved`` are taps whose guests may not run meanwhile."""
    ifnames.bridge(bridge)
    with app.report.item(bridge), _settled(app, moved) as inventory:
        change = plan(wiring.look(app.host, inventory))
        changed = wiring.carry_out(app.host, inventory, change)
        for note in change.notes:
            app.report.warn(note)
        app.report.done(bridge, said, changed=changed, **facts)


@contextmanager
def _settled(app: App, moved: Callable[[Associations], Sequence[str]]) -> Iterator[Inventory]:
    """Hold the locks of the guests that have the taps which are moved, then that of the host, and
    yield what there is now. Raises Busy if one of these guests runs."""
    with ExitStack() as held:
        for name in sorted(_guests_of(app.inventory, moved)):
            held.enter_context(locks.guest_lock(app.host, name))
        held.enter_context(locks.host_lock(app.host))
        inventory = app.inventory
        inventory.require_readable()
        affected = _guests_of(inventory, moved)
        for name, status in guests.statuses(app.host, sorted(affected)).items():
            if not status.is_down:
                raise Busy(
                    f"{affected[name]} is in use: {name} runs "
                    f"(pid {status.bhyve or status.supervisor})",
                    hint=f"chyves {name} stop",
                )
        yield inventory


def _guests_of(
    inventory: Inventory, moved: Callable[[Associations], Sequence[str]]
) -> Mapping[str, str]:
    """Return the guests that have one of the taps, each with the first it has."""
    taps, owners = moved(wiring.associations(inventory)), wiring.owners(inventory)
    return {guest: tap for tap in reversed(taps) for guest in owners.get(tap, ())}


def import_bridges(app: App) -> None:
    """Record which taps of guests are on which bridges of the host, and where these lead; the host
    stays as it is."""
    done = []
    with locks.host_lock(app.host):
        inventory = app.inventory
        now = wiring.look(app.host, inventory)
        before = now.known
        for bridge in bridges.importable(now):
            with app.report.item(bridge):
                wiring.carry_out(app.host, inventory, bridges.imported(bridge, now))
                done.append(bridge)
                inventory = refresh(app.host, inventory)
                now = now._replace(known=wiring.associations(inventory))
    for bridge in done:
        found = now.known.bridge(bridge)
        said = f"{found.uplink}, {join_interfaces(found.taps)}"
        changed = found != before.bridge(bridge)
        app.report.done(bridge, said, changed=changed, uplink=found.uplink, taps=found.taps)
    _tell_of_loose_taps(app, now)


def _tell_of_loose_taps(app: App, now: Present) -> None:
    """Name the taps of guests that are recorded nowhere, or are on the host and on no bridge."""
    members = {member for one in now.actual.values() for member in one.members}
    for tap, names in now.owners.items():
        homes = now.known.bridges_with(tap)
        is_loose = tap not in members if tap in now.actual else not homes
        if tap.startswith("tap") and is_loose:
            home = homes[0].name if homes else now.known.default
            app.report.warn(
                f"{tap} of {' and '.join(names)} is on no bridge: chyves network {home} join {tap}"
            )


# -- interfaces of guests -----------------------------------------------------------------------


def add(app: App, inventory: Inventory, selector: str, interface: str, bridge: str) -> None:
    """Give guests one more interface each; they find it when they start the next time."""
    _require_words(interface, bridge)
    chosen = inventory.select(selector)
    if interface.startswith("tap") and interface != "tap" and len(chosen) > 1:
        raise Invalid(f"{interface} is for one guest", hint="say tap: each guest gets its own")
    for guest in chosen:
        with app.report.item(guest.name), locks.guest_lock(app.host, guest.name):
            _add(app, inventory, guest.name, interface, bridge)


def _require_words(interface: str, bridge: str) -> None:
    if interface != "tap":
        _require_interface(interface)
    if bridge:
        ifnames.bridge(bridge)
        if interface.startswith("vale"):
            raise Invalid(
                f"{interface} is on a VALE switch, not on {bridge}", hint="leave the bridge out"
            )


def _require_interface(name: str) -> None:
    check = ifnames.vale_port if name.startswith("vale") else ifnames.tap
    check(name)


def _add(app: App, inventory: Inventory, name: str, interface: str, bridge: str) -> None:
    with locks.host_lock(app.host):
        guests.require_down(app.host, name, "change its interfaces")
        inventory = refresh(app.host, inventory)
        inventory.require_readable()
        guest = inventory.guest(name)
        require_no_template(guest)
        if interface.startswith("vale"):
            others = wiring.owners(inventory, but=guest)
            change = network.add_vale(name, guest.net_ifaces(), interface, owners=others)
        else:
            now = wiring.look(app.host, inventory)
            bridge = bridge or now.known.default
            if interface == "tap":
                interface = numbers.free_tap(inventory, now.actual, name, bridge)
            change = network.add_tap(
                name,
                guest.net_ifaces(),
                interface,
                bridge,
                now.known,
                now.actual,
                owners=wiring.owners(inventory, but=guest),
                bridged_addresses=now.bridged_addresses,
            )
        wiring.carry_out(app.host, inventory, change, guest)
        for note in change.notes:
            app.report.warn(note)
        app.report.done(name, f"has {interface}", interface=interface)


def remove(app: App, inventory: Inventory, selector: str, interface: str) -> None:
    """Take an interface from guests, and a tap off its bridge."""
    for guest in inventory.select(selector):
        with app.report.item(guest.name), locks.guest_lock(app.host, guest.name):
            _remove(app, inventory, guest.name, interface)


def _remove(app: App, inventory: Inventory, name: str, interface: str) -> None:
    with locks.host_lock(app.host):
        guests.require_down(app.host, name, "change its interfaces")
        inventory = refresh(app.host, inventory)
        inventory.require_readable()
        guest = inventory.guest(name)
        require_no_template(guest)
        shared = interface in wiring.owners(inventory, but=guest)
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
