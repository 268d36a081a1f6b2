# SPDX-License-Identifier: BSD-2-Clause
"""pkg(8), as far as it tells which package a file belongs to: ``pkg -N which -q /path``.

A simulated host has no packages but those in its table ``packages``: the package by the path.
"""

from chyves.simulator.programs import Io
from chyves.simulator.world import World


def pkg(world: World, arguments: list[str], io: Io) -> int:
    """pkg(8); without packages it is not bootstrapped, and -N says so (usr.sbin/pkg/pkg.c)."""
    match arguments:
        case ["-N", *_] if not world.table("packages"):
            io.err("pkg: pkg is not installed")
            return 1
        case ["-N", "which", "-q", path]:
            owner = world.table("packages").get(path)
            if owner:
                io.out(str(owner["name"]))
            return 0 if owner else 1
    io.err("pkg: the simulated pkg knows only: pkg -N which -q <path>")
    return 64
