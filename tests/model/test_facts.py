# SPDX-License-Identifier: BSD-2-Clause
"""Facts about a host, from what FreeBSD prints."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chyves.model.facts import Cpu, HostFacts, cpu_from_dmesg, host_facts, parse_sysctl

INTEL = """\
FreeBSD 14.3-RELEASE releng/14.3-n271432-8c9ce319fef7 GENERIC amd64
CPU: Intel(R) Xeon(R) CPU E5-2630 v4 @ 2.20GHz (2200.05-MHz K8-class CPU)
  Origin="GenuineIntel"  Id=0x406f1  Family=0x6  Model=0x4f  Stepping=1
  Features2=0x7ffefbff<SSE3,PCLMULQDQ,DTES64,MON,DS_CPL,VMX,SMX,EST,POPCNT,AESNI,XSAVE,RDRAND>
  XSAVE Features=0x1<XSAVEOPT>
  VT-x: PAT,HLT,MTF,PAUSE,EPT,UG,VPID,VID,PostIntr
  TSC: P-state invariant, performance statistics
real memory  = 68719476736 (65536 MB)
"""
INTEL_VERBOSE = INTEL.replace(
    "  VT-x: PAT,HLT,MTF,PAUSE,EPT,UG,VPID,VID,PostIntr\n",
    "  VT-x: Basic Features=0xda0400<SMM,INS/OUTS,TRUE>\n"
    "        Pin-Based Controls=0xff<ExtINT,NMI,VNMI,PreTmr,PostIntr>\n"
    "        Secondary Processor Controls=0x7cff<APIC,EPT,DT,RDTSCP,x2APIC,VPID,WBINVD,UG>\n"
    "        VPID Features=0xf01<INVVPID,I,S,A,SNG>\n",
)
AMD = """\
CPU: AMD EPYC 7302P 16-Core Processor (2994.45-MHz K8-class CPU)
  Origin="AuthenticAMD"  Id=0x830f10  Family=0x17  Model=0x31  Stepping=0
  Features2=0x7ed8320b<SSE3,PCLMULQDQ,MON,SSSE3,FMA,CX16,SSE4.1,SSE4.2,MOVBE,POPCNT,RDRAND>
  AMD Features2=0x75c237ff<LAHF,CMP,SVM,ExtAPIC,CR8,ABM,SSE4A>
  SVM: NP,NRIP,VClean,AFlush,DAssist,NAsids=32768
  TSC: P-state invariant
real memory  = 68719476736 (65536 MB)
"""
AMD_VERBOSE = AMD.replace(
    "  SVM: NP,NRIP,VClean,AFlush,DAssist,NAsids=32768\n",
    "  SVM: Features=0x119b9cff<NP,LbrVirt,SVML,NRIPS,TscRate,VmcbClean>\n"
    "        Revision=1, ASIDs=32768\n",
)
EMULATED_WITHOUT_NRIP = """\
VT(vga): text 80x25
CPU: QEMU TCG CPU version 2.5+ (2780.58-MHz K8-class CPU)
  Origin="AuthenticAMD"  Id=0x60fb1  Family=0xf  Model=0x6b  Stepping=1
  AMD Features2=0x77<LAHF,CMP,SVM,CR8,ABM,SSE4A>
  XSAVE Features=0x5<XSAVEOPT,XINUSE>
  SVM: NP,NAsids=16
