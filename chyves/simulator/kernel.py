# SPDX-License-Identifier: BSD-2-Clause
"""The kernel's linker and message buffer: kldload, kldstat, kldunload, and what they load.

Modules loaded at run time are in the table ``kernel``, keyed by file name, in load order; kernel
messages in the table ``messages``. Facts: sbin/kldload, sbin/kldstat, sbin/kldunload and
sys/kern/kern_linker.c of FreeBSD 13, and a transcript of 13.2.
"""

import re
import time
from typing import NamedTuple

from chyves.simulator.programs import Io
from chyves.simulator.usage import Parsed, Refused, parse, refusing
from chyves.simulator.world import World


class Kld(NamedTuple):
    """A kernel module file: its modules, its size, how often it refers to the kernel, and the
    files it needs."""

    modules: tuple[str, ...]
    size: int
    references: int = 1
    needs: tuple[str, ...] = ()


KLDS = {
    "bridgestp.ko": Kld(("bridgestp",), 0x60D8, 3),
    "if_bridge.ko": Kld(("if_bridge",), 0x7638, 4, ("bridgestp.ko",)),
    "if_epair.ko": Kld(("if_epair",), 0x3560, 3),
    "nmdm.ko": Kld(("nmdm",), 0x21CC),
    "vmm.ko": Kld(("vmm", "pci/ppt"), 0x53C438, 8),
    "xdr.ko": Kld(("xdr",), 0x3178),
    "zfs.ko": Kld(("zfsctrl", "zfs"), 0x3C0778, 7, ("xdr.ko",)),
}
"""What lies in /boot/kernel of the simulated host."""

GENERIC = (
    *("if_lo", "newreno", "ipsec_support", "mld", "igmp", "elf64", "shell", "elf32", "pseudofs"),
    *("if_vlan", "if_tap", "if_tun", "if_tuntap", "netmap", "sysvmsg", "sysvsem", "sysvshm", "aio"),
    *("tmpfs", "devfs", "procfs", "msdosfs", "cd9660", "ufs", "acl_nfs4", "acl_posix1e", "cam"),
    *("g_part_bsd", "ada", "pmp", "cd", "efidev", "da", "xpt", "nda", "g_part_mbr", "g_part_gpt"),
    *("g_part_ebr", "pci/igb", "pci/em", "nexus/efirtc", "cpu/ichss", "nexus/apic", "pci/ioapic"),
)
"""Modules inside the kernel itself."""

KERNEL_ADDRESS, KERNEL_SIZE = 0xFFFFFFFF80200000, 0xDD4448
PAGE = 4096

LISTING_HEAD = "Id Refs Address                Size Name"


def boot(world: World) -> None:
    """Take over /boot/loader.conf, load what it names, and zfs where there are pools."""
    table = world.table("kenv")
    table["boottime"] = {"value": str(time.time())}
    path = world.path("/boot/loader.conf")
    text = path.read_text() if path.exists() else ""
    for name, value in re.findall(r'^\s*([\w.]+)="?([^"#\n]*)"?', text, re.MULTILINE):
        table[name] = {"value": value.strip()}
    if world.machine.pools:
        load(world, "zfs.ko")
    for name, value in kenv(world).items():
        if name.endswith("_load") and value.upper() == "YES":
            load(world, _file_name(name.removesuffix("_load")))


def kenv(world: World) -> dict[str, str]:
    """Return the kernel's environment: /boot/loader.conf as it was when the host was booted, and
    ``boottime``."""
    return {name: record["value"] for name, record in world.table("kenv").items()}


def module_ready(world: World, name: str) -> bool:
    """Tell whether the module is registered, which is to say that it has initialised. vmm.ko stays
    loaded on a processor that cannot virtualize, but its module is gone (sys/amd64/vmm/vmm.c)."""
    if name == "vmm" and not world.machine.virtualization:
        return False
    return name in GENERIC or any(name in KLDS[file].modules for file in world.table("kernel"))


def file_loaded(world: World, file: str) -> bool:
    """Tell whether the file, ``vmm`` or ``vmm.ko``, is loaded, initialised or not."""
    return file in ("kernel", "kernel.ko") or _file_name(file) in world.table("kernel")


def messages(world: World) -> list[str]:
    """Return what the kernel has said since it was booted, without what it says of the machine."""
    return [record["line"] for _, record in world.table("messages").items()]


