# SPDX-License-Identifier: BSD-2-Clause
"""Command lines of bhyve and its loader; golden files have one option a line."""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from chyves.errors import Precondition
from chyves.model import grub, guest_properties, kinds, layout
from chyves.model.bhyve import Launch, LaunchPlan, Media, memory_argument, needed_files, plan
from chyves.model.config import ConfigFile
from chyves.model.facts import HostFacts
from chyves.model.guest import Disk, Guest
from tests.conftest import GOLDEN

FACTS = HostFacts(
    osreldate=1403000,
    release="14.3-RELEASE",
    cpu_vendor="GenuineIntel",
    virtualization=True,
    unrestricted_guest=True,
    ncpu=8,
    max_cpus=8,
    memory=32 << 30,
)
RELEASES = {
    "13.2": replace(FACTS, osreldate=1302001, release="13.2-RELEASE"),
    "14.3": FACTS,
    "15.0": replace(FACTS, osreldate=1500068, release="15.0-RELEASE"),
}
PROPERTIES = {
    "chyves_guest_version": "0300",
    "bargs": "-A -H -P -S",
    "bhyve_disk_type": "ahci-hd",
    "bhyve_net_type": "virtio-net",
    "bhyveload_flags": "",
    "cpu": "1",
    "loader": "bhyveload",
    "net_ifaces": "tap50",
    "ram": "512M",
    "serial": "nmdm50",
    "template": "no",
    "uuid": "2c5a9a3e-51f3-11ee-8d2a-0cc47aaf1bd2",
}
UEFI = {
    "loader": "uefi",
    "uefi_console_output": "serial",
    "uefi_firmware": "BHYVE_UEFI.fd",
}
VNC = UEFI | {
    "uefi_console_output": "vnc",
    "uefi_vnc_ip": "127.0.0.1",
    "uefi_vnc_mouse_type": "ps2",
    "uefi_vnc_pause_until_client_connect": "no",
    "uefi_vnc_port": "5900",
    "uefi_vnc_res": "800x600",
}
ISO = layout.resource_file("tank", "ISO", "debian.iso")
EMPTY = layout.resource_file("tank", "ISO", "null.iso")


def make_guest(**properties: str) -> Guest:
    text = "".join(f"{key}={value}\n" for key, value in (PROPERTIES | properties).items())
    return Guest("web", "tank", ConfigFile(text), ConfigFile(), ConfigFile())


def make_disks(count: int) -> list[Disk]:
    volumes = [f"tank/chyves/guests/web/disk{n}" for n in range(count)]
    return [
        Disk(volume.rpartition("/")[2], layout.volume_device(volume), 8 << 30, True)
        for volume in volumes
    ]


def make_plan(
    properties: dict[str, str] | None = None,
    *,
    disks: int = 1,
    facts: HostFacts = FACTS,
    media: str | None = None,
    label: str = "",
    empty_media: str | None = None,
    eject_after: int = 0,
    consolidate: bool = False,
    variables: bool = False,
    password: str = "",
) -> LaunchPlan:
    return plan(
        make_guest(**(properties or {})),
        facts,
        make_disks(disks),
        primary="tank",
        media=Media(media, label) if media else None,
        empty_media=empty_media,
        eject_after=eject_after,
        consolidate=consolidate,
        variables=variables,
        password=password,
    )


def one_option_a_line(argv: Sequence[str]) -> str:
    lines = [argv[0]]
    for word in argv[1:-1]:
        if word.startswith("-"):
            lines.append(f"    {word}")
        else:
            lines[-1] += f" {word}"
    return "\n".join([*lines, f"    {argv[-1]}"])


def written(launch: Launch) -> str:
    lines = [one_option_a_line(argv) for argv in (launch.loader, launch.bhyve) if argv]
    lines += [f"{file.path}:\n    " + "\n    ".join(file.text.split("\n")) for file in launch.files]
    return "\n".join(line.rstrip(" ") for line in lines)


