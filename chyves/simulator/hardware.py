# SPDX-License-Identifier: BSD-2-Clause
"""What the simulated machine is made of: dmesg, pciconf, acpidump, uname.

The lines about the processor are those of sys/x86/x86/identcpu.c, the forms of pciconf and acpidump
those of a FreeBSD 13.2 transcript.
"""

import re
from typing import NamedTuple

from chyves.simulator import kernel
from chyves.simulator.programs import Io
from chyves.simulator.usage import Refused, parse, refusing
from chyves.simulator.world import World

HOSTNAME = "host.test"

MODELS = {
    "intel": "Intel(R) Xeon(R) CPU E5-2630 v4 @ 2.20GHz",
    "amd": "AMD EPYC 7302P 16-Core Processor",
}
"""``hw.model`` of the two processors a simulated machine can have."""

_INTEL = """\
CPU: Intel(R) Xeon(R) CPU E5-2630 v4 @ 2.20GHz (2200.05-MHz K8-class CPU)
  Origin="GenuineIntel"  Id=0x406f1  Family=0x6  Model=0x4f  Stepping=1
  Features=0xbfebfbff<FPU,VME,DE,PSE,TSC,MSR,PAE,MCE,CX8,APIC,SEP,MTRR,PGE,MCA,CMOV,PAT,PSE36,CLFLUSH,DTS,ACPI,MMX,FXSR,SSE,SSE2,SS,HTT,TM,PBE>
  Features2=0x7ffefbff<SSE3,PCLMULQDQ,DTES64,MON,DS_CPL,VMX,SMX,EST,TM2,SSSE3,SDBG,FMA,CX16,xTPR,PDCM,PCID,DCA,SSE4.1,SSE4.2,x2APIC,MOVBE,POPCNT,TSCDLT,AESNI,XSAVE,OSXSAVE,AVX,F16C,RDRAND>
  AMD Features=0x2c100800<SYSCALL,NX,Page1GB,RDTSCP,LM>
  AMD Features2=0x121<LAHF,ABM,Prefetch>
  Structured Extended Features=0x21cbfbb<FSGSBASE,TSCADJ,BMI1,HLE,AVX2,FDPEXC,SMEP,BMI2,ERMS,INVPCID,RTM,PQM,NFPUSG,PQE,RDSEED,ADX,SMAP,PROCTRACE>
  XSAVE Features=0x1<XSAVEOPT>
{virtualization}
  TSC: P-state invariant, performance statistics
"""  # noqa: E501

_AMD = """\
CPU: AMD EPYC 7302P 16-Core Processor (2994.45-MHz K8-class CPU)
  Origin="AuthenticAMD"  Id=0x830f10  Family=0x17  Model=0x31  Stepping=0
  Features=0x178bfbff<FPU,VME,DE,PSE,TSC,MSR,PAE,MCE,CX8,APIC,SEP,MTRR,PGE,MCA,CMOV,PAT,PSE36,CLFLUSH,MMX,FXSR,SSE,SSE2,HTT>
  Features2=0x7ed8320b<SSE3,PCLMULQDQ,MON,SSSE3,FMA,CX16,SSE4.1,SSE4.2,MOVBE,POPCNT,AESNI,XSAVE,OSXSAVE,AVX,F16C,RDRAND>
  AMD Features=0x2e500800<SYSCALL,NX,MMX+,FFXSR,Page1GB,RDTSCP,LM>
  AMD Features2=0x75c237ff<LAHF,CMP,SVM,ExtAPIC,CR8,ABM,SSE4A,MAS,Prefetch,OSVW,IBS,SKINIT,WDT,TCE,Topology,PCXC,PNXC,DBE,PL2I,MWAITX,ADMSKX>
  Structured Extended Features=0x219c91a9<FSGSBASE,BMI1,AVX2,SMEP,BMI2,PQM,PQE,RDSEED,ADX,SMAP,CLFLUSHOPT,CLWB,SHA>
  XSAVE Features=0xf<XSAVEOPT,XSAVEC,XINUSE,XSAVES>
{virtualization}
  TSC: P-state invariant, performance statistics
"""  # noqa: E501

_VERBOSE_INTEL = """\
  VT-x: Basic Features=0xda0400<SMM,INS/OUTS,TRUE>
        Pin-Based Controls=0xff<ExtINT,NMI,VNMI,PreTmr,PostIntr>
        Primary Processor Controls=0xfff9fffe<INTWIN,TSCOff,HLT,INVLPG,MWAIT,RDPMC,RDTSC,CR3-LD,CR3-ST,CR8-LD,CR8-ST,TPR,NMIWIN,MOV-DR,IO,IOmap,MTF,MSRmap,MONITOR,PAUSE>
        Secondary Processor Controls=0x7cff<APIC,EPT,DT,RDTSCP,x2APIC,VPID,WBINVD,{guest}APIC-reg,VID,PAUSE-loop,RDRAND,VMFUNC,VMCS>
        Exit Controls=0xda0400<PAT-LD,EFER-SV,PTMR-SV>
        Entry Controls=0xda0400
        EPT Features=0x6334141<XO,PW4,UC,WB,2M,1G,INVEPT,AD,single,all>
        VPID Features=0xf01<INVVPID,individual,single,all,single-globals>"""  # noqa: E501

