# SPDX-License-Identifier: BSD-2-Clause
"""From a guest to the command lines that run it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from chyves.model import devices, grub, layout, pci
from chyves.model.facts import HostFacts
from chyves.model.guest import Disk, Guest, Loader
from chyves.model.options import Options, user_options

UNITS = ((1 << 40, "T"), (1 << 30, "G"), (1 << 20, "M"), (1 << 10, "K"))

PASSWORDS_SINCE = 1302000
"""bhyve has a configuration file (-k) from FreeBSD 13.2 on, and a password belongs in no argv."""

BARS_OFF_SINCE = 1500000
"""bhyve leaves it to the firmware from FreeBSD 15 on to switch the devices' BARs on, which firmware
of older builds does not do: it would find no device (release notes of 15.0)."""

VARIABLES_SINCE = 1301000
"""bhyve keeps the variables of UEFI firmware in a file from FreeBSD 13.1 on."""


class Problem(NamedTuple):
    """Why a guest cannot start, and what to do about it."""

    message: str
    hint: str


class Media(NamedTuple):
    """An installation medium: its path, and the volume label that it bears."""

    path: str
    label: str = ""


class Launch(NamedTuple):
    """What runs a guest once: the loader's argv, if it needs one before each bhyve, and bhyve's.
    ``files`` are what the loader reads."""

    loader: tuple[str, ...] | None
    bhyve: tuple[str, ...]
    files: tuple[grub.File, ...] = ()


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
    bytes, ``notes`` are sentences for the user. ``pci_slots`` is where the devices are, to be kept
    with the guest. ``settings`` are lines for bhyve's configuration file, which only root may read.
    ``sockets`` are made by each bhyve and have to be gone before it starts.
    """

    guest: str
    vm: str
    launches: tuple[Launch, ...]
    eject_after: int
    taps: tuple[str, ...]
    console: str
    vnc: Vnc | None
    memory: int
    pci_slots: str = ""
    settings: tuple[str, ...] = ()
    sockets: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def plan(
    guest: Guest,
    facts: HostFacts,
    disks: Sequence[Disk],
    *,
    primary: str,
    media: Media | None = None,
    empty_media: str | None = None,
    eject_after: int = 0,
    consolidate: bool = False,
    variables: bool = False,
    password: str = "",
    notes: Sequence[str] = (),
) -> LaunchPlan:
    """Decide how a guest is run; preconditions() has found nothing against it.

    ``primary`` is the pool with the firmware. ``media`` is the ISO to start from; ``empty_media``,
    if it is there, the path of the one which keeps the drive of a UEFI guest without a medium in
    place. ``eject_after`` is the reboot at which the medium is taken out (0: never).
    ``consolidate`` puts eight devices in a PCI slot, and 32 disks on an AHCI controller.
    ``variables`` tells that the guest has a file for the variables of its firmware, ``password`` is
    that of its screen. ``notes`` are sentences for the user that are known already.

    Raises Precondition if the devices do not fit.
    """
    options = options_of(guest, facts)
    builder = _Builder(
        guest, facts, tuple(disks), primary, consolidate, options, variables, bool(password)
    )
    idle = Media(empty_media) if empty_media and guest.loader is Loader.UEFI else None
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
        pci_slots=pci.format_places(builder.places()),
        settings=builder.settings(password),
        sockets=tuple(devices.console_sockets(guest)),
        notes=(*options.notes, *notes),
    )


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
    guest: Guest, disks: Sequence[Disk], *, primary: str, media: Media | None = None
) -> tuple[str, ...]:
    """Return the files and volumes that must be there. Consoles and taps are none of them: to
    look for one would make it."""
    wanted = [firmware_file(guest, primary), media.path if media else ""]
    wanted += [*(disk.path for disk in disks), *devices.host_files(guest)]
    if guest.loader is Loader.GRUB and guest.value("os") == grub.CUSTOM:
        folder = layout.guest_mountpoint(guest.pool, guest.name)
        wanted += [f"{folder}/{name}" for name in (grub.DEVICE_MAP, grub.GRUB_CFG)]
    return tuple(path for path in wanted if path)


