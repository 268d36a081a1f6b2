# SPDX-License-Identifier: BSD-2-Clause
"""Kernel modules, and the virtual machines that the kernel knows."""

import time
from collections.abc import Iterable

from chyves.backend.host import Host
from chyves.errors import Busy, Precondition

MODULES = ("vmm", "nmdm", "if_tuntap", "if_bridge", "bridgestp")
"""Modules that a guest needs; the names kldstat(8) -m knows on FreeBSD 13 and later."""

NO_VMM = "this processor cannot virtualize, or it is switched off in the BIOS; see dmesg"


def vms(host: Host) -> list[str]:
    """Return the VMs in the kernel, running or not; the directory is absent when there is none."""
    try:
        return sorted(entry.name for entry in host.path("/dev/vmm").iterdir())
    except FileNotFoundError:
        return []


def exists(host: Host, vm: str) -> bool:
    return host.path(f"/dev/vmm/{vm}").exists()


def ready_modules(host: Host, modules: Iterable[str] = MODULES, *, load: bool = True) -> None:
    """Make sure that the modules are there and have initialised, loading what is missing.

    ``kldload vmm`` succeeds on a processor that cannot virtualize; only ``kldstat -m`` tells
    (sys/amd64/vmm/vmm.c: the module's init fails, the file stays loaded).

    Raises Precondition if one is missing and may not be loaded, or does not initialise.
    """
    for module in modules:
        if _initialised(host, module):
            continue
        if not load:
            raise Precondition(
                f"kernel module {module} is not loaded",
                hint=f"kldload {module}, or: chyves global set auto_load_kernel_mods=yes",
            )
        host.change("kldload", "-n", module)
        if host.plan is None and not _initialised(host, module):
            raise Precondition(
                f"kernel module {module} is loaded but did not initialise",
                hint=NO_VMM if module == "vmm" else "see dmesg",
            )


def initialised(host: Host, modules: Iterable[str] = MODULES) -> list[str]:
    """Return those of the modules that are there and have initialised."""
    return [module for module in modules if _initialised(host, module)]


def _initialised(host: Host, module: str) -> bool:
    return host.try_ask("kldstat", "-q", "-m", module).code == 0


def destroy(host: Host, vm: str, *, seconds: float = 10.0) -> None:
    """Destroy a VM that no bhyve runs, and wait until it is gone (asynchronous up to 13).

    Raises Busy if it stays. bhyvectl ends a running guest without a word: look first.
    """
    done = host.try_change("bhyvectl", "--destroy", f"--vm={vm}")
    if host.plan is not None:
        return
    deadline = time.monotonic() + seconds
    while exists(host, vm):
        if time.monotonic() > deadline:
            raise Busy(f"the VM {vm} does not go away: {done.complaint()}")
        time.sleep(0.01)


def force_poweroff(host: Host, vm: str) -> bool:
    """Power a running VM off at once; False if it refused (it is off already)."""
    return host.try_change("bhyvectl", "--force-poweroff", f"--vm={vm}").code == 0
