# SPDX-License-Identifier: BSD-2-Clause
"""kldload, kldstat, kldunload: what loads, what initialises, what stays."""

from collections.abc import Callable
from pathlib import Path

import pytest

from chyves.simulator import kernel
from chyves.simulator.world import Machine, World
from tests.simulator.conftest import Type, run
from tests.simulator.sessions import replay


def test_session_of_a_host_without_virtualization(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = Machine(release="13.2", cpu="amd", virtualization=False, cores=2, pools={})
    world = World.make(tmp_path / "host", machine)
    assert replay(world, "freebsd-13.2-vmm.txt", monkeypatch) > 20


@pytest.mark.parametrize(
    ("machine", "said"),
    [
        (Machine(cpu="amd", virtualization=False), "SVM: not available."),
        (
            Machine(release="13.2", virtualization=False),
            "vmx_init: processor does not support VMX operation",
        ),
    ],
)
def test_vmm_loads_without_initialising(tmp_path: Path, machine: Machine, said: str) -> None:
    world = World.make(tmp_path / "host", machine)
    assert run(world, "kldload", "vmm").code == 0
    assert run(world, "kldstat", "-qn", "vmm").code == 0
    assert run(world, "kldstat", "-qm", "vmm").code == 1
    assert not kernel.module_ready(world, "vmm")
    *_, line, last = run(world, "dmesg").stdout.splitlines()
    assert line == said
    assert last.startswith("module_register_init: MOD_LOAD (vmm, 0xffffffff")
    assert last.endswith(", 0) error 6")


def test_vmm_initialises_where_it_can(world: World, shell: Type) -> None:
    assert not kernel.module_ready(world, "vmm")
    assert shell("kldload -v vmm").stdout == "Loaded vmm, id=4\n"
    assert kernel.module_ready(world, "vmm")
    assert shell("kldstat -m vmm").stdout.splitlines()[0] == "Id  Refs Name"
    verbose = shell("kldstat -v -n vmm").stdout
    assert " vmm.ko (/boot/kernel/vmm.ko)\n\tContains modules:\n\t\t Id Name\n" in verbose


def test_loading_again(shell: Type) -> None:
    assert shell("kldload /boot/kernel/nmdm.ko").code == 0
    assert shell("kldload -nv nmdm.ko").stdout == "nmdm.ko is already loaded\n"
    assert shell("kldload nmdm if_bridge").code == 1
    assert shell("kldstat -qm if_bridge").code == 0


def test_only_root_loads(shell: Type, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHYVES_SIMULATE_USER", "nobody")
    refused = shell("kldload -n vmm")
    assert (refused.code, refused.stderr) == (
        1,
        "kldload: can't load vmm: Operation not permitted\n",
    )


def test_unloading(world: World, shell: Type) -> None:
    shell("kldload if_bridge nmdm vmm")
    busy = "kldunload: can't unload file: Device busy\n"
    assert shell("kldunload bridgestp").stderr == busy
    assert shell("kldunload zfs").stderr == busy
    world.path("/dev/nmdm50A").touch()
    assert shell("kldunload nmdm").stderr == busy
    shell("bhyvectl --vm=one --create")
    assert shell("kldunload vmm").stderr == busy
    shell("ifconfig bridge0 create")
    assert shell("kldunload if_bridge").code == 0
    assert shell("kldstat -qm bridgestp").code == 1
    assert shell("ifconfig -l").stdout == "em0 lo0\n"


def test_loader_conf_loads_at_boot(tmp_path: Path, make_world: Callable[..., World]) -> None:
    from chyves.simulator.reboot import reboot

    world = make_world()
    run(world, "sysrc", "-f", "/boot/loader.conf", "vmm_load=YES", "hw.vmm.maxcpu=3")
    reboot(world)
    assert run(world, "sysctl", "-n", "hw.vmm.maxcpu").stdout == "3\n"


@pytest.mark.parametrize(
    ("line", "code", "said"),
    [
        ("kldload", 1, "usage: kldload [-nqv] file ...\n"),
        ("kldload -x vmm", 1, "kldload: illegal option -- x\nusage: kldload [-nqv] file ...\n"),
        ("kldstat -q -m nosuch", 1, ""),
        ("kldstat -n nosuch", 1, "kldstat: can't find file nosuch: No such file or directory\n"),
        ("kldunload nosuch", 1, "kldunload: can't find file nosuch\n"),
    ],
)
def test_refusals(shell: Type, line: str, code: int, said: str) -> None:
    refused = shell(line)
    assert (refused.code, refused.stdout, refused.stderr) == (code, "", said)


def test_missing_arguments(shell: Type) -> None:
    refused = shell("kldstat -m")
    assert refused.code == 1
    assert refused.stderr.startswith("kldstat: option requires an argument -- m\nusage: kldstat ")
    assert shell("kldunload").code == 64