def topology(guest: Guest) -> tuple[int, int, int] | None:
    """Return the sockets, cores and threads that a guest shall see; None if it does not say. What
    it leaves open is one, and of cores as many as it takes. Raises Invalid."""
    names = ("cpu_sockets", "cpu_cores", "cpu_threads")
    sockets, cores, threads = (
        int(guest.checked(name)) if guest.value(name) else 0 for name in names
    )
    if not (sockets or cores or threads):
        return None
    threads = threads or 1
    if cores:
        return sockets or max(guest.cpu // (cores * threads), 1), cores, threads
    sockets = sockets or 1
    return sockets, max(guest.cpu // (sockets * threads), 1), threads


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
    variables: bool
    has_password: bool

    def launch(self, media: Media | None) -> Launch:
        loader, files = self._loader(media)
        return Launch(loader, self._bhyve(media), files)

    def places(self) -> pci.Places:
        """Return where the devices are. Raises Precondition."""
        kept = pci.parse_places(self.guest.value("pci_slots"))
        return pci.lay_out(self._devices({}), kept, consolidate=self.consolidate)

    def settings(self, password: str) -> tuple[str, ...]:
        if not self.has_password:
            return ()
        slot = f"pci.0.{pci.FRAME_BUFFER_SLOT}.0"
        return (f"{slot}.password={devices.literal(password, self.facts)}",)

    def _devices(self, places: pci.Places) -> list[pci.Devices]:
        return devices.devices(
            self.guest, self.facts, self.disks, places, consolidate=self.consolidate
        )

    def _loader(self, media: Media | None) -> tuple[tuple[str, ...] | None, tuple[grub.File, ...]]:
        if self.guest.loader is Loader.UEFI:
            return None, ()
        if self.guest.loader is Loader.GRUB:
            return self._grub(media)
        argv = (
            "bhyveload",
            *self.options.loader,
            *("-m", memory_argument(self.guest.ram_bytes)),
            *("-d", media.path if media else self.disks[0].path),
            *("-c", layout.loader_console(self.guest.serial)),
            layout.vm_name(self.guest.name),
        )
        return argv, ()

    def _grub(self, media: Media | None) -> tuple[tuple[str, ...], tuple[grub.File, ...]]:
        guest = self.guest
        boot = grub.boot(
            guest.value("os"),
            [disk.path for disk in self.disks],
            media.path if media else None,
            media.label if media else "",
            ours=layout.grub_folder(guest.name, with_media=bool(media)),
            users=layout.guest_mountpoint(guest.pool, guest.name),
        )
        argv = (
            "grub-bhyve",
            *self.options.loader,
            *boot.words,
            *("-c", layout.loader_console(guest.serial)),
            *("-M", memory_argument(guest.ram_bytes)),
            layout.vm_name(guest.name),
        )
        return argv, boot.files

    def _bhyve(self, media: Media | None) -> tuple[str, ...]:
        guest = self.guest
        uuid = guest.value("uuid")
        keyboard = guest.value("uefi_vnc_keyboard") if guest.has_vnc else ""
        pins = filter(None, guest.value("cpu_pin").split(","))
        bars = self.facts.osreldate >= BARS_OFF_SINCE and guest.loader is Loader.UEFI
        utc = guest.value("utctime") == "yes" and "-u" not in self.options.bhyve
        return (
            "bhyve",
            *(("-o", "pci.enable_bars=true") if bars and not self.variables else ()),
            *self.options.bhyve,
            *("-c", self._cpus()),
            *(word for pin in pins for word in ("-p", pin)),
            *(("-u",) if utc else ()),
            *(("-U", uuid) if uuid else ()),
            *("-m", memory_argument(guest.ram_bytes)),
            *(("-K", keyboard) if keyboard else ()),
            *(word for device in self._pci(media) for word in ("-s", device)),
            *(word for device in self._lpc() for word in ("-l", device)),
            *(("-k", layout.bhyve_settings(guest.name)) if self.has_password else ()),
            layout.vm_name(guest.name),
        )

    def _cpus(self) -> str:
        shape = topology(self.guest)
        if not shape:
            return str(self.guest.cpu)
        sockets, cores, threads = shape
        return f"{self.guest.cpu},sockets={sockets},cores={cores},threads={threads}"

    def _pci(self, media: Media | None) -> list[str]:
        """Return the devices in the order of their slots."""
        found = [f"{pci.HOSTBRIDGE_SLOT},hostbridge"]
        screen = vnc(self.guest)
        if screen:
            found.append(f"{pci.FRAME_BUFFER_SLOT},{self._frame_buffer(screen)}")
        if media:
            found.append(f"{pci.OPTICAL_SLOT},ahci-cd,{devices.literal(media.path, self.facts)}")
        places = self.places()
        found += pci.slot_arguments(self._devices(places), places)
        return [*found, f"{pci.LPC_SLOT},lpc"]

    def _lpc(self) -> list[str]:
        found = [f"com1,{layout.loader_console(self.guest.serial)}"]
        firmware = firmware_file(self.guest, self.primary)
        if firmware:
            words = ["bootrom", devices.literal(firmware, self.facts)]
            if self.variables:
                file = layout.uefi_variables(self.guest.pool, self.guest.name)
                words.append(devices.literal(file, self.facts))
            found.append(",".join(words))
        tpm = devices.tpm(self.guest)
        return [
            *found,
            *([f"tpm,{tpm.kind},{devices.literal(tpm.path, self.facts)}"] if tpm else []),
        ]

    def _frame_buffer(self, screen: Vnc) -> str:
        address = f"[{screen.address}]" if ":" in screen.address else screen.address
        width, _, height = self.guest.value("uefi_vnc_res").partition("x")
        wait = ",wait" if screen.wait else ""
        return f"fbuf,tcp={address}:{screen.port},w={width},h={height}{wait}"
