# SPDX-License-Identifier: BSD-2-Clause
"""sysctl."""

from chyves.simulator.world import World


def value(world: World, oid: str) -> str | None:
    return {"net.link.tap.devfs_cloning": "1"}.get(oid, "0")
