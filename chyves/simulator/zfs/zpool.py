# SPDX-License-Identifier: BSD-2-Clause
"""zpool(8) of the simulated host."""

from pathlib import Path

from chyves.simulator.programs import Io
from chyves.simulator.world import World
from chyves.simulator.zfs import contents, mounting, names, pools
from chyves.simulator.zfs.datasets import Datasets
from chyves.simulator.zfs.errors import RefusedError, UsageError
from chyves.simulator.zfs.moves import Moves, changing, recover
from chyves.simulator.zfs.names import FILESYSTEM
from chyves.simulator.zfs.options import Options
from chyves.simulator.zfs.poolview import (
    chosen_pools,
    zpool_get,
    zpool_list,
    zpool_set,
    zpool_status,
)
from chyves.simulator.zfs.privilege import is_root
from chyves.simulator.zfs.setting import Checker
from chyves.simulator.zfs.zfs import print_version

_SMALLEST = 64 << 20
_EXPORTED = ("zpool.exported", "zfs.exported")

_USAGE = """\
version

create [-fnd] [-o property=value] ...\x20
    [-O file-system-property=value] ...\x20
    [-m mountpoint] [-R root] <pool> <vdev> ...
destroy [-f] <pool>

add [-fgLnP] [-o property=value] <pool> <vdev> ...
remove [-npsw] <pool> <device> ...

labelclear [-f] <vdev>

checkpoint [-d [-w]] <pool> ...

list [-gHLpPv] [-o property[,...]] [-T d|u] [pool] ...\x20
    [interval [count]]
iostat [[[-c [script1,script2,...][-lq]]|[-rw]] [-T d | u] [-ghHLpPvy]
    [[pool ...]|[pool vdev ...]|[vdev ...]] [[-n] interval [count]]
status [-c [script1,script2,...]] [-igLpPstvxD]  [-T d|u] [pool] ...\x20
    [interval [count]]

online [-e] <pool> <device> ...
offline [-f] [-t] <pool> <device> ...
clear [-nF] <pool> [device]
reopen [-n] <pool>

attach [-fsw] [-o property=value] <pool> <device> <new-device>
detach <pool> <device>
replace [-fsw] [-o property=value] <pool> <device> [new-device]
split [-gLnPl] [-R altroot] [-o mntopts]
    [-o property=value] <pool> <newpool> [<device> ...]

initialize [-c | -s] [-w] <pool> [<device> ...]
resilver <pool> ...
scrub [-s | -p] [-w] <pool> ...
trim [-dw] [-r <rate>] [-c | -s] <pool> [<device> ...]

import [-d dir] [-D]
import [-o mntopts] [-o property=value] ...\x20
    [-d dir | -c cachefile] [-D] [-l] [-f] [-m] [-N] [-R root] [-F [-n]] -a
import [-o mntopts] [-o property=value] ...\x20
    [-d dir | -c cachefile] [-D] [-l] [-f] [-m] [-N] [-R root] [-F [-n]]
    [--rewind-to-checkpoint] <pool | id> [newpool]
export [-af] <pool> ...
upgrade
upgrade -v
upgrade [-V version] <-a | pool ...>
reguid <pool>

history [-il] [<pool>] ...
events [-vHf [pool] | -c]

get [-Hp] [-o "all" | field[,...]] <"all" | property[,...]> <pool> ...
set <property=value> <pool>\x20
sync [pool] ...

wait [-Hp] [-T d|u] [-t <activity>[,...]] <pool> [interval]"""


def zpool(world: World, arguments: list[str], io: Io) -> int:
    """Answer one zpool command."""
    if not arguments:
        io.err("missing command")
        io.err(_whole_usage())
        return 2
    word, *rest = arguments
    if word in ("-?", "--help"):
        io.out(_whole_usage())
        return 0
    if word in ("-V", "--version", "version"):
        return print_version(world, io)
    if word not in _COMMANDS:
        io.err(f"unrecognized command '{word}'")
        io.err(_whole_usage())
        return 2
    recover(world)
    try:
        return _COMMANDS[word](world, rest, io)
    except RefusedError as refused:
        io.err(refused.message)
        return refused.code
    except UsageError as wrong:
        if wrong.message:
            io.err(wrong.message)
        io.err(_usage_of(word))
        return 2


def _whole_usage() -> str:
    lines = [f"\t{line}" if line else "" for line in _USAGE.split("\n")]
    heading = ["usage: zpool command args ...", "where 'command' is one of the following:", ""]
    return "\n".join([*heading, *lines])


