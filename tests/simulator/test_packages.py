# SPDX-License-Identifier: BSD-2-Clause
"""The simulated pkg(8)."""

from pathlib import Path

from chyves.simulator.programs import execute_captured
from chyves.simulator.world import World

OWNED = ["pkg", "-N", "which", "-q", "/usr/local/bin/chyves"]


def test_which_package_a_file_belongs_to(tmp_path: Path) -> None:
    World.make(tmp_path / "host")
    world = World(tmp_path / "host")
    assert execute_captured(world, OWNED) == (1, b"", b"pkg: pkg is not installed\n")
    with world.changing():
        world.table("packages")["/usr/local/bin/chyves"] = {"name": "py311-chyves-1.0"}
    assert execute_captured(world, OWNED) == (0, b"py311-chyves-1.0\n", b"")
    assert execute_captured(world, [*OWNED[:-1], "/usr/local/bin"]) == (1, b"", b"")
    assert execute_captured(world, ["pkg", "install", "x"])[0] == 64
