# SPDX-License-Identifier: BSD-2-Clause
"""``zpool list``, ``zpool get``, ``zpool set`` and ``zpool status``."""

from typing import NamedTuple

from chyves.simulator.programs import Io
from chyves.simulator.world import World
from chyves.simulator.zfs.datasets import Datasets
from chyves.simulator.zfs.errors import RefusedError, UsageError
from chyves.simulator.zfs.options import Options
from chyves.simulator.zfs.sizes import nice_number
from chyves.simulator.zfs.space import Space

_OVERHEAD = 21504
_ON_OFF = ("on", "off")


class PoolProperty(NamedTuple):
    """A property of pools; ``words`` are what it can be set to (empty: anything)."""

    name: str
    column: str
    default: str = "-"
    settable: bool = False
    words: tuple[str, ...] = ()
    right: bool = False
    width: int = 0


_TABLE = (
    PoolProperty("size", "SIZE", right=True, width=5),
    PoolProperty("capacity", "CAP", right=True, width=5),
    PoolProperty("altroot", "ALTROOT"),
    PoolProperty("health", "HEALTH", right=True, width=8),
    PoolProperty("guid", "GUID", right=True),
    PoolProperty("version", "VERSION", right=True),
    PoolProperty("bootfs", "BOOTFS", settable=True),
    PoolProperty("delegation", "DELEGATION", "on", True, _ON_OFF),
    PoolProperty("autoreplace", "REPLACE", "off", True, _ON_OFF),
    PoolProperty("cachefile", "CACHEFILE", settable=True),
    PoolProperty("failmode", "FAILMODE", "wait", True, ("wait", "continue", "panic")),
    PoolProperty("listsnapshots", "LISTSNAPS", "off", True, _ON_OFF),
    PoolProperty("autoexpand", "EXPAND", "off", True, _ON_OFF),
    PoolProperty("dedupratio", "DEDUP", right=True, width=5),
    PoolProperty("free", "FREE", right=True, width=5),
    PoolProperty("allocated", "ALLOC", right=True, width=5),
    PoolProperty("readonly", "RDONLY"),
    PoolProperty("ashift", "ASHIFT", "0", right=True, width=5),
    PoolProperty("comment", "COMMENT", settable=True),
    PoolProperty("expandsize", "EXPANDSZ", right=True),
    PoolProperty("freeing", "FREEING", right=True),
    PoolProperty("fragmentation", "FRAG", right=True, width=5),
    PoolProperty("leaked", "LEAKED", right=True),
    PoolProperty("multihost", "MULTIHOST", "off", True, _ON_OFF),
    PoolProperty("checkpoint", "CKPOINT", right=True),
    PoolProperty("load_guid", "LOAD_GUID", right=True),
    PoolProperty("autotrim", "AUTOTRIM", "off", True, _ON_OFF),
    PoolProperty("compatibility", "COMPATIBILITY", "off", True),
)
_NAME = PoolProperty("name", "NAME")
_BY_WORD = {word: prop for prop in (_NAME, *_TABLE) for word in (prop.name, prop.column.lower())}
_MEASURED = frozenset(
    {"size", "capacity", "health", "guid", "dedupratio", "free", "allocated", "readonly"}
    | {"expandsize", "freeing", "fragmentation", "leaked", "checkpoint", "load_guid"}
)
_LISTED = (
    "name,size,allocated,free,checkpoint,expandsize,fragmentation,capacity,dedup,health,altroot"
)


def _properties(text: str) -> list[PoolProperty]:
    found = []
    for word in text.split(","):
        if word not in _BY_WORD:
            raise UsageError(f"bad property list: invalid property '{word}'")
        found.append(_BY_WORD[word])
    return found


class _Figures:
    """What the pools of a host are and hold, as of now."""

    def __init__(self, datasets: Datasets) -> None:
        self._datasets = datasets
        self._space = Space(datasets)

    def value(self, pool: str, prop: PoolProperty, *, literal: bool) -> str:
        record = self._datasets.pools[pool]
        size = int(record["size"])
        match prop.name:
            case "name":
                return pool
            case "size":
                return str(size) if literal else nice_number(size)
            case "allocated" | "free":
                used = self._allocated(pool)
                amount = used if prop.name == "allocated" else size - used
                return str(amount) if literal else nice_number(amount)
            case "capacity":
                percent = 100 * self._allocated(pool) // size
                return str(percent) if literal else f"{percent}%"
            case "fragmentation":
                return "0" if literal else "0%"
            case "dedupratio":
                return "1.00" if literal else "1.00x"
            case "health":
                return "ONLINE"
            case "guid" | "load_guid":
                return str(record["guid"])
            case "freeing" | "leaked":
                return "0"
            case "readonly":
                return "off"
        return str(record["properties"].get(prop.name, prop.default))

    def _allocated(self, pool: str) -> int:
        """Return what is on disk: without what is only reserved."""
        datasets, space = self._datasets, self._space
        reserved = sum(space.used_by_refreservation(name) for name in datasets.tree(pool))
        return space.used(pool) - reserved + _OVERHEAD

    def source(self, pool: str, prop: PoolProperty) -> str:
        if prop.name in _MEASURED or prop.name == "name":
            return "-"
        return "local" if prop.name in self._datasets.pools[pool]["properties"] else "default"


def chosen_pools(datasets: Datasets, words: list[str], complaints: list[str]) -> list[str]:
    """Return the pools named, or all; complaints are added for those that do not exist."""
    found = []
    for word in words:
        if word in datasets.pools:
            found.append(word)
        else:
            complaints.append(f"cannot open '{word}': no such pool")
    return sorted(found if words else datasets.pools)


