# SPDX-License-Identifier: BSD-2-Clause
"""``zfs list``, and the choice of objects it shares with ``zfs get``."""

from collections.abc import Callable
from functools import cmp_to_key, partial
from typing import NamedTuple

from chyves.simulator.programs import Io
from chyves.simulator.world import World
from chyves.simulator.zfs import jsonform, names, properties
from chyves.simulator.zfs.datasets import Datasets
from chyves.simulator.zfs.errors import RefusedError, UsageError
from chyves.simulator.zfs.names import ANYTHING, BOOKMARK, DATASETS, FILESYSTEM, SNAPSHOT, VOLUME
from chyves.simulator.zfs.options import Options
from chyves.simulator.zfs.properties import Kind, Property
from chyves.simulator.zfs.reading import Reader, as_number

_SPACE = "name,avail,used,usedbysnapshots,usedbydataset,usedbyrefreservation,usedbychildren"
_TYPES = {
    "filesystem": {FILESYSTEM},
    "volume": {VOLUME},
    "snapshot": {SNAPSHOT},
    "snap": {SNAPSHOT},
    "bookmark": {BOOKMARK},
    "all": ANYTHING | {BOOKMARK},
}
_TYPES_SINCE_14 = {"fs": {FILESYSTEM}, "vol": {VOLUME}}


class Scope(NamedTuple):
    """Which objects to show: of which types, how deep (None: all the way), and whether snapshots
    that were not asked for by name are shown too."""

    kinds: frozenset[str]
    recursive: bool = False
    depth: int | None = None
    snapshots: bool = True


class Column(NamedTuple):
    """A property asked for by ``word``; ``prop`` is None unless it is native."""

    word: str
    prop: Property | None

    @property
    def title(self) -> str:
        return self.prop.column if self.prop else self.word.upper()

    @property
    def aligns_right(self) -> bool:
        if self.prop:
            return self.prop.aligns_right
        return ":" not in self.word


def parse_types(major: int, text: str) -> frozenset[str]:
    """Read the argument of ``-t``. Raises UsageError."""
    known = {**_TYPES, **(_TYPES_SINCE_14 if major >= 14 else {})}
    found: set[str] = set()
    for word in text.split(","):
        if word not in known:
            raise UsageError(f"invalid type '{word if major >= 14 else '(null)'}'")
        found |= known[word]
    return frozenset(found)


def parse_depth(text: str) -> int:
    """Read the argument of ``-d``. Raises UsageError."""
    try:
        depth = int(text, 0)
    except ValueError:
        raise UsageError(f"{text} is not an integer") from None
    if depth < 0:
        raise UsageError("Depth can not be negative.")
    return depth


def parse_columns(major: int, text: str) -> list[Column]:
    """Read a list of properties. Raises UsageError for an unknown one."""
    if not text:
        raise UsageError("bad property list: no properties specified")
    columns = []
    for word in text.replace("space", _SPACE, 1 if text == "space" else 0).split(","):
        if not word:
            raise UsageError("bad property list: empty property name")
        prop = properties.find(major, word)
        other = (
            properties.is_user_property(word)
            or properties.is_account_property(word)
            or properties.is_written_property(word)
        )
        if not prop and not other:
            raise UsageError(f"bad property list: invalid property '{word}'")
        columns.append(Column(prop.name if prop else word, prop))
    return columns


def all_columns(major: int) -> list[Column]:
    table = properties.native(major)
    return [Column(name, prop) for name, prop in table.items() if name != "name"]


def choose(
    datasets: Datasets, arguments: list[str], scope: Scope, complaints: list[str]
) -> list[str]:
    """Return the objects the arguments stand for; what cannot be opened is added to
    ``complaints``. Without arguments it is all there is."""
    found: dict[str, None] = {}
    if not arguments:
        everything = scope._replace(recursive=True)
        for pool in datasets.children(""):
            _collect(datasets, pool, everything, 0, found)
        return list(found)
    openable = set(scope.kinds)
    if scope.recursive:
        openable.add(FILESYSTEM)
        if scope.kinds & {SNAPSHOT, BOOKMARK}:
            openable.add(VOLUME)
    for argument in arguments:
        try:
            name = from_path(datasets, argument)
            datasets.open(name, frozenset(openable))
        except RefusedError as refused:
            complaints.append(refused.message)
            continue
        _collect(datasets, name, scope, 0, found)
    return list(found)


def from_path(datasets: Datasets, argument: str) -> str:
    """Return the dataset mounted where a path given instead of a name lies."""
    if not argument.startswith(("/", "./", "../")):
        return argument
    mounts = datasets.mounts()
    if not datasets.world.path(argument).exists():
        raise RefusedError(f"cannot open '{argument}': No such file or directory")
    path = argument.rstrip("/")
    while path and path not in mounts:
        path = path.rpartition("/")[0]
    if not path:
        raise RefusedError(f"'{argument}': not a ZFS filesystem")
    return mounts[path]


def _collect(
    datasets: Datasets, name: str, scope: Scope, depth: int, found: dict[str, None]
) -> None:
    kind = datasets[name]["type"]
    if kind in scope.kinds:
        found[name] = None
    if not scope.recursive or (scope.depth is not None and depth >= scope.depth):
        return
    if kind not in DATASETS:
        return
    if SNAPSHOT in scope.kinds and (scope.snapshots or _lists_snapshots(datasets, name)):
        found.update(dict.fromkeys(datasets.snapshots(name)))
    if BOOKMARK in scope.kinds:
        found.update(dict.fromkeys(datasets.bookmarks(name)))
    for child in datasets.children(name):
        _collect(datasets, child, scope, depth + 1, found)