PRIVATE: dict[str, Any] = {"variables": True, "password": "se%cret"}
TPM = {"tpm": "/dev/tpm0"}
SWTPM = {"tpm": "swtpm:/var/run/web.sock"}
EVERYTHING = VNC | {
    "audio_play": "/dev/dsp0",
    "audio_rec": "/dev/dsp1",
    "bhyve_disk_type": "nvme",
    "cpu": "8",
    "cpu_cores": "2",
    "cpu_pin": "0:4,1:5,1:6",
    "cpu_threads": "2",
    "net_ifaces": "tap50,tap51",
    "pcidev_1": "virtio-scsi,/dev/cam/ctl0.0",
    "tap50_mtu": "9000",
    "uefi_vnc_keyboard": "german",
    "uefi_vnc_mouse_type": "usb3",
    "utctime": "yes",
    "virtio_9p_1": "src=/usr/src,ro",
    "virtio_9p_2": "home=/home",
    "virtio_console_1": "org.qemu.guest_agent.0",
    "virtio_rnd": "yes",
}
SYSTEMS = guest_properties.SYSTEMS.choices
MEDIA = {"openbsd": "install75.iso", "arch": "archlinux-2016.09.03-dual.iso"}
LABELS = {"vyos": "VyOS", "openbsd60": "OpenBSD/amd64   6.0 Install CD"}
NETS = {"net_ifaces": "tap50,vale0:1,tap51", "tap50_mac": "58:9c:fc:00:00:01"}


def grub_plan(system: str) -> LaunchPlan:
    return make_plan(
        {"loader": "grub-bhyve", "os": system},
        media=layout.resource_file("tank", "ISO", MEDIA.get(system, "os.iso")),
        label=LABELS.get(system, ""),
        eject_after=1,
    )


PLANS: dict[str, Callable[[], LaunchPlan]] = {
    "bhyveload": lambda: make_plan(),
    "bhyveload-13": lambda: make_plan(facts=RELEASES["13.2"]),
    "bhyveload-15": lambda: make_plan(facts=RELEASES["15.0"]),
    "bhyveload-iso-ejected": lambda: make_plan(media=ISO, eject_after=1),
    "bhyveload-no-disk-iso": lambda: make_plan(disks=0, media=ISO, eject_after=1),
    "bhyveload-no-net": lambda: make_plan({"net_ifaces": "-"}),
    "bhyveload-nets": lambda: make_plan(NETS | {"bhyve_net_type": "e1000"}),
    "bhyveload-disks": lambda: make_plan(
        {"bhyve_disk_type": "virtio-blk", "virtio_block_options_disk1": "ro,sectorsize=512/4096"},
        disks=3,
    ),
    "bhyveload-flags": lambda: make_plan(
        {"bhyveload_flags": "-l /boot/userboot_lua.so -e 'x=a b'", "bargs": "-AHPS -w -p 0:1"}
    ),
    "bhyveload-many-disks": lambda: make_plan(disks=34),
    "bhyveload-consolidated": lambda: make_plan(NETS, disks=10, consolidate=True),
    "uefi": lambda: make_plan(UEFI),
    "uefi-13": lambda: make_plan(UEFI, facts=RELEASES["13.2"]),
    "uefi-15": lambda: make_plan(UEFI, facts=RELEASES["15.0"]),
    "uefi-iso-ejected": lambda: make_plan(UEFI, media=ISO, empty_media=EMPTY, eject_after=2),
    "uefi-empty-drive": lambda: make_plan(UEFI, empty_media=EMPTY),
    "uefi-five-disks": lambda: make_plan(UEFI | NETS, disks=5),
    "uefi-vnc": lambda: make_plan(VNC | {"cpu": "4", "ram": "6G"}),
    "uefi-vnc-tablet-wait": lambda: make_plan(
        VNC
        | {
            "uefi_vnc_mouse_type": "usb3",
            "uefi_vnc_pause_until_client_connect": "yes",
            "uefi_vnc_ip": "::1",
            "uefi_vnc_res": "1920x1080",
        },
        media=ISO,
    ),
    "uefi-vnc-consolidated": lambda: make_plan(VNC | NETS, disks=9, consolidate=True),
    "bhyveload-consolidated-virtio": lambda: make_plan(
        {"bhyve_disk_type": "virtio-blk"}, disks=10, consolidate=True
    ),
    "bhyveload-many-disks-consolidated": lambda: make_plan(disks=34, consolidate=True),
    "bhyveload-kept-slots": lambda: make_plan(
        NETS | {"pci_slots": "4=disk:disk0,5=net:tap50,6=net:vale0:1,7=net:tap51"}, disks=3
    ),
    "uefi-everything-13": lambda: make_plan(EVERYTHING, facts=RELEASES["13.2"], disks=2),
    "uefi-everything-14": lambda: make_plan(EVERYTHING | TPM, disks=2, **PRIVATE),
    "uefi-everything-15": lambda: make_plan(
        EVERYTHING | SWTPM, facts=RELEASES["15.0"], disks=2, **PRIVATE
    ),
    **{
        f"{loader}-everything-{release.partition('.')[0]}": partial(
            make_plan,
            EVERYTHING | {"loader": program, "os": "debian"},
            facts=facts,
            disks=2,
            media=ISO,
            eject_after=1,
        )
        for loader, program in (("bhyveload", "bhyveload"), ("grub", "grub-bhyve"))
        for release, facts in RELEASES.items()
    },
    "passthru": lambda: make_plan(
        {
            "pcidev_10": "virtio-rnd",
            "pcidev_2": "passthru,9/0/2",
            "pcidev_3": "passthru,9/0/0,rom=gop.rom",
            "pcidev_4": "passthru,10/0/1",
            "pcidev_1": "ahci-cd,/x.iso",
        }
    ),
    "uefi-address-of-old-guest": lambda: make_plan(
        UEFI | {"creation": "Created on Mon Nov 23 16:42:17 UTC 2026 by chyves v0.2.0 2016/09/11"}
    ),
    **{f"grub-{system}": partial(grub_plan, system) for system in SYSTEMS},
    "grub-13": lambda: make_plan({"loader": "grub-bhyve"}, facts=RELEASES["13.2"], disks=2),
    "grub-15": lambda: make_plan({"loader": "grub-bhyve"}, facts=RELEASES["15.0"]),
    "grub-no-disk": lambda: make_plan({"loader": "grub-bhyve", "bargs": "-H"}, disks=0, media=ISO),
}


