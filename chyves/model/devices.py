# SPDX-License-Identifier: BSD-2-Clause
"""The devices of a guest as bhyve is told of them, but for those with a fixed place."""

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from chyves.model import layout
from chyves.model.facts import HostFacts
from chyves.model.guest import Disk, Guest, Loader
from chyves.model.pci import Device, Devices, Place

UEFI_DISK_SLOTS = 3
"""Early UEFI firmware boots from AHCI disks in slots 3 to 6 only, and 3 is the optical drive's."""

AHCI_PORTS = 32
"""Disks on one AHCI controller (MAX_PORTS of usr.sbin/bhyve/pci_ahci.c)."""

KEYBOARDS = "/usr/share/bhyve/kbdlayout"
"""Where bhyve has the layouts of keyboards (usr.sbin/bhyve/kbdlayout)."""

_OF_THE_SHELL_PROGRAM = re.compile(r"by chyves v?(0\.[0-9.]+)")


class Address(NamedTuple):
    """A PCI device of the host: bus, slot and function, decimal."""

    bus: int
    slot: int
    function: int

    def __str__(self) -> str:
        return f"{self.bus}/{self.slot}/{self.function}"


class Tpm(NamedTuple):
    """A TPM as bhyve is told of it: ``passthru`` or ``swtpm``, and a device or a socket."""

    kind: str
    path: str


def devices(
    guest: Guest,
    facts: HostFacts,
    disks: Sequence[Disk],
    places: Mapping[str, Place],
    *,
    consolidate: bool,
) -> list[Devices]:
    """Return the devices by their kinds. Addresses of network cards depend on their places: as
    long as those are not known, the cards have none."""
    return [
        _disks(guest, facts, disks, consolidate=consolidate),
        Devices("usb", "tablets", _tablet(guest)),
        Devices("net", "network interfaces", list(_cards(guest, places))),
        *(Devices("pci", "PCI devices", [device]) for device in _own(guest)),
        Devices("rnd", "random devices", _random(guest)),
        Devices("hda", "sound cards", _sound(guest)),
        Devices("share", "shares", list(_shares(guest, facts))),
        Devices("console", "consoles", list(_consoles(guest, facts))),
    ]


def literal(path: str, facts: HostFacts) -> str:
    """Write a path so that bhyve's configuration reads it as it is (bhyve_config(5))."""
    return path.replace("%", "%%") if facts.osreldate >= 1301000 else path


def numbered(guest: Guest, prefix: str) -> list[str]:
    """Return the properties ``<prefix>{n}`` that a guest has, in the order of n."""
    found = (re.fullmatch(rf"{prefix}([0-9]{{1,5}})", key) for key in guest.config)
    return [match[0] for match in sorted(filter(None, found), key=lambda match: int(match[1]))]


def passthrough(guest: Guest) -> list[Address]:
    """Return the devices of the host that a guest gets, in the order of their properties."""
    values = (guest.value(name) for name in numbered(guest, "pcidev_"))
    return [_address(value) for value in values if value.startswith("passthru,")]


def mac_address(guest: Guest, interface: str, place: Place) -> str:
    """Return the MAC address of a network card; empty if bhyve is to choose.

    One that nobody has set is made from the guest's UUID and the place of the card: it stays when
    the guest gets another name, and no two guests have the same, on whatever hosts. What bhyve
    would choose depends on the guest's name alone; only guests of chyves 0.2.0 keep it, because
    their systems know it.
    """
    known = guest.mac(interface) if interface in guest.taps() else ""
    uuid = guest.value("uuid").lower()
    if known or not uuid or _OF_THE_SHELL_PROGRAM.search(guest.value("creation")):
        return known
    digest = hashlib.sha256(f"{uuid} {place.slot}:{place.function}".encode()).hexdigest()
    return ":".join(["5a", *(digest[at : at + 2] for at in range(0, 10, 2))])


def _disks(guest: Guest, facts: HostFacts, disks: Sequence[Disk], *, consolidate: bool) -> Devices:
    def written(disk: Disk) -> str:
        options = guest.value(f"virtio_block_options_{disk.name}")
        return _with_options(literal(disk.path, facts), options)

    model = guest.value("bhyve_disk_type")
    slots = UEFI_DISK_SLOTS if guest.loader is Loader.UEFI else 0
    if consolidate and model == "ahci-hd":
        groups = [disks[at : at + AHCI_PORTS] for at in range(0, len(disks), AHCI_PORTS)]
        found = [
            Device(f"ahci{number}", ",".join(["ahci", *(f"hd:{written(disk)}" for disk in group)]))
            for number, group in enumerate(groups)
        ]
    else:
        found = [Device(disk.name, f"{model},{written(disk)}") for disk in disks]
    return Devices("disk", "disks", found, slots)


