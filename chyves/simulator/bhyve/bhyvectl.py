# SPDX-License-Identifier: BSD-2-Clause
"""bhyvectl(8): create, look at, stop and destroy VM objects."""

from collections.abc import Callable, Mapping
from typing import Any

from chyves.simulator.bhyve import nmdm, vmm
from chyves.simulator.bhyve.exits import VmmError
from chyves.simulator.bhyve.longopts import BadOption, getopt_long
from chyves.simulator.programs import Io
from chyves.simulator.world import World

_REGISTERS = (
    *("rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp"),
    *("r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15"),
)


def _usage_words() -> list[str]:
    words = ["cpu=<vcpu_number>", "create", "destroy", "get-all", "get-stats"]
    for segment in ("ds", "es", "gs", "fs", "cs", "ss", "tr", "ldtr", "gdtr", "idtr"):
        words += [f"set-desc-{segment}", f"get-desc-{segment}"]
    words += ["run", "capname=<capname>", "getcap", "setcap=<0|1>"]
    words += ["desc-base=<BASE>", "desc-limit=<LIMIT>", "desc-access=<ACCESS>"]
    for register in ("cr0", "cr2", "cr3", "cr4", "dr0", "dr1", "dr2", "dr3", "dr6", "dr7"):
        words += [f"set-{register}=<{register.upper()}>", f"get-{register}"]
    words += ["set-rsp=<RSP>", "get-rsp", "set-rip=<RIP>", "get-rip"]
    words += ["get-rax", "set-rax=<RAX>", *(f"get-{register}" for register in _REGISTERS[1:])]
    words += ["set-rflags=<RFLAGS>", "get-rflags"]
    for segment in ("cs", "ds", "es", "fs", "gs", "ss"):
        words += [f"set-{segment}", f"get-{segment}"]
    words += ["get-tr", "get-ldtr", "set-x2apic-state=<state>", "get-x2apic-state"]
    words += ["unassign-pptdev=<bus/slot/func>", "set-mem=<memory in units of MB>"]
    words += ["get-lowmem", "get-highmem", "get-gpa-pmap", "assert-lapic-lvt=<pin>"]
    words += ["inject-nmi", "force-reset", "force-poweroff"]
    words += ["get-rtc-time", "set-rtc-time=<secs>", "get-rtc-nvram", "set-rtc-nvram=<val>"]
    words += ["rtc-nvram-offset=<offset>", "get-active-cpus", "get-suspended-cpus"]
    words += ["get-intinfo", "get-eptp", "set-exception-bitmap", "get-exception-bitmap"]
    words += ["get-tsc-offset", "get-guest-pat", "get-io-bitmap-address", "get-msr-bitmap"]
    words += ["get-msr-bitmap-address", "get-guest-sysenter", "get-exit-reason"]
    return [*words, "get-cpu-topology"]


_INTEL = (
    *("get-vmcs-pinbased-ctls", "get-vmcs-procbased-ctls", "get-vmcs-procbased-ctls2"),
    *("get-vmcs-entry-interruption-info", "set-vmcs-entry-interruption-info=<info>"),
    *("get-vmcs-guest-physical-address", "get-vmcs-guest-linear-address"),
)
_AMD = (
    *("get-vmcb-intercepts", "get-vmcb-asid", "get-vmcb-exit-details", "get-vmcb-tlb-ctrl"),
    *("get-vmcb-virq", "get-avic-apic-bar", "get-avic-backing-page", "get-avic-table"),
)
_ONLY_IN_USAGE = ("get-lowmem", "get-highmem")
_NOT_IN_USAGE = ("get-memmap", "get-memseg")


def _words(world: World) -> list[str]:
    return [*_usage_words(), *(_AMD if world.machine.cpu == "amd" else _INTEL)]


def _usage(world: World) -> str:
    lines = [f"       [--{word}]" for word in _words(world)]
    return "\n".join(["Usage: bhyvectl --vm=<vmname>", *lines])


def _options(world: World) -> list[str]:
    names = [word.partition("<")[0] for word in _words(world)]
    return ["vm=", *(name for name in names if name not in _ONLY_IN_USAGE), *_NOT_IN_USAGE]


