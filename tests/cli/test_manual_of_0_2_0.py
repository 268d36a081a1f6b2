# SPDX-License-Identifier: BSD-2-Clause
"""The examples of the manual page of chyves 0.2.0, as it has them: the whole page runs.

``--yes`` answers what 0.2.0 asked; a line of console is a look at what the guest says there. Of
media that are fetched, and of keys that are typed, there are stand-ins. The verb ``install``, which
0.2.0 did not have any more, is ``start``.
"""

import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from chyves.simulator.world import Machine, World
from tests.cli.conftest import Chyves, Put
from tests.cli.runs import Runs, run_on
from tests.guests import scripted_iso

ASKS = {"delete", "rollback"}
"""Words of lines that ask before they do it."""


def make_host(directory: Path) -> Chyves:
    """The host of the page: pools, a network card, and media that were imported before."""
    pools = {"zroot": 200 << 30, "dev-pool": 64 << 30, "dozer": 64 << 30}
    World.make(directory, Machine(pools=pools))
    chyves = Chyves(directory)
    for line in (
        "dataset zroot install",
        "network bridge0 attach em0",
        "dataset dev-pool install",
        "dataset dozer install",
    ):
        chyves(f"{line} -q")
    return chyves


@pytest.fixture
def runs(put: Put) -> Iterator[Runs]:
    with run_on(put("manual", make_host)) as runs:
        yield runs


def say(runs: Runs, lines: str) -> None:
    """Say the lines of an example, each of which succeeds."""
    for line in lines.strip().splitlines():
        _, *words = shlex.split(line, comments=True)
        if words[1:] == ["console"]:
            runs.terminal(words[0]).expect("login: ")
            continue
        for name in words:
            if name.endswith(".iso") and words[:2] != ["iso", "import"]:
                _have_medium(runs, name)
        runs.chyves("", *words, *(["--yes"] if ASKS & set(words) else []))


def _have_medium(runs: Runs, name: str) -> None:
    if name not in [one["name"] for one in runs.chyves.json("iso list")]:
        runs.medium(name)


def create(runs: Runs, *names: str) -> None:
    runs.chyves(f"{','.join(names)} create 1M zroot -q")


def test_pools_media_and_guests(runs: Runs, tmp_path: Path) -> None:
    image = scripted_iso(tmp_path / "FreeBSD-10.2-RELEASE-amd64.iso")
    runs.chyves(f"iso import {image}")
    say(
        runs,
        """
        chyves bguest create
        chyves gst1,gst2,gst3 create 6G dev-pool
        chyves list iso
        chyves list firmware
        chyves iso list
        chyves firmware list
        """,
    )
    sizes = {one["name"]: one["disks"][0]["size"] >> 30 for one in runs.chyves.json("list")}
    assert sizes == {"bguest": 8, "gst1": 6, "gst2": 6, "gst3": 6}


def test_a_guest_is_installed_started_and_stopped(runs: Runs) -> None:
    create(runs, "bguest")
    runs.install("bguest")
    say(
        runs,
        """
        chyves bguest start FreeBSD-10.2-RELEASE-amd64.iso
        chyves bguest console
        chyves bguest stop
        chyves bguest reclaim
        chyves bguest start
        chyves bguest stop
        chyves bguest stop force
        chyves list
        chyves all start
        chyves all stop
        """,
    )
    assert runs.vms() == []


def test_properties(runs: Runs) -> None:
    create(runs, "bguest", "bguest2", "bguest3", "bguest4")
    say(
        runs,
        """
        chyves bguest set ram=512M
        chyves bguest set cpu=1
        chyves bguest set os=netbsd
        chyves bguest set description="FreeBSD chyves guest"
        chyves bguest set description="Runs internal webserver using nginx."
        chyves bguest set ram=512M cpu=1 os=netbsd loader=grub-bhyve
        chyves bguest,bguest2,bguest3 set ram=512M description="b cluster"
        chyves bguest,bguest2,bguest3 set cpu=1 ram=512M bguest4 rcboot=50
        chyves all set cpu=6 ram=4G
        chyves defaults set cpu=4 ram=4G
        chyves list defaults
        chyves bguest get ram
        chyves bguest get all
        chyves info -a
        chyves info -h
        chyves global set default_info_flags="-zps"
        chyves global set default_list_flags="-zps"
        chyves list global
        """,
    )
    found = runs.chyves.json("all get all")
    assert [found[name]["ram"] for name in sorted(found)] == ["4G"] * 4
    assert found["bguest2"]["description"] == "b cluster"
    assert found["bguest4"]["rcboot"] == "50"
    assert runs.chyves("list").out.splitlines()[0].split()[:3] == ["Guest/Disks", "Size", "Pool"]


