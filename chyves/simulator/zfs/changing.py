# SPDX-License-Identifier: BSD-2-Clause
"""``zfs set``: settings, and what follows from them."""

from chyves.model.volumes import reservation
from chyves.simulator.programs import Io
from chyves.simulator.world import World
from chyves.simulator.zfs import contents, mounting, nodes, setting
from chyves.simulator.zfs.datasets import Datasets
from chyves.simulator.zfs.errors import RefusedError, UsageError
from chyves.simulator.zfs.moves import Moves, changing
from chyves.simulator.zfs.names import ANYTHING, FILESYSTEM, VOLUME
from chyves.simulator.zfs.options import Options
from chyves.simulator.zfs.privilege import is_root
from chyves.simulator.zfs.setting import Checker
from chyves.simulator.zfs.space import Space

_REMOUNT_FAILED = "property may be set but unable to remount filesystem"


def zfs_set(world: World, arguments: list[str], io: Io) -> int:
    """``zfs set``."""
    keep_mounts = False
    words = arguments
    if world.release.major >= 14:
        options = Options(arguments, "u")
        keep_mounts = bool(list(options))
        words = options.rest
    elif arguments and arguments[0].startswith("-"):
        raise UsageError(f"invalid option '{arguments[0][1:2]}'")
    given, targets = _split(words)
    complaints: list[str] = []
    refused_code, unmounted_code = (1, 1) if world.release.major == 13 else (255, 0)
    names = sorted(_openable(world, targets, complaints))
    code = 1 if complaints else 0
    for name in names:
        try:
            with changing(world) as (datasets, moves):
                unmounted = change(datasets, moves, name, given, keep_mounts=keep_mounts)
            if unmounted:
                complaints += unmounted
                code = code or unmounted_code
        except RefusedError as refused:
            complaints.append(refused.message)
            code = refused_code
    for complaint in complaints:
        io.err(complaint)
    return code


def _split(words: list[str]) -> tuple[dict[str, str], list[str]]:
    if not words:
        raise UsageError("missing arguments")
    if len(words) < 2:
        missing = "dataset name(s)" if "=" in words[0] else "property=value argument(s)"
        raise UsageError(f"missing {missing}")
    count = next((place for place, word in enumerate(words) if "=" not in word), len(words))
    if any("=" in word for word in words[count:]):
        raise UsageError("invalid argument order")
    if count == len(words):
        raise UsageError("missing dataset name(s)")
    given: dict[str, str] = {}
    for word in words[:count]:
        try:
            setting.parse_word(given, word)
        except RefusedError as refused:
            raise RefusedError(refused.message, 255) from None
    return given, words[count:]


def _openable(world: World, targets: list[str], complaints: list[str]) -> set[str]:
    """Return the targets that exist; add complaints about the others."""
    found = set()
    with world.reading():
        datasets = Datasets(world)
        for target in targets:
            try:
                datasets.open(target, ANYTHING)
                found.add(target)
            except RefusedError as refused:
                complaints.append(refused.message)
    return found


def change(
    datasets: Datasets,
    moves: Moves,
    name: str,
    given: dict[str, str],
    *,
    keep_mounts: bool = False,
) -> list[str]:
    """Set properties of one object; returns complaints about what follows (remounting).
    Raises RefusedError if nothing is set."""
    action = f"cannot set property for '{name}'"
    record = datasets[name]
    block = int(record.get("volblocksize", 0))
    settings = Checker(datasets.major, record["type"], action, volblocksize=block).check(given)
    if not is_root():
        raise RefusedError(f"{action}: permission denied")
    if record["type"] == VOLUME:
        _keep_reservation(datasets, name, settings)
    _check_limits(datasets, action, name, settings)
    before = nodes.mode(datasets, name) if "volmode" in settings else ""
    remount = [] if keep_mounts else _unmount_affected(datasets, moves, name, settings)
    datasets.set_values(name, settings.items())
    if "volsize" in settings:
        _resize(datasets, moves, name, int(settings["volsize"]))
    if before:
        change_nodes(datasets, moves, name, before)
    complaints = list(mounting.mount_all(datasets, moves, remount))
    return [*complaints, _REMOUNT_FAILED] if complaints else []


