# SPDX-License-Identifier: BSD-2-Clause
"""``zfs mount`` and ``zfs unmount``."""

import json

from chyves.simulator.programs import Io
from chyves.simulator.world import World
from chyves.simulator.zfs import mounting
from chyves.simulator.zfs.datasets import Datasets
from chyves.simulator.zfs.errors import RefusedError, UsageError
from chyves.simulator.zfs.moves import changing
from chyves.simulator.zfs.names import FILESYSTEM
from chyves.simulator.zfs.options import Options
from chyves.simulator.zfs.privilege import is_root

_FILESYSTEMS = frozenset({FILESYSTEM})


def zfs_mount(world: World, arguments: list[str], io: Io) -> int:
    """``zfs mount``."""
    major = world.release.major
    letters: set[str] = set()
    letters_known = ":aRlvo:Of" if major >= 14 else ":alvo:Of"
    options = Options(arguments, f":j{letters_known[1:]}" if major >= 15 else letters_known)
    for letter, argument in options:
        letters.add(letter)
        if letter == "o" and not argument:
            raise UsageError("empty mount options (-o) specified")
    if len(options.rest) > (0 if "a" in letters else 1):
        raise UsageError("too many arguments")
    if not options.rest and "a" not in letters:
        if "o" in letters:
            raise UsageError("missing filesystem argument (specify -a for all)")
        return _show(world, io, as_json="j" in letters)
    complaints: list[str] = []
    with changing(world) as (datasets, moves):
        if not is_root():
            raise RefusedError("Insufficient privileges")
        if "a" in letters:
            wanted = [name for pool in datasets.children("") for name in datasets.tree(pool)]
        else:
            datasets.open(options.rest[0], _FILESYSTEMS)
            wanted = datasets.tree(options.rest[0]) if "R" in letters else []
            _check_mountable(datasets, options.rest[0])
            wanted = wanted or options.rest
        due = [name for name in wanted if _is_due(datasets, name, automatic="a" in letters)]
        complaints += mounting.mount_all(datasets, moves, due)
    for complaint in complaints:
        io.err(complaint)
    return 1 if complaints else 0


def _show(world: World, io: Io, *, as_json: bool) -> int:
    with world.reading():
        mounts = {name: path for path, name in Datasets(world).mounts().items()}
    if as_json:
        version = {"command": "zfs mount", "vers_major": 0, "vers_minor": 1}
        shown = {
            name: {"filesystem": name, "mountpoint": path} for name, path in sorted(mounts.items())
        }
        io.out(json.dumps({"output_version": version, "datasets": shown}, separators=(",", ":")))
        return 0
    for name, path in sorted(mounts.items()):
        io.out(f"{name:<30}  {path}")
    return 0


def _is_due(datasets: Datasets, name: str, *, automatic: bool) -> bool:
    record = datasets[name]
    if record["type"] != FILESYSTEM or "mounted" in record:
        return False
    if automatic and record.get("incomplete"):
        return False
    return not automatic or datasets.value(name, "canmount") == "on"


def _check_mountable(datasets: Datasets, name: str) -> None:
    action = f"cannot mount '{name}'"
    mountpoint = datasets.mountpoint(name)
    if mountpoint == "legacy":
        raise RefusedError(f"{action}: legacy mountpoint\nuse mount(8) to mount this filesystem")
    if mountpoint == "none":
        raise RefusedError(f"{action}: no mountpoint set")
    if datasets.value(name, "canmount") == "off":
        raise RefusedError(f"{action}: 'canmount' property is set to 'off'")
    if datasets[name].get("incomplete"):
        raise RefusedError(
            f'{action}: Contains partially-completed state from "zfs receive -s", which can be'
            ' resumed with "zfs send -t"'
        )
    if "mounted" in datasets[name]:
        raise RefusedError(f"{action}: filesystem already mounted")


def zfs_unmount(world: World, arguments: list[str], io: Io) -> int:
    """``zfs unmount``."""
    options = Options(arguments, "afu")
    letters = {letter for letter, _ in options}
    if "a" in letters and options.rest:
        raise UsageError("too many arguments")
    if "a" not in letters and len(options.rest) != 1:
        raise UsageError("too many arguments" if options.rest else "missing filesystem argument")
    force = "f" in letters
    if "a" in letters:
        return _unmount_everything(world, io, force=force)
    with changing(world) as (datasets, moves):
        name = _find(datasets, options.rest[0])
        if datasets.mountpoint(name) == "legacy":
            raise RefusedError(
                f"cannot unmount '{name}': legacy mountpoint\n"
                "use umount(8) to unmount this filesystem"
            )
        if "mounted" not in datasets[name]:
            raise RefusedError(f"cannot unmount '{name}': not currently mounted")
        if not is_root():
            raise RefusedError(f"cannot unmount '{datasets[name]['mounted']}': permission denied")
        mounted = [each for each in datasets.tree(name) if "mounted" in datasets[each]]
        mounting.unmount_all(datasets, moves, mounted, force=force)
    return 0


def _find(datasets: Datasets, word: str) -> str:
    if not word.startswith("/"):
        datasets.open(word, _FILESYSTEMS)
        return word
    name = datasets.mounts().get(word.rstrip("/"))
    if name is None:
        raise RefusedError(f"cannot unmount '{word}': not a mountpoint")
    return name


def _unmount_everything(world: World, io: Io, *, force: bool) -> int:
    complaints = []
    with changing(world) as (datasets, moves):
        for _path, name in sorted(datasets.mounts().items(), reverse=True):
            if datasets.value(name, "canmount") == "noauto":
                continue
            try:
                mounting.unmount(datasets, moves, name, force=force)
            except RefusedError as refused:
                complaints.append(refused.message)
    for complaint in complaints:
        io.err(complaint)
    return 1 if complaints else 0