@pytest.mark.parametrize("name", PLANS)
def test_command_lines_are_as_written_down(name: str, golden: Callable[[str, str], None]) -> None:
    launches = [written(launch) for launch in PLANS[name]().launches]
    golden(f"{name}.argv", "\n\nwithout the medium:\n".join(launches) + "\n")


def test_each_golden_file_is_somebodys() -> None:
    assert {path.stem for path in GOLDEN.glob("*.argv")} == set(PLANS)


def test_a_plan_says_what_the_supervisor_has_to_know() -> None:
    made = make_plan(VNC | NETS, media=ISO, eject_after=3, disks=2)
    assert (made.guest, made.vm, made.console) == ("web", "chy-web", "/dev/nmdm50A")
    assert (made.eject_after, len(made.launches), made.memory) == (3, 2, 512 << 20)
    assert made.taps == ("tap50", "tap51")
    assert made.vnc == ("127.0.0.1", 5900, False)


def test_nothing_is_ejected_where_there_is_nothing_to_eject() -> None:
    for made in (make_plan(eject_after=1), make_plan(UEFI, empty_media=EMPTY, eject_after=1)):
        assert (made.eject_after, len(made.launches)) == (0, 1)


def test_a_medium_that_is_the_only_thing_to_boot_stays() -> None:
    made = make_plan(disks=0, media=ISO, eject_after=1)
    assert (made.eject_after, len(made.launches)) == (0, 1)


def test_every_guest_of_a_start_has_its_own_slots() -> None:
    first, second = make_plan(UEFI, media=ISO), make_plan()
    assert second == make_plan()
    assert "3,ahci-cd" not in " ".join(second.launches[0].bhyve)
    assert "4,ahci-hd" in " ".join(first.launches[0].bhyve)


