# SPDX-License-Identifier: BSD-2-Clause
"""dmesg.boot, pciconf, acpidump and uname by machine."""

from pathlib import Path

import pytest

from chyves.simulator import hardware
from chyves.simulator.reboot import reboot
from chyves.simulator.world import Machine, World
from tests.simulator.conftest import Type, run


def line_about(world: World, word: str) -> str:
    text = world.path("/var/run/dmesg.boot").read_text()
    return next((line for line in text.splitlines() if line.startswith(f"  {word}")), "")


@pytest.mark.parametrize(
    ("machine", "word", "line"),
    [
        (Machine(), "VT-x", "  VT-x: PAT,HLT,MTF,PAUSE,EPT,UG,VPID,VID,PostIntr"),
        (
            Machine(unrestricted_guest=False),
            "VT-x",
            "  VT-x: PAT,HLT,MTF,PAUSE,EPT,VPID,VID,PostIntr",
        ),
        (Machine(cpu="amd"), "SVM", "  SVM: NP,NRIP,VClean,AFlush,DAssist,NAsids=32768"),
        (Machine(virtualization=False), "VT-x", ""),
        (Machine(verbose_boot=True), "VT-x", "  VT-x: Basic Features=0xda0400<SMM,INS/OUTS,TRUE>"),
    ],
)
def test_processor_in_dmesg_boot(tmp_path: Path, machine: Machine, word: str, line: str) -> None:
    world = World.make(tmp_path / "host", machine)
    assert line_about(world, word) == line
    assert "POPCNT" in line_about(world, "Features2")


def test_flag_of_the_processor_goes_with_the_ability(tmp_path: Path) -> None:
    for cpu, flag in (("intel", "VMX,"), ("amd", "SVM,")):
        for ability in (True, False):
            machine = Machine(cpu=cpu, virtualization=ability)
            world = World.make(tmp_path / f"{cpu}{ability}", machine)
            assert (flag in run(world, "dmesg").stdout) is ability


def test_unrestricted_guest_stands_elsewhere_after_a_verbose_boot(tmp_path: Path) -> None:
    for ability in (True, False):
        machine = Machine(verbose_boot=True, unrestricted_guest=ability)
        world = World.make(tmp_path / str(ability), machine)
        text = run(world, "dmesg").stdout
        assert ("WBINVD,UG,APIC-reg" in text) is ability


def test_dmesg_begins_with_dmesg_boot(world: World, shell: Type) -> None:
    boot = world.path("/var/run/dmesg.boot").read_text()
    assert shell("dmesg").stdout == boot
    assert f"real memory  = {32 << 30} (32768 MB)\n" in boot
    shell("ifconfig bridge0 create")
    assert shell("dmesg").stdout.startswith(boot)


@pytest.mark.parametrize(("cpu", "table"), [("intel", "DMAR"), ("amd", "IVRS")])
def test_acpi_table_of_the_iommu(tmp_path: Path, cpu: str, table: str) -> None:
    with_iommu = World.make(tmp_path / "with", Machine(cpu=cpu))
    without = World.make(tmp_path / "without", Machine(cpu=cpu, iommu=False))
    assert f"/*\n  {table}: Length=" in run(with_iommu, "acpidump", "-t").stdout
    assert table not in run(without, "acpidump", "-t").stdout


def test_acpidump_is_for_root(shell: Type, monkeypatch: pytest.MonkeyPatch) -> None:
    assert shell("acpidump").code == 1
    monkeypatch.setenv("CHYVES_SIMULATE_USER", "nobody")
    refused = shell("acpidump -t")
    assert (refused.code, refused.stdout) == (1, "")
    assert refused.stderr.startswith("acpidump: opening /dev/mem: Permission denied")


def test_pciconf_lists_devices(shell: Type) -> None:
    lines = shell("pciconf -l").stdout.splitlines()
    assert lines[0] == (
        "hostb0@pci0:0:0:0:\tclass=0x060000 rev=0x00 hdr=0x00 vendor=0x8086 device=0x2f00 "
        "subvendor=0x8086 subdevice=0x0000"
    )
    assert any(line.startswith("mps0@pci0:6:0:0:\t") for line in lines)
    assert shell("pciconf -lv mps0").stdout.splitlines()[1:] == [
        "    vendor     = 'Broadcom / LSI'",
        "    device     = 'SAS2008 PCI-Express Fusion-MPT SAS-2 [Falcon]'",
        "    class      = mass storage",
        "    subclass   = SAS",
    ]


def test_pciconf_refuses(shell: Type) -> None:
    assert shell("pciconf -l vtnet9").stderr == "pciconf: Device not found\n"
    nothing = shell("pciconf -l pci0:0:99:0")
    assert (nothing.code, nothing.stdout, nothing.stderr) == (0, "", "")
    assert shell("pciconf").stderr.startswith("usage: pciconf -l [-BbcevV] [device]\n")


def test_ppt_takes_what_loader_conf_reserves(world: World, shell: Type) -> None:
    shell("sysrc -f /boot/loader.conf vmm_load=YES pptdevs='6/0/0 7/0/0'")
    assert hardware.passthrough_devices(world) == set()
    reboot(world)
    assert hardware.passthrough_devices(world) == {"6/0/0", "7/0/0"}
    assert shell("pciconf -l ppt1").stdout.startswith("ppt1@pci0:7:0:0:\t")
    assert shell("sysctl -n hw.vmm.ppt.devices").stdout == "2\n"


def test_uname(shell: Type) -> None:
    everything = "FreeBSD host.test 13.2-RELEASE FreeBSD 13.2-RELEASE GENERIC amd64\n"
    assert shell("uname -a").stdout == everything
    assert shell("uname").stdout == "FreeBSD\n"
    assert shell("uname -Kr").stdout == "13.2-RELEASE 1302001\n"
    assert shell("uname -z").stderr == (
        "uname: illegal option -- z\nusage: uname [-abiKmnoprsUv]\n"
    )
