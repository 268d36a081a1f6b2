# SPDX-License-Identifier: BSD-2-Clause
"""Which living process has opened which device of the simulated host.

Nobody has to close: a process that ended, however it ended, has nothing open any more.
"""

from chyves.simulator.world import World


def open_device(world: World, path: str, pid: int) -> None:
    """Note that ``pid`` has opened ``path``, e.g. ``/dev/tap50``."""
    with world.changing():
        world.table("opened")[path] = {"pids": [*holders(world, path), pid]}


def close_device(world: World, path: str, pid: int) -> None:
    with world.changing():
        rest = [holder for holder in holders(world, path) if holder != pid]
        table = world.table("opened")
        if rest:
            table[path] = {"pids": rest}
        elif path in table:
            del table[path]


def holders(world: World, path: str) -> list[int]:
    """Return the pids of the living processes that have ``path`` open."""
    record = world.table("opened").get(path)
    return [pid for pid in record["pids"] if world.alive(pid)] if record else []