def log(world: World, line: str) -> None:
    """Add a line to the kernel's message buffer."""
    table = world.table("messages")
    table[str(len(table))] = {"line": line}


def load(world: World, file: str, *, asked: bool = True) -> None:
    """Load a file and what it needs, unless it is loaded. ``asked`` by a program, not by another
    file: only such a file can be unloaded by name."""
    table = world.table("kernel")
    if file not in KLDS or file in table:
        return
    taken = {record["id"] for _, record in table.items()}
    last = max((r["address"] + KLDS[f].size for f, r in table.items()), default=0)
    address = max(last, KERNEL_ADDRESS + KERNEL_SIZE) + PAGE - 1
    table[file] = {
        "id": next(number for number in range(2, len(table) + 3) if number not in taken),
        "address": address - address % PAGE,
        "asked": asked,
    }
    for needed in KLDS[file].needs:
        load(world, needed, asked=False)
    _initialise(world, file)


def _initialise(world: World, file: str) -> None:
    if file == "zfs.ko":
        log(world, "ZFS filesystem version: 5")
        log(world, "ZFS storage pool version: features support (5000)")
    if file == "vmm.ko" and not world.machine.virtualization:
        prefix = "" if world.release.major < 14 else "vmx_modinit: "
        if world.machine.cpu == "amd":
            log(world, "SVM: not available.")
        else:
            log(world, f"{prefix or 'vmx_init: '}processor does not support VMX operation")
        address = world.table("kernel")[file]["address"] + 0x4580
        log(world, f"module_register_init: MOD_LOAD (vmm, {address:#x}, 0) error 6")


def _file_name(name: str) -> str:
    """``vmm``, ``vmm.ko`` and ``/boot/kernel/vmm.ko`` are all ``vmm.ko``."""
    return name.removeprefix("/boot/kernel/").removesuffix(".ko") + ".ko"


def _references(world: World, file: str) -> int:
    table = world.table("kernel")
    if file == "kernel":
        return 1 + sum(KLDS[loaded].references for loaded in table)
    needing = sum(file in KLDS[loaded].needs for loaded in table)
    return needing + int(table[file]["asked"])


@refusing
def kldload(world: World, arguments: list[str], io: Io) -> int:
    """kldload(8)."""
    usage = "usage: kldload [-nqv] file ..."
    parsed = parse("kldload", arguments, "nqv", usage)
    if not parsed.operands:
        raise Refused(usage)
    verbose = [option for option, _ in parsed.options if option in "qv"][-1:] == ["v"]
    with world.changing():
        loaded = [_kldload(world, name, parsed.has("n"), verbose, io) for name in parsed.operands]
    return 0 if all(loaded) else 1


def _kldload(world: World, name: str, unless_loaded: bool, verbose: bool, io: Io) -> bool:
    file = _file_name(name)
    if not world.is_root():
        io.err(f"kldload: can't load {name}: Operation not permitted")
        return False
    if file_loaded(world, name) or file.removesuffix(".ko") in GENERIC:
        if not unless_loaded:
            io.err(f"kldload: can't load {name}: module already loaded or in kernel")
        elif verbose:
            io.out(f"{name} is already loaded")
        return unless_loaded
    if file not in KLDS:
        io.err(f"kldload: can't load {name}: No such file or directory")
        return False
    load(world, file)
    if verbose:
        io.out(f"Loaded {name}, id={world.table('kernel')[file]['id']}")
    return True


KLDUNLOAD_USAGE = """\
usage: kldunload [-fv] -i id ...
       kldunload [-fv] [-n] name ..."""


@refusing
def kldunload(world: World, arguments: list[str], io: Io) -> int:
    """kldunload(8)."""
    parsed = parse("kldunload", arguments, "finv", KLDUNLOAD_USAGE, 64)
    if not parsed.operands:
        raise Refused(KLDUNLOAD_USAGE, 64)
    code = 0
    with world.changing():
        for word in parsed.operands:
            try:
                _kldunload(world, word, parsed, io)
            except Refused as refused:
                io.err(refused.text)
                code = refused.code
                break
    return code