def _usage_of(word: str) -> str:
    lines, inside = ["usage:"], False
    for line in filter(None, _USAGE.split("\n")):
        inside = line.split()[0] == word if line[0] != " " else inside
        if inside:
            lines.append(f"\t{line}")
    return "\n".join(lines)


def _create(world: World, arguments: list[str], io: Io) -> int:
    letters: set[str] = set()
    pool_properties: dict[str, str] = {}
    given: dict[str, str] = {}
    options = Options(arguments, ":fndR:m:o:O:t:")
    for letter, argument in options:
        letters.add(letter)
        if letter in "oO":
            name, equals, value = argument.partition("=")
            if not equals:
                raise UsageError(f"missing '=' for -{letter} option")
            (pool_properties if letter == "o" else given)[name] = value
        elif letter == "m":
            given["mountpoint"] = argument
    if not options.rest:
        raise UsageError("missing pool name argument")
    if len(options.rest) < 2:
        raise UsageError("missing vdev specification")
    pool, *vdevs = options.rest
    action = f"cannot create '{pool}'"
    if "/" in pool:
        raise RefusedError(
            f"{action}: invalid character '/' in pool name\nuse 'zfs create' to create a dataset"
        )
    with changing(world) as (datasets, moves):
        size = _size(datasets, action, vdevs, force="f" in letters)
        local = _check_new_pool(datasets, action, pool, given)
        if "n" not in letters:
            pools.add(datasets, moves, pool, size, " ".join(vdevs), dict(local))
            record = datasets.pools[pool]
            datasets.pools[pool] = {**record, "properties": pool_properties}
    if "n" in letters:
        layout = "".join(f"\t  {vdev}\n" for vdev in vdevs)
        io.out(f"would create '{pool}' with the following layout:\n\n\t{pool}\n{layout}"[:-1])
    return 0


def _check_new_pool(
    datasets: Datasets, action: str, pool: str, given: dict[str, str]
) -> dict[str, str]:
    why = names.pool_fault(pool)
    if why == "name is reserved":
        why += "\npool name may have been omitted"
    if pool in datasets.pools:
        why = why or "pool already exists"
    if why:
        raise RefusedError(f"{action}: {why}")
    if not is_root():
        raise RefusedError(f"{action}: permission denied")
    local = Checker(datasets.major, FILESYSTEM, action, new=True).check(given)
    mountpoint = local.get("mountpoint", f"/{pool}")
    directory = datasets.world.path(mountpoint)
    if mountpoint.startswith("/") and directory.is_dir() and any(directory.iterdir()):
        raise RefusedError(
            f"mountpoint '{mountpoint}' exists and is not empty\n"
            "use '-m' option to provide a different default"
        )
    return local


def _size(datasets: Datasets, action: str, vdevs: list[str], *, force: bool) -> int:
    """Return the size of a pool striped over files or disks of the host."""
    total = 0
    in_use = {
        device: pool
        for pool, record in datasets.pools.items()
        for device in record["device"].split()
    }
    for vdev in vdevs:
        if vdev in in_use:
            raise RefusedError(
                "invalid vdev specification\nuse '-f' to override the following errors:\n"
                f"{vdev} is part of active pool '{in_use[vdev]}'"
            )
        size = _file_size(datasets.world, vdev)
        if size < _SMALLEST:
            raise RefusedError(f"{action}: one or more devices is less than the minimum size (64M)")
        total += pools.size_of_vdev(size)
    return total


def _file_size(world: World, vdev: str) -> int:
    path: Path = world.path(vdev if vdev.startswith("/") else f"/dev/{vdev}")
    if path.is_file():
        return path.stat().st_size
    if vdev.startswith("/"):
        raise RefusedError(f"cannot resolve path '{vdev}'")
    raise RefusedError(
        f"cannot open '{vdev}': no such device in /dev\n"
        "must be a full path or shorthand device name"
    )