def test_snapshots_and_a_disk_of_ones_own(runs: Runs) -> None:
    create(runs, "bguest")
    say(
        runs,
        """
        chyves bguest snapshot @beforeupdate
        chyves list snapshots
        chyves list snapshots bguest
        chyves bguest snapshot rollback @beforeupdate
        chyves bguest disk delete disk0
        """,
    )
    image = runs.host.path("/chyves/dozer/guests/bguest/01.img")
    image.parent.mkdir()
    with image.open("wb") as file:
        file.truncate(16 << 30)
    say(runs, "chyves bguest set pcidev_0=ahci-hd,/chyves/dozer/guests/bguest/01.img")
    assert "ahci-hd,/chyves/dozer/guests/bguest/01.img" in runs.chyves("bguest get all").out


def test_clones(runs: Runs) -> None:
    create(runs, "bguest")
    say(
        runs,
        """
        chyves bguest clone -cu bguest2
        chyves bguest clone -ce exactCL1,exactCL2
        chyves bguest2 delete
        chyves exactCL1 delete
        chyves bguest clone -iu bguest2,bguest3
        chyves bguest clone -ie exactCL1
        chyves bguest2 delete
        chyves bguest delete force
        chyves exactCL1 delete keepnet
        """,
    )
    assert [guest["name"] for guest in runs.chyves.json("list")] == ["bguest3"]


GRUB = {
    "debianvm": """
        chyves debianvm create 8G
        chyves debianvm set loader=grub-bhyve os=debian
        chyves debianvm start debian-8.2.0-amd64-i386-netinst.iso
        chyves debianvm console
    """,
    "archguest": """
        chyves archguest create
        chyves archguest set loader=grub-bhyve os=arch
        chyves archguest start archlinux-2015.10.01-dual.iso
        chyves archguest console
    """,
    "centosguest": """
        chyves centosguest create
        chyves centosguest set loader=grub-bhyve os=centos7 ram=392M
        chyves centosguest start CentOS-7-x86_64-Everything-1511.iso
        chyves centosguest console
    """,
    "gentooguest": """
        chyves gentooguest create
        chyves gentooguest set loader=grub-bhyve os=gentoo
        chyves gentooguest start install-amd64-minimal-20160414.iso
        chyves gentooguest console
    """,
    "coreos": """
        chyves coreos create 32g
        chyves coreos set ram=1G loader=grub-bhyve os=coreos
        chyves coreos start coreos_production_iso_image.iso
        chyves coreos console
        chyves coreos set os=coreossecure
    """,
}


@pytest.mark.parametrize("guest", GRUB)
def test_systems_that_grub_boots(guest: str, runs: Runs) -> None:
    say(runs, GRUB[guest])
    assert runs.phase(guest) == "running"


def test_a_system_of_ones_own_for_grub(runs: Runs) -> None:
    say(runs, "chyves customgst create\nchyves customgst set loader=grub-bhyve os=custom")
    runs.install("customgst")
    folder = "/chyves/zroot/guests/customgst"
    _write_grub(runs, folder, "cd0", "/chyves/zroot/ISO/install.iso/install.iso")
    say(
        runs,
        """
        chyves customgst start install.iso
        chyves customgst console
        chyves customgst stop             # This is done to edit grub.cfg
        """,
    )
    _write_grub(runs, folder, "hd0,1", "/dev/zvol/zroot/chyves/guests/customgst/disk0")
    say(runs, "chyves customgst start\nchyves customgst console")


def _write_grub(runs: Runs, folder: str, place: str, path: str) -> None:
    drive = place.partition(",")[0]
    runs.host.path(f"{folder}/device.map").write_text(f"({drive}) {path}\n")
    runs.host.path(f"{folder}/grub.cfg").write_text(f"linux ({place})/vmlinuz\nboot\n")


def test_windows(runs: Runs, tmp_path: Path) -> None:
    firmware = tmp_path / "BHYVE_UEFI.fd"
    firmware.write_bytes(bytes(1 << 20))
    runs.chyves(f"firmware import {firmware}")
    say(
        runs,
        """
        chyves windowsguest create 32g
        chyves windowsguest set ram=2G
        chyves windowsguest set bhyve_net_type=e1000
        chyves windowsguest set loader=uefi
        chyves windowsguest set uefi_firmware=BHYVE_UEFI.fd
        chyves windowsguest set uefi_console_output=vnc
        chyves windowsguest set uefi_vnc_pause_until_client_connect=yes
        chyves windowsguest set eject_iso_on_n_reboot=3
        chyves windowsguest start windows_installation.iso
        chyves windowsguest get uefi_vnc_ip
        chyves windowsguest get uefi_vnc_port
        chyves windowsguest stop force
        chyves windowsguest set uefi_vnc_pause_until_client_connect=no
        chyves windowsguest unset eject_iso_on_n_reboot
        chyves windowsguest start virtio-win-0.1.96.iso
        """,
    )
    assert runs.phase("windowsguest") == "running"
