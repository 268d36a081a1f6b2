# SPDX-License-Identifier: BSD-2-Clause
"""ifconfig against a recorded session, and what 14 and 15 do differently."""

import errno
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from chyves.simulator.net import interfaces
from chyves.simulator.world import Machine, World
from tests.simulator.conftest import Type, run
from tests.simulator.living import living
from tests.simulator.sessions import replay

Make = Callable[..., World]


def test_session_of_a_real_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World.make(tmp_path / "host", Machine(release="13.2", nics=("vtnet0",), pools={}))
    run(world, "kldload", "if_bridge")
    assert replay(world, "freebsd-13.2-ifconfig.txt", monkeypatch) > 120


def test_releases_print_a_bridge_in_their_own_way(make_world: Make) -> None:
    shown = {}
    for release in ("13.2", "14.3", "15.0"):
        world = make_world(release)
        run(world, "ifconfig", "tap0", "create", "up")
        run(world, "ifconfig", "bridge0", "create", "up", "addm", "tap0")
        shown[release] = run(world, "ifconfig", "bridge0").stdout.splitlines()
    assert shown["13.2"][0].startswith(
        "bridge0: flags=8843<UP,BROADCAST,RUNNING,SIMPLEX,MULTICAST>"
    )
    assert shown["14.3"][:2] == [
        "bridge0: flags=1008843<UP,BROADCAST,RUNNING,SIMPLEX,MULTICAST,LOWER_UP> metric 0 mtu 1500",
        "\toptions=0",
    ]
    assert "\t        ifmaxaddr 0 port 3 priority 128 path cost 2000000" in shown["14.3"]
    assert "\tbridge flags=0<>" in shown["15.0"]
    line = "\t        port 3 priority 128 path cost 2000000 vlan protocol 802.1q"
    assert line in shown["15.0"]


def test_lower_up_is_the_link_and_not_the_switch(make_world: Make) -> None:
    world = make_world("14.3")
    run(world, "ifconfig", "tap0", "create", "up")
    assert "flags=8803<UP,BROADCAST,SIMPLEX,MULTICAST>" in run(world, "ifconfig", "tap0").stdout
    with living(world, "bhyve: one") as pid:
        interfaces.open_tap(world, "tap0", pid)
        assert "MULTICAST,LOWER_UP>" in run(world, "ifconfig", "tap0").stdout


@pytest.mark.parametrize(("release", "mtu"), [("14.3", 9000), ("15.0", 9000)])
def test_later_members_take_the_mtu_of_the_bridge(make_world: Make, release: str, mtu: int) -> None:
    world = make_world(release)
    for line in ("tap1 create mtu 9000", "tap2 create", "bridge0 create addm tap1 addm tap2"):
        assert run(world, "ifconfig", *line.split()).code == 0
    assert f"mtu {mtu}\n" in run(world, "ifconfig", "tap2").stdout
    assert run(world, "ifconfig", "tap2", "mtu", "1400").stderr == (
        "ifconfig: ioctl SIOCSIFMTU (set mtu): Device busy\n"
    )


def test_member_with_an_address_is_refused_by_15_only(make_world: Make) -> None:
    old, new = make_world("14.3"), make_world("15.0")
    for world in (old, new):
        run(world, "ifconfig", "bridge0", "create")
    assert run(old, "ifconfig", "bridge0", "addm", "em0").code == 0
    refused = run(new, "ifconfig", "bridge0", "addm", "em0")
    assert (refused.code, refused.stderr) == (1, "ifconfig: BRDGADD em0: Invalid argument\n")
    run(new, "sysctl", "net.link.bridge.member_ifaddrs=1")
    assert run(new, "ifconfig", "bridge0", "addm", "em0").code == 0


def test_missing_tap_appears_by_being_opened(world: World, shell: Type) -> None:
    with living(world, "bhyve: one") as pid, living(world, "bhyve: two") as other:
        assert interfaces.open_tap(world, "tap99", pid) == 0
        assert interfaces.open_tap(world, "tap99", other) == errno.EBUSY
        assert f"Opened by PID {pid}" in shell("ifconfig tap99").stdout
        shell("sysctl net.link.tap.devfs_cloning=0")
        assert interfaces.open_tap(world, "tap98", other) == errno.ENOENT
    assert interfaces.bridge_of(world, "tap99") is None


