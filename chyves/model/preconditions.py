# SPDX-License-Identifier: BSD-2-Clause
"""Reasons why a guest cannot start, found before anything is done."""

import errno
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import NamedTuple

from chyves.errors import Invalid
from chyves.model import grub, hostchecks, numbers
from chyves.model.bhyve import (
    PASSWORDS_SINCE,
    Media,
    Problem,
    firmware_file,
    needed_files,
    options_of,
    vnc,
)
from chyves.model.devices import numbered
from chyves.model.facts import HostFacts
from chyves.model.guest import Disk, Guest, Loader

REQUIRED = ["loader", "cpu", "ram", "serial", "net_ifaces", "bhyve_disk_type", "bhyve_net_type"]
REQUIRED_BY_UEFI = ["uefi_console_output", "uefi_firmware"]
REQUIRED_BY_VNC = [
    "uefi_vnc_ip",
    "uefi_vnc_port",
    "uefi_vnc_res",
    "uefi_vnc_mouse_type",
    "uefi_vnc_pause_until_client_connect",
]
"""Properties without which no command line can be made."""

OPTIONAL = [
    "uuid",
    "pci_slots",
    "cpu_sockets",
    "cpu_cores",
    "cpu_threads",
    "cpu_pin",
    "utctime",
    "virtio_rnd",
    "audio_play",
    "audio_rec",
    "tpm",
]
OPTIONAL_WITH_VNC = ["uefi_vnc_keyboard", "uefi_vnc_password_file"]
"""Properties that have to be valid where they are there."""

LARGEST_FIRMWARE = 16 << 20
PAGE = 4096
"""What bhyve takes as a boot ROM, with its variables (usr.sbin/bhyve/amd64/bootrom.c)."""


class Look(NamedTuple):
    """What was seen of the things that a guest needs. What nobody has looked at is no reason.

    ``missing`` are those of needed_files() that are not there, ``sizes`` has the bytes of the
    others. ``unwritable`` are disks that cannot be written, and why. ``port_error`` is why nothing
    can listen where the VNC console should, an errno, or 0. ``variables`` is the size of the file
    of UEFI variables, 0 without one. ``password`` is that of the screen, ``password_problem`` why
    it cannot be had. ``loader_missing`` tells that the program is not installed.
    """

    missing: Collection[str] = ()
    sizes: Mapping[str, int] = {}
    unwritable: Mapping[str, str] = {}
    port_error: int = 0
    variables: int = 0
    password: str = ""
    password_problem: Problem | None = None
    loader_missing: bool = False


class Case(NamedTuple):
    """What is looked at."""

    guest: Guest
    facts: HostFacts
    disks: Sequence[Disk]
    primary: str
    media: Media | None
    look: Look


def preconditions(
    guest: Guest,
    facts: HostFacts,
    disks: Sequence[Disk],
    *,
    primary: str,
    media: Media | None = None,
    look: Look | None = None,
) -> list[Problem]:
    """Return all reasons why the guest cannot start; none if it can.

    Parameters as for plan(). What is not known of the host is no reason.
    """
    case = Case(guest, facts, disks, primary, media, look or Look())
    invalid = property_problems(guest, facts, disks)
    return invalid or [problem for check in CHECKS for problem in check(case)]


def property_problems(guest: Guest, facts: HostFacts, disks: Sequence[Disk]) -> list[Problem]:
    """Return why no command line can be made: properties are edited by hand, and chyves 0.2.0
    stored what it was given."""
    optional = [
        *OPTIONAL,
        *(f"{tap}_{word}" for tap in guest.taps() for word in ("mac", "mtu")),
        *(f"virtio_block_options_{disk.name}" for disk in disks),
        *(
            name
            for kind in ("pcidev_", "virtio_9p_", "virtio_console_")
            for name in numbered(guest, kind)
        ),
    ]
    names = list(REQUIRED)
    if guest.value("loader") == Loader.UEFI:
        names += REQUIRED_BY_UEFI
        if guest.value("uefi_console_output") == "vnc":
            names += REQUIRED_BY_VNC
            optional += OPTIONAL_WITH_VNC
    if guest.value("loader") == Loader.GRUB:
        names.append("os")
    names += [name for name in optional if guest.value(name)]
    found = []
    for name in names:
        try:
            guest.checked(name)
        except Invalid as error:
            found.append(Problem(error.message, error.hint))
    try:
        options_of(guest, facts)
    except Invalid as error:
        found.append(Problem(error.message, error.hint))
    return found


def _is_runnable(case: Case) -> Iterator[Problem]:
    guest = case.guest
    if guest.is_template:
        yield Problem(
            "it is a template",
            f"chyves {guest.name} clone <new> makes a guest of it, "
            f"chyves {guest.name} set template=no makes it one",
        )
    outdated = guest.version_problem()
    if outdated:
        yield Problem(outdated.message, outdated.hint)


def _has_nothing_twice(case: Case) -> Iterator[Problem]:
    """Of two that are one bhyve takes the first, or does not start."""
    for name, again in numbers.twice(case.guest.config).items():
        yield Problem(f"{name}: {again}", f"chyves {case.guest.name} unset {name}")


