# SPDX-License-Identifier: BSD-2-Clause
"""Reasons why a guest cannot start, found before anything is done."""

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import NamedTuple

from chyves.errors import Invalid
from chyves.model.bhyve import Problem, firmware_file, needed_files, options_of, unsupported
from chyves.model.facts import HostFacts
from chyves.model.guest import Disk, Guest, Loader
from chyves.model.kinds import format_bytes

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


class Case(NamedTuple):
    """What is looked at. ``missing`` are those of needed_files() that are not there."""

    guest: Guest
    facts: HostFacts
    disks: Sequence[Disk]
    primary: str
    media: str | None
    missing: Collection[str]


def preconditions(
    guest: Guest,
    facts: HostFacts,
    disks: Sequence[Disk],
    *,
    primary: str,
    media: str | None = None,
    missing: Collection[str] = (),
) -> list[Problem]:
    """Return all reasons why the guest cannot start; none if it can.

    Parameters as for plan(); ``missing`` are those of needed_files() that are not there. What is
    not known of the host is no reason.
    """
    case = Case(guest, facts, disks, primary, media, missing)
    invalid = list(_has_valid_properties(case))
    return invalid or [problem for check in CHECKS for problem in check(case)]


def _has_valid_properties(case: Case) -> Iterator[Problem]:
    """Properties are edited by hand, and chyves 0.2.0 stored what it was given."""
    guest = case.guest
    optional = [
        "uuid",
        *(f"{tap}_mac" for tap in guest.taps()),
        *(f"virtio_block_options_{disk.name}" for disk in case.disks),
    ]
    names = [*REQUIRED, *(name for name in optional if guest.value(name))]
    if guest.value("loader") == Loader.UEFI:
        names += REQUIRED_BY_UEFI
        if guest.value("uefi_console_output") == "vnc":
            names += REQUIRED_BY_VNC
    for name in names:
        try:
            guest.checked(name)
        except Invalid as error:
            yield Problem(error.message, error.hint)
    try:
        options_of(guest, case.facts)
    except Invalid as error:
        yield Problem(error.message, error.hint)


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


def _is_supported(case: Case) -> Iterator[Problem]:
    problem = unsupported(case.guest)
    if problem:
        yield problem


def _fits_the_processor(case: Case) -> Iterator[Problem]:
    guest, facts = case.guest, case.facts
    if facts.virtualization is False:
        yield Problem(
            "this host's processor cannot virtualize (Intel: VT-x with EPT, AMD: SVM with NP and "
            "NRIP), or it is switched off",
            "switch it on in the BIOS; see: grep -E 'VT-x|SVM' /var/run/dmesg.boot",
        )
        return
    if facts.unrestricted_guest is False:
        lacks = "this host's processor lacks unrestricted guest (UG)"
        if guest.loader is not Loader.BHYVELOAD:
            yield Problem(
                f"{lacks}, which loader {guest.loader} needs",
                f"chyves {guest.name} set loader=bhyveload (FreeBSD guests only)",
            )
        if guest.cpu > 1:
            yield Problem(
                f"{lacks}, so a guest can have 1 CPU, not {guest.cpu}",
                f"chyves {guest.name} set cpu=1",
            )
    elif guest.cpu > facts.max_cpus:
        yield Problem(
            f"it has {guest.cpu} CPUs, and this host allows {facts.max_cpus}",
            f"chyves {guest.name} set cpu={facts.max_cpus}"
            + (", or raise hw.vmm.maxcpu in /boot/loader.conf" if _has_maxcpu(facts) else ""),
        )


def _has_maxcpu(facts: HostFacts) -> bool:
    return facts.osreldate >= 1302000


def _fits_the_memory(case: Case) -> Iterator[Problem]:
    if case.guest.ram_bytes > case.facts.memory:
        yield Problem(
            f"it has {format_bytes(case.guest.ram_bytes)} of memory, "
            f"and this host {format_bytes(case.facts.memory)}",
            f"chyves {case.guest.name} set ram=<less>",
        )


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


def _finds_its_files(case: Case) -> Iterator[Problem]:
    files = needed_files(case.guest, case.disks, primary=case.primary, media=case.media)
    for path in files:
        if path in case.missing:
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


def _how_to_find(path: str) -> str:
    if path.startswith("/dev/zvol/"):
        dataset = path.removeprefix("/dev/zvol/")
        return f"see zfs get volmode {dataset}; renaming the volume away and back makes the node"
    return "chyves list iso and chyves list firmware tell what there is"


CHECKS: tuple[Callable[[Case], Iterator[Problem]], ...] = (
    _is_runnable,
    _is_supported,
    _fits_the_processor,
    _fits_the_memory,
    _has_something_to_boot,
    _finds_its_files,
    _has_files_that_can_be_named,
)