@pytest.mark.parametrize("bargs", ["-A -S", "-AHPS", "-SA", "-A  '-S'"])
def test_wired_memory_is_wired_for_the_loader_too(bargs: str) -> None:
    launch = make_plan({"bargs": bargs}).launches[0]
    assert launch.loader is not None
    assert launch.loader.count("-S") == launch.bhyve.count("-S") == 1


@pytest.mark.parametrize("bargs", ["-A -H", "-A -p 0:1", "-A -U S"])
def test_unwired_memory_stays_so(bargs: str) -> None:
    launch = make_plan({"bargs": bargs}).launches[0]
    assert launch.loader is not None
    assert "-S" not in launch.loader
    assert "-S" not in launch.bhyve


def test_wiring_only_the_loader_would_fail_so_both_are() -> None:
    launch = make_plan({"bargs": "-A", "bhyveload_flags": "-S"}).launches[0]
    assert launch.loader is not None
    assert launch.loader.count("-S") == launch.bhyve.count("-S") == 1


def test_an_option_unknown_to_the_release_is_left_out_and_told() -> None:
    made = make_plan({"bargs": "-A -b -f opt,string=x"}, facts=RELEASES["13.2"])
    assert made.launches[0].bhyve[:3] == ("bhyve", "-A", "-c")
    assert made.notes == (
        "bargs has -b, which bhyve of FreeBSD 13.2-RELEASE does not know: left out",
        "bargs has -f, which bhyve of FreeBSD 13.2-RELEASE does not know: left out",
    )
    later = make_plan({"bargs": "-A -f opt,string=x"}, facts=RELEASES["15.0"])
    assert later.launches[0].bhyve[:4] == ("bhyve", "-A", "-f", "opt,string=x")
    assert later.notes == ()


def test_no_shell_sees_the_options() -> None:
    launch = make_plan({"bargs": "-A -o 'a=$(id) *'"}).launches[0]
    assert "a=$(id) *" in launch.bhyve


def test_a_percent_sign_is_doubled_where_bhyve_would_expand_it() -> None:
    iso = layout.resource_file("tank", "ISO", "100%(x).iso")
    for name, expected in (("13.2", iso.replace("%", "%%")), ("14.3", iso.replace("%", "%%"))):
        launch = make_plan(media=iso, facts=RELEASES[name]).launches[0]
        assert f"3,ahci-cd,{expected}" in launch.bhyve
        assert launch.loader is not None
        assert iso in launch.loader
    old = replace(FACTS, osreldate=1300139, release="13.0-RELEASE")
    assert f"3,ahci-cd,{iso}" in make_plan(media=iso, facts=old).launches[0].bhyve


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (256 << 20, "256M"),
        (1 << 30, "1G"),
        (1536 << 20, "1536M"),
        (1 << 40, "1T"),
        ((1 << 20) + 1024, "1025K"),
    ],
)
def test_memory_has_always_a_unit(size: int, text: str) -> None:
    assert memory_argument(size) == text
    assert kinds.size_bytes(text) == size


def test_devices_that_do_not_fit_are_an_error() -> None:
    with pytest.raises(Precondition, match="too many devices: 216 disks, 1 network interfaces"):
        make_plan(disks=216)


def bhyve(properties: dict[str, str], **more: Any) -> str:
    return " ".join(make_plan(properties, **more).launches[0].bhyve)


def address(properties: dict[str, str], interface: str = "tap50") -> str:
    match = re.search(rf"virtio-net,{interface},mac=([0-9a-f:]+)", bhyve(properties))
    return match[1] if match else ""


def test_the_address_of_an_interface_is_the_guests_own() -> None:
    """It does not depend on names of guest, tap or host, nor on other devices."""
    mine = address({})
    assert kinds.mac_address(mine) == mine
    assert int(mine[:2], 16) & 3 == 2, "not locally administered, or a group's"
    other = {"uuid": "2c5a9a3e-51f3-11ee-8d2a-0cc47aaf1bd3"}
    assert address(other) != mine
    assert address({"net_ifaces": "tap77"}, "tap77") == mine
    two = {"net_ifaces": "tap50,tap51"}
    assert address(two) == mine != address(two, "tap51")
    assert address({"tap50_mac": "58:9c:fc:00:00:01"}) == "58:9c:fc:00:00:01"


