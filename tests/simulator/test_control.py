# SPDX-License-Identifier: BSD-2-Clause
"""Hosts made, hurt and rebooted from outside."""

import json
from pathlib import Path

import pytest

from chyves.errors import Invalid, NotFound
from chyves.simulator.control import main
from chyves.simulator.host import open_simulated_host
from chyves.simulator.net.interfaces import open_tap
from chyves.simulator.programs import execute_captured
from chyves.simulator.world import World
from tests.simulator.conftest import Type, run
from tests.simulator.living import living


def test_make_with_everything(tmp_path: Path) -> None:
    line = (
        "--release 15.0 --cpu amd --no-virtualization --no-unrestricted-guest --no-iommu "
        "--verbose-boot --cores 4 --memory 16G --nic em0 --nic em1 --pool a:10G --pool b:2G"
    )
    assert main(tmp_path / "host", "make", line.split()) == 0
    machine = json.loads((tmp_path / "host/machine.json").read_text())
    assert machine == {
        "release": "15.0",
        "cpu": "amd",
        "virtualization": False,
        "unrestricted_guest": False,
        "iommu": False,
        "verbose_boot": True,
        "cores": 4,
        "memory": 16 << 30,
        "nics": ["em0", "em1"],
        "pools": {"a": 10 << 30, "b": 2 << 30},
    }
    world = World(tmp_path / "host")
    assert run(world, "uname", "-r").stdout == "15.0-RELEASE\n"
    assert run(world, "ifconfig", "-l").stdout == "em0 em1 lo0\n"
    assert run(world, "zfs", "list", "-Ho", "name").stdout == "a\nb\n"


@pytest.mark.parametrize(
    "line", ["--release 9.0", "--cpu arm", "--cores 0", "--pool tank", "--nosuch", "extra"]
)
def test_make_refuses(tmp_path: Path, line: str) -> None:
    with pytest.raises(SystemExit) as refused:
        main(tmp_path / "host", "make", line.split())
    assert refused.value.code == 2
    assert not (tmp_path / "host").exists()


def test_make_refuses_what_is_there(tmp_path: Path) -> None:
    main(tmp_path / "host", "make", [])
    with pytest.raises(Invalid, match="is a simulated host already"):
        main(tmp_path / "host", "make", [])
    (tmp_path / "file").touch()
    with pytest.raises(Invalid, match="is not empty and not a simulated host"):
        main(tmp_path, "make", [])


def test_a_kind_of_guest_that_there_is_not(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHYVES_SIMULATE_GUEST", "virtualbox")
    with pytest.raises(Invalid, match="no kind of guest: virtualbox"):
        open_simulated_host(world.directory)


def test_make_refuses_what_is_no_size(tmp_path: Path) -> None:
    with pytest.raises(Invalid):
        main(tmp_path / "host", "make", ["--memory", "much"])


def test_ordered_failure(world: World) -> None:
    main(world.directory, "fault", ["fail", "2"])
    assert execute_captured(world, ["uname"])[0] == 0
    assert execute_captured(world, ["uname"]) == (1, b"", b"uname: failed as ordered")
    main(world.directory, "fault", ["fail", "1"])
    main(world.directory, "fault", ["cancel"])
    assert execute_captured(world, ["uname"])[0] == 0


def test_full_pool(world: World, shell: Type) -> None:
    main(world.directory, "fault", ["fill", "tank"])
    refused = shell("zfs create -V 1M tank/disk")
    assert refused.code == 1
    assert "out of space" in refused.stderr
    main(world.directory, "fault", ["cancel"])
    assert shell("zfs create -V 1M tank/disk").code == 0
    assert shell("zfs list -Ho name").stdout == "tank\ntank/disk\n"
    with pytest.raises(NotFound):
        main(world.directory, "fault", ["fill", "nosuch"])


def test_lost_interface(world: World, shell: Type) -> None:
    shell("ifconfig bridge0 create addm em0")
    main(world.directory, "fault", ["lose", "em0"])
    assert shell("ifconfig em0").stderr == "ifconfig: interface em0 does not exist\n"
    assert "member" not in shell("ifconfig bridge0").stdout
    with pytest.raises(NotFound):
        main(world.directory, "fault", ["lose", "em0"])


def test_reboot_keeps_disks_and_forgets_the_rest(world: World, shell: Type) -> None:
    shell("kldload vmm if_bridge")
    shell("sysctl net.link.tap.up_on_open=1")
    shell("bhyvectl --vm=one --create")
    shell("zfs create tank/data")
    shell("zfs unmount tank/data")
    shell("zfs create -V 1M tank/disk")
    world.path("/var/run/chyves").mkdir()
    with living(world, "bhyve: one") as pid:
        open_tap(world, "tap0", pid)
        main(world.directory, "reboot", [])
        assert world.processes() == []
    fresh = World(world.directory)
    assert run(fresh, "ifconfig", "-l").stdout == "em0 lo0\n"
    assert run(fresh, "kldstat", "-qn", "vmm").code == 1
    assert run(fresh, "sysctl", "-n", "net.link.tap.up_on_open").stdout == "0\n"
    assert sorted(path.name for path in world.path("/dev").iterdir()) == ["zvol"]
    assert [path.name for path in world.path("/var/run").iterdir()] == ["dmesg.boot"]
    assert world.path("/dev/zvol/tank/disk").exists()
    assert run(fresh, "zfs", "get", "-Hpo", "value", "mounted", "tank/data").stdout == "yes\n"