Hypervisor: Origin = "TCGTCGTCGTCG"
real memory  = 3221225472 (3072 MB)
"""


@pytest.mark.parametrize(
    ("dmesg", "cpu"),
    [
        pytest.param(INTEL, Cpu("GenuineIntel", True, True), id="intel"),
        pytest.param(INTEL_VERBOSE, Cpu("GenuineIntel", True, True), id="intel, boot -v"),
        pytest.param(
            INTEL.replace("EPT,UG,", "EPT,"), Cpu("GenuineIntel", True, False), id="intel, no UG"
        ),
        pytest.param(
            INTEL_VERBOSE.replace(",UG>", ">"),
            Cpu("GenuineIntel", True, False),
            id="intel, boot -v, no UG",
        ),
        pytest.param(
            INTEL.replace("VT-x: PAT", "VT-x: (disabled in BIOS) PAT"),
            Cpu("GenuineIntel", False, False),
            id="intel, off in the BIOS",
        ),
        pytest.param(
            INTEL.replace("PAUSE,EPT,UG,", "PAUSE,"),
            Cpu("GenuineIntel", False, False),
            id="intel, no EPT",
        ),
        pytest.param(AMD, Cpu("AuthenticAMD", True, True), id="amd"),
        pytest.param(AMD_VERBOSE, Cpu("AuthenticAMD", True, True), id="amd, boot -v"),
        pytest.param(
            AMD.replace("AuthenticAMD", "HygonGenuine"), Cpu("HygonGenuine", True, True), id="hygon"
        ),
        pytest.param(
            AMD_VERBOSE.replace("SVM: Features", "SVM: (disabled in BIOS) Features"),
            Cpu("AuthenticAMD", False, False),
            id="amd, off in the BIOS",
        ),
        pytest.param(
            EMULATED_WITHOUT_NRIP, Cpu("AuthenticAMD", False, False), id="amd, no NRIP, real"
        ),
        pytest.param("", Cpu(), id="empty"),
        pytest.param("em0: link state changed to UP\n", Cpu(), id="wrapped buffer"),
        pytest.param("CPU: something\nreal memory = 1\n", Cpu(), id="no origin"),
    ],
)
def test_the_processor_is_read_from_the_boot_messages(dmesg: str, cpu: Cpu) -> None:
    assert cpu_from_dmesg(dmesg) == cpu


def test_a_processor_without_virtualization() -> None:
    plain = "".join(line for line in INTEL.splitlines(keepends=True) if "VT-x" not in line)
    assert cpu_from_dmesg(plain) == Cpu("GenuineIntel", False, False)


def test_the_last_boot_counts() -> None:
    assert cpu_from_dmesg(INTEL + AMD).vendor == "AuthenticAMD"


@given(st.text())
def test_any_text_can_be_boot_messages(text: str) -> None:
    assert isinstance(cpu_from_dmesg(text), Cpu)


def test_sysctl_output_of_freebsd_13_2() -> None:
    output = (
        "kern.osreldate: 1302001\n"
        "hw.vmm.create: beavis\n"
        "hw.model: QEMU TCG CPU version 2.5+\n"
        "kern.boottime: { sec = 1795448575, usec = 989790 } Mon Nov 23 15:42:55 2026\n"
        "net.isr.dispatch: \n"
    )
    assert parse_sysctl(output) == {
        "kern.osreldate": "1302001",
        "hw.vmm.create": "beavis",
        "hw.model": "QEMU TCG CPU version 2.5+",
        "kern.boottime": "{ sec = 1795448575, usec = 989790 } Mon Nov 23 15:42:55 2026",
        "net.isr.dispatch": "",
    }


def test_a_value_of_several_lines() -> None:
    output = "kern.version: FreeBSD 14.3-RELEASE GENERIC\n    root@releng\nhw.ncpu: 2\n"
    assert parse_sysctl(output) == {
        "kern.version": "FreeBSD 14.3-RELEASE GENERIC\n    root@releng",
        "hw.ncpu": "2",
    }


BASE = {
    "kern.osreldate": "1403000",
    "kern.osrelease": "14.3-RELEASE-p2",
    "hw.ncpu": "24",
    "hw.physmem": str(64 << 30),
}
VMX = {"hw.vmm.vmx.initialized": "1", "hw.vmm.vmx.cap.unrestricted_guest": "1"}


def test_facts_before_vmm_is_loaded() -> None:
    assert host_facts(BASE, INTEL, ["if_bridge"]) == HostFacts(
        osreldate=1403000,
        release="14.3-RELEASE-p2",
        cpu_vendor="GenuineIntel",
        virtualization=True,
        unrestricted_guest=True,
        ncpu=24,
        max_cpus=24,
        memory=64 << 30,
        modules=frozenset({"if_bridge"}),
    )


def test_an_initialised_vmm_outranks_the_boot_messages() -> None:
    facts = host_facts({**BASE, **VMX, "hw.vmm.maxcpu": "48"}, "", ["vmm"])
    assert (facts.virtualization, facts.unrestricted_guest, facts.max_cpus) == (True, True, 48)
    without = {**BASE, **VMX, "hw.vmm.vmx.cap.unrestricted_guest": "0"}
    assert host_facts(without, INTEL, ["vmm"]).unrestricted_guest is False


def test_nodes_of_vmx_say_nothing_on_amd() -> None:
    sysctls = {**BASE, "hw.vmm.vmx.initialized": "0", "hw.vmm.vmx.cap.unrestricted_guest": "0"}
    assert host_facts(sysctls, AMD, ["vmm"]).unrestricted_guest is True
    assert host_facts(sysctls, "", ["vmm"]).unrestricted_guest is True


def test_without_boot_messages_and_vmm_nothing_is_known() -> None:
    facts = host_facts(BASE, "", [])
    assert (facts.cpu_vendor, facts.virtualization, facts.unrestricted_guest) == ("", None, None)


@pytest.mark.parametrize(("osreldate", "limit"), [("1301000", 16), ("1302001", 24)])
def test_virtual_cpus_were_limited_to_16_before_13_2(osreldate: str, limit: int) -> None:
    assert host_facts({**BASE, "kern.osreldate": osreldate}, "", []).max_cpus == limit


@pytest.mark.parametrize(
    ("osreldate", "sysctl", "allowed"),
    [("1403000", None, True), ("1500068", "0", False), ("1500068", "1", True)]
    + [("1500068", None, False)],
)
def test_freebsd_15_bridges_no_addresses(osreldate: str, sysctl: str | None, allowed: bool) -> None:
    sysctls = {**BASE, "kern.osreldate": osreldate}
    if sysctl is not None:
        sysctls["net.link.bridge.member_ifaddrs"] = sysctl
    facts = host_facts(sysctls, "", [])
    assert facts.bridged_addresses is allowed
    assert facts.major == int(osreldate[:2])
