# SPDX-License-Identifier: BSD-2-Clause
"""Turn the simulated host off and on again: what lives only in memory is gone."""

import fcntl
import os
import shutil
import signal
import time
from collections.abc import Iterator

from chyves.simulator import hardware, kernel, sysctl
from chyves.simulator.net import interfaces
from chyves.simulator.programs import execute_captured
from chyves.simulator.world import World
from chyves.simulator.zfs import nodes
from chyves.simulator.zfs.datasets import Datasets
from chyves.simulator.zfs.moves import Moves

VOLATILE = ("interfaces", "kenv", "kernel", "messages", "nmdm", "opened", "sysctl", "tmux", "vmm")
"""Tables of what the kernel has in memory."""

_PATIENCE = 10.0


def reboot(world: World) -> None:
    """End every process of the host, forget what is not on disk, and boot."""
    _end_processes(world)
    with world.changing():
        for table in (world.table(name) for name in VOLATILE):
            for key in list(table):
                del table[key]
        _clear(world)
        kernel.boot(world)
        sysctl.boot(world)
        hardware.boot(world)
        interfaces.boot(world)
        _import_pools(world)
    execute_captured(world, ["zfs", "mount", "-a"])


def _end_processes(world: World) -> None:
    """Kill whoever holds a lock file in /var/run (first: they look after others), then the rest."""
    pids = [*_lock_holders(world), *(process.pid for process in world.processes())]
    for pid in dict.fromkeys(pids):
        if pid != os.getpid():
            _kill(pid)
    deadline = time.monotonic() + _PATIENCE
    while world.processes() and time.monotonic() < deadline:
        time.sleep(0.01)


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def _lock_holders(world: World) -> Iterator[int]:
    """Yield the pids in those files below /var/run that their writer holds a lock on."""
    for path in world.path("/var/run").rglob("*.lock"):
        with path.open() as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                text = lock.read(20).strip()
                if text.isdigit():
                    yield int(text)


def _clear(world: World) -> None:
    """Empty /dev (but for the volumes) and /var/run."""
    for folder in ("/dev", "/var/run"):
        for path in world.path(folder).iterdir():
            if path.name == "zvol":
                continue
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()


def _import_pools(world: World) -> None:
    """Make the nodes of all volumes anew, as the import of a pool does."""
    datasets, moves = Datasets(world), Moves(world)
    for name, record in world.table("zfs").items():
        if record["type"] == "volume":
            nodes.refresh(datasets, moves, name)
    moves.finish()
