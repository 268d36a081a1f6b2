# SPDX-License-Identifier: BSD-2-Clause
"""The network of guests on the host and in the property files, kept together.

The caller holds the host's lock.
"""

from collections.abc import Mapping, Sequence

from chyves.backend import net, store
from chyves.backend.host import Host
from chyves.model import layout, network
from chyves.model.guest import Guest
from chyves.model.interfaces import Interface


def associations(inventory: store.Inventory) -> network.Associations:
    """Return which tap belongs to which bridge, as the property files have it now."""
    return network.associations(inventory.globals, inventory.defaults.get("bridge") or "")


def is_automatic(inventory: store.Inventory) -> bool:
    """Tell whether chyves arranges the network (network_design_mode=auto), or the admin does."""
    return inventory.globals.get("network_design_mode") != "system"


def carry_out(
    host: Host, inventory: store.Inventory, change: network.Change, guest: Guest | None = None
) -> None:
    """Take the steps on the host, then write the properties; what fails halfway is taken back."""
    with net.apply(host, change.steps) as undo:
        if change.globals:
            path = layout.global_config(inventory.primary().name)
            before = store.read_config(host, path).text
            store.set_values(host, path, change.globals)
            undo.callback(store.write_file, host, path, before)
        if guest and change.guest:
            path = layout.guest_config(guest.pool, guest.name)
            store.set_values(host, path, change.guest)
        undo.pop_all()


def release_taps(host: Host, inventory: store.Inventory, guest: Guest) -> None:
    """Take a deleted guest's taps off the bridges and out of the plan, except those that another
    guest has too."""
    if not is_automatic(inventory):
        return
    others = {
        name
        for other in (*inventory.guests, *inventory.hidden)
        if (other.pool, other.name) != (guest.pool, guest.name)
        for name in other.net_ifaces()
    }
    names = [name for name in guest.net_ifaces() if name not in others]
    if not names:
        return
    change = network.remove_interfaces(
        guest.name, guest.net_ifaces(), names, associations(inventory), net.interfaces(host)
    )
    carry_out(host, inventory, change._replace(guest={}))


def left_tap(
    inventory: store.Inventory, actual: Mapping[str, Interface], guest: str, bridge: str
) -> str:
    """Return a tap that was made for a guest on this bridge and that nobody has: an ``add`` that
    was killed has left it, or a ``delete keepnet``. Empty if there is none."""
    owned, known = owners(inventory.guests), associations(inventory)
    made = [one.name for one in actual.values() if one.made_for == guest and one.name not in owned]
    here = (tap for tap in made if all(at.name == bridge for at in known.bridges_with(tap)))
    return next(here, "")


def owners(guests: Sequence[Guest], *, but: str = "") -> dict[str, str]:
    """Return the guests by their interfaces."""
    return {
        name: guest.name for guest in guests if guest.name != but for name in guest.net_ifaces()
    }
