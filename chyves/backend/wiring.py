# SPDX-License-Identifier: BSD-2-Clause
"""The network of guests on the host and in the property files, kept together.

The caller holds the host's lock.
"""

from collections.abc import Sequence

from chyves.backend import net, store
from chyves.backend.host import Host
from chyves.model import layout, network
from chyves.model.guest import Guest


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
    undo = net.apply(host, change.steps)
    try:
        if change.globals:
            primary = inventory.primary().name
            store.set_values(host, layout.global_config(primary), change.globals)
        if guest and change.guest:
            path = layout.guest_config(guest.pool, guest.name)
            store.set_values(host, path, change.guest)
    except BaseException:
        undo.close()
        raise


def release_taps(host: Host, inventory: store.Inventory, guest: Guest) -> None:
    """Take a deleted guest's taps off the bridges and out of the plan, except those that another
    guest has too."""
    if not is_automatic(inventory):
        return
    others = {
        name
        for other in inventory.guests
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


def owners(guests: Sequence[Guest], *, but: str = "") -> dict[str, str]:
    """Return the guests by their interfaces."""
    return {
        name: guest.name for guest in guests if guest.name != but for name in guest.net_ifaces()
    }