def _lists_snapshots(datasets: Datasets, name: str) -> bool:
    pool = datasets.pools[names.pool_of(name)]
    return bool(pool["properties"].get("listsnapshots") == "on")


def default_order(datasets: Datasets, name: str) -> tuple[str, int, int, str]:
    """Return the sort key of ``zfs list``: by name, snapshots after their dataset by age."""
    if "@" in name:
        return name.partition("@")[0], 1, int(datasets[name]["createtxg"]), name
    return name, 0, 0, ""


def zfs_list(world: World, arguments: list[str], io: Io) -> int:
    """``zfs list``."""
    major = world.release.major
    kinds, typed = ANYTHING, False
    text = "name,used,available,referenced,mountpoint"
    scripted = literal = recursive = as_json = False
    depth: int | None = None
    order: list[tuple[Column, bool]] = []
    long = {"json": "j", "json-int": "J"} if major >= 15 else None
    options = Options(arguments, "jHS:d:o:prs:t:" if major >= 15 else "HS:d:o:prs:t:", long=long)
    for letter, argument in options:
        match letter:
            case "H":
                scripted = True
            case "p" | "J":
                literal = True
            case "r":
                recursive = True
            case "j":
                as_json = True
            case "d":
                depth, recursive = parse_depth(argument), True
            case "o":
                text = argument
            case "t":
                kinds, typed = parse_types(major, argument), True
            case "s" | "S":
                order.append((_sort_column(major, argument), letter == "S"))
    if kinds in ({SNAPSHOT}, {BOOKMARK}) and options.rest and not recursive:
        depth, recursive = 1, True
    columns = (
        [Column("name", properties.native(major)["name"]), *all_columns(major)]
        if text == "all"
        else parse_columns(major, text)
    )
    complaints: list[str] = []
    with world.reading():
        datasets = Datasets(world)
        scope = Scope(kinds, recursive, depth, typed)
        reader = Reader(datasets)
        chosen = choose(datasets, options.rest, scope, complaints)
        chosen.sort(key=lambda name: default_order(datasets, name))
        for column, backwards in reversed(order):
            chosen = _sorted_by(reader, chosen, column, backwards)
        if as_json:
            shown = {name: jsonform.dataset(reader, name, columns, literal) for name in chosen}
        else:
            cells = [_cell_reader(reader, column, literal) for column in columns]
            rows = [
                ["-" if (value := cell(name)) is None else value for cell in cells]
                for name in chosen
            ]
    for complaint in complaints:
        io.err(complaint)
    if as_json:
        io.out(jsonform.document("zfs list", shown))
    elif rows:
        _print(io, columns, rows, scripted=scripted, literal=literal)
    elif not complaints and not scripted:
        io.err("no datasets available")
    return 1 if complaints else 0


def _sort_column(major: int, word: str) -> Column:
    prop = properties.find(major, word)
    if not prop and not properties.is_user_property(word):
        raise UsageError(f"invalid property '{word}'")
    return Column(prop.name if prop else word, prop)


def _sorted_by(reader: Reader, chosen: list[str], column: Column, backwards: bool) -> list[str]:
    """Sort stably by one column; what has no such property goes last either way."""
    numeric = column.prop is not None and column.prop.kind is Kind.NUMBER
    keys = {name: _value(reader, name, column, True) for name in chosen}

    def compare(left: str, right: str) -> int:
        one, other = keys[left], keys[right]
        if one is None or other is None:
            return (one is None) - (other is None)
        order = (one > other) - (one < other)
        if numeric:
            order = as_number(one) - as_number(other)
        return -order if backwards else order

    return sorted(chosen, key=cmp_to_key(compare))


def _value(reader: Reader, name: str, column: Column, literal: bool) -> str | None:
    if column.prop:
        return reader.text(name, column.prop, literal=literal)
    if properties.is_written_property(column.word):
        written = reader.written_since(name, column.word)
        return None if written is None else str(written)
    if properties.is_account_property(column.word) or "#" in name:
        return None
    value = reader.user(name, column.word)
    return value.text if value else None


def _cell_reader(reader: Reader, column: Column, literal: bool) -> Callable[[str], str | None]:
    """Return what reads a column; a pool of thousands of datasets is listed with it."""
    if column.prop and literal:
        return partial(reader.raw, column.prop)
    if column.prop is None and properties.is_user_property(column.word):
        return partial(_user_text, reader.datasets, column.word)
    return lambda name: _value(reader, name, column, literal)


def _user_text(datasets: Datasets, word: str, name: str) -> str | None:
    text, where = datasets.effective(name, word, "")
    return text if where and "#" not in name else None


def _print(
    io: Io, columns: list[Column], rows: list[list[str]], *, scripted: bool, literal: bool
) -> None:
    if scripted:
        io.out("\n".join("\t".join(row) for row in rows))
        return
    widths = [_width(column, index, rows, literal) for index, column in enumerate(columns)]
    for row in [[column.title for column in columns], *rows]:
        cells: list[str] = []
        for column, width, cell in zip(columns, widths, row, strict=True):
            last = len(cells) == len(columns) - 1
            if column.aligns_right:
                cells.append(cell.rjust(width))
            else:
                cells.append(cell if last else cell.ljust(width))
        io.out("  ".join(cells))


def _width(column: Column, index: int, rows: list[list[str]], literal: bool) -> int:
    least = column.prop.width if column.prop else len(column.title)
    if column.prop and column.prop.has_fixed_width and not literal:
        return least
    return max(least, *(len(row[index]) for row in rows))
