# SPDX-License-Identifier: BSD-2-Clause
"""What the host can do, each thing asked once."""

from collections.abc import Iterable
from dataclasses import replace

from chyves.backend.host import Host
from chyves.errors import HostError
from chyves.model.facts import (
    SYSCTLS,
    HostFacts,
    has_iommu,
    host_facts,
    parse_sysctl,
    pci_drivers,
)

DMESG = "/var/run/dmesg.boot"


def gather_facts(host: Host, modules: Iterable[str]) -> HostFacts:
    """Return the facts of the host; ``modules`` are those known to have initialised.

    Raises HostError where sysctl does not know FreeBSD's names.
    """
    said = host.try_ask("sysctl", *SYSCTLS)
    values = parse_sysctl(said.stdout)
    if not values:
        said.check()
    if "kern.osreldate" not in values:
        raise HostError(
            "this host is no FreeBSD: sysctl does not know kern.osreldate",
            hint="try chyves on a simulated one: chyves --simulate <folder> ...",
        )
    try:
        dmesg = host.path(DMESG).read_text(errors="replace")
    except OSError:
        dmesg = ""
    return host_facts(values, dmesg, modules)


def with_pci_devices(host: Host, facts: HostFacts) -> HostFacts:
    """Return the facts with the IOMMU and the PCI devices of the host; only root may see the former
    (acpidump reads /dev/mem)."""
    listing = host.try_ask("pciconf", "-l")
    drivers = pci_drivers(listing.stdout) if listing.code == 0 else None
    iommu = facts.iommu
    if iommu is None:
        tables = host.try_ask("acpidump", "-t")
        iommu = has_iommu(tables.stdout) if tables.code == 0 else None
    return replace(facts, iommu=iommu, pci_drivers=drivers)