def bhyvectl(world: World, arguments: list[str], io: Io) -> int:
    """bhyvectl(8)."""
    try:
        options = dict(getopt_long(arguments, _options(world)))
    except BadOption as error:
        io.err(f"bhyvectl: {error}\n{_usage(world)}")
        return 1
    if "vm" not in options:
        io.err(_usage(world))
        return 1
    try:
        return _act(world, options, io)
    except VmmError as error:
        io.out(f"errno = {error.errno}")
        return 255


def _act(world: World, options: Mapping[str, str], io: Io) -> int:
    """Do what was asked, in bhyvectl's own order. Raises VmmError at the first failure."""
    name = options["vm"]
    if "create" in options:
        vmm.create(world, name)
    try:
        record = vmm.find(world, name)
        if not world.is_root():
            raise VmmError(13)
    except VmmError as error:
        io.err(f"vm_open: {name} could not be opened: {error}")
        return 1
    for option, getter in _GETTERS.items():
        if option in options or "get-all" in options:
            io.out(getter(world, record))
    if "set-mem" in options:
        vmm.set_up_memory(world, name, int(options["set-mem"] or 0) << 20, wired=False)
    for option, reason in (("force-reset", "reset"), ("force-poweroff", "poweroff")):
        if option in options:
            vmm.suspend(world, name, reason)
    if "destroy" in options:
        vmm.destroy(world, name)
        nmdm.sweep(world)
    return 0


def _stats(world: World, record: dict[str, Any]) -> str:
    resident = min(record["memory"], 60936192) if record["active"] else 0
    is_alive = bool(record["pid"]) and world.alive(record["pid"])
    wired = record["memory"] if record["wired"] else 0
    numbers = {
        "number of times in/out was intercepted": 42448 * is_alive,
        "number of times cpuid was intercepted": 2001 * is_alive,
        "number of vm exits handled in userspace": 121895 * is_alive,
        "Resident memory": resident,
        "Wired memory": wired,
        "vcpu total runtime": 75457686098 * is_alive,
        "number of ticks vcpu was idle": 2712 * is_alive,
        "vcpu migration across host cpus": 863 * is_alive,
        "total number of vm exits": 360663 * is_alive,
        "vm exits due to external interrupt": 6040 * is_alive,
        "number of times hlt was intercepted": 947 * is_alive,
    }
    lines = [f"{name:<40}\t{value}" for name, value in numbers.items()]
    return "\n".join(["vcpu0 stats:", *lines])


def _human(size: int) -> str:
    """Write a size as humanize_number(3) does with four digits: ``256MB``, ``16384KB``."""
    for shift, unit in ((0, "B"), (10, "KB"), (20, "MB"), (30, "GB"), (40, "TB")):
        if size >> shift < 10000 and not size % (1 << shift):
            best = f"{size >> shift}{unit}"
    return best


def _memseg(_world: World, record: dict[str, Any]) -> str:
    rows = ["ID  Length      Name"]
    if record["memory"]:
        rows.append(f"0   {_human(record['memory']):<12}sysmem")
    return "\n".join(rows)


def _memmap(_world: World, record: dict[str, Any]) -> str:
    rows = ["Address     Length      Segment     Offset      Prot  Flags"]
    if record["memory"]:
        flags = "wired" if record["wired"] else ""
        size = _human(record["memory"])
        rows.append(f"{'0':<12}{size:<12}{'sysmem':<12}{'0':<12}{'RWX':<6}{flags}")
    return "\n".join(rows)


def _topology(world: World, record: dict[str, Any]) -> str:
    sockets, cores, threads = record["cpus"]
    return (
        f"cpu_topology:\tsockets={sockets}, cores={cores}, threads={threads},"
        f" maxcpus={vmm.most_vcpus(world)}"
    )


def _cpus(title: str, count: int) -> str:
    names = ", ".join(map(str, range(count)))
    return f"{title} cpus:\t {names or '(none)'}"


def _count(record: dict[str, Any]) -> int:
    sockets, cores, threads = record["cpus"]
    return int(sockets * cores * threads)


def _active(_world: World, record: dict[str, Any]) -> str:
    return _cpus("active", _count(record) if record["active"] else 0)


def _suspended(_world: World, record: dict[str, Any]) -> str:
    return _cpus("suspended", _count(record) if record["suspended"] else 0)


_GETTERS: dict[str, Callable[[World, dict[str, Any]], str]] = {
    "get-memseg": _memseg,
    "get-memmap": _memmap,
    "get-stats": _stats,
    "get-cpu-topology": _topology,
    "get-active-cpus": _active,
    "get-suspended-cpus": _suspended,
}
