# SPDX-License-Identifier: BSD-2-Clause
"""``zfs get``."""

from dataclasses import dataclass, field

from chyves.simulator.programs import Io
from chyves.simulator.world import World
from chyves.simulator.zfs import jsonform, properties
from chyves.simulator.zfs.datasets import Datasets
from chyves.simulator.zfs.errors import UsageError
from chyves.simulator.zfs.listing import (
    Column,
    Scope,
    all_columns,
    choose,
    default_order,
    parse_columns,
    parse_depth,
    parse_types,
)
from chyves.simulator.zfs.names import ANYTHING, BOOKMARK, SNAPSHOT
from chyves.simulator.zfs.options import Options
from chyves.simulator.zfs.reading import Reader, Value

_FIELDS = ("name", "property", "value", "received", "source")
_SOURCES = ("local", "default", "inherited", "received", "temporary", "none")


@dataclass
class Wish:
    """How ``zfs get`` is to show what it finds."""

    fields: tuple[str, ...] = ("name", "property", "value", "source")
    sources: tuple[str, ...] = _SOURCES
    kinds: frozenset[str] = ANYTHING | {BOOKMARK}
    literal: bool = False
    scripted: bool = False
    recursive: bool = False
    depth: int | None = None
    as_json: bool = False
    columns: list[Column] = field(default_factory=list)
    everything: bool = False


def zfs_get(world: World, arguments: list[str], io: Io) -> int:
    """``zfs get``."""
    wish, targets = _read_wish(world.release.major, arguments)
    complaints: list[str] = []
    with world.reading():
        datasets = Datasets(world)
        reader = Reader(datasets)
        scope = Scope(wish.kinds, wish.recursive, wish.depth)
        chosen = choose(datasets, targets, scope, complaints)
        chosen.sort(key=lambda name: default_order(datasets, name))
        found = {name: _read(reader, name, wish) for name in chosen}
        if wish.as_json:
            shown = {
                name: jsonform.as_dataset(
                    reader, name, {word: jsonform.as_property(value) for word, value in read}
                )
                for name, read in found.items()
            }
        rows = [
            _row(reader, name, word, value, wish)
            for name, read in found.items()
            for word, value in read
        ]
    for complaint in complaints:
        io.err(complaint)
    if wish.as_json:
        io.out(jsonform.document("zfs get", shown))
    else:
        _print(io, wish, rows, chosen)
    return 1 if complaints else 0


def _read_wish(major: int, arguments: list[str]) -> tuple[Wish, list[str]]:
    wish = Wish()
    long = {"json": "j", "json-int": "J"} if major >= 15 else None
    options = Options(arguments, f":d:o:s:{'j' if long else ''}rt:Hp", long=long)
    for letter, argument in options:
        match letter:
            case "p" | "J":
                wish.literal = True
            case "H":
                wish.scripted = True
            case "r":
                wish.recursive = True
            case "j":
                wish.as_json = True
            case "d":
                wish.depth, wish.recursive = parse_depth(argument), True
            case "o":
                wish.fields = _parse_fields(argument)
            case "s":
                wish.sources = _parse_sources(argument)
            case "t":
                wish.kinds = parse_types(major, argument)
    if not options.rest:
        raise UsageError("missing property argument")
    text, *targets = options.rest
    if wish.kinds in ({SNAPSHOT}, {BOOKMARK}) and targets and not wish.recursive:
        wish.depth, wish.recursive = 1, True
    wish.everything = text == "all"
    wish.columns = all_columns(major) if wish.everything else parse_columns(major, text)
    return wish, targets


def _parse_fields(text: str) -> tuple[str, ...]:
    words = tuple(text.split(","))
    for word in words:
        if word not in (*_FIELDS, "all"):
            raise UsageError(f"invalid column name '{word}'")
    if words[0] == "all":
        return _FIELDS
    if "all" in words:
        raise UsageError('"all" conflicts with specific fields given to -o option')
    if len(words) > len(_FIELDS):
        raise UsageError("too many fields given to -o option")
    return words


def _parse_sources(text: str) -> tuple[str, ...]:
    words = tuple(text.split(","))
    for word in words:
        if word not in _SOURCES:
            raise UsageError(f"invalid source '{word}'")
    return words


def _read(reader: Reader, name: str, wish: Wish) -> list[tuple[str, Value]]:
    """Return the properties of one object that are asked for, of the sources asked for."""
    found = []
    for column in wish.columns:
        value = _value(reader, name, column, wish.literal)
        if value is None and not wish.everything:
            value = Value("-", "-")
        if value is not None:
            found.append((column.word, value))
    if wish.everything and "#" not in name:
        for key in reader.user_properties(name):
            user = reader.user(name, key)
            if user:
                found.append((key, user))
    return [(word, value) for word, value in found if _source_kind(value) in wish.sources]


def _value(reader: Reader, name: str, column: Column, literal: bool) -> Value | None:
    if column.prop:
        return reader.get(name, column.prop, literal=literal)
    if properties.is_written_property(column.word):
        written = reader.written_since(name, column.word)
        return None if written is None else Value(str(written), "local")
    if properties.is_account_property(column.word) or "#" in name:
        return None
    return reader.user(name, column.word)


def _source_kind(value: Value) -> str:
    word = value.source.partition(" ")[0]
    return "none" if word == "-" else word


def _row(reader: Reader, name: str, word: str, value: Value, wish: Wish) -> list[str]:
    cells = {"name": name, "property": word, "value": value.text, "source": value.source}
    if "received" in wish.fields:
        prop = properties.find(reader.datasets.major, word)
        received = reader.received(name, word) if "#" not in name else None
        if received and prop and not wish.literal:
            received = reader.humane(prop, received)
        cells["received"] = received or "-"
    return [cells[field_name] for field_name in wish.fields]


def _print(io: Io, wish: Wish, rows: list[list[str]], chosen: list[str]) -> None:
    if wish.scripted:
        for row in rows:
            io.out("\t".join(row))
        return
    if not rows:
        return
    widths = [_width(wish, index, rows, chosen) for index in range(len(wish.fields))]
    for row in [[title.upper() for title in wish.fields], *rows]:
        padded = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        io.out("  ".join([*padded[:-1], row[-1]]))


def _width(wish: Wish, index: int, rows: list[list[str]], chosen: list[str]) -> int:
    """Return the width of a column. It is worked out from what might be shown: the longest name
    and the widest value a property can have, not from the rows alone."""
    title = wish.fields[index]
    longest_name = max(4, *map(len, chosen))
    if title == "name":
        return longest_name
    if title == "source":
        return longest_name + len("inherited from")
    if title == "property":
        least = max(len(column.word) for column in wish.columns)
    elif title == "value":
        least = max(_value_width(column) for column in wish.columns)
    else:
        least = 0
    return max(len(title), least, *(len(row[index]) for row in rows))


def _value_width(column: Column) -> int:
    return column.prop.width if column.prop else len(column.word)