def _tablet(guest: Guest) -> list[Device]:
    wanted = guest.has_vnc and guest.value("uefi_vnc_mouse_type") == "usb3"
    return [Device("tablet", "xhci,tablet")] if wanted else []


def _cards(guest: Guest, places: Mapping[str, Place]) -> Iterator[Device]:
    model = guest.value("bhyve_net_type")
    for name in guest.net_ifaces():
        place = places.get(f"net:{name}")
        mac = mac_address(guest, name, place) if place else ""
        mtu = guest.value(f"{name}_mtu") if model == "virtio-net" else ""
        options = [f"mac={mac}" if mac else "", f"mtu={mtu}" if mtu else ""]
        card = f"{model},{_backend(guest, name)}"
        yield Device(name, _with_options(card, ",".join(filter(None, options))))


def _backend(guest: Guest, interface: str) -> str:
    """Return what bhyve opens for an interface. A VALE switch has to be named with a port
    (sys/net/netmap_user.h, nm_parse); a guest's own has the number of its console."""
    if interface.startswith("vale") and ":" not in interface:
        return f"{interface}:n{guest.serial.removeprefix('nmdm')}"
    return interface


def _own(guest: Guest) -> Iterator[Device]:
    """Yield the devices of pcidev_{n}; the functions of one slot of the host stay together."""
    names = numbered(guest, "pcidev_")
    together: dict[tuple[int, int] | str, list[str]] = {}
    for name in names:
        value = guest.value(name)
        address = _address(value) if value.startswith("passthru,") else None
        together.setdefault((address.bus, address.slot) if address else name, []).append(name)
    for group in together.values():
        if len(group) == 1:
            yield Device(group[0], guest.value(group[0]))
        else:
            yield _card_of_functions(guest, group)


def _card_of_functions(guest: Guest, names: Sequence[str]) -> Device:
    """Return a card of the host with several functions: they keep their numbers, so that its
    driver knows them, unless the first is missing."""
    values = sorted((guest.value(name) for name in names), key=_address)
    numbers = [_address(value).function for value in values]
    numbers = numbers if numbers[0] == 0 else list(range(len(values)))
    return Device(names[0], values[0], dict(zip(numbers[1:], values[1:], strict=True)))


def _address(value: str) -> Address:
    bus, slot, function = value.split(",")[1].split("/")
    return Address(int(bus), int(slot), int(function))


def _random(guest: Guest) -> list[Device]:
    return [Device("rnd", "virtio-rnd")] if guest.value("virtio_rnd") == "yes" else []


def _sound(guest: Guest) -> list[Device]:
    words = {"play": guest.value("audio_play"), "rec": guest.value("audio_rec")}
    options = ",".join(f"{word}={path}" for word, path in words.items() if path)
    return [Device("hda", f"hda,{options}")] if options else []


def _shares(guest: Guest, facts: HostFacts) -> Iterator[Device]:
    for name in numbered(guest, "virtio_9p_"):
        yield Device(name, f"virtio-9p,{literal(guest.value(name), facts)}")


def tpm(guest: Guest) -> Tpm | None:
    """Return the guest's TPM, if it has one."""
    value = guest.value("tpm")
    if not value:
        return None
    is_simulated = value.startswith("swtpm:")
    return Tpm("swtpm" if is_simulated else "passthru", value.removeprefix("swtpm:"))


def host_files(guest: Guest) -> list[str]:
    """Return the devices, folders and files of the host that devices of a guest lead to."""
    shares = (guest.value(name) for name in numbered(guest, "virtio_9p_"))
    folders = [share.partition("=")[2].partition(",")[0] for share in shares]
    found = [guest.value(name) for name in ("audio_play", "audio_rec")]
    if device := tpm(guest):
        found.append(device.path)
    if guest.has_vnc and guest.value("uefi_vnc_keyboard"):
        found.append(f"{KEYBOARDS}/{guest.value('uefi_vnc_keyboard')}")
    return [path for path in [*found, *folders] if path]


def console_sockets(guest: Guest) -> list[str]:
    """Return the sockets of the virtio consoles of a guest."""
    names = (guest.value(name) for name in numbered(guest, "virtio_console_"))
    return [layout.console_socket(guest.name, name) for name in names]


def _consoles(guest: Guest, facts: HostFacts) -> Iterator[Device]:
    ports = [guest.value(name) for name in numbered(guest, "virtio_console_")]
    words = (f"{port}={layout.console_socket(guest.name, port)}" for port in ports)
    if ports:
        yield Device("console", literal(",".join(["virtio-console", *words]), facts))


def _with_options(device: str, more: str) -> str:
    return f"{device},{more}" if more else device