def _fits_the_host(case: Case) -> Iterator[Problem]:
    for check in (
        hostchecks.fits_the_processor,
        hostchecks.has_cpus_that_add_up,
        hostchecks.fits_the_memory,
        hostchecks.gets_its_devices,
        hostchecks.fits_the_release,
    ):
        yield from check(case.guest, case.facts)


def _has_something_to_boot(case: Case) -> Iterator[Problem]:
    guest = case.guest
    if not case.disks and not case.media:
        yield Problem(
            "it has no disk, and no ISO was given",
            f"chyves {guest.name} disk add, or chyves {guest.name} start <iso>",
        )
    if guest.loader is Loader.UEFI and not firmware_file(guest, case.primary):
        yield Problem(
            "it has no firmware, which loader uefi needs",
            f"chyves firmware import /usr/local/share/uefi-firmware/BHYVE_UEFI.fd, then "
            f"chyves {guest.name} set uefi_firmware=BHYVE_UEFI.fd",
        )
    if guest.loader is Loader.GRUB and case.media:
        lacks = grub.lacks(guest.value("os"), case.media.path, case.media.label)
        if lacks:
            yield Problem(
                f"neither the label of {case.media.path} nor its name has {lacks}",
                "chyves iso rename <name> <new> gives it a name that has",
            )


def _has_its_loader(case: Case) -> Iterator[Problem]:
    if case.look.loader_missing:
        yield Problem(f"{case.guest.loader} is not installed", "pkg install grub2-bhyve")


def _finds_its_files(case: Case) -> Iterator[Problem]:
    files = needed_files(case.guest, case.disks, primary=case.primary, media=case.media)
    for path in files:
        if path in case.look.missing:
            yield Problem(f"{path} does not exist", _how_to_find(path))
        if "," in path:
            yield Problem(
                f"{path} has a comma, which ends a path for bhyve", "rename it without the comma"
            )


def _has_files_that_can_be_named(case: Case) -> Iterator[Problem]:
    for disk in case.disks:
        if any(char.isspace() for char in disk.path):
            yield Problem(
                f"{disk.path!r} has a blank, which no loader takes", "rename it without the blank"
            )


def _can_write_its_disks(case: Case) -> Iterator[Problem]:
    """bhyve opens what it cannot write for reading, without a word (block_if.c)."""
    for disk in () if case.guest.is_template else case.disks:
        options = case.guest.value(f"virtio_block_options_{disk.name}").split(",")
        why = case.look.unwritable.get(disk.path)
        if why and "ro" not in options:
            yield Problem(
                f"{disk.path} cannot be written: {why}",
                f"make it writable, or chyves {case.guest.name} set "
                f"virtio_block_options_{disk.name}=ro",
            )


def _has_firmware_that_fits(case: Case) -> Iterator[Problem]:
    path = firmware_file(case.guest, case.primary)
    size = case.look.sizes.get(path)
    if size is None:
        return
    whole = size + case.look.variables
    if size < PAGE or size % PAGE or case.look.variables % PAGE or whole > LARGEST_FIRMWARE:
        extra = f" and {case.look.variables} of variables" if case.look.variables else ""
        yield Problem(
            f"{path} is no firmware that bhyve takes: it has {size} bytes{extra}",
            f"whole pages of {PAGE} bytes, 16M at most; see pkg install edk2-bhyve",
        )


def _can_show_its_screen(case: Case) -> Iterator[Problem]:
    screen = vnc(case.guest)
    if screen and case.look.port_error == errno.EADDRNOTAVAIL:
        yield Problem(
            f"{screen.address}, where its VNC console shall be, is no address of this host",
            f"chyves {case.guest.name} set uefi_vnc_ip=<one that ifconfig shows>",
        )
    elif screen and case.look.port_error:
        yield Problem(
            f"something listens on port {screen.port} of {screen.address}, where its VNC console "
            "shall be",
            f"see sockstat -l -p {screen.port}, or chyves {case.guest.name} set "
            "uefi_vnc_port=<free>",
        )


def _has_its_password(case: Case) -> Iterator[Problem]:
    if not case.guest.has_vnc or not case.guest.value("uefi_vnc_password_file"):
        return
    if case.facts.osreldate < PASSWORDS_SINCE:
        yield Problem(
            f"bhyve of FreeBSD {case.facts.release} takes a VNC password in its argv only, "
            "where everybody reads it",
            f"chyves {case.guest.name} unset uefi_vnc_password_file",
        )
    if case.look.password_problem:
        yield case.look.password_problem


def _how_to_find(path: str) -> str:
    if path.startswith("/dev/zvol/"):
        dataset = path.removeprefix("/dev/zvol/")
        return f"see zfs get volmode {dataset}; renaming the volume away and back makes the node"
    if path.endswith((f"/{grub.DEVICE_MAP}", f"/{grub.GRUB_CFG}")):
        return "with os=custom you write it"
    if not path.startswith("/chyves/"):
        return "a property of the guest, or the line, names it"
    return "chyves list iso and chyves list firmware tell what there is"


CHECKS: tuple[Callable[[Case], Iterator[Problem]], ...] = (
    _is_runnable,
    _has_nothing_twice,
    _fits_the_host,
    _has_something_to_boot,
    _has_its_loader,
    _finds_its_files,
    _has_files_that_can_be_named,
    _can_write_its_disks,
    _has_firmware_that_fits,
    _can_show_its_screen,
    _has_its_password,
)
