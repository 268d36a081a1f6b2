# SPDX-License-Identifier: BSD-2-Clause
"""Reasons why a guest cannot start."""

from dataclasses import replace
from errno import EADDRINUSE as IN_USE
from errno import EADDRNOTAVAIL as ABSENT

import pytest

from chyves.model.bhyve import Media, Problem, needed_files
from chyves.model.facts import HostFacts, Memory
from chyves.model.hostchecks import memory_notes, without
from chyves.model.preconditions import Look, preconditions
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
    look: Look | None = None,
) -> list[Problem]:
    guest = make_guest(**(properties or {}))
    medium = Media(media) if media else None
    return preconditions(guest, facts, make_disks(disks), primary="tank", media=medium, look=look)


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
        ({"pcidev_2": "passthru,1/2"}, "pcidev_2 of web", "set pcidev_2="),
        ({"pci_slots": "3=disk:disk0"}, "pci_slots of web", "slot 4-30"),
        ({"cpu": "4", "cpu_cores": "3"}, "1 sockets with 3 cores of 1 threads make 3", "cpu=3"),
        ({"cpu_pin": "0:8"}, "cpu_pin has 0:8, and it has 1 CPUs and this host 8", "cpu_pin="),
        ({"cpu_pin": "1:0"}, "cpu_pin has 1:0", "cpu_pin="),
        ({"tap50_mtu": "9"}, "tap50_mtu of web", "set tap50_mtu="),
        ({"virtio_9p_1": "src"}, "virtio_9p_1 of web", "set virtio_9p_1="),
        ({"loader": "grub-bhyve", "os": "minix"}, "os of web", "set os="),
        ({"cpu": "9"}, "it has 9 CPUs, and this host allows 8", "set cpu=8"),
        ({"ram": "33G"}, "of memory, and this host 32", "set ram=<less>"),
        (UEFI | {"uefi_firmware": "-"}, "it has no firmware", "chyves firmware import"),
        ({"cpu": "abc"}, "cpu of web: not a number: 'abc'", "set cpu="),
        ({"ram": "lots"}, "ram of web", "set ram="),
        ({"loader": "lilo"}, "loader of web", "set loader="),
        ({"serial": ""}, "serial of web", "set serial="),
        ({"net_ifaces": "em0"}, "net_ifaces of web", "network web remove"),
        ({"bhyve_net_type": "rtl8139"}, "bhyve_net_type of web", "virtio-net"),
        ({"bhyve_disk_type": "ide"}, "bhyve_disk_type of web", "virtio-blk"),
        ({"tap50_mac": "58:9c:fc"}, "tap50_mac of web", "set tap50_mac="),
        ({"uuid": "123"}, "uuid of web", "set uuid="),
        (VNC | {"uefi_vnc_port": "99999"}, "uefi_vnc_port of web", "65535"),
        (VNC | {"uefi_vnc_port": ""}, "uefi_vnc_port of web", "uefi_console_output=vnc"),
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
        {"pcidev_2": "virtio-rnd", "audio_play": "/dev/dsp1", "virtio_9p_1": "src=/usr/src,ro"},
        {"loader": "grub-bhyve", "os": "openbsd"},
        {"loader": "grub-bhyve", "os": "custom"},
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


@pytest.mark.parametrize(
    ("shape", "too_many", "made"),
    [
        ({"cpu_cores": "2"}, "set cpu=2, or raise", ["set cpu=2", "unset cpu_sockets"]),
        ({"cpu_cores": "16"}, "set cpu=8, or raise", ["unset cpu_sockets"]),
    ],
)
def test_hints_for_the_number_of_cpus_can_be_followed_together(
    shape: dict[str, str], too_many: str, made: list[str]
) -> None:
    limit, sum_ = problems({"cpu": "9", "cpu_sockets": "1", **shape})
    assert too_many in limit.hint
    hints = sum_.hint.split(", or ")
    assert all(part in hint for part, hint in zip(made, hints, strict=True))


def test_what_is_no_number_of_cores_is_said_once() -> None:
    [problem] = problems({"cpu": "9", "cpu_cores": "many"})
    assert "cpu_cores of web" in problem.message


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
    wanted = needed_files(make_guest(**UEFI), make_disks(1), primary="tank", media=Media(ISO))
    found = problems(UEFI, media=ISO, look=Look(missing=wanted))
    assert [problem.message for problem in found] == [f"{path} does not exist" for path in wanted]
    assert all(problem.hint for problem in found)
    assert "zfs get volmode tank/chyves/guests/web/disk0" in found[2].hint


