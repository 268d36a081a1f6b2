# SPDX-License-Identifier: BSD-2-Clause
"""What is said to a simulated host from outside: make it, let it fail, turn it off and on."""

import argparse
from pathlib import Path

from chyves.errors import NotFound, Precondition
from chyves.model.kinds import size_bytes
from chyves.simulator import faults
from chyves.simulator.net import interfaces
from chyves.simulator.programs import execute_captured
from chyves.simulator.reboot import reboot
from chyves.simulator.world import RELEASES, Machine, World

BALLAST = "ballast"
"""Dataset directly in a pool that takes all its room."""


def main(directory: Path, word: str, arguments: list[str]) -> int:
    """``make``, ``fault`` or ``reboot`` the host in ``directory``; returns the exit code."""
    if word == "make":
        _make(directory, arguments)
    elif word == "fault":
        _fault(World(directory), arguments)
    else:
        _parser("reboot").parse_args(arguments)
        reboot(World(directory))
    return 0


def _parser(word: str) -> argparse.ArgumentParser:
    return argparse.ArgumentParser(prog=f"python -m chyves.simulator DIR {word}")


def _make(directory: Path, arguments: list[str]) -> None:
    usual = Machine()
    parser = _parser("make")
    parser.add_argument("--release", choices=RELEASES, default=usual.release)
    parser.add_argument("--cpu", choices=("intel", "amd"), default=usual.cpu)
    parser.add_argument("--no-virtualization", action="store_true")
    parser.add_argument("--no-unrestricted-guest", action="store_true")
    parser.add_argument("--no-iommu", action="store_true")
    parser.add_argument("--verbose-boot", action="store_true")
    parser.add_argument("--cores", type=int, default=usual.cores, metavar="N")
    parser.add_argument("--memory", type=size_bytes, default=usual.memory, metavar="SIZE")
    parser.add_argument("--nic", action="append", metavar="NAME")
    parser.add_argument("--pool", action="append", type=_pool, metavar="NAME:SIZE")
    given = parser.parse_args(arguments)
    if given.cores < 1:
        parser.error("argument --cores: at least 1")
    machine = Machine(
        release=given.release,
        cpu=given.cpu,
        virtualization=not given.no_virtualization,
        unrestricted_guest=not given.no_unrestricted_guest,
        iommu=not given.no_iommu,
        verbose_boot=given.verbose_boot,
        cores=given.cores,
        memory=given.memory,
        nics=tuple(given.nic or usual.nics),
        pools=dict(given.pool or usual.pools),
    )
    World.make(directory, machine)


def _pool(text: str) -> tuple[str, int]:
    name, colon, size = text.partition(":")
    if not colon:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME:SIZE")
    return name, size_bytes(size)


def _fault(world: World, arguments: list[str]) -> None:
    parser = _parser("fault")
    acts = parser.add_subparsers(dest="act", required=True)
    for act in faults.ACTS:
        one = acts.add_parser(act, help="at the N-th command from now")
        one.add_argument("countdown", type=int, metavar="N")
    acts.add_parser("cancel", help="take an ordered failure back, and empty the pools again")
    acts.add_parser("fill", help="leave no room in a pool").add_argument("pool", metavar="POOL")
    lose = acts.add_parser("lose", help="let a network interface vanish")
    lose.add_argument("interface", metavar="INTERFACE")
    given = parser.parse_args(arguments)
    if given.act == "fill":
        fill(world, given.pool)
    elif given.act == "lose":
        lose_interface(world, given.interface)
    elif given.act == "cancel":
        faults.cancel(world)
        for pool in world.table("zpool"):
            if _is_filled(world, pool):
                _run(world, "zfs", "destroy", f"{pool}/{BALLAST}")
    elif given.countdown < 1:
        parser.error("argument N: at least 1")
    else:
        faults.order(world, given.act, given.countdown)


def fill(world: World, pool: str) -> None:
    """Reserve all the room of a pool for a dataset of its own. Raises NotFound."""
    if pool not in world.table("zpool"):
        raise NotFound(f"no such pool: {pool}", hint=f"pools: {', '.join(world.table('zpool'))}")
    ballast = f"{pool}/{BALLAST}"
    if not _is_filled(world, pool):
        _run(world, "zfs", "create", "-o", "canmount=off", "-o", "mountpoint=none", ballast)
    _run(world, "zpool", "sync", pool)
    room = int(_run(world, "zfs", "get", "-Hpo", "value", "available", ballast))
    used = int(_run(world, "zfs", "get", "-Hpo", "value", "used", ballast))
    _run(world, "zfs", "set", f"reservation={room + used}", ballast)


def _is_filled(world: World, pool: str) -> bool:
    names = _run(world, "zfs", "list", "-H", "-o", "name", "-d", "1", "-t", "filesystem", pool)
    return f"{pool}/{BALLAST}" in names.splitlines()


def _run(world: World, *words: str) -> str:
    code, out, err = execute_captured(world, [*words])
    if code:
        raise Precondition(err.decode().strip())
    return out.decode().strip()


def lose_interface(world: World, name: str) -> None:
    """Let an interface vanish as if its card were pulled. Raises NotFound."""
    with world.changing():
        interface = interfaces.find(world, name)
        if interface is None:
            raise NotFound(f"no such interface: {name}")
        interfaces.detach(world, interface)
