# SPDX-License-Identifier: BSD-2-Clause
"""Numbers that only one guest can have, as all files and the host have them now.

The caller holds the host's lock until what it chose is written.
"""

import uuid
from collections.abc import Iterable, Mapping, Sequence

from chyves.backend import net, store, wiring
from chyves.backend.host import Host
from chyves.backend.inventory import Inventory
from chyves.backend.survey import refresh
from chyves.model import layout, network, numbers
from chyves.model.guest import Guest
from chyves.model.host_properties import offset
from chyves.model.interfaces import Interface


def taken(inventory: Inventory, interfaces: Iterable[str] = (), *, but: str = "") -> numbers.Taken:
    """Return what is in use by guests (all, or all but one), bridges and the host.
    Raises Precondition if nobody can know that."""
    inventory.require_readable()
    everyone = (*inventory.guests, *inventory.hidden)
    guests = ((guest.name, guest.config) for guest in everyone if guest.name != but)
    return numbers.in_use(guests, inventory.globals, interfaces)


def next_tap(inventory: Inventory, actual: Mapping[str, Interface]) -> str:
    return numbers.next_tap(taken(inventory, actual), offset(inventory.globals, "tap_start_offset"))


def free_tap(
    inventory: Inventory, actual: Mapping[str, Interface], guest: str, bridge: str = ""
) -> str:
    """Return a tap for a guest: the one that was left for it on its bridge, or the next. What is in
    the list of a bridge is never taken unasked: it may be kept for somebody."""
    left = ""
    if wiring.is_automatic(inventory):
        bridge = bridge or wiring.associations(inventory).default
        left = wiring.left_tap(inventory, actual, guest, bridge)
    return left or next_tap(inventory, actual)


def next_serial(inventory: Inventory) -> str:
    return numbers.next_serial(taken(inventory), offset(inventory.globals, "console_start_offset"))


def settle_restored(
    host: Host, inventory: Inventory, name: str, before: Sequence[str]
) -> list[str]:
    """Put in order what a guest's properties of old claim: numbers that others have by now are
    chosen anew, taps that came back rejoin a bridge, taps that went leave theirs.

    ``before`` are the interfaces and numbers it had: it keeps those, whoever shares them. Returns a
    sentence for each thing that was changed.
    """
    inventory = refresh(host, inventory)
    restored = inventory.guest(name)
    notes = _choose_anew(host, inventory, restored, before)
    actual = net.interfaces(host)
    replaced = _choose_interfaces(host, refresh(host, inventory), name, before, actual)
    owned = wiring.owners(inventory, but=restored)
    notes += [
        f"{fresh} takes the place of {old}, which {owned[old][0]} has now"
        for old, fresh in replaced.items()
    ]
    if wiring.is_automatic(inventory):
        notes += _rewire(host, refresh(host, inventory), name, before, actual, replaced)
    return notes


def _choose_anew(
    host: Host, inventory: Inventory, restored: Guest, before: Sequence[str]
) -> list[str]:
    others = taken(inventory, but=restored.name)
    values = dict(restored.config)
    changed = {}
    if others.serials.keys() & {values.get("serial", "")} - set(before):
        changed["serial"] = next_serial(inventory)
    if others.ports.keys() & {values.get("uefi_vnc_port", "")} - set(before):
        first = offset(inventory.globals, "uefi_vnc_port_start_offset")
        changed["uefi_vnc_port"] = numbers.next_port(others, first)
    if others.uuids.keys() & {values.get("uuid", "").lower()} - set(before):
        changed["uuid"] = str(uuid.uuid4())
    doubled = {
        name: ""
        for name, value in values.items()
        if name.endswith("_mac") and value.lower() in others.macs.keys() - set(before)
    }
    if doubled:
        path = layout.guest_config(restored.pool, restored.name)
        store.change_config(
            host, path, lambda config: config.unset(doubled), what=f"no {', '.join(doubled)}"
        )
    if changed:
        store.set_values(host, layout.guest_config(restored.pool, restored.name), changed)
    return [
        f"{name} is {value or 'not set'} now: another guest has the old one"
        for name, value in (changed | doubled).items()
    ]


def _choose_interfaces(
    host: Host,
    inventory: Inventory,
    guest: str,
    before: Sequence[str],
    actual: Mapping[str, Interface],
) -> dict[str, str]:
    """Give a guest others in place of those of its interfaces that another guest has by now; return
    which take the place of which."""
    now = inventory.guest(guest)
    owned = wiring.owners(inventory, but=now)
    wanted: list[str] = []
    replaced: dict[str, str] = {}
    for name in dict.fromkeys(now.net_ifaces()):
        is_own = name.startswith("tap") or ":" in name
        if is_own and name in owned and name not in before:
            if name.startswith("tap"):
                fresh = next_tap(inventory, {**actual, **dict.fromkeys(wanted, Interface(""))})
            else:
                fresh = numbers.next_vale_port((*owned, *wanted), name.partition(":")[0])
            replaced[name] = fresh
        wanted.append(replaced.get(name, name))
    if tuple(wanted) != now.net_ifaces():
        path = layout.guest_config(now.pool, now.name)
        values = {"net_ifaces": network.join_interfaces(wanted)}
        kept = {
            f"{name}_{word}": f"{fresh}_{word}"
            for name, fresh in replaced.items()
            for word in ("mac", "mtu")
            if f"{name}_{word}" in now.config
        }
        values |= {after: now.config[before] for before, after in kept.items()}
        store.change_config(
            host,
            path,
            lambda config: config.unset(kept).set(values),
            what=", ".join(f"{name}={value}" for name, value in values.items()),
        )
    return replaced


def _rewire(
    host: Host,
    inventory: Inventory,
    guest: str,
    before: Sequence[str],
    actual: Mapping[str, Interface],
    replaced: Mapping[str, str],
) -> list[str]:
    """Take the taps that went off the bridges, and put those that came back on one: on that of the
    tap whose place one has taken, or on the default bridge."""
    now = inventory.guest(guest)
    wanted, owned = now.net_ifaces(), wiring.owners(inventory, but=now)
    places = {fresh: old for old, fresh in replaced.items()}
    notes = []
    had = [name for name in before if name.startswith(("tap", "vale"))]
    gone = [name for name in had if name not in wanted and name not in owned]
    if gone:
        change = network.remove_interfaces(guest, had, gone, wiring.associations(inventory), actual)
        wiring.carry_out(host, inventory, change._replace(guest={}))
    for name in wanted:
        inventory = refresh(host, inventory)
        known = wiring.associations(inventory)
        if name.startswith("tap") and not known.bridges_with(name):
            bridge = known.home_of(places.get(name, name))
            wiring.carry_out(host, inventory, network.record_tap(name, bridge, known))
            notes.append(f"{name} joins {bridge} at the next start")
    return notes