def test_a_guest_of_the_shell_program_keeps_the_address_that_bhyve_gives_it() -> None:
    assert (
        address({"creation": "Created on Mon by chyves v0.2.0 2016/09/11 using __create()"}) == ""
    )
    assert address({"creation": "Created on Mon by chyves 1.0.0"}) == address({})


def test_the_password_is_in_no_argv() -> None:
    made = make_plan(VNC, password="secret")
    [launch] = made.launches
    assert "secret" not in " ".join(launch.bhyve)
    assert made.settings == ("pci.0.2.0.password=secret",)
    settings = launch.bhyve.index("-k")
    assert launch.bhyve[settings + 1] == "/var/run/chyves/guests/web/bhyve.conf"
    assert settings > max(n for n, word in enumerate(launch.bhyve) if word == "-s"), (
        "bhyve calls a slot occupied that its file has named before"
    )


def test_acpi_is_there_on_all_releases() -> None:
    old = make_plan({"bargs": "-H"}, facts=RELEASES["13.2"]).launches[0]
    assert old.bhyve[:3] == ("bhyve", "-A", "-H")
    new = make_plan({"bargs": "-H"}, facts=RELEASES["15.0"]).launches[0]
    assert new.bhyve[:3] == ("bhyve", "-H", "-c")


def test_firmware_of_unknown_age_finds_its_devices_on_15() -> None:
    new = RELEASES["15.0"]
    assert " -o pci.enable_bars=true " in bhyve(UEFI, facts=new)
    for line in (bhyve(UEFI, facts=new, variables=True), bhyve({}, facts=new), bhyve(UEFI)):
        assert "enable_bars" not in line


@pytest.mark.parametrize(
    ("given", "cpus"),
    [
        ({"cpu_sockets": "2"}, "8,sockets=2,cores=4,threads=1"),
        ({"cpu_cores": "4"}, "8,sockets=2,cores=4,threads=1"),
        ({"cpu_threads": "2"}, "8,sockets=1,cores=4,threads=2"),
        (
            {"cpu_sockets": "1", "cpu_cores": "4", "cpu_threads": "2"},
            "8,sockets=1,cores=4,threads=2",
        ),
        ({}, "8"),
    ],
)
def test_the_shape_of_the_processor(given: dict[str, str], cpus: str) -> None:
    assert f" -c {cpus} " in bhyve({"cpu": "8"} | given)


@pytest.mark.parametrize(
    ("label", "media", "release"),
    [
        ("OpenBSD/amd64   7.5 Install CD", "cd.iso", "7.5"),
        ("", "install60.iso", "6.0"),
        ("", "install7.6.iso", "7.6"),
        ("", "openbsd-64.iso", "6.4"),
        ("", "cd.iso", ""),
        ("OTHER", "install2026.iso", ""),
    ],
)
def test_the_release_of_openbsd(label: str, media: str, release: str) -> None:
    assert grub.openbsd_release(label, f"/chyves/tank/ISO/x75/{media}") == release


@pytest.mark.parametrize(
    ("label", "media", "expected"),
    [
        ("ARCH_202401", "arch.iso", "ARCH_202401"),
        ("", "archlinux-2016.09.03-dual.iso", "ARCH_201609"),
        ("ARCH_1; halt", "a.iso", ""),
        ("", "arch.iso", ""),
    ],
)
def test_the_label_of_arch(label: str, media: str, expected: str) -> None:
    assert grub.arch_label(label, f"/a/{media}") == expected


def test_files_that_must_be_there() -> None:
    assert needed_files(make_guest(), make_disks(1), primary="tank") == (
        "/dev/zvol/tank/chyves/guests/web/disk0",
    )
    assert needed_files(make_guest(**UEFI), make_disks(2), primary="tank", media=Media(ISO)) == (
        "/chyves/tank/Firmware/BHYVE_UEFI.fd/BHYVE_UEFI.fd",
        ISO,
        "/dev/zvol/tank/chyves/guests/web/disk0",
        "/dev/zvol/tank/chyves/guests/web/disk1",
    )
