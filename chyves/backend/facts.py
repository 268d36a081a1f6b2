# SPDX-License-Identifier: BSD-2-Clause
"""What the host can do, each thing asked once."""

from collections.abc import Iterable

from chyves.backend.host import Host
from chyves.errors import HostError
from chyves.model.facts import SYSCTLS, HostFacts, host_facts, parse_sysctl

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