def test_a_comma_ends_a_path_for_bhyve() -> None:
    [problem] = problems(media="/chyves/tank/ISO/a,b.iso/a,b.iso")
    assert problem.message == (
        "/chyves/tank/ISO/a,b.iso/a,b.iso has a comma, which ends a path for bhyve"
    )


WIRED = {"bargs": "-A -H -S", "ram": "4G"}
UNWIRED = {"bargs": "-A -H", "ram": "4G"}


def with_memory(free: int, cache: int = 0, wirable: int = 64) -> HostFacts:
    return replace(FACTS, available=Memory(free << 30, cache << 30, wirable << 30))


@pytest.mark.parametrize(
    ("properties", "facts", "message"),
    [
        (WIRED, with_memory(4), ""),
        (WIRED, with_memory(1, 3), ""),
        (
            WIRED,
            with_memory(1, 2),
            "it wires 4G of memory, and this host has 1G free and 2G in the",
        ),
        (UNWIRED, with_memory(1, 2), ""),
        (WIRED, with_memory(8, wirable=3), "lets programs wire 3G more"),
        (WIRED, with_memory(8, wirable=-1), "lets programs wire 0B more"),
        (UNWIRED, with_memory(8, wirable=3), ""),
    ],
)
def test_memory_that_is_wired_has_to_be_there(
    properties: dict[str, str], facts: HostFacts, message: str
) -> None:
    found = problems(properties, facts=facts)
    assert [problem.message for problem in found if message not in problem.message] == []
    assert bool(found) == bool(message)
    assert all("chyves web set ram=<less>" in problem.hint for problem in found)


@pytest.mark.parametrize(
    ("facts", "note"),
    [
        (with_memory(4), ""),
        (with_memory(1, 8), "3G of its 4G of memory come out of the cache of ZFS"),
        (with_memory(1, 1), "it may have to swap"),
        (FACTS, ""),
    ],
)
def test_memory_that_others_would_miss_is_told(facts: HostFacts, note: str) -> None:
    notes = list(memory_notes(make_guest(**UNWIRED), facts))
    assert bool(notes) == bool(note)
    assert note in "".join(notes)


def test_each_guest_of_a_start_finds_less_memory() -> None:
    facts = without(make_guest(**WIRED), with_memory(3, 5, 10))
    assert facts.available == Memory(0, 4 << 30, 6 << 30)
    assert without(make_guest(**UNWIRED), facts).available == Memory(0, 0, 6 << 30)
    assert without(make_guest(**WIRED), FACTS) == FACTS


PASSTHRU = {"pcidev_1": "passthru,6/0/0", "pcidev_2": "passthru,7/0/0"}
READY = replace(FACTS, iommu=True, pci_drivers={"6/0/0": "ppt", "7/0/0": "ppt"})


@pytest.mark.parametrize(
    ("facts", "bargs", "message", "hint"),
    [
        (READY, "-A -S", "", ""),
        (replace(READY, iommu=None), "-A -S", "", ""),
        (READY, "-A", "its memory is not wired", "set bargs='-A -S'"),
        (replace(READY, iommu=False), "-S", "no IOMMU", "VT-d or AMD-Vi"),
        (replace(READY, cpu_vendor="AuthenticAMD"), "-S", "amdvi.enable is 0", "loader.conf"),
        (replace(READY, cpu_vendor="AuthenticAMD", amdvi=True), "-S", "", ""),
        (
            replace(READY, pci_drivers={"6/0/0": "mps", "7/0/0": "ppt"}),
            "-S",
            "6/0/0 belongs to the driver mps, not to ppt",
            'vmm_load="YES" and pptdevs="6/0/0 7/0/0"',
        ),
        (
            replace(READY, pci_drivers={"6/0/0": "none", "7/0/0": "ppt"}),
            "-S",
            "6/0/0 belongs to nobody",
            "reboot the host",
        ),
        (replace(READY, pci_drivers={"6/0/0": "ppt"}), "-S", "no PCI device 7/0/0", "pciconf"),
    ],
)
def test_devices_of_the_host(facts: HostFacts, bargs: str, message: str, hint: str) -> None:
    found = problems(PASSTHRU | {"bargs": bargs}, facts=facts)
    assert len(found) == bool(message)
    for problem in found:
        assert message in problem.message
        assert hint in problem.hint


