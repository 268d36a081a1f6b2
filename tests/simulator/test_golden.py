# SPDX-License-Identifier: BSD-2-Clause
"""Every command line that is written down is taken by the programs of its release."""

import itertools
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from chyves.simulator.bhyve import bhyveload, grub
from chyves.simulator.bhyve.config import parse
from chyves.simulator.bhyve.devices import start_devices
from chyves.simulator.bhyve.exits import Stop
from chyves.simulator.bhyve.sizes import memory_size, topology
from chyves.simulator.opened import close_device
from chyves.simulator.reboot import reboot
from chyves.simulator.world import Machine, World
from tests.conftest import GOLDEN
from tests.model.test_bhyve import EVERYTHING, UEFI, VNC, make_plan
from tests.model.test_bhyve import RELEASES as PLANNED
from tests.simulator.conftest import run

RELEASES = {"13": "13.2", "14": "14.3", "15": "15.0"}
FILES = sorted(GOLDEN.glob("*.argv"))
GUEST = "tank/chyves/guests/web"
FOLDERS = ("/usr/src", "/home", "/chyves/tank/guests/web", "/var/run/chyves/guests/web")
PASSED = "9/0/0 9/0/2 10/0/1"
ROOMS = {
    **{f"/dev/zvol/{GUEST}/disk{n}": 1 << 20 for n in range(34)},
    "/chyves/tank/Firmware/BHYVE_UEFI.fd/BHYVE_UEFI.fd": 2 << 20,
    "/chyves/tank/guests/web/uefi-vars.fd": 132 << 10,
    "/boot/userboot_lua.so": 1,
    "/x.iso": 65536,
    "/var/run/web.sock": 0,
    **{f"/dev/{name}": 0 for name in ("dsp0", "dsp1", "tpm0", "cam/ctl0.0")},
}


def release(file: Path) -> str:
    """Return the release that a file is for: the one at the end of its name, or 14."""
    return RELEASES.get(file.stem.rpartition("-")[2], "14.3")


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, World]:
    """A host of each release that has all that the files name."""
    found = {}
    for name in RELEASES.values():
        machine = Machine(release=name, pools={})
        world = World.make(tmp_path_factory.mktemp("golden") / "host", machine)
        run(world, "sysrc", "-f", "/boot/loader.conf", "vmm_load=YES", f"pptdevs={PASSED}")
        reboot(world)
        assert run(world, "kldload", "nmdm", "if_bridge").code == 0
        for path in FOLDERS:
            world.path(path).mkdir(parents=True, exist_ok=True)
        for path, size in ROOMS.items():
            world.path(path).parent.mkdir(parents=True, exist_ok=True)
            world.path(path).touch()
            os.truncate(world.path(path), size)
        found[name] = world
    return found


@pytest.fixture
def world(request: pytest.FixtureRequest, worlds: dict[str, World]) -> Iterator[World]:
    world = worlds[release(request.getfixturevalue("file"))]
    yield world
    _let_go(world)


def _let_go(world: World) -> None:
    """Close what a bhyve would close by ending."""
    with world.reading():
        paths = [path for path, _ in world.table("opened").items()]
    for path in paths:
        close_device(world, path, os.getpid())
    for socket in world.path("/var/run/chyves/guests/web").glob("*.sock"):
        socket.unlink()


def command_lines(file: Path) -> tuple[list[list[str]], dict[str, str]]:
    """Return the command lines of a golden file, and the texts of the files that they read."""
    lines: list[list[str]] = []
    files: dict[str, str] = {}
    path = ""
    for line in file.read_text().splitlines():
        if line.startswith("/"):
            path = line.removesuffix(":")
            files.setdefault(path, "")
        elif line and not line.startswith(" "):
            path = ""
            lines.append([line])
        elif path and line:
            files[path] += f"{line.strip()}\n"
        elif line:
            option, _, value = line.strip().partition(" ")
            lines[-1] += [option, value] if value else [option]
    return [line for line in lines if not line[0].endswith(":")], files


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_command_line_is_taken(file: Path, world: World) -> None:
    lines, files = command_lines(file)
    assert [line for line in lines if line[0] == "bhyve"]
    for path, text in files.items():
        _put(world, path, text)
    for path in set(re.findall(r"/[^ ,:\n]+\.iso", file.read_text())):
        _put(world, path, "")
    for program, *arguments in lines:
        _take(world, program, arguments)
        if program == "bhyve":
            _let_go(world)


@pytest.mark.parametrize("name", RELEASES.values())
def test_every_combination_is_taken(name: str, worlds: dict[str, World]) -> None:
    """Loaders, disks, interfaces, screens and layouts, with all the devices there are."""
    world = worlds[name]
    for loader, disk, card, consolidate in itertools.product(
        ({}, {"loader": "grub-bhyve", "os": "openbsd"}, UEFI, VNC),
        ("ahci-hd", "virtio-blk", "nvme"),
        ("virtio-net", "e1000"),
        (False, True),
    ):
        properties = EVERYTHING | {"loader": "bhyveload"} | loader
        properties |= {"bhyve_disk_type": disk, "bhyve_net_type": card}
        made = make_plan(
            properties,
            facts=PLANNED[name],
            disks=5,
            consolidate=consolidate,
            variables=True,
            password="secret" if loader == VNC else "",
        )
        for launch in made.launches:
            for file in launch.files:
                _put(world, file.path, file.text)
            for argv in filter(None, (launch.loader, launch.bhyve)):
                _take(world, argv[0], list(argv[1:]))
            _let_go(world)


def test_one_that_another_release_would_not_take(worlds: dict[str, World]) -> None:
    [line, *_], _ = command_lines(GOLDEN / "uefi-everything-15.argv")
    with pytest.raises(Stop):
        parse(worlds["13.2"], line[1:])


def _put(world: World, path: str, text: str) -> None:
    world.path(path).parent.mkdir(parents=True, exist_ok=True)
    world.path(path).write_text(text)


def _take(world: World, program: str, arguments: list[str]) -> None:
    try:
        if program == "bhyveload":
            bhyveload.parse_orders(world, arguments)
        elif program == "grub-bhyve":
            grub.parse_orders(world, arguments)
        else:
            _put(world, "/var/run/chyves/guests/web/bhyve.conf", "pci.0.2.0.password=secret\n")
            config = parse(world, arguments)
            topology(config)
            assert memory_size(config.get("memory.size"))
            if config.has("pci.0.2.0.tcp"):
                config.set("pci.0.2.0.tcp", "127.0.0.1:0")  # tests run side by side
                config.set("pci.0.2.0.wait", "false")
            parts = start_devices(world, config, config.get("name"))
            assert parts.has_lpc
            for console in parts.consoles.values():
                console.close()
            if parts.screen:
                parts.screen.listener.close()
    except Stop as stop:
        pytest.fail(f"{program} refuses: {stop.stderr or stop.stdout}")
