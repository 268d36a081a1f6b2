# SPDX-License-Identifier: BSD-2-Clause
"""Numbers of a bhyve command line: memory sizes and the vCPU topology."""

import re

from chyves.simulator.bhyve.config import Config
from chyves.simulator.bhyve.exits import Stop

_MIB = 1 << 20


def memory_size(text: str) -> int | None:
    """Return bytes, or None for a bad size. A bare number below 1 MiB means MiB
    (lib/libvmmapi/vmmapi.c, vm_parse_memsize), others go through expand_number(3)."""
    match = re.fullmatch(r"\s*(0[xX][0-9a-fA-F]+|\d+)([kmgtpeKMGTPE]?)[bB]?", text)
    if not match:
        return None
    digits, suffix = match[1], match[2].lower()
    octal = len(digits) > 1 and digits[0] == "0" and digits[1] not in "xX"
    try:
        number = int(digits, 8 if octal else 0)
    except ValueError:
        return None
    if text.strip() == digits:
        return number * _MIB if number < _MIB else number
    return int(number << 10 * (" kmgtpe".index(suffix) if suffix else 0))


def topology(config: Config) -> tuple[int, int, int]:
    """Return sockets, cores and threads, whose product is the number of vCPUs. Raises Stop."""
    cpus, sockets, cores, threads = (
        _count(config, name) for name in ("cpus", "sockets", "cores", "threads")
    )
    if cpus is None and sockets is cores is threads is None:
        return 1, 1, 1
    if sockets is cores is threads is None:
        return cpus or 1, 1, 1
    product = (sockets or 1) * (cores or 1) * (threads or 1)
    if product > 65535:
        raise Stop(4, f"bhyve: Computed number of vCPUs too high: {product}")
    if cpus is not None and cpus != product:
        raise Stop(
            4,
            f"bhyve: Topology ({sockets or 1} sockets, {cores or 1} cores, {threads or 1} threads)"
            f" does not match {cpus} vCPUs",
        )
    return sockets or 1, cores or 1, threads or 1


def _count(config: Config, name: str) -> int | None:
    if not config.has(name):
        return None
    text = config.get(name)
    if not re.fullmatch(r"\d+", text) or not 1 <= int(text) <= 65535:
        raise Stop(4, f"bhyve: Invalid value for {name}: '{text}'")
    return int(text)
