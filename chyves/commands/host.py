# SPDX-License-Identifier: BSD-2-Clause
"""``host``: what this host can do for guests."""

from collections.abc import Mapping
from typing import Any

import click

from chyves.app import App
from chyves.backend import guests, vmm
from chyves.backend.facts import gather_facts, with_pci_devices
from chyves.backend.host import Host
from chyves.backend.inventory import Inventory
from chyves.backend.prepare import INSTALLED_FIRMWARE
from chyves.commands.options import Reading
from chyves.errors import Invalid
from chyves.model import layout, places
from chyves.model.facts import AMD, HostFacts
from chyves.model.guest import Guest
from chyves.model.kinds import format_bytes

LOADERS = ("bhyveload", "grub-bhyve")


@click.command("host", cls=Reading)
@click.pass_obj
def host_command(app: App) -> None:
    """Show what this host can do: processor, memory, devices to pass through, loaders, firmware,
    pools. Only root sees whether there is an IOMMU."""
    inventory = app.inventory
    facts = with_pci_devices(app.host, gather_facts(app.host, vmm.initialised(app.host)))
    found = _data(app.host, inventory, facts)
    app.report.data = found
    app.output.table(("This host:", ""), _rows(found, exact=app.output.exact))


def _data(host: Host, inventory: Inventory, facts: HostFacts) -> dict[str, Any]:
    running = _running(host, inventory)
    drivers = facts.pci_drivers or {}
    return {
        "release": facts.release,
        "osreldate": facts.osreldate,
        "cpu": {
            "vendor": facts.cpu_vendor or None,
            "count": facts.ncpu,
            "most_per_guest": facts.max_cpus if facts.unrestricted_guest is not False else 1,
            "virtualization": facts.virtualization,
            "unrestricted_guest": facts.unrestricted_guest,
        },
        "memory": {
            "size": facts.memory,
            "free": facts.available.free if facts.available else None,
            "zfs_cache": facts.available.cache if facts.available else None,
            "may_be_wired": facts.available.wirable if facts.available else None,
            "promised": sum(_memory(guest) for guest in running),
        },
        "running": [guest.name for guest in running],
        "iommu": _iommu(facts),
        "passthrough": [place for place, driver in drivers.items() if driver == "ppt"],
        "modules": {name: name in facts.modules for name in vmm.MODULES},
        "loaders": [name for name in LOADERS if host.has_program(name)],
        "firmware": _firmware(host, inventory),
        "pools": _pools(host),
    }


def _running(host: Host, inventory: Inventory) -> list[Guest]:
    now = guests.statuses(host, [guest.name for guest in inventory.guests])
    return [guest for guest in inventory.guests if now[guest.name].is_live]


def _memory(guest: Guest) -> int:
    try:
        return guest.ram_bytes
    except Invalid:
        return 0


def _iommu(facts: HostFacts) -> bool | None:
    """Tell whether devices can be passed through; None if that is not known."""
    if facts.iommu and facts.cpu_vendor in AMD:
        return facts.amdvi
    return facts.iommu


def _firmware(host: Host, inventory: Inventory) -> dict[str, list[str]]:
    """Return the firmware that was imported, and that which a package has installed."""
    there = map(places.classify, inventory.datasets)
    imported = [
        place.name
        for place in there
        if isinstance(place, places.Resource) and place.kind == layout.FIRMWARE
    ]
    folder = host.path(INSTALLED_FIRMWARE)
    files = folder.iterdir() if folder.is_dir() else ()
    return {
        "imported": sorted(imported, key=layout.version_key),
        "installed": sorted(file.name for file in files),
    }


def _pools(host: Host) -> list[dict[str, Any]]:
    said = host.ask("zpool", "list", "-H", "-p", "-o", "name,size,free,health").stdout
    rows = [line.split("\t") for line in said.splitlines()]
    return [
        {"name": name, "size": int(size), "free": int(free), "health": health}
        for name, size, free, health in rows
        if size != "-"
    ]


def _rows(found: Mapping[str, Any], *, exact: bool) -> list[tuple[str, str]]:
    def size(number: int | None) -> str:
        return "unknown" if number is None else format_bytes(number, exact=exact)

    cpu, memory = found["cpu"], found["memory"]
    firmware = found["firmware"]
    return [
        ("release", found["release"]),
        ("processor", f"{cpu['vendor'] or 'unknown'}, {cpu['count']} CPUs"),
        ("virtualization", _said(cpu["virtualization"])),
        ("unrestricted guest", _said(cpu["unrestricted_guest"])),
        ("CPUs of a guest", f"{cpu['most_per_guest']} at most"),
        ("memory", size(memory["size"])),
        ("memory free", size(memory["free"])),
        ("memory in ZFS cache", size(memory["zfs_cache"])),
        ("memory to be wired", size(memory["may_be_wired"])),
        ("memory of guests", f"{size(memory['promised'])} of {len(found['running'])} running"),
        ("IOMMU", _said(found["iommu"])),
        ("devices set aside", _listed(found["passthrough"])),
        ("modules", _listed(name for name, is_there in found["modules"].items() if is_there)),
        ("loaders", _listed(found["loaders"])),
        ("firmware imported", _listed(firmware["imported"])),
        ("firmware installed", _listed(firmware["installed"])),
        *(
            (
                f"pool {pool['name']}",
                f"{size(pool['free'])} free of {size(pool['size'])}, {pool['health']}",
            )
            for pool in found["pools"]
        ),
    ]


def _said(truth: bool | None) -> str:
    return {True: "yes", False: "no", None: "unknown"}[truth]


def _listed(words: Any) -> str:
    return " ".join(words) or "-"
