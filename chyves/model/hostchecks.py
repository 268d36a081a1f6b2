# SPDX-License-Identifier: BSD-2-Clause
"""Whether the host can carry a guest: processor, memory, devices that are passed through."""

from collections.abc import Iterator
from dataclasses import replace
from math import prod

from chyves.model.bhyve import Problem, options_of, topology
from chyves.model.devices import Address, passthrough, tpm
from chyves.model.facts import AMD, HostFacts
from chyves.model.guest import Guest, Loader
from chyves.model.kinds import format_bytes

TPM_SINCE = {"passthru": 1400000, "swtpm": 1500000}
"""bhyve passes a TPM through from FreeBSD 14.0 on, and knows swtpm from 15.0 on."""


def fits_the_processor(guest: Guest, facts: HostFacts) -> Iterator[Problem]:
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
        can_be_raised = facts.osreldate >= 1302000
        shape = topology(guest)
        in_all = prod(shape) if shape else facts.max_cpus
        yield Problem(
            f"it has {guest.cpu} CPUs, and this host allows {facts.max_cpus}",
            f"chyves {guest.name} set cpu={min(in_all, facts.max_cpus)}"
            + (", or raise hw.vmm.maxcpu in /boot/loader.conf" if can_be_raised else ""),
        )


def has_cpus_that_add_up(guest: Guest, facts: HostFacts) -> Iterator[Problem]:
    shape = topology(guest)
    if shape and prod(shape) != guest.cpu:
        sockets, cores, threads = shape
        unset = f"chyves {guest.name} unset cpu_sockets cpu_cores cpu_threads"
        allowed = 1 if facts.unrestricted_guest is False else facts.max_cpus
        yield Problem(
            f"it has {guest.cpu} CPUs, and {sockets} sockets with {cores} cores of {threads} "
            f"threads make {prod(shape)}",
            f"chyves {guest.name} set cpu={prod(shape)}, or {unset}"
            if prod(shape) <= allowed
            else unset,
        )
    for pin in filter(None, guest.value("cpu_pin").split(",")):
        virtual, _, real = pin.partition(":")
        if int(virtual) >= guest.cpu or int(real) >= facts.ncpu:
            yield Problem(
                f"cpu_pin has {pin}, and it has {guest.cpu} CPUs and this host {facts.ncpu}",
                f"chyves {guest.name} set cpu_pin=<virtual>:<real>[,...], both from 0 on",
            )


def fits_the_memory(guest: Guest, facts: HostFacts) -> Iterator[Problem]:
    """Memory that is wired has to be there at once; what is not comes as the guest uses it."""
    size = guest.ram_bytes
    hint = f"chyves {guest.name} set ram=<less>"
    if size > facts.memory:
        yield Problem(
            f"it has {format_bytes(size)} of memory, and this host {format_bytes(facts.memory)}",
            hint,
        )
        return
    left = facts.available
    if not left or not wires_memory(guest, facts):
        return
    hint = f"stop another guest, {hint}, or take -S out of its bargs"
    if size > left.free + left.cache:
        yield Problem(
            f"it wires {format_bytes(size)} of memory, and this host has {format_bytes(left.free)} "
            f"free and {format_bytes(left.cache)} in the cache of ZFS",
            hint,
        )
    elif size > left.wirable:
        yield Problem(
            f"it wires {format_bytes(size)} of memory, and this host lets programs wire "
            f"{format_bytes(max(left.wirable, 0))} more",
            f"{hint}, or raise it: sysctl vm.max_user_wired",
        )


def memory_notes(guest: Guest, facts: HostFacts) -> Iterator[str]:
    """Yield what is worth knowing about the memory of a guest that can start."""
    left, size = facts.available, guest.ram_bytes
    if not left or size <= left.free:
        return
    free, cache = format_bytes(left.free), format_bytes(left.cache)
    if size <= left.free + left.cache:
        more = format_bytes(size - left.free)
        yield f"{more} of its {format_bytes(size)} of memory come out of the cache of ZFS"
    else:
        yield (
            f"it may use {format_bytes(size)} of memory, and this host has {free} free and {cache} "
            "in the cache of ZFS: it may have to swap"
        )


def wires_memory(guest: Guest, facts: HostFacts) -> bool:
    """Tell whether all memory of a guest is wired at its start."""
    return "-S" in options_of(guest, facts).bhyve


def without(guest: Guest, facts: HostFacts) -> HostFacts:
    """Return the host as it is once a guest has its memory."""
    if not facts.available:
        return facts
    left = facts.available.less(guest.ram_bytes, wired=wires_memory(guest, facts))
    return replace(facts, available=left)


def gets_its_devices(guest: Guest, facts: HostFacts) -> Iterator[Problem]:
    """Devices of the host need an IOMMU, the driver ppt, and memory that is wired (vmm(4))."""
    wanted = passthrough(guest)
    if not wanted:
        return
    if not wires_memory(guest, facts):
        yield Problem(
            "it gets devices of the host, and its memory is not wired",
            f"chyves {guest.name} set bargs='{guest.value('bargs')} -S'",
        )
    yield from _has_iommu(facts)
    for address in wanted:
        yield from _is_set_aside(address, wanted, facts)


def _has_iommu(facts: HostFacts) -> Iterator[Problem]:
    if facts.iommu is False:
        yield Problem(
            "this host has no IOMMU (ACPI table DMAR of Intel or IVRS of AMD), or it is off",
            "switch VT-d or AMD-Vi on in the BIOS; see acpidump -t",
        )
    elif facts.cpu_vendor in AMD and not facts.amdvi:
        yield Problem(
            "this host does not use its IOMMU: hw.vmm.amdvi.enable is 0",
            "put hw.vmm.amdvi.enable=1 into /boot/loader.conf and reboot the host",
        )


def _is_set_aside(address: Address, wanted: list[Address], facts: HostFacts) -> Iterator[Problem]:
    if facts.pci_drivers is None:
        return
    driver = facts.pci_drivers.get(str(address))
    if driver is None:
        yield Problem(f"this host has no PCI device {address}", "see pciconf -lv")
    elif driver != "ppt":
        holder = "nobody" if driver == "none" else f"the driver {driver}"
        places = " ".join(map(str, wanted))
        yield Problem(
            f"PCI device {address} belongs to {holder}, not to ppt",
            f'put vmm_load="YES" and pptdevs="{places}" into /boot/loader.conf and reboot the host',
        )


def fits_the_release(guest: Guest, facts: HostFacts) -> Iterator[Problem]:
    device = tpm(guest)
    if device and facts.osreldate < TPM_SINCE[device.kind]:
        what = "swtpm" if device.kind == "swtpm" else "TPM of the host"
        yield Problem(
            f"bhyve of FreeBSD {facts.release} has no {what} for guests",
            f"chyves {guest.name} unset tpm, or upgrade to FreeBSD "
            f"{TPM_SINCE[device.kind] // 100000}",
        )
