# SPDX-License-Identifier: BSD-2-Clause
"""The network of guests on the host and in the property files, kept together.

The caller holds the host's lock.
"""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack

from chyves.backend import net, store
from chyves.backend.facts import gather_facts
from chyves.backend.host import Host
from chyves.backend.inventory import Inventory
from chyves.model import bridges, layout, network
from chyves.model.guest import Guest
from chyves.model.host_properties import in_force
from chyves.model.interfaces import Interface


def associations(inventory: Inventory) -> network.Associations:
    """Return which tap belongs to which bridge, as the property files have it now."""
    return network.associations(inventory.globals, inventory.defaults.get("bridge") or "")


def look(host: Host, inventory: Inventory) -> network.Present:
    """Return all that verbs about bridges go by."""
    return network.Present(
        associations(inventory),
        net.interfaces(host),
        owners(inventory),
        gather_facts(host, ()).bridged_addresses,
    )


def require_possible(host: Host, inventory: Inventory, values: Mapping[str, str]) -> None:
    """Raise why properties of the host or the defaults that are to be set cannot be, for what they
    say of bridges."""
    default = values.get("bridge", inventory.defaults.get("bridge") or "")
    wanted = network.associations({**inventory.globals, **values}, default)
    if wanted != associations(inventory):
        bridges.require_possible(wanted, look(host, inventory))


def is_automatic(inventory: Inventory) -> bool:
    """Tell whether chyves arranges the network (network_design_mode=auto), or the admin does."""
    return in_force(inventory.globals, "network_design_mode") == "auto"


def carry_out(
    host: Host, inventory: Inventory, change: network.Change, guest: Guest | None = None
) -> bool:
    """Take the steps on the host, then write the properties; what fails halfway is taken back.

    Tells whether anything was changed.
    """
    with net.apply(host, change.steps) as undo:
        wrote = False
        if change.default:
            path = layout.defaults_config(inventory.primary().name)
            wrote |= _write(host, path, {"bridge": change.default}, undo)
        if change.globals or change.dropped:
            path = layout.global_config(inventory.primary().name)
            wrote |= _write(host, path, change.globals, undo, change.dropped)
        if guest and change.guest:
            path = layout.guest_config(guest.pool, guest.name)
            wrote |= _write(host, path, change.guest, undo, change.forgotten)
        undo.pop_all()
    return wrote or bool(change.steps)


def _write(
    host: Host,
    path: str,
    values: Mapping[str, str],
    undo: ExitStack,
    dropped: Sequence[str] = (),
) -> bool:
    """Write properties into a file and drop others, in one act; tell whether that changed it."""
    before = store.require_config(host, path)
    after = before.set(values).unset(dropped)
    if after.text == before.text:
        return False
    said = [f"{key}={value}" for key, value in values.items()]
    said += [f"no {key}" for key in dropped if key in before]
    store.change_config(host, path, lambda _: after, what=" ".join(said))
    undo.callback(store.write_file, host, path, before.text)
    return True


def release_taps(host: Host, inventory: Inventory, guest: Guest) -> None:
    """Take a deleted guest's taps off the bridges and out of the plan, except those that another
    guest has too."""
    if not is_automatic(inventory):
        return
    others = owners(inventory, but=guest)
    names = [name for name in guest.net_ifaces() if name not in others]
    if not names:
        return
    change = network.remove_interfaces(
        guest.name, guest.net_ifaces(), names, associations(inventory), net.interfaces(host)
    )
    carry_out(host, inventory, change._replace(guest={}))


def left_tap(inventory: Inventory, actual: Mapping[str, Interface], guest: str, bridge: str) -> str:
    """Return a tap on the host that was made for a guest on this bridge and that nobody has: an
    ``add`` that was killed has left it, or a ``delete keepnet``. Empty if there is none."""
    owned, known = owners(inventory), associations(inventory)
    made = [one.name for one in actual.values() if one.made_for == guest and one.name not in owned]
    here = (tap for tap in made if all(at.name == bridge for at in known.bridges_with(tap)))
    return next(here, "")


def owners(inventory: Inventory, *, but: Guest | None = None) -> dict[str, list[str]]:
    """Return the guests by their interfaces; those on pools that are offline have theirs too."""
    found: dict[str, list[str]] = {}
    for guest in (*inventory.guests, *inventory.hidden):
        if but is None or (guest.pool, guest.name) != (but.pool, but.name):
            for name in guest.net_ifaces():
                found.setdefault(name, []).append(guest.name)
    return found