def test_without_devices_of_the_host_nobody_asks_for_an_iommu() -> None:
    assert problems({"pcidev_1": "virtio-rnd"}, facts=replace(FACTS, iommu=False)) == []


DISK = make_disks(1)[0].path
ROM = "/chyves/tank/Firmware/BHYVE_UEFI.fd/BHYVE_UEFI.fd"
SECRET = VNC | {"uefi_vnc_password_file": "vnc"}


@pytest.mark.parametrize(
    ("properties", "look", "message", "hint"),
    [
        ({}, Look(unwritable={DISK: "readonly=on"}), f"{DISK} cannot be written: readonly", "=ro"),
        (UEFI, Look(sizes={ROM: 2 << 20}), "", ""),
        (UEFI, Look(sizes={ROM: 2 << 20}, variables=132 << 10), "", ""),
        (UEFI, Look(sizes={ROM: 1000}), "no firmware that bhyve takes: it has 1000 bytes", "edk2"),
        (UEFI, Look(sizes={ROM: 16 << 20}, variables=4096), "and 4096 of variables", "16M"),
        (VNC, Look(port_error=IN_USE), "listens on port 5900 of 127.0.0.1", "sockstat -l -p 5900"),
        (VNC, Look(port_error=ABSENT), "127.0.0.1, where its VNC console shall", "uefi_vnc_ip="),
        (UEFI, Look(port_error=IN_USE), "", ""),
        (
            {"loader": "grub-bhyve"},
            Look(loader_missing=True),
            "grub-bhyve is not installed",
            "grub2",
        ),
        (
            SECRET,
            Look(password_problem=Problem("cannot be read", "write it")),
            "cannot be r",
            "write",
        ),
        (SECRET, Look(password="secret"), "", ""),
    ],
)
def test_what_is_seen_of_its_things(
    properties: dict[str, str], look: Look, message: str, hint: str
) -> None:
    found = problems(properties, look=look)
    assert len(found) == bool(message)
    for problem in found:
        assert message in problem.message
        assert hint in problem.hint


def test_a_disk_that_shall_be_read_only_may_be() -> None:
    guest = {"virtio_block_options_disk0": "nocache,ro"}
    assert problems(guest, look=Look(unwritable={DISK: "readonly=on"})) == []


def test_what_a_release_does_not_have() -> None:
    old = replace(FACTS, osreldate=1302001, release="13.2-RELEASE")
    [tpm] = problems({"tpm": "/dev/tpm0"}, facts=old)
    assert tpm.message == "bhyve of FreeBSD 13.2-RELEASE has no TPM of the host for guests"
    [swtpm] = problems({"tpm": "swtpm:/var/run/web.sock"})
    assert swtpm.message == "bhyve of FreeBSD 14.3-RELEASE has no swtpm for guests"
    assert swtpm.hint == "chyves web unset tpm, or upgrade to FreeBSD 15"
    older = replace(FACTS, osreldate=1301000, release="13.1-RELEASE")
    [password] = problems(SECRET, facts=older, look=Look(password="secret"))
    assert "in its argv only" in password.message
    assert problems(SECRET | {"tpm": "/dev/tpm0"}, look=Look(password="secret")) == []


def test_media_that_do_not_tell_what_they_are() -> None:
    guest = make_guest(loader="grub-bhyve", os="openbsd")
    for medium, message in (
        (Media(ISO), "has the release of OpenBSD"),
        (Media(ISO, "OpenBSD/amd64   7.5 Install CD"), ""),
        (Media("/a/install75.iso"), ""),
    ):
        found = preconditions(guest, FACTS, make_disks(1), primary="tank", media=medium)
        assert len(found) == bool(message)
        assert all(message in problem.message for problem in found)


def test_files_that_a_user_writes_for_grub() -> None:
    guest = make_guest(loader="grub-bhyve", os="custom")
    wanted = needed_files(guest, make_disks(1), primary="tank")
    assert wanted[1:] == ("/chyves/tank/guests/web/device.map", "/chyves/tank/guests/web/grub.cfg")
    look = Look(missing=wanted[1:])
    found = preconditions(guest, FACTS, make_disks(1), primary="tank", look=look)
    assert [problem.hint for problem in found] == ["with os=custom you write it"] * 2
