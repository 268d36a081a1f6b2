# SPDX-License-Identifier: BSD-2-Clause
"""Reasons why a guest cannot start."""

from dataclasses import replace

import pytest

from chyves.model.bhyve import Problem, needed_files
from chyves.model.facts import HostFacts
from chyves.model.preconditions import preconditions
from tests.model.test_bhyve import FACTS, ISO, UEFI, VNC, make_disks, make_guest

NO_UG = replace(FACTS, unrestricted_guest=False)
NO_VMX = replace(FACTS, virtualization=False, unrestricted_guest=False)
UNKNOWN = replace(FACTS, virtualization=None, unrestricted_guest=None, cpu_vendor="")


def problems(
    properties: dict[str, str] | None = None,
    *,
    facts: HostFacts = FACTS,
    disks: int = 1,
    media: str | None = None,
    missing: tuple[str, ...] = (),
) -> list[Problem]:
    guest = make_guest(**(properties or {}))
    return preconditions(
        guest, facts, make_disks(disks), primary="tank", media=media, missing=missing
    )


@pytest.mark.parametrize("facts", [FACTS, UNKNOWN], ids=["known", "unknown"])
@pytest.mark.parametrize("properties", [{}, UEFI, VNC], ids=["bhyveload", "uefi", "vnc"])
def test_nothing_is_against_an_ordinary_guest(properties: dict[str, str], facts: HostFacts) -> None:
    assert problems(properties, facts=facts) == []
    assert problems(properties, facts=facts, disks=0, media=ISO) == []


@pytest.mark.parametrize(
    ("properties", "message", "hint"),
    [
        ({"template": "yes"}, "it is a template", "clone"),
        ({"chyves_guest_version": "0200"}, "version 0200, older than 0300", "chyves web upgrade"),
        ({"chyves_guest_version": "0301"}, "version 0301, newer than 0300", "newer chyves"),
        ({"chyves_guest_version": "x"}, "no chyves_guest_version", "damaged"),
        ({"loader": "grub-bhyve"}, "loader grub-bhyve is not supported yet", "loader=uefi"),
        ({"pcidev_2": "virtio-rnd"}, "devices of its own (pcidev_2)", "chyves web unset pcidev_2"),
        ({"cpu": "9"}, "it has 9 CPUs, and this host allows 8", "set cpu=8"),
        ({"ram": "33G"}, "of memory, and this host 32", "set ram=<less>"),
        (UEFI | {"uefi_firmware": "-"}, "it has no firmware", "chyves firmware import"),
        ({"cpu": "abc"}, "cpu of web: not a number: 'abc'", "set cpu="),
        ({"ram": "lots"}, "ram of web", "set ram="),
        ({"loader": "lilo"}, "loader of web", "set loader="),
        ({"serial": ""}, "serial of web", "set serial="),
        ({"net_ifaces": "em0"}, "net_ifaces of web", "set net_ifaces="),
        ({"bhyve_net_type": "rtl8139"}, "bhyve_net_type of web", "virtio-net"),
        ({"bhyve_disk_type": "ide"}, "bhyve_disk_type of web", "virtio-blk"),
        ({"tap50_mac": "58:9c:fc"}, "tap50_mac of web", "set tap50_mac="),
        ({"uuid": "123"}, "uuid of web", "set uuid="),
        (VNC | {"uefi_vnc_port": "99999"}, "uefi_vnc_port of web", "65535"),
        (VNC | {"uefi_vnc_port": ""}, "uefi_vnc_port of web", "set uefi_vnc_port="),
        (VNC | {"uefi_vnc_ip": "1.2.3.400"}, "uefi_vnc_ip of web", "set uefi_vnc_ip="),
        ({"bargs": "-A 'x"}, "bargs cannot be split into words", "bhyve(8)"),
        ({"bargs": "-A -z"}, "bargs: option -z not recognized", "bhyve(8)"),
        ({"bhyveload_flags": "-z"}, "bhyveload_flags: option -z not", "bhyveload(8)"),
    ],
)
def test_what_is_against_a_guest(properties: dict[str, str], message: str, hint: str) -> None:
    [problem] = problems(properties)
    assert message in problem.message
    assert hint in problem.hint


@pytest.mark.parametrize(
    "properties",
    [
        {"tap99_mac": "none of its taps"},
        {"uefi_vnc_port": "no VNC"},
        UEFI | {"uefi_vnc_ip": "no VNC"},
        UEFI | {"bhyveload_flags": "-z"},
        {"os": "minix"},
        {"uuid": ""},
    ],
)
def test_what_is_not_used_is_not_held_against_it(properties: dict[str, str]) -> None:
    assert problems(properties) == []


def test_all_reasons_are_told_at_once() -> None:
    found = problems({"cpu": "9", "ram": "1T", "template": "yes"}, disks=0)
    assert [problem.message for problem in found] == [
        "it is a template",
        "it has 9 CPUs, and this host allows 8",
        "it has 1T of memory, and this host 32G",
        "it has no disk, and no ISO was given",
    ]


def test_without_unrestricted_guest_only_bhyveload_and_one_cpu() -> None:
    assert problems(facts=NO_UG) == []
    [loader] = problems(UEFI, facts=NO_UG)
    assert loader.message.endswith("lacks unrestricted guest (UG), which loader uefi needs")
    [cpu] = problems({"cpu": "2"}, facts=NO_UG)
    assert cpu.message.endswith("so a guest can have 1 CPU, not 2")
    assert cpu.hint == "chyves web set cpu=1"


def test_a_host_that_cannot_virtualize() -> None:
    [problem] = problems(UEFI | {"cpu": "2"}, facts=NO_VMX)
    assert "cannot virtualize" in problem.message
    assert "BIOS" in problem.hint


def test_the_limit_of_cpus_can_be_raised_from_13_2_on() -> None:
    assert "hw.vmm.maxcpu" in problems({"cpu": "9"})[0].hint
    old = replace(FACTS, osreldate=1301000, max_cpus=16)
    assert problems({"cpu": "17"}, facts=old)[0].hint == "chyves web set cpu=16"


def test_files_that_are_missing() -> None:
    wanted = needed_files(make_guest(**UEFI), make_disks(1), primary="tank", media=ISO)
    found = problems(UEFI, media=ISO, missing=wanted)
    assert [problem.message for problem in found] == [f"{path} does not exist" for path in wanted]
    assert all(problem.hint for problem in found)
    assert "zfs get volmode tank/chyves/guests/web/disk0" in found[2].hint


def test_a_comma_ends_a_path_for_bhyve() -> None:
    [problem] = problems(media="/chyves/tank/ISO/a,b.iso/a,b.iso")
    assert problem.message == (
        "/chyves/tank/ISO/a,b.iso/a,b.iso has a comma, which ends a path for bhyve"
    )
