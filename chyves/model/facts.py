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
    "net.link.bridge.member_ifaddrs",
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


@dataclass(frozen=True)
class HostFacts:
    """What of a host bears on the guests it can run.

    ``memory`` is in bytes. ``max_cpus`` is the most virtual CPUs a guest may have. ``modules`` are
    those kernel modules that have initialised. ``bridged_addresses`` tells whether an interface
    with an IP address may join a bridge. ``None`` is: nobody knows (yet).
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

    @property
    def major(self) -> int:
        """The FreeBSD release before the dot."""
        return self.osreldate // 100000


def host_facts(
    sysctls: Mapping[str, str],
    dmesg: str,
    modules: Iterable[str],
    *,
    iommu: bool | None = None,
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
        iommu=iommu,
        bridged_addresses=allowed == "1",
    )


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
