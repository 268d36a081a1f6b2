# SPDX-License-Identifier: BSD-2-Clause
"""The option letters and usage texts of bhyve(8), by release."""

from chyves.simulator.bhyve.exits import Stop
from chyves.simulator.usage import Refused
from chyves.simulator.usage import parse as getopt

_LETTERS = {
    13: "aehuwxACDHIPSWYk:o:p:G:c:s:m:l:K:U:",
    14: "aehuwxACDHIPSWYk:f:o:p:G:c:s:m:l:K:U:",
    15: "aehuwxACDHIPSWYk:f:o:p:G:c:s:m:n:l:K:U:",
}
"""As built without BHYVE_SNAPSHOT (the usage names -r all the same)."""

_SYNOPSIS = {
    13: """\
Usage: bhyve [-AaCDeHhPSuWwxY]
             [-c [[cpus=]numcpus][,sockets=n][,cores=n][,threads=n]]
             [-G port] [-k config_file] [-l lpc] [-m mem] [-o var=value]
             [-p vcpu:hostcpu] [-r file] [-s pci] [-U uuid] vmname""",
    14: """\
Usage: bhyve [-aCDeHhPSuWwxY]
             [-c [[cpus=]numcpus][,sockets=n][,cores=n][,threads=n]]
             [-G port] [-k config_file] [-l lpc] [-m mem] [-o var=value]
             [-p vcpu:hostcpu] [-r file] [-s pci] [-U uuid] vmname""",
}

_OPTIONS = (
    (13, "-A: create ACPI tables"),
    (13, "-a: local apic is in xAPIC mode (deprecated)"),
    (13, "-C: include guest memory in core file"),
    (13, "-c: number of CPUs and/or topology specification"),
    (13, "-D: destroy on power-off"),
    (13, "-e: exit on unhandled I/O access"),
    (14, "-f: firmware configuration"),
    (13, "-G: start a debug server"),
    (13, "-H: vmexit from the guest on HLT"),
    (13, "-h: help"),
    (13, "-k: key=value flat config file"),
    (13, "-K: PS2 keyboard layout"),
    (13, "-l: LPC device configuration"),
    (13, "-m: memory size"),
    (15, "-n: NUMA domain specification"),
    (13, "-o: set config 'var' to 'value'"),
    (13, "-P: vmexit from the guest on pause"),
    (13, "-p: pin 'vcpu' to 'hostcpu'"),
    (13, "-S: guest memory cannot be swapped"),
    (13, "-s: <slot,driver,configinfo> PCI slot config"),
    (13, "-U: UUID"),
    (13, "-u: RTC keeps UTC time"),
    (13, "-W: force virtio to use single-vector MSI"),
    (13, "-w: ignore unimplemented MSRs"),
    (13, "-x: local APIC is in x2APIC mode"),
    (13, "-Y: disable MPtable generation"),
)


def usage(release: int) -> str:
    """Return the usage text; that of 13 is from a 13.2, the others differ from it by options."""
    lines = [f"       {text}" for since, text in _OPTIONS if release >= since]
    return "\n".join([_SYNOPSIS[min(release, 14)], *lines])


def options(release: int, arguments: list[str]) -> tuple[list[tuple[str, str]], list[str]]:
    """Return the options in their order and the operands. Raises Stop."""
    try:
        parsed = getopt("bhyve", arguments, _LETTERS[release], usage(release))
    except Refused as refused:
        raise Stop(refused.code, refused.text) from None
    return parsed.options, parsed.operands
