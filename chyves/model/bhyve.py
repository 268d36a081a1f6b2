# SPDX-License-Identifier: BSD-2-Clause
"""From a guest to the command lines that run it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from chyves.errors import Precondition
from chyves.model import layout, pci
from chyves.model.facts import HostFacts
from chyves.model.guest import Disk, Guest, Loader
from chyves.model.options import Options, user_options

UNITS = ((1 << 40, "T"), (1 << 30, "G"), (1 << 20, "M"), (1 << 10, "K"))

UEFI_DISK_SLOTS = 3
"""Early UEFI firmware boots from AHCI disks in slots 3 to 6 only, and 3 is the optical drive's."""


class Problem(NamedTuple):
    """Why a guest cannot start, and what to do about it."""

    message: str
    hint: str


class Launch(NamedTuple):
    """What runs a guest once: the loader's argv, if it needs one before each bhyve, and bhyve's."""

    loader: tuple[str, ...] | None
    bhyve: tuple[str, ...]


class Vnc(NamedTuple):
    """Where the screen of a guest is to be seen; ``wait`` holds the guest until somebody looks."""

    address: str
    port: int
    wait: bool


@dataclass(frozen=True)
class LaunchPlan:
    """All that is decided about running a guest, before anything is done.

    ``launches`` has one element, or two: with the installation medium, and without it from the
    ``eject_after``-th reboot on (0: never). ``console`` is the device of com1, ``memory`` is in
    bytes, ``notes`` are sentences for the user.
    """

    guest: str
    vm: str
    launches: tuple[Launch, ...]
    eject_after: int
    taps: tuple[str, ...]
    console: str
    vnc: Vnc | None
    memory: int
    notes: tuple[str, ...] = ()


def plan(
    guest: Guest,
    facts: HostFacts,
    disks: Sequence[Disk],
    *,
    primary: str,
    media: str | None = None,
    empty_media: str | None = None,
    eject_after: int = 0,
    consolidate: bool = False,
) -> LaunchPlan:
    """Decide how a guest is run; preconditions() has found nothing against it.

    ``primary`` is the pool with the firmware. ``media`` is the path of the ISO to start from;
    ``empty_media``, if it is there, that of the one which keeps the drive of a UEFI guest without
    a medium in place. ``eject_after`` is the reboot at which the medium is taken out (0: never).
    ``consolidate`` puts eight devices in a PCI slot.

    Raises Precondition if the devices do not fit, or for what unsupported() tells of.
    """
    problem = unsupported(guest)
    if problem:
        raise Precondition(problem.message, hint=problem.hint)
    options = options_of(guest, facts)
    builder = _Builder(guest, facts, tuple(disks), primary, consolidate, options)
    idle = empty_media if guest.loader is Loader.UEFI else None
    launches = [builder.launch(media or idle)]
    eject_after = eject_after if media and disks else 0
    if eject_after:
        launches.append(builder.launch(idle))
    return LaunchPlan(
        guest=guest.name,
        vm=layout.vm_name(guest.name),
        launches=tuple(launches),
        eject_after=eject_after,
        taps=guest.taps(),
        console=layout.loader_console(guest.serial),
        vnc=vnc(guest),
        memory=guest.ram_bytes,
        notes=options.notes,
    )


def unsupported(guest: Guest) -> Problem | None:
    """Return what the guest asks for and this chyves cannot do yet."""
    if guest.loader is Loader.GRUB:
        return Problem(
            "loader grub-bhyve is not supported yet",
            f"chyves {guest.name} set loader=uefi, or loader=bhyveload for a FreeBSD guest",
        )
    devices = [key for key in guest.config if re.fullmatch(r"pcidev_[0-9]{1,3}", key)]
    if devices:
        return Problem(
            f"devices of its own ({', '.join(devices)}) are not supported yet",
            f"chyves {guest.name} unset {devices[0]}",
        )
    return None


def options_of(guest: Guest, facts: HostFacts) -> Options:
    """Return the user's own options for the programs that run a guest. Raises Invalid."""
    uses_bhyveload = guest.value("loader") == Loader.BHYVELOAD
    flags = guest.value("bhyveload_flags") if uses_bhyveload else ""
    return user_options(guest.value("bargs"), flags, facts)


def vnc(guest: Guest) -> Vnc | None:
    """Return where the screen of a guest is, if it has one."""
    if not guest.has_vnc:
        return None
    wait = guest.value("uefi_vnc_pause_until_client_connect") == "yes"
    return Vnc(guest.value("uefi_vnc_ip"), int(guest.value("uefi_vnc_port")), wait)


def firmware_file(guest: Guest, primary: str) -> str:
    """Return the path of a guest's firmware; empty if none is chosen, or none needed."""
    if guest.loader is not Loader.UEFI or not guest.firmware:
        return ""
    return layout.resource_file(primary, "Firmware", guest.firmware)


