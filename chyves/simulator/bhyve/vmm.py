# SPDX-License-Identifier: BSD-2-Clause
"""The VM objects of the simulated kernel: /dev/vmm and what vmm.ko knows of each VM.

A record of the table ``vmm``: ``generation`` (tells a VM from a later one of the same name),
``memory`` (bytes, 0 before it is set up), ``wired``, ``loaded`` (a loader has put a kernel there),
``boot`` (host paths the loader was given), ``active`` (its vCPUs were started), ``suspended`` (all
of them have stopped), ``suspend`` (the reason why, or the one asked for), ``pid`` (of the bhyve
that activated it), ``cpus`` (sockets, cores, threads), ``links`` (``[[tap, address], ...]``).
"""

import os
import signal
import uuid
from typing import Any

from chyves.simulator.bhyve.exits import (
    EALREADY,
    EBUSY,
    EEXIST,
    EINVAL,
    ENOENT,
    ENXIO,
    EPERM,
    VmmError,
)
from chyves.simulator.world import World

LONGEST_NAME = 229
"""VM_MAX_NAMELEN of FreeBSD 13 and later: SPECNAMELEN - 10 - 15 - 1."""

_IDLE: dict[str, Any] = {
    "memory": 0,
    "wired": False,
    "loaded": False,
    "boot": [],
    "active": False,
    "suspended": False,
    "suspend": "",
    "pid": 0,
    "cpus": [1, 1, 1],
    "links": [],
}


def has_unrestricted_guest(world: World) -> bool:
    """Tell whether guests may run in real mode: every AMD that can virtualize, most Intel."""
    return world.machine.cpu == "amd" or world.machine.unrestricted_guest


def most_vcpus(world: World) -> int:
    """Return ``hw.vmm.maxcpu``."""
    return world.machine.cores


def may_create(world: World) -> None:
    """Raise VmmError unless vmm.ko is there and works, and the caller is root."""
    from chyves.simulator import kernel

    if not kernel.module_ready(world, "vmm"):
        raise VmmError(ENXIO if kernel.file_loaded(world, "vmm") else ENOENT)
    if not world.is_root():
        raise VmmError(EPERM)


def create(world: World, name: str) -> None:
    """Create an idle VM and its device. Raises VmmError."""
    with world.changing():
        may_create(world)
        if name in world.table("vmm"):
            raise VmmError(EEXIST)
        if not 0 < len(name) <= LONGEST_NAME or any(c.isspace() or c == '"' for c in name):
            raise VmmError(EINVAL)
        if {".", ".."} & set(name.split("/")):
            raise VmmError(EINVAL)
        world.table("vmm")[name] = {**_IDLE, "generation": uuid.uuid4().hex}
        node = world.path(f"/dev/vmm/{name}")
        node.parent.mkdir(parents=True, exist_ok=True)
        node.touch(0o600)


def find(world: World, name: str) -> dict[str, Any]:
    """Return the record of a VM. Raises VmmError if there is none."""
    with world.reading():
        record = world.table("vmm").get(name)
    if record is None:
        raise VmmError(ENOENT)
    return record


def update(world: World, name: str, generation: str, **changes: Any) -> None:
    """Change the record of a VM, if it is still the same one. Raises VmmError if it is gone."""
    with world.changing():
        record = world.table("vmm").get(name)
        if record is None or record["generation"] != generation:
            raise VmmError(ENXIO)
        world.table("vmm")[name] = {**record, **changes}


def reinit(world: World, name: str) -> None:
    """Make a VM like new. Raises VmmError EBUSY while a vCPU was started and has not stopped
    (which includes a VM whose bhyve was killed: sys/amd64/vmm/vmm.c, vm_reinit)."""
    with world.changing():
        record = find(world, name)
        if record["active"] and not record["suspended"]:
            raise VmmError(EBUSY)
        memory = {"memory": record["memory"], "wired": record["wired"]}
        world.table("vmm")[name] = {**_IDLE, **memory, "generation": record["generation"]}


def set_up_memory(world: World, name: str, size: int, *, wired: bool) -> None:
    """Give a VM its memory; once given it stays. Raises VmmError EINVAL (size), EEXIST (wired),
    ENOMEM (wired, and the machine has less)."""
    with world.changing():
        record = find(world, name)
        if size <= 0 or record["memory"] not in (0, size):
            raise VmmError(EINVAL)
        if record["memory"] and record["wired"] != wired:
            raise VmmError(EEXIST)
        if wired and not record["memory"] and size > _wirable(world):
            raise VmmError(12)
        update(world, name, record["generation"], memory=size, wired=wired)


def _wirable(world: World) -> int:
    """Return how many bytes programs may still wire (vm_map_wire_user_count_add)."""
    from chyves.simulator import sysctl

    pages = int(sysctl.value(world, "vm.max_user_wired") or 0)
    held = int(sysctl.value(world, "vm.stats.vm.v_user_wire_count") or 0)
    return (pages - held) * 4096


def activate(world: World, name: str, generation: str, **facts: Any) -> None:
    """Start the vCPUs for this process. Raises VmmError EBUSY if they were started before."""
    with world.changing():
        record = world.table("vmm").get(name)
        if record is None or record["generation"] != generation:
            raise VmmError(ENXIO)
        if record["active"]:
            raise VmmError(EBUSY)
        update(world, name, generation, active=True, pid=os.getpid(), **facts)


def suspend(world: World, name: str, reason: str) -> None:
    """Ask a VM to stop. Raises VmmError EALREADY if it was asked before."""
    with world.changing():
        record = find(world, name)
        if record["suspend"]:
            raise VmmError(EALREADY)
        update(world, name, record["generation"], suspend=reason)
        _wake(world, record)


def destroy(world: World, name: str) -> None:
    """Remove a VM, running or not. Raises VmmError if there is none."""
    with world.changing():
        record = find(world, name)
        del world.table("vmm")[name]
        node = world.path(f"/dev/vmm/{name}")
        node.unlink(missing_ok=True)
        while node.parent != world.path("/dev") and not any(node.parent.iterdir()):
            node = node.parent
            node.rmdir()
        _wake(world, record)


def _wake(world: World, record: dict[str, Any]) -> None:
    """Let the bhyve of a VM, if one lives, look at the record again."""
    if record["pid"] and world.alive(record["pid"]):
        os.kill(record["pid"], signal.SIGUSR1)
