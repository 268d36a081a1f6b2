# SPDX-License-Identifier: BSD-2-Clause
"""Command lines of bhyve and its loader; golden files have one option a line."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from chyves.errors import Precondition
from chyves.model import kinds, layout
from chyves.model.bhyve import Launch, LaunchPlan, memory_argument, needed_files, plan
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
    empty_media: str | None = None,
    eject_after: int = 0,
    consolidate: bool = False,
) -> LaunchPlan:
    return plan(
        make_guest(**(properties or {})),
        facts,
        make_disks(disks),
        primary="tank",
        media=media,
        empty_media=empty_media,
        eject_after=eject_after,
        consolidate=consolidate,
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
    return "\n".join(one_option_a_line(argv) for argv in launch if argv)


NETS = {"net_ifaces": "tap50,vale0:1,tap51", "tap50_mac": "58:9c:fc:00:00:01"}
PLANS = {
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


def test_grub_bhyve_is_not_supported_yet() -> None:
    with pytest.raises(Precondition, match="loader grub-bhyve is not supported yet"):
        make_plan({"loader": "grub-bhyve"})


def test_no_device_is_passed_over_in_silence() -> None:
    with pytest.raises(Precondition, match="pcidev_1"):
        make_plan({"pcidev_1": "virtio-rnd"})


def test_files_that_must_be_there() -> None:
    assert needed_files(make_guest(), make_disks(1), primary="tank") == (
        "/dev/zvol/tank/chyves/guests/web/disk0",
    )
    assert needed_files(make_guest(**UEFI), make_disks(2), primary="tank", media=ISO) == (
        "/chyves/tank/Firmware/BHYVE_UEFI.fd/BHYVE_UEFI.fd",
        ISO,
        "/dev/zvol/tank/chyves/guests/web/disk0",
        "/dev/zvol/tank/chyves/guests/web/disk1",
    )