def needed_files(
    guest: Guest, disks: Sequence[Disk], *, primary: str, media: str | None = None
) -> tuple[str, ...]:
    """Return the files and volumes that must be there. Consoles and taps are none of them: to
    look for one would make it."""
    wanted = (firmware_file(guest, primary), media or "", *(disk.path for disk in disks))
    return tuple(path for path in wanted if path)


def memory_argument(size: int) -> str:
    """Write bytes in the largest unit that divides them, as bhyve and the loaders read it alike
    (vm_parse_memsize(3): a number without a unit would be MiB or bytes by its size)."""
    for bytes_, unit in UNITS:
        if size % bytes_ == 0:
            return f"{size // bytes_}{unit}"
    return f"{-(-size // 1024)}K"


class _Builder(NamedTuple):
    """Builds the command lines of one guest."""

    guest: Guest
    facts: HostFacts
    disks: tuple[Disk, ...]
    primary: str
    consolidate: bool
    options: Options

    def launch(self, media: str | None) -> Launch:
        return Launch(self._loader(media), self._bhyve(media))

    def _loader(self, media: str | None) -> tuple[str, ...] | None:
        if self.guest.loader is Loader.UEFI:
            return None
        return (
            "bhyveload",
            *self.options.loader,
            *("-m", memory_argument(self.guest.ram_bytes)),
            *("-d", media or self.disks[0].path),
            *("-c", layout.loader_console(self.guest.serial)),
            layout.vm_name(self.guest.name),
        )

    def _bhyve(self, media: str | None) -> tuple[str, ...]:
        uuid = self.guest.value("uuid")
        return (
            "bhyve",
            *self.options.bhyve,
            *("-c", str(self.guest.cpu)),
            *(("-U", uuid) if uuid else ()),
            *("-m", memory_argument(self.guest.ram_bytes)),
            *(word for device in self._pci(media) for word in ("-s", device)),
            *(word for device in self._lpc() for word in ("-l", device)),
            layout.vm_name(self.guest.name),
        )

    def _pci(self, media: str | None) -> list[str]:
        """Return the devices in the order of their slots."""
        devices = [f"{pci.HOSTBRIDGE_SLOT},hostbridge"]
        screen = vnc(self.guest)
        if screen:
            devices.append(f"{pci.FRAME_BUFFER_SLOT},{self._frame_buffer(screen)}")
        if media:
            devices.append(f"{pci.OPTICAL_SLOT},ahci-cd,{self._literal(media)}")
        tablet = screen and self.guest.value("uefi_vnc_mouse_type") == "usb3"
        kinds = [
            pci.Devices("disks", self._disks(), self._disk_slots()),
            pci.Devices("tablets", ["xhci,tablet"] if tablet else []),
            pci.Devices("network interfaces", self._nics()),
        ]
        devices += pci.slot_arguments(kinds, consolidate=self.consolidate)
        return [*devices, f"{pci.LPC_SLOT},lpc"]

    def _lpc(self) -> list[str]:
        devices = [f"com1,{layout.loader_console(self.guest.serial)}"]
        firmware = firmware_file(self.guest, self.primary)
        if firmware:
            devices.append(f"bootrom,{self._literal(firmware)}")
        return devices

    def _frame_buffer(self, screen: Vnc) -> str:
        address = f"[{screen.address}]" if ":" in screen.address else screen.address
        width, _, height = self.guest.value("uefi_vnc_res").partition("x")
        wait = ",wait" if screen.wait else ""
        return f"fbuf,tcp={address}:{screen.port},w={width},h={height}{wait}"

    def _disk_slots(self) -> int:
        return UEFI_DISK_SLOTS if self.guest.loader is Loader.UEFI else 0

    def _disks(self) -> list[str]:
        model = self.guest.value("bhyve_disk_type")
        return [
            _with_options(
                f"{model},{self._literal(disk.path)}",
                self.guest.value(f"virtio_block_options_{disk.name}"),
            )
            for disk in self.disks
        ]

    def _nics(self) -> list[str]:
        model = self.guest.value("bhyve_net_type")
        found = []
        for name in self.guest.net_ifaces():
            mac = self.guest.mac(name) if name in self.guest.taps() else ""
            found.append(_with_options(f"{model},{name}", f"mac={mac}" if mac else ""))
        return found

    def _literal(self, path: str) -> str:
        """Write a path so that bhyve's configuration reads it as it is (bhyve_config(5))."""
        return path.replace("%", "%%") if self.facts.osreldate >= 1301000 else path


def _with_options(device: str, more: str) -> str:
    return f"{device},{more}" if more else device
