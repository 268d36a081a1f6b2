# SPDX-License-Identifier: BSD-2-Clause
"""Names of pools, datasets, snapshots and bookmarks."""

import re

from chyves.simulator.zfs.errors import RefusedError

FILESYSTEM, VOLUME, SNAPSHOT, BOOKMARK = "filesystem", "volume", "snapshot", "bookmark"
DATASETS = frozenset({FILESYSTEM, VOLUME})
ANYTHING = frozenset({FILESYSTEM, VOLUME, SNAPSHOT})

_LONGEST = 255
_DEEPEST = 50
_INVALID = re.compile(r"[^A-Za-z0-9 _.:%-]")


def pool_of(name: str) -> str:
    """Return the pool of a dataset, snapshot or bookmark."""
    return re.split("[/@#]", name, maxsplit=1)[0]


def parent_of(name: str) -> str:
    """Return the dataset above a dataset; empty for a pool's own."""
    return name.rpartition("/")[0]


def dataset_of(name: str) -> str:
    """Return the dataset of a snapshot or bookmark (or the dataset itself)."""
    return re.split("[@#]", name, maxsplit=1)[0]


def is_below(name: str, ancestor: str) -> bool:
    """Tell whether a dataset or snapshot is ``ancestor`` or lies below it."""
    return name == ancestor or (name.startswith(ancestor) and name[len(ancestor)] in "/@#")


def fault(name: str, kinds: frozenset[str], *, modifying: bool = False) -> str:
    """Return what is wrong with ``name`` as the name of one of ``kinds``; empty if nothing."""
    if SNAPSHOT not in kinds and "@" in name:
        return "snapshot delimiter '@' is not expected here"
    if kinds == {SNAPSHOT} and "@" not in name:
        return "missing '@' delimiter in snapshot name"
    if BOOKMARK not in kinds and "#" in name:
        return "bookmark delimiter '#' is not expected here"
    if kinds == {BOOKMARK} and "#" not in name:
        return "missing '#' delimiter in bookmark name"
    if modifying and "%" in name:
        return "invalid character % in name"
    return _spelling_fault(name)


def _spelling_fault(name: str) -> str:
    if len(name.encode()) > _LONGEST:
        return "name is too long"
    if name.startswith("/"):
        return "leading slash in name"
    parts = re.split("([/@#])", name)
    if name.endswith("/"):
        parts = parts[:-2]
    delimited = False
    for part, end in zip(parts[::2], [*parts[1::2], ""], strict=False):
        if invalid := _INVALID.search(part):
            return f"invalid character '{_first_byte(invalid.group())}' in name"
        if end in ("", "/") and part == ".":
            return "self reference, '.' is found in name"
        if end in ("", "/") and part == "..":
            return "parent reference, '..' is found in name"
        if end in ("@", "#"):
            if delimited:
                return "multiple '@' and/or '#' delimiters in name"
            delimited = True
        if not part:
            return "empty component or misplaced '@' or '#' delimiter in name"
        if end == "/" and delimited:
            return "trailing slash in name"
    return "trailing slash in name" if name.endswith("/") else ""


def _first_byte(character: str) -> str:
    """Return what OpenZFS shows of a character: it knows bytes only."""
    return character.encode(errors="surrogateescape")[:1].decode(errors="surrogateescape")


def check(action: str, name: str, kinds: frozenset[str]) -> None:
    """Raise RefusedError unless ``name`` may be given to something new."""
    if why := fault(name, kinds, modifying=True):
        raise RefusedError(f"{action}: {why}")


def is_too_deep(name: str) -> bool:
    return name.count("/") >= _DEEPEST


def pool_fault(name: str) -> str:
    """Return what is wrong with the name of a pool to be made; empty if nothing."""
    if invalid := re.search(r"[^A-Za-z0-9 _.:-]", name):
        return f"invalid character '{invalid.group()}' in pool name"
    if not re.match("[A-Za-z]", name):
        return "name must begin with a letter"
    if re.match("mirror|raidz|draid|spare|log$", name):
        return "name is reserved"
    return ""