def _kldunload(world: World, word: str, parsed: Parsed, io: Io) -> None:
    table = world.table("kernel")
    if parsed.has("i"):
        number = int(word) if word.isdigit() else 0
        file = next((name for name, row in table.items() if row["id"] == number), "")
        if not file and number != 1:
            raise Refused("kldunload: can't unload file: No such file or directory")
    elif not file_loaded(world, word):
        raise Refused(f"kldunload: can't find file {word}")
    else:
        file = _file_name(word)
    if parsed.has("v"):
        number = table[file]["id"] if file in table else 1
        io.out(f"Unloading {file}, id={number}")
    if not world.is_root():
        raise Refused("kldunload: can't unload file: Operation not permitted")
    if file not in table or not table[file]["asked"] or _is_busy(world, file):
        raise Refused("kldunload: can't unload file: Device busy")
    unload(world, file)


def _is_busy(world: World, file: str) -> bool:
    if _references(world, file) > 1:
        return True
    if file == "vmm.ko":
        return len(world.table("vmm")) > 0
    if file == "nmdm.ko":
        return any(world.path("/dev").glob("nmdm*"))
    return file == "zfs.ko" and bool(world.machine.pools)


def unload(world: World, file: str) -> None:
    """Unload a file and what it alone has needed; a cloner takes its interfaces with it."""
    from chyves.simulator.net import interfaces

    table = world.table("kernel")
    del table[file]
    interfaces.cloner_gone(world, file)
    for needed in KLDS[file].needs:
        if needed in table and not table[needed]["asked"] and not _references(world, needed):
            unload(world, needed)


KLDSTAT_USAGE = """\
usage: kldstat [-h] [-q] [-v] [-d] [-i id] [-n filename]
       kldstat [-q] [-d] [-m modname]"""


@refusing
def kldstat(world: World, arguments: list[str], io: Io) -> int:
    """kldstat(8)."""
    parsed = parse("kldstat", arguments, "dhi:m:n:qv", KLDSTAT_USAGE)
    number = parsed.last("i") or "0"
    if parsed.operands or not number.isdigit():
        raise Refused(KLDSTAT_USAGE)
    quiet = parsed.has("q")
    with world.reading():
        module = parsed.last("m")
        if module is not None:
            return _kldstat_module(world, module, quiet, io)
        files = {1: "kernel"}
        files.update((row["id"], name) for name, row in world.table("kernel").items())
        name = parsed.last("n")
        if name is not None:
            if not file_loaded(world, name):
                raise Refused(
                    "" if quiet else f"kldstat: can't find file {name}: No such file or directory"
                )
            wanted = "kernel" if name.startswith("kernel") else _file_name(name)
            files = {key: file for key, file in files.items() if file == wanted}
        elif number != "0":
            if int(number) not in files and not quiet:
                io.out(LISTING_HEAD)
                raise Refused(f"kldstat: can't stat file id {number}: No such file or directory")
            files = {int(number): files.get(int(number), "")}
        if quiet:
            return 0
        io.out(LISTING_HEAD)
        for key, file in files.items():
            _print_file(world, key, file, parsed.has("v"), io)
    return 0


def _kldstat_module(world: World, module: str, quiet: bool, io: Io) -> int:
    if not module_ready(world, module):
        raise Refused(
            "" if quiet else f"kldstat: can't find module {module}: No such file or directory"
        )
    if not quiet:
        io.out("Id  Refs Name")
        io.out(f"{_module_number(world, module):3} {1:4} {module}")
    return 0


def _print_file(world: World, number: int, file: str, verbose: bool, io: Io) -> None:
    row = world.table("kernel").get(file)
    address, size = (row["address"], KLDS[file].size) if row else (KERNEL_ADDRESS, KERNEL_SIZE)
    line = f"{number:2} {_references(world, file):4} {address:#018x} {size:8x} {file}"
    if not verbose:
        io.out(line)
        return
    io.out(f"{line} (/boot/kernel/{file})")
    io.out("\tContains modules:")
    io.out("\t\t Id Name")
    for module in KLDS[file].modules if row else GENERIC:
        if module_ready(world, module):
            io.out(f"\t\t{_module_number(world, module):3} {module}")


def _module_number(world: World, module: str) -> int:
    if module in GENERIC:
        return GENERIC.index(module) + 1
    loaded = [name for file in world.table("kernel") for name in KLDS[file].modules]
    return len(GENERIC) + 1 + loaded.index(module)