def test_closing_takes_a_tap_down_and_leaves_it_on_its_bridge(world: World, shell: Type) -> None:
    shell("ifconfig tap0 create up description web")
    shell("ifconfig bridge0 create addm tap0")
    with living(world, "bhyve: one") as pid:
        interfaces.open_tap(world, "tap0", pid)
        assert "flags=8943<UP," in shell("ifconfig tap0").stdout
    assert "flags=8902<BROADCAST," in shell("ifconfig tap0").stdout
    assert interfaces.bridge_of(world, "tap0") == "bridge0"
    shell("ifconfig tap0 up")
    assert "flags=8903<UP,BROADCAST,PROMISC,SIMPLEX,MULTICAST>" in shell("ifconfig tap0").stdout


def test_opening_brings_a_tap_up_by_sysctl_or_since_15(make_world: Make) -> None:
    for release, setting, up in (("14.3", 0, False), ("14.3", 1, True), ("15.0", 0, True)):
        world = make_world(release)
        run(world, "sysctl", f"net.link.tap.up_on_open={setting}")
        with living(world, "bhyve: one") as pid:
            interfaces.open_tap(world, "tap5", pid)
            assert ("<UP," in run(world, "ifconfig", "tap5").stdout) is up


def test_destroying_an_open_tap_waits_for_its_opener(world: World, shell: Type) -> None:
    shell("ifconfig tap0 create")
    blocked = threading.Thread(
        target=run, args=(World(world.directory), "ifconfig", "tap0", "destroy"), daemon=True
    )
    with living(world, "bhyve: one") as pid:
        interfaces.open_tap(world, "tap0", pid)
        blocked.start()
        deadline = time.monotonic() + 10
        while shell("ifconfig tap0").code == 0:
            assert time.monotonic() < deadline
        assert shell("ifconfig tap0 create").stderr == ("ifconfig: interface tap0 already exists\n")
        assert blocked.is_alive()
    blocked.join(10)
    assert not blocked.is_alive()
    assert "tap0" in (world.directory / "blocked.log").read_text()
    assert shell("ifconfig tap0 create").code == 0


def test_nodes_of_taps(world: World, shell: Type) -> None:
    shell("ifconfig tap3 create")
    shell("ifconfig tap3 name web0")
    assert world.path("/dev/tap3").exists()
    assert world.path("/dev/web0").exists()
    assert shell("ifconfig tap3 create").stderr == "ifconfig: interface tap3 already exists\n"
    shell("ifconfig web0 destroy")
    assert not any(world.path("/dev").glob("*0"))


def test_what_follows_a_failing_word_is_not_done(shell: Type) -> None:
    shell("ifconfig bridge0 create")
    done = shell("ifconfig bridge0 description first addm nosuch0 up")
    assert (done.code, done.stderr) == (
        1,
        "ifconfig: BRDGADD nosuch0: No such file or directory\n",
    )
    shown = shell("ifconfig bridge0").stdout
    assert "description: first" in shown
    assert "<UP" not in shown


def test_any_word_about_a_bridge_loads_the_module(shell: Type) -> None:
    assert shell("kldstat -qm if_bridge").code == 1
    assert shell("ifconfig bridge7").stderr == "ifconfig: interface bridge7 does not exist\n"
    assert shell("kldstat -qm if_bridge").code == 0
    assert shell("kldstat -qm bridgestp").code == 0


def test_epair_goes_as_it_came_in_pairs(shell: Type) -> None:
    assert shell("ifconfig epair create").stdout == "epair0a\n"
    shell("ifconfig epair0b destroy")
    assert shell("ifconfig -l").stdout == "em0 lo0\n"


def test_usage(shell: Type) -> None:
    refused = shell("ifconfig --libxo json")
    assert refused.code == 1
    assert refused.stderr.startswith("ifconfig: illegal option -- -\nusage: ifconfig [-f type")
    assert shell("ifconfig tap0 create mtu").stderr == "ifconfig: 'mtu' requires argument\n"
    assert shell("ifconfig tap0 foo").stderr == "ifconfig: foo: bad value\n"
    assert shell("ifconfig -l").stdout == "em0 lo0 tap0\n"
    assert shell("ifconfig -lu").stdout == "em0 lo0\n"
    assert shell("ifconfig -l ether").stdout == "em0 tap0\n"
    assert shell("ifconfig -a nonsense").code == 1


def test_a_killed_destroy_leaves_the_rest_to_the_kernel(world: World, shell: Type) -> None:
    shell("ifconfig tap0 create")
    with living(world, "bhyve: one") as pid:
        interfaces.open_tap(world, "tap0", pid)
        destroyer = subprocess.Popen([str(world.bin / "ifconfig"), "tap0", "destroy"])
        deadline = time.monotonic() + 10
        while shell("ifconfig tap0").code == 0:
            assert time.monotonic() < deadline
        destroyer.kill()
        destroyer.wait()
        assert shell("ifconfig tap create").stdout == "tap1\n"
    assert shell("ifconfig tap create").stdout == "tap0\n"