_VERBOSE_AMD = """\
  SVM: Features=0x119b9cff<NP,LbrVirt,SVML,NRIPS,TSCRateCtl,VmcbClean,FlushByAsid,DecodeAssist,PauseFilter,PauseFilterThreshold,AVIC,V_VMSAVE_VMLOAD,vGIF>
Revision=1, ASIDs=32768"""  # noqa: E501


def boot(world: World) -> None:
    """Write /var/run/dmesg.boot."""
    path = world.path("/var/run/dmesg.boot")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in message_buffer(world)))


def message_buffer(world: World) -> list[str]:
    """Return the lines dmesg(8) prints."""
    machine, release = world.machine, world.release
    iommu = ["ivhd0: <AMD-Vi/IOMMU ivhd with EFR> on acpi0"] if machine.iommu else []
    return [
        "---<<BOOT>>---",
        f"Copyright (c) 1992-{_YEARS[release.major]} The FreeBSD Project.",
        "Copyright (c) 1979, 1980, 1983, 1986, 1988, 1989, 1991, 1992, 1993, 1994",
        "\tThe Regents of the University of California. All rights reserved.",
        "FreeBSD is a registered trademark of The FreeBSD Foundation.",
        f"FreeBSD {release.name} GENERIC amd64",
        "VT(vga): text 80x25",
        *processor_lines(world),
        f"real memory  = {machine.memory} ({machine.memory >> 20} MB)",
        f"avail memory = {physical_memory(world)} ({physical_memory(world) >> 20} MB)",
        'Event timer "LAPIC" quality 600',
        "ACPI APIC Table: <ALASKA A M I>",
        f"FreeBSD/SMP: Multiprocessor System Detected: {machine.cores} CPUs",
        f"FreeBSD/SMP: 1 package(s) x {machine.cores} core(s)",
        "acpi0: <ALASKA A M I>",
        *(iommu if machine.cpu == "amd" else []),
        *(f"{nic}: <Ethernet adapter> on pci0" for nic in machine.nics),
        *(f"{nic}: link state changed to UP" for nic in machine.nics),
        "Timecounters tick every 1.000 msec",
        "Trying to mount root from ufs:/dev/gpt/rootfs []...",
        "lo0: link state changed to UP",
        *kernel.messages(world),
    ]


_YEARS = {13: 2021, 14: 2023, 15: 2025}


def processor_lines(world: World) -> list[str]:
    """Return the kernel's lines about the processor, from ``CPU:`` on."""
    machine = world.machine
    text = _INTEL if machine.cpu == "intel" else _AMD
    lines = []
    for line in text.splitlines():
        if line == "{virtualization}":
            lines += _virtualization(world)
        elif machine.virtualization:
            lines.append(line)
        else:
            lines.append(re.sub(r",(VMX|SVM)\b", "", line))
    return lines


def _virtualization(world: World) -> list[str]:
    machine = world.machine
    if not machine.virtualization:
        return []
    guest = "UG," if machine.unrestricted_guest else ""
    if machine.cpu == "amd":
        short = "  SVM: NP,NRIP,VClean,AFlush,DAssist,NAsids=32768"
        return _VERBOSE_AMD.splitlines() if machine.verbose_boot else [short]
    if machine.verbose_boot:
        return _VERBOSE_INTEL.format(guest=guest).splitlines()
    return [f"  VT-x: PAT,HLT,MTF,PAUSE,EPT,{guest}VPID,VID,PostIntr"]


def physical_memory(world: World) -> int:
    """Return ``hw.physmem``: what the kernel has left for itself and programs, in bytes."""
    return world.machine.memory - (world.machine.memory >> 5) // 4096 * 4096


class Device(NamedTuple):
    """A PCI device: its place as bhyve writes it (bus/slot/function) and what pciconf says."""

    place: str
    driver: str
    pci_class: int
    vendor: int
    device: int
    names: tuple[str, str, str, str]


_CARDS = {
    "igb": (0x1521, "I350 Gigabit Network Connection"),
    "ix": (0x10FB, "82599ES 10-Gigabit SFI/SFP+ Network Connection"),
}


