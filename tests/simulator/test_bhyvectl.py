# SPDX-License-Identifier: BSD-2-Clause
"""bhyvectl as a FreeBSD 13.2 has it (transcripts bhyve-hw.txt and
bhyve-no-hw-virt.txt)."""

from pathlib import Path

import pytest

from chyves.simulator.bhyve import vmm
from chyves.simulator.world import Machine, World
from tests.simulator.conftest import run
from tests.simulator.vms import make_world


@pytest.fixture
def host(tmp_path: Path) -> World:
    return make_world(tmp_path / "host", Machine(release="13.2", cpu="amd", cores=2, pools={}))


def test_create_and_destroy(host: World) -> None:
    assert run(host, "bhyvectl", "--vm=vm1", "--create") == (
        ("bhyvectl", "--vm=vm1", "--create"),
        0,
        "",
        "",
    )
    assert host.path("/dev/vmm/vm1").stat().st_mode & 0o777 == 0o600
    again = run(host, "bhyvectl", "--vm=vm1", "--create")
    assert (again.code, again.stdout, again.stderr) == (255, "errno = 17\n", "")
    assert run(host, "bhyvectl", "--vm", "vm1", "--dest").code == 0
    assert not host.path("/dev/vmm").exists()


@pytest.mark.parametrize(
    ("name", "code", "stdout"),
    [
        ("bad name", 255, "errno = 22\n"),
        ('bad"name', 255, "errno = 22\n"),
        ("bad/name", 0, ""),
        ("-x", 0, ""),
        ("a" * 229, 0, ""),
        ("a" * 230, 255, "errno = 22\n"),
    ],
)
def test_names(host: World, name: str, code: int, stdout: str) -> None:
    result = run(host, "bhyvectl", f"--vm={name}", "--create")
    assert (result.code, result.stdout) == (code, stdout)
    assert host.path(f"/dev/vmm/{name}").exists() == (code == 0)
    if code == 0:
        assert run(host, "bhyvectl", f"--vm={name}", "--destroy").code == 0
        assert not host.path("/dev/vmm").exists()


@pytest.mark.parametrize(
    "action", ["--destroy", "--get-stats", "--force-poweroff", "--force-reset", "--inject-nmi"]
)
def test_a_vm_that_does_not_exist(host: World, action: str) -> None:
    result = run(host, "bhyvectl", "--vm=nosuch", action)
    assert (result.code, result.stdout) == (1, "")
    assert result.stderr == ("vm_open: nosuch could not be opened: No such file or directory\n")


def test_force_poweroff_of_an_idle_vm_is_accepted_once(host: World) -> None:
    vmm.create(host, "vm1")
    assert run(host, "bhyvectl", "--vm=vm1", "--force-poweroff").code == 0
    result = run(host, "bhyvectl", "--vm=vm1", "--force-poweroff")
    assert (result.code, result.stdout) == (255, "errno = 37\n")


@pytest.mark.parametrize("arguments", [[], ["--destroy"]])
def test_usage(host: World, arguments: list[str]) -> None:
    result = run(host, "bhyvectl", *arguments)
    lines = result.stderr.split("\n")
    assert (result.code, result.stdout) == (1, "")
    assert lines[:4] == [
        "Usage: bhyvectl --vm=<vmname>",
        "       [--cpu=<vcpu_number>]",
        "       [--create]",
        "       [--destroy]",
    ]
    assert lines[-3:] == [
        "       [--get-avic-backing-page]",
        "       [--get-avic-table]",
        "",
    ]
    assert len(lines) == 128


@pytest.mark.parametrize(
    ("argument", "complaint"),
    [
        ("--nosuch", "bhyvectl: unrecognized option `--nosuch'"),
        ("--suspend=x", "bhyvectl: unrecognized option `--suspend=x'"),
        ("-h", "bhyvectl: invalid option -- h"),
        ("--get-lowmem", "bhyvectl: unrecognized option `--get-lowmem'"),
        ("--force", "bhyvectl: ambiguous option -- force"),
        ("--vm", "bhyvectl: option requires an argument -- vm"),
        ("--destroy=x", "bhyvectl: option doesn't take an argument -- destroy"),
    ],
)
def test_options_that_do_not_exist(host: World, argument: str, complaint: str) -> None:
    result = run(host, "bhyvectl", argument)
    assert result.code == 1
    assert result.stderr.startswith(f"{complaint}\nUsage: bhyvectl --vm=<vmname>\n")


def test_what_it_tells_of_a_vm(host: World) -> None:
    vmm.create(host, "vm1")
    vmm.set_up_memory(host, "vm1", 256 << 20, wired=True)
    result = run(
        host, "bhyvectl", "--vm=vm1", "--get-cpu-topology", "--get-active-cpus", "--get-memseg"
    )
    assert result.stdout == (
        "ID  Length      Name\n0   256MB       sysmem\n"
        "cpu_topology:\tsockets=1, cores=1, threads=1, maxcpus=2\n"
        "active cpus:\t (none)\n"
    )
    stats = run(host, "bhyvectl", "--vm=vm1", "--get-stats").stdout.split("\n")
    assert stats[0] == "vcpu0 stats:"
    assert "Wired memory                            \t268435456" in stats


def test_not_root(host: World, monkeypatch: pytest.MonkeyPatch) -> None:
    vmm.create(host, "vm1")
    monkeypatch.setenv("CHYVES_SIMULATE_USER", "nobody")
    result = run(host, "bhyvectl", "--vm=vm2", "--create")
    assert (result.code, result.stdout) == (255, "errno = 1\n")
    result = run(host, "bhyvectl", "--vm=vm1", "--destroy")
    assert (result.code, result.stderr) == (
        1,
        "vm_open: vm1 could not be opened: Permission denied\n",
    )
    assert host.path("/dev/vmm/vm1").exists()


def test_without_virtualization(tmp_path: Path) -> None:
    world = make_world(tmp_path / "host", Machine(virtualization=False, pools={}))
    result = run(world, "bhyvectl", "--vm=nosuch", "--create")
    assert (result.code, result.stdout) == (255, "errno = 6\n")
