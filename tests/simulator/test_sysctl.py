# SPDX-License-Identifier: BSD-2-Clause
"""sysctl: values by machine and release, and what it refuses."""

from pathlib import Path

import pytest

from chyves.simulator import sysctl
from chyves.simulator.world import Machine, World
from tests.simulator.conftest import Type, run


def test_several_at_once(shell: Type) -> None:
    done = shell("sysctl -n kern.ostype hw.ncpu kern.osreldate")
    assert (done.code, done.stdout) == (0, "FreeBSD\n8\n1302001\n")


def test_unknown_oids_are_counted_and_the_others_shown(shell: Type) -> None:
    done = shell("sysctl kern.ostype hw.vmm nosuch.oid kern.osrelease")
    assert done.code == 2
    assert done.stdout == "kern.ostype: FreeBSD\nkern.osrelease: 13.2-RELEASE\n"
    assert done.stderr == "sysctl: unknown oid 'hw.vmm'\nsysctl: unknown oid 'nosuch.oid'\n"
    assert shell("sysctl -i nosuch.oid").code == 0
    assert shell("sysctl -q nosuch.oid").stderr == ""


def test_setting_shows_both_values(world: World, shell: Type) -> None:
    line = "sysctl net.link.tap.up_on_open=1"
    assert shell(line).stdout == "net.link.tap.up_on_open: 0 -> 1\n"
    assert shell(line).stdout == "net.link.tap.up_on_open: 1 -> 1\n"
    assert sysctl.value(world, "net.link.tap.up_on_open") == "1"
    assert shell("sysctl -n vfs.zfs.vol.mode=0x2").stdout == "1 -> 2\n"
    assert shell("sysctl -n vfs.zfs.vol.mode").stdout == "2\n"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("hw.ncpu=3", "sysctl: oid 'hw.ncpu' is read only\n"),
        (
            "hw.vmm.maxcpu=3",
            "sysctl: oid 'hw.vmm.maxcpu' is a read only tunable\n"
            "sysctl: Tunable values are set in /boot/loader.conf\n",
        ),
        ("net.link.tap=1", "sysctl: oid 'net.link.tap' isn't a leaf node\n"),
        ("net.link.tap.debug=abc", "sysctl: invalid integer 'abc'\n"),
        ("net.link.tap.debug=", "sysctl: empty numeric value\n"),
    ],
)
def test_refusals(shell: Type, line: str, said: str) -> None:
    shell("kldload vmm")
    refused = shell(f"sysctl {line}")
    assert (refused.code, refused.stdout, refused.stderr) == (1, "", said)


def test_only_root_sets(shell: Type, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHYVES_SIMULATE_USER", "nobody")
    refused = shell("sysctl net.link.tap.up_on_open=1")
    assert (refused.code, refused.stdout, refused.stderr) == (
        1,
        "net.link.tap.up_on_open: 0\n",
        "sysctl: net.link.tap.up_on_open=1: Operation not permitted\n",
    )


def test_usage(shell: Type) -> None:
    refused = shell("sysctl --libxo json kern.ostype")
    assert refused.code == 1
    assert refused.stderr == (
        "sysctl: illegal option -- -\n"
        "usage: sysctl [-bdehiNnoqTtWx] [ -B <bufsize> ] [-f filename] name[=value] ...\n"
        "       sysctl [-bdehNnoqTtWx] [ -B <bufsize> ] -a\n"
    )
    assert shell("sysctl").code == 1
    assert "hw.machine: amd64\n" in shell("sysctl -a").stdout


@pytest.mark.parametrize(
    ("machine", "initialized", "unrestricted", "flags"),
    [
        (Machine(), "1", "1", "0"),
        (Machine(unrestricted_guest=False), "1", "0", "0"),
        (Machine(virtualization=False), "0", "0", "0"),
        (Machine(cpu="amd"), "0", "0", "508"),
    ],
)
def test_vmm_tells_what_the_processor_can(
    tmp_path: Path, machine: Machine, initialized: str, unrestricted: str, flags: str
) -> None:
    world = World.make(tmp_path / "host", machine)
    names = ("hw.vmm.vmx.initialized", "hw.vmm.vmx.cap.unrestricted_guest", "hw.vmm.npt.pmap_flags")
    assert run(world, "sysctl", "-n", *names).code == 3
    run(world, "kldload", "vmm")
    values = run(world, "sysctl", "-n", *names).stdout.split()
    assert values == [initialized, unrestricted, flags]
    assert run(world, "sysctl", "-n", "hw.vmm.maxcpu").stdout == "8\n"


def test_vms_by_sysctl(world: World, shell: Type) -> None:
    shell("kldload vmm")
    refused = shell("sysctl hw.vmm.destroy=nosuch")
    assert (refused.code, refused.stdout, refused.stderr) == (
        1,
        "hw.vmm.destroy: beavis\n",
        "sysctl: hw.vmm.destroy=nosuch: Invalid argument\n",
    )
    assert shell("sysctl hw.vmm.create=one").stdout == "hw.vmm.create: beavis -> beavis\n"
    assert world.path("/dev/vmm/one").exists()
    assert shell("sysctl hw.vmm.destroy=one").code == 0
    assert not world.path("/dev/vmm/one").exists()


def test_bridges_filter_no_more_since_14(tmp_path: Path) -> None:
    for release, value in (("13.2", "1"), ("14.3", "0")):
        world = World.make(tmp_path / release, Machine(release=release))
        assert sysctl.value(world, "net.link.bridge.pfil_member") is None
        run(world, "kldload", "if_bridge")
        assert sysctl.value(world, "net.link.bridge.pfil_member") == value


def test_sysctl_conf_by_hand(world: World, shell: Type) -> None:
    world.path("/etc").mkdir()
    world.path("/etc/sysctl.conf").write_text(
        "# taps\nnet.link.tap.up_on_open=1 # up\n\nno.such=1\n"
    )
    done = shell("sysctl -f /etc/sysctl.conf")
    assert (done.code, done.stdout) == (1, "net.link.tap.up_on_open: 0 -> 1\n")