def devices(world: World) -> list[Device]:
    """Return the PCI devices by place, with the drivers that have attached to them."""
    amd = world.machine.cpu == "amd"
    vendor = (
        (0x1022, "Advanced Micro Devices, Inc. [AMD]") if amd else (0x8086, "Intel Corporation")
    )
    rows = [
        Device("0/0/0", "hostb", 0x060000, vendor[0], 0x1480 if amd else 0x2F00,
               (vendor[1], "Host bridge", "bridge", "HOST-PCI")),
        Device("0/20/0", "xhci", 0x0C0330, vendor[0], 0x148C if amd else 0x8D31,
               (vendor[1], "USB xHCI Host Controller", "serial bus", "USB")),
        Device("0/31/0", "isab", 0x060100, vendor[0], 0x790E if amd else 0x8D44,
               (vendor[1], "LPC Controller", "bridge", "PCI-ISA")),
        Device("0/31/2", "ahci", 0x010601, vendor[0], 0x7901 if amd else 0x8D02,
               (vendor[1], "6-Port SATA Controller [AHCI mode]", "mass storage", "SATA")),
        Device("6/0/0", "mps", 0x010700, 0x1000, 0x0072,
               ("Broadcom / LSI", "SAS2008 PCI-Express Fusion-MPT SAS-2 [Falcon]",
                "mass storage", "SAS")),
        Device("7/0/0", "xhci", 0x0C0330, 0x1912, 0x0015,
               ("Renesas Technology Corp.", "uPD720202 USB 3.0 Host Controller",
                "serial bus", "USB")),
    ]  # fmt: skip
    for number, nic in enumerate(world.machine.nics):
        rows.append(_network_card(f"{number + 1}/0/0", nic.rstrip("0123456789")))
    reserved = passthrough_devices(world)
    rows = [row._replace(driver="ppt") if row.place in reserved else row for row in rows]
    return sorted(rows, key=lambda row: [int(number) for number in row.place.split("/")])


def _network_card(place: str, driver: str) -> Device:
    kind = ("network", "ethernet")
    if driver == "vtnet":
        names = ("Red Hat, Inc.", "Virtio network device", *kind)
        return Device(place, "virtio_pci", 0x020000, 0x1AF4, 0x1000, names)
    card, title = _CARDS.get(driver, (0x1533, "I210 Gigabit Network Connection"))
    return Device(place, driver, 0x020000, 0x8086, card, ("Intel Corporation", title, *kind))


def passthrough_devices(world: World) -> set[str]:
    """Return the places (``6/0/0``) that ppt(4) holds: named by ``pptdevs`` in loader.conf, with
    vmm loaded there too (vmm(4): later the other drivers have attached already)."""
    settings = kernel.kenv(world)
    if settings.get("vmm_load", "").upper() != "YES" or not world.machine.virtualization:
        return set()
    lists = (settings.get(name, "") for name in ("pptdevs", "pptdevs2", "pptdevs3"))
    return {place for text in lists for place in text.split()}


PCICONF_USAGE = """\
usage: pciconf -l [-BbcevV] [device]
       pciconf -a device
       pciconf -r [-b | -h] device addr[:addr2]
       pciconf -w [-b | -h] device addr value
       pciconf -D [-b | -h | -x] device bar [start [count]]
"""


@refusing
def pciconf(world: World, arguments: list[str], io: Io) -> int:
    """pciconf(8): ``-l`` and ``-a``; registers are not simulated."""
    parsed = parse("pciconf", arguments, "aBbcDehlrwVvx", PCICONF_USAGE)
    if parsed.has("l") and len(parsed.operands) < 2:
        wanted = parsed.operands[0] if parsed.operands else ""
        with world.reading():
            for name, device in _selected(world, wanted):
                _print_device(name, device, parsed.has("v"), io)
        return 0
    if parsed.has("a") and len(parsed.operands) == 1:
        with world.reading():
            found = _selected(world, parsed.operands[0])
        if not found:
            raise Refused("pciconf: ioctl(PCIOCATTACHED): No such device")
        attached = "" if found[0][1].driver else "not "
        io.out(f"{parsed.operands[0]}: {attached}attached")
        return 0
    raise Refused(PCICONF_USAGE.rstrip("\n"))


def _selected(world: World, wanted: str) -> list[tuple[str, Device]]:
    counts: dict[str, int] = {}
    named = []
    for device in devices(world):
        driver = device.driver or "none"
        named.append((f"{driver}{counts.get(driver, 0)}", device))
        counts[driver] = counts.get(driver, 0) + 1
    if not wanted:
        return named
    if wanted.startswith("pci"):
        numbers = re.split("[:.]", wanted.removeprefix("pci").rstrip(":"))
        if not all(number.isdigit() for number in numbers) or not 2 <= len(numbers) <= 4:
            raise Refused(f"pciconf: cannot parse selector {wanted}")
        place = "/".join(numbers[1:] if len(numbers) == 4 else (numbers + ["0"])[:3])
        return [row for row in named if row[1].place == place]
    found = [row for row in named if row[0] == wanted]
    if not found:
        raise Refused("pciconf: Device not found")
    return found