def _destroy(world: World, arguments: list[str], io: Io) -> int:
    options = Options(arguments, "f")
    force = bool(list(options))
    if not options.rest:
        raise UsageError("missing pool argument")
    if len(options.rest) > 1:
        raise UsageError("too many arguments")
    pool = options.rest[0]
    if "/" in pool:
        raise RefusedError(
            f"cannot open '{pool}': invalid character '/' in pool name\n"
            "use 'zfs destroy' to destroy a dataset"
        )
    with changing(world) as (datasets, moves):
        _open(datasets, pool)
        try:
            pools.take_down(datasets, moves, pool, force=force)
        except RefusedError as refused:
            if refused.message == "pool is busy":
                raise RefusedError(f"cannot destroy '{pool}': pool is busy") from None
            raise RefusedError(
                f"{refused.message}\ncould not destroy '{pool}': could not unmount datasets"
            ) from None
        mounting.remove_mountpoint(datasets, moves, pool)
        for name in _all_of(datasets, pool):
            record = datasets.table[name]
            if "content" in record:
                moves.discard(contents.stored(world, record))
            del datasets.table[name]
        del datasets.pools[pool]
    return 0


def _open(datasets: Datasets, pool: str) -> None:
    if pool not in datasets.pools:
        raise RefusedError(f"cannot open '{pool}': no such pool")
    if not is_root():
        raise RefusedError(f"cannot open '{pool}': permission denied")


def _all_of(datasets: Datasets, pool: str) -> list[str]:
    return [name for name in datasets.table if names.is_below(name, pool)]


def _export(world: World, arguments: list[str], io: Io) -> int:
    options = Options(arguments, "afF")
    letters = {letter for letter, _ in options}
    if not options.rest and "a" not in letters:
        raise UsageError("missing pool argument")
    complaints: list[str] = []
    with changing(world) as (datasets, moves):
        for pool in chosen_pools(datasets, options.rest, complaints):
            _export_one(datasets, moves, pool, force="f" in letters)
    for complaint in complaints:
        io.err(complaint)
    return 1 if complaints else 0


def _export_one(datasets: Datasets, moves: Moves, pool: str, *, force: bool) -> None:
    try:
        pools.take_down(datasets, moves, pool, force=force)
    except RefusedError as refused:
        if refused.message == "pool is busy":
            raise RefusedError(f"cannot export '{pool}': pool is busy") from None
        raise
    pool_table, dataset_table = map(datasets.world.table, _EXPORTED)
    for name in _all_of(datasets, pool):
        dataset_table[name] = datasets.table[name]
        del datasets.table[name]
    pool_table[pool] = datasets.pools[pool]
    del datasets.pools[pool]
    datasets.forget()


def _import(world: World, arguments: list[str], io: Io) -> int:
    options = Options(arguments, ":aCc:d:DEfFlmnNo:R:tT:VX")
    letters = {letter for letter, _ in options}
    with changing(world) as (datasets, moves):
        pool_table, dataset_table = map(world.table, _EXPORTED)
        exported = sorted(pool_table)
        if not options.rest and "a" not in letters:
            if not exported:
                io.err("no pools available to import")
            for pool in exported:
                io.out(_offer(pool, pool_table[pool]))
            return 0
        wanted = options.rest[:1] or exported
        complaints = []
        for pool in wanted:
            if pool not in exported:
                raise RefusedError(f"cannot import '{pool}': no such pool available")
            datasets.pools[pool] = pool_table[pool]
            del pool_table[pool]
            for name in [name for name in dataset_table if names.is_below(name, pool)]:
                datasets.table[name] = dataset_table[name]
                del dataset_table[name]
            datasets.forget()
            complaints += pools.bring_up(datasets, moves, pool, mounted="N" not in letters)
    for complaint in complaints:
        io.err(complaint)
    return 1 if complaints else 0


def _offer(pool: str, record: dict[str, object]) -> str:
    devices = str(record["device"]).split()
    width = max(10, len(pool), *(len(name) + 2 for name in devices))
    rows = [pool, *(f"  {name}" for name in devices)]
    return "\n".join(
        [
            f"   pool: {pool}",
            f"     id: {record['guid']}",
            "  state: ONLINE",
            " action: The pool can be imported using its name or numeric identifier.",
            " config:",
            "",
            *(f"\t{name:<{width}}  ONLINE" for name in rows),
        ]
    )


def _sync(world: World, arguments: list[str], io: Io) -> int:
    complaints: list[str] = []
    with world.reading():
        chosen_pools(Datasets(world), arguments, complaints)
    for complaint in complaints:
        io.err(complaint)
    return 1 if complaints else 0


_COMMANDS = {
    "create": _create,
    "destroy": _destroy,
    "export": _export,
    "get": zpool_get,
    "import": _import,
    "list": zpool_list,
    "set": zpool_set,
    "status": zpool_status,
    "sync": _sync,
}