def zpool_list(world: World, arguments: list[str], io: Io) -> int:
    """``zpool list``."""
    scripted = literal = False
    columns = _properties(_LISTED)
    options = Options(arguments, ":gHLo:pPT:v")
    for letter, argument in options:
        if letter == "H":
            scripted = True
        elif letter == "p":
            literal = True
        elif letter == "o":
            columns = _properties(argument)
    complaints: list[str] = []
    with world.reading():
        datasets = Datasets(world)
        figures = _Figures(datasets)
        pools = chosen_pools(datasets, options.rest, complaints)
        rows = [
            [figures.value(pool, column, literal=literal) for column in columns] for pool in pools
        ]
    for complaint in complaints:
        io.err(complaint)
    if not rows and not complaints and not scripted:
        io.out("no pools available")
    elif scripted:
        for row in rows:
            io.out("\t".join(row))
    elif rows:
        _print_list(io, columns, rows)
    return 1 if complaints else 0


def _print_list(io: Io, columns: list[PoolProperty], rows: list[list[str]]) -> None:
    titled = [[column.column for column in columns], *rows]
    widths = [
        max(column.width, *(len(row[i]) for row in titled)) for i, column in enumerate(columns)
    ]
    for row in titled:
        cells: list[str] = []
        for column, width, cell in zip(columns, widths, row, strict=True):
            last = len(cells) == len(columns) - 1
            padded = cell if last else cell.ljust(width)
            cells.append(cell.rjust(width) if column.right else padded)
        io.out("  ".join(cells))


def zpool_get(world: World, arguments: list[str], io: Io) -> int:
    """``zpool get``."""
    scripted = literal = False
    fields = ["name", "property", "value", "source"]
    options = Options(arguments, ":Hpo:")
    for letter, argument in options:
        if letter == "H":
            scripted = True
        elif letter == "p":
            literal = True
        else:
            fields = fields if argument == "all" else argument.split(",")
            for word in fields:
                if word not in ("name", "property", "value", "source"):
                    raise UsageError(f"invalid column name '{word}'")
    if not options.rest:
        raise UsageError("missing property argument")
    text, *words = options.rest
    wanted = list(_TABLE) if text == "all" else _properties(text)
    complaints: list[str] = []
    with world.reading():
        datasets = Datasets(world)
        figures = _Figures(datasets)
        rows = []
        for pool in chosen_pools(datasets, words, complaints):
            for prop in wanted:
                value = figures.value(pool, prop, literal=literal)
                cells = {"name": pool, "property": prop.name, "value": value}
                cells["source"] = figures.source(pool, prop)
                rows.append([cells[word] for word in fields])
    for complaint in complaints:
        io.err(complaint)
    if not scripted and rows:
        rows.insert(0, [word.upper() for word in fields])
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        rows = [
            [cell.ljust(width) for cell, width in zip(row[:-1], widths, strict=False)] + row[-1:]
            for row in rows
        ]
    for row in rows:
        io.out(("\t" if scripted else "  ").join(row))
    return 1 if complaints else 0


def zpool_set(world: World, arguments: list[str], io: Io) -> int:
    """``zpool set``."""
    if arguments and arguments[0].startswith("-"):
        raise UsageError(f"invalid option '{arguments[0][1:2]}'")
    if not arguments:
        raise UsageError("missing property=value argument")
    if len(arguments) < 2:
        raise UsageError("missing pool name")
    if len(arguments) > 2:
        raise UsageError("too many pool names")
    word, given, value = arguments[0].partition("=")
    pool = arguments[1]
    if not given:
        raise UsageError("missing value in property=value argument")
    with world.changing():
        datasets = Datasets(world)
        if pool not in datasets.pools:
            raise RefusedError(f"cannot open '{pool}': no such pool")
        action = f"cannot set property for '{pool}'"
        prop = _BY_WORD.get(word)
        if prop is None:
            raise RefusedError(f"{action}: invalid property '{word}'")
        if not prop.settable:
            raise RefusedError(f"{action}: '{prop.name}' is readonly")
        if prop.words and value not in prop.words:
            raise RefusedError(f"{action}: '{prop.name}' must be one of '{' | '.join(prop.words)}'")
        record = datasets.pools[pool]
        datasets.pools[pool] = {
            **record,
            "properties": {**record["properties"], prop.name: value},
        }
    return 0


def zpool_status(world: World, arguments: list[str], io: Io) -> int:
    """``zpool status``."""
    options = Options(arguments, "c:igLpPsvxDtT:")
    letters = {letter for letter, _ in options}
    complaints: list[str] = []
    with world.reading():
        datasets = Datasets(world)
        pools = chosen_pools(datasets, options.rest, complaints)
        reports = [_report(pool, datasets.pools[pool]["device"]) for pool in pools]
    for complaint in complaints:
        io.err(complaint)
    if not pools and not complaints:
        io.err("no pools available")
    elif "x" in letters and pools:
        only = f"pool '{pools[0]}' is healthy" if len(options.rest) == 1 else ""
        io.out(only or "all pools are healthy")
    elif reports:
        io.out("\n\n".join(reports))
    return 1 if complaints else 0


def _report(pool: str, device: str) -> str:
    devices = device.split()
    width = max(10, len(pool), *(len(name) + 2 for name in devices))
    rows = [(pool, "ONLINE"), *((f"  {name}", "ONLINE") for name in devices)]
    lines = [f"  pool: {pool}", " state: ONLINE", "config:", ""]
    lines.append(f"\t{'NAME':<{width}}  STATE     READ WRITE CKSUM")
    lines += [f"\t{name:<{width}}  {state:<8} {0:>5} {0:>5} {0:>5}" for name, state in rows]
    return "\n".join([*lines, "", "errors: No known data errors"])