def _print_device(name: str, device: Device, verbose: bool, io: Io) -> None:
    io.out(
        f"{name}@pci0:{device.place.replace('/', ':')}:\tclass={device.pci_class:#08x} rev=0x00 "
        f"hdr=0x00 vendor={device.vendor:#06x} device={device.device:#06x} "
        f"subvendor={device.vendor:#06x} subdevice=0x0000"
    )
    if verbose:
        vendor, title, kind, subkind = device.names
        io.out(f"    vendor     = '{vendor}'")
        io.out(f"    device     = '{title}'")
        io.out(f"    class      = {kind}")
        io.out(f"    subclass   = {subkind}")


ACPIDUMP_USAGE = """\
usage: acpidump [-d] [-t] [-T table_name] [-h] [-v] [-f dsdt_input] [-o dsdt_output]
To send ASL:
\tacpidump -dt | gzip -c9 > foo.asl.gz"""

_TABLE = """\
/*
  {name}: Length={length}, Revision={revision}, Checksum=133,
\tOEMID=ALASKA, OEM Table ID=A M I, OEM Revision=0x1072009,
\tCreator ID=AMI, Creator Revision=0x10013
{facts} */"""

_TABLES = (
    ("RSDT", 72, 1, ""),
    ("FACP", 268, 5, "\tINT_MODEL=APIC\n\tPreferred_PM_Profile=Enterprise Server (4)\n"),
    ("DSDT", 211453, 2, ""),
    ("APIC", 508, 3, "\tLocal APIC ADDR=0xfee00000\n\tFlags={PC-AT}\n"),
)
_DMAR = (("DMAR", 256, 1, "\tHost Address Width=46\n\tFlags={INTR_REMAP,X2APIC_OPT_OUT}\n"),)
_IVRS = (("IVRS", 208, 2, "\tIVinfo={EFRSup} VAS=64 PAS=48 GVAS=2\n"),)


@refusing
def acpidump(world: World, arguments: list[str], io: Io) -> int:
    """acpidump(8) ``-t``: DMAR is the IOMMU of an Intel machine, IVRS that of an AMD machine."""
    parsed = parse("acpidump", arguments, "dhtT:vf:o:", ACPIDUMP_USAGE)
    if not arguments or parsed.operands or parsed.has("h"):
        raise Refused(ACPIDUMP_USAGE)
    if not world.is_root():
        raise Refused("acpidump: opening /dev/mem: Permission denied")
    iommu = _IVRS if world.machine.cpu == "amd" else _DMAR
    only = parsed.last("T")
    if parsed.has("t") or only:
        io.out("/*\n  RSD PTR: OEM=ALASKA, ACPI_Rev=2.0x (2)")
        io.out("\tXSDT=0x7a2d6098, length=36, cksum=129\n */")
        for name, length, revision, facts in _TABLES + (iommu if world.machine.iommu else ()):
            if only in (None, name):
                io.out(_TABLE.format(name=name, length=length, revision=revision, facts=facts))
    return 0


@refusing
def dmesg(world: World, arguments: list[str], io: Io) -> int:
    """dmesg(8): the kernel's message buffer."""
    usage = "usage: dmesg [-ac] [-M core [-N system]]"
    parsed = parse("dmesg", arguments, "acM:N:", usage)
    if parsed.operands:
        raise Refused(usage)
    with world.reading():
        for line in message_buffer(world):
            io.out(line)
    return 0


@refusing
def uname(world: World, arguments: list[str], io: Io) -> int:
    """uname(1)."""
    usage = "usage: uname [-abiKmnoprsUv]"
    parsed = parse("uname", arguments, "abiKmnoprsUv", usage)
    if parsed.operands:
        raise Refused(usage)
    release = world.release
    words = {
        "s": "FreeBSD",
        "n": HOSTNAME,
        "r": release.name,
        "v": f"FreeBSD {release.name} GENERIC",
        "m": "amd64",
        "p": "amd64",
        "i": "GENERIC",
        "K": str(release.osreldate),
        "U": str(release.osreldate),
        "b": "0" * 40,
    }
    given = {option for option, _ in parsed.options} or {"s"}
    wanted = {*given, *("snrvm" if "a" in given else ""), *("s" if "o" in given else "")}
    io.out(" ".join(word for letter, word in words.items() if letter in wanted))
    return 0
