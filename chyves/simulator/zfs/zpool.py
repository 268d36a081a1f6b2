# SPDX-License-Identifier: BSD-2-Clause
"""zpool(8) of the simulated host."""

from chyves.simulator.programs import Io
from chyves.simulator.world import World


def zpool(world: World, arguments: list[str], io: Io) -> int:
    """Answer one zpool command."""
    raise NotImplementedError