def _keep_reservation(datasets: Datasets, name: str, settings: dict[str, str]) -> None:
    """Let the refreservation of a thick volume follow its size; work out ``auto``."""
    block = int(datasets[name]["volblocksize"])
    size = datasets.size(name, "volsize")
    reserved = datasets.size(name, "refreservation")
    if settings.get("refreservation") == setting.AUTO:
        size = int(settings.get("volsize", size))
        settings["refreservation"] = str(reservation(size, block))
    elif (
        "volsize" in settings
        and "refreservation" not in settings
        and reserved == reservation(size, block)
    ):
        settings["refreservation"] = str(reservation(int(settings["volsize"]), block))


def _check_limits(datasets: Datasets, action: str, name: str, settings: dict[str, str]) -> None:
    space = Space(datasets)
    for key in ("refreservation", "reservation"):
        if key in settings:
            more = int(settings[key]) - max(datasets.size(name, key), space.written(name))
            if more > 0 and more > space.free_in_tree(name):
                raise RefusedError(f"{action}: size is greater than available space")
    for key, used in (("quota", space.used), ("refquota", space.referenced)):
        if settings.get(key, "0") != "0" and int(settings[key]) < used(name):
            raise RefusedError(f"{action}: size is less than current used or reserved space")


def affected_by_mountpoint(datasets: Datasets, name: str) -> list[str]:
    """Return a filesystem and those below it that inherit its mountpoint."""
    found = [name]
    for child in datasets.children(name):
        if datasets[child]["type"] == FILESYSTEM and datasets.own(child, "mountpoint") is None:
            found += affected_by_mountpoint(datasets, child)
    return found


def _unmount_affected(
    datasets: Datasets, moves: Moves, name: str, settings: dict[str, str]
) -> list[str]:
    """Unmount what a new mountpoint or canmount=off concerns; returns what is to be mounted."""
    if "mountpoint" in settings:
        return move_mountpoint(datasets, moves, name)
    if settings.get("canmount") == "off" and "mounted" in datasets[name]:
        mounted = [each for each in datasets.tree(name) if "mounted" in datasets[each]]
        mounting.unmount_all(datasets, moves, mounted)
        mounting.remove_mountpoint(datasets, moves, name)
        return [each for each in mounted if each != name]
    return []


def move_mountpoint(datasets: Datasets, moves: Moves, name: str) -> list[str]:
    """Unmount a filesystem and those that inherit from it before its mountpoint changes;
    returns those to be mounted afterwards."""
    affected = affected_by_mountpoint(datasets, name)
    mounted = [each for each in affected if "mounted" in datasets[each]]
    mounting.unmount_all(datasets, moves, mounted)
    for each in sorted(affected, reverse=True):
        mounting.remove_mountpoint(datasets, moves, each)
    if datasets.mountpoint(name) in ("none", "legacy"):
        return [each for each in affected if datasets.value(each, "canmount") == "on"]
    return mounted


def _resize(datasets: Datasets, moves: Moves, name: str, size: int) -> None:
    place = contents.stored(datasets.world, datasets[name])

    def truncate() -> None:
        with place.open("r+b") as volume:
            volume.truncate(size)

    if place.stat().st_size < size:
        truncate()
    else:
        moves.later(truncate)


def change_nodes(datasets: Datasets, moves: Moves, name: str, before: str) -> None:
    """Act on a changed volmode: as the mode ``before`` the change demanded (see ``nodes``)."""
    for each in datasets.tree(name):
        if datasets[each]["type"] != VOLUME:
            continue
        if each != name and datasets.own(each, "volmode") is not None:
            continue
        if before == "none":
            nodes.vanish(datasets, moves, each)
        elif nodes.mode(datasets, each) != "none":
            nodes.refresh(datasets, moves, each)
