# SPDX-License-Identifier: BSD-2-Clause
"""What a running guest has: what no other can have beside it, and the medium in its drive.

The supervisor keeps it for every running guest as it was at its start: properties can be changed
while it runs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from chyves.model import hostchecks
from chyves.model.bhyve import Media, Problem, vnc
from chyves.model.devices import passthrough, tpm
from chyves.model.facts import HostFacts
from chyves.model.guest import Guest


class Holding(NamedTuple):
    """``devices`` are those of the host: PCI addresses, and the path of a TPM. ``screen`` is the
    address and port of its VNC console, ``memory`` is in bytes, ``wired`` tells whether all of it
    is wired. ``medium`` is the path of the installation medium that it started from, which others
    may read as well; ``ejected`` tells that it has been taken out."""

    serial: str = ""
    uuid: str = ""
    devices: Sequence[str] = ()
    screen: str = ""
    memory: int = 0
    wired: bool = False
    medium: str = ""
    ejected: bool = False

    @property
    def in_drive(self) -> str:
        """The path of the medium that is in the drive now; empty if there is none."""
        return "" if self.ejected else self.medium


def holding(guest: Guest, facts: HostFacts, media: Media | None = None) -> Holding:
    """Return what a guest has once it runs; its properties are known to be valid. ``media`` is the
    ISO that it starts from."""
    device, screen = tpm(guest), vnc(guest)
    devices = [str(address) for address in passthrough(guest)]
    if device and device.kind == "passthru":
        devices.append(device.path)
    return Holding(
        guest.serial,
        guest.value("uuid").lower(),
        devices,
        f"{screen.address}:{screen.port}" if screen else "",
        guest.ram_bytes,
        hostchecks.wires_memory(guest, facts),
        media.path if media else "",
    )


def kept_holding(state: Mapping[str, Any]) -> Holding:
    """Return what a supervisor has kept of it in the guest's ``state``; what another version of
    chyves kept is left out."""
    kept = state.get("holding", {})
    has = Holding(**{name: kept[name] for name in Holding._fields if name in kept})
    return has._replace(ejected=bool(state.get("ejected")))


def given_back(has: Holding, facts: HostFacts) -> HostFacts:
    """Return the host as it is once a running guest has given its memory back."""
    if not facts.available:
        return facts
    return replace(facts, available=facts.available.less(-has.memory, wired=has.wired))


def shared(guest: str, wanted: Holding, other: str, has: Holding) -> Problem | None:
    """Return why a guest cannot start while another one runs: bhyve would share a console in
    silence, an exact clone has the same MAC addresses, a device of the host has one owner."""
    if wanted.serial == has.serial:
        what, name = f"serial port, {wanted.serial}", "serial=nmdm<n>"
    elif wanted.uuid and wanted.uuid == has.uuid:
        what, name = f"UUID, {wanted.uuid}", "uuid=<another>"
    elif both := set(wanted.devices) & set(has.devices):
        device = min(both)
        name = "tpm=<another>" if device.startswith("/") else "pcidev_<n>=<another>"
        what = f"device of the host, {device}"
    elif wanted.screen and wanted.screen == has.screen:
        what, name = f"VNC port, {wanted.screen}", "uefi_vnc_port=<another>"
    else:
        return None
    return Problem(
        f"{other} is running with the same {what}",
        f"chyves {guest} set {name}, or chyves {other} stop",
    )
