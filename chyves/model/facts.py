# SPDX-License-Identifier: BSD-2-Clause
"""What a host can do: its release, processor and limits, read from what its programs print."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

SYSCTLS = (
    "kern.osreldate",
    "kern.osrelease",
    "hw.ncpu",
    "hw.physmem",
    "hw.vmm.maxcpu",
    "hw.vmm.vmx.initialized",
    "hw.vmm.vmx.cap.unrestricted_guest",
    "hw.vmm.amdvi.enable",
    "hw.vmm.iommu.initialized",
    "net.link.bridge.member_ifaddrs",
    "kstat.zfs.misc.arcstats.size",
    "vm.max_user_wired",
    "vm.stats.vm.v_page_size",
    "vm.stats.vm.v_free_count",
    "vm.stats.vm.v_inactive_count",
    "vm.stats.vm.v_laundry_count",
    "vm.stats.vm.v_user_wire_count",
)
"""What host_facts() wants to know; not every host has all of them."""

MAX_CPUS_BEFORE_13_2 = 16
"""VM_MAXCPU of sys/amd64/include/vmm.h, before hw.vmm.maxcpu replaced it (13.2 release notes)."""

INTEL = "GenuineIntel"
AMD = ("AuthenticAMD", "HygonGenuine")
"""Origins of processors with SVM, as bhyvectl(8) knows them."""


class Cpu(NamedTuple):
    """What the boot messages say of the processor. ``None`` and "" are: they do not say."""

    vendor: str = ""
    virtualization: bool | None = None
    unrestricted_guest: bool | None = None


class Memory(NamedTuple):
    """Memory of the host in bytes. ``free`` is what programs can have at once, ``cache`` what ZFS
    (its ARC) would give back for them, ``wirable`` what may still be wired (vm.max_user_wired)."""

    free: int
    cache: int
    wirable: int

    def less(self, size: int, *, wired: bool) -> "Memory":
        """Return what is left when a guest has got so much."""
        rest = self.free + self.cache - size
        cache = max(min(self.cache, rest), 0)
        return Memory(max(rest - cache, 0), cache, self.wirable - (size if wired else 0))


@dataclass(frozen=True)
class HostFacts:
    """What of a host bears on the guests it can run.

    ``memory`` is in bytes. ``max_cpus`` is the most virtual CPUs a guest may have. ``modules`` are
    those kernel modules that have initialised. ``bridged_addresses`` tells whether an interface
    with an IP address may join a bridge. ``iommu`` tells whether the machine has one (DMAR or IVRS)
    and ``amdvi`` whether that of AMD is in use; ``pci_drivers`` are the drivers of the host's PCI
    devices by bus/slot/function. ``None`` is: nobody knows (yet).
    """

    osreldate: int
    release: str
    cpu_vendor: str
    virtualization: bool | None
    unrestricted_guest: bool | None
    ncpu: int
    max_cpus: int
    memory: int
    modules: frozenset[str] = frozenset()
    iommu: bool | None = None
    bridged_addresses: bool = True
    available: Memory | None = None
    amdvi: bool = False
    pci_drivers: Mapping[str, str] | None = None

    @property
    def major(self) -> int:
        """The FreeBSD release before the dot."""
        return self.osreldate // 100000


def host_facts(
    sysctls: Mapping[str, str],
    dmesg: str,
    modules: Iterable[str],
) -> HostFacts:
    """Put the facts together.

    ``sysctls`` are the values of SYSCTLS that exist, ``dmesg`` is the text of
    /var/run/dmesg.boot, ``modules`` are the modules for which ``kldstat -m`` succeeds. An
    initialised vmm outranks the boot messages.
    """
    modules = frozenset(modules)
    cpu = cpu_from_dmesg(dmesg)
    if "vmm" in modules:
        cpu = cpu._replace(virtualization=True, unrestricted_guest=_unrestricted(sysctls, cpu))
    osreldate = int(sysctls["kern.osreldate"])
    ncpu = int(sysctls["hw.ncpu"])
    limit = ncpu if osreldate >= 1302000 else MAX_CPUS_BEFORE_13_2
    allowed = sysctls.get("net.link.bridge.member_ifaddrs", "1" if osreldate < 1500000 else "0")
    return HostFacts(
        osreldate=osreldate,
        release=sysctls["kern.osrelease"],
        cpu_vendor=cpu.vendor,
        virtualization=cpu.virtualization,
        unrestricted_guest=cpu.unrestricted_guest,
        ncpu=ncpu,
        max_cpus=int(sysctls.get("hw.vmm.maxcpu", limit)),
        memory=int(sysctls["hw.physmem"]),
        modules=modules,
        iommu=True if sysctls.get("hw.vmm.iommu.initialized") == "1" else None,
        bridged_addresses=allowed == "1",
        available=_memory(sysctls),
        amdvi=sysctls.get("hw.vmm.amdvi.enable") == "1",
    )


def _memory(sysctls: Mapping[str, str]) -> Memory | None:
    """Inactive and laundry pages are as good as free: the kernel cleans them on demand."""

    def pages(name: str) -> int:
        return int(sysctls.get(f"vm.stats.vm.{name}", "0"))

    if "vm.stats.vm.v_free_count" not in sysctls:
        return None
    size = pages("v_page_size") or 4096
    free = pages("v_free_count") + pages("v_inactive_count") + pages("v_laundry_count")
    most = int(sysctls.get("vm.max_user_wired", "0")) or int(sysctls["hw.physmem"]) // size
    return Memory(
        free=free * size,
        cache=int(sysctls.get("kstat.zfs.misc.arcstats.size", "0")),
        wirable=(most - pages("v_user_wire_count")) * size,
    )


def has_iommu(acpi_tables: str) -> bool:
    """Tell whether acpidump(8) -t names the table of an IOMMU: DMAR (Intel) or IVRS (AMD)."""
    return bool(re.search(r"^\s+(DMAR|IVRS): Length=", acpi_tables, re.MULTILINE))


def pci_drivers(listing: str) -> dict[str, str]:
    """Read pciconf(8) -l: the driver of each device by bus/slot/function; ``none`` is nobody's.
    Only domain 0 can be passed through."""
    found = re.findall(r"^([a-z_]\w*?)[0-9]*@pci0:(\d+):(\d+):(\d+):", listing, re.MULTILINE)
    return {f"{bus}/{slot}/{function}": driver for driver, bus, slot, function in found}


def _unrestricted(sysctls: Mapping[str, str], cpu: Cpu) -> bool | None:
    """Ask an initialised vmm. The nodes of vmx exist and are 0 on AMD, which has no such limit."""
    if "hw.vmm.vmx.initialized" not in sysctls:
        return cpu.unrestricted_guest
    if sysctls["hw.vmm.vmx.initialized"] == "0":
        return True
    return sysctls.get("hw.vmm.vmx.cap.unrestricted_guest") == "1"


def parse_sysctl(output: str) -> dict[str, str]:
    """Read ``name: value`` lines of sysctl(8); lines that begin otherwise continue a value."""
    values: dict[str, str] = {}
    name = ""
    for line in output.splitlines():
        if found := re.match(r"([a-z][\w%-]*(?:\.[\w%-]+)+): ?(.*)$", line):
            name, values[found[1]] = found[1], found[2]
        elif name:
            values[name] += f"\n{line}"
    return values


def cpu_from_dmesg(text: str) -> Cpu:
    """Read the processor's lines of the boot messages (sys/x86/x86/identcpu.c).

    The message buffer may hold several boots, of which the last counts, or no longer the lines in
    question. After a verbose boot the features come spread over several lines.
    """
    _before, found, rest = f"\n{text}".rpartition("\nCPU: ")
    if not found:
        return Cpu()
    lines = []
    for line in rest.splitlines()[1:]:
        if not line.startswith("  "):
            break
        lines.append(line)
    block = "\n".join(lines)
    origin = re.search(r'^ +Origin="(\w+)"', block, re.MULTILINE)
    if not origin:
        return Cpu()
    vendor = origin[1]
    if vendor == INTEL:
        words = _feature_words(block, "VT-x")
        return Cpu(vendor, _usable(words) and "EPT" in words, _usable(words) and "UG" in words)
    if vendor in AMD:
        words = _feature_words(block, "SVM")
        nrip = not words.isdisjoint({"NRIP", "NRIPS"})
        usable = _usable(words) and "NP" in words and nrip
        return Cpu(vendor, usable, usable)
    return Cpu(vendor, virtualization=False, unrestricted_guest=False)


def _usable(words: set[str]) -> bool:
    return "disabled" not in words


def _feature_words(block: str, label: str) -> set[str]:
    """Return the words after ``label:`` and on the lines that are indented deeper than it."""
    found = re.search(rf"^  {label}: (.*(?:\n {{3,}}.*)*)", block, re.MULTILINE)
    return set(re.findall(r"[\w/-]+", found[1])) if found else set()
