# SPDX-License-Identifier: BSD-2-Clause
"""``zfs bookmark``."""

from chyves.simulator.programs import Io
from chyves.simulator.world import World
from chyves.simulator.zfs import names
from chyves.simulator.zfs.errors import RefusedError, UsageError
from chyves.simulator.zfs.moves import changing
from chyves.simulator.zfs.names import BOOKMARK, SNAPSHOT
from chyves.simulator.zfs.options import Options


def zfs_bookmark(world: World, arguments: list[str], io: Io) -> int:
    """``zfs bookmark``."""
    options = Options(arguments, "")
    list(options)
    if not options.rest:
        raise UsageError("missing source argument")
    if len(options.rest) < 2:
        raise UsageError("missing bookmark argument")
    source, bookmark = options.rest[:2]
    if "@" not in source and "#" not in source:
        raise UsageError(f"invalid source name '{source}': must contain a '@' or '#'")
    if "#" not in bookmark:
        raise UsageError(f"invalid bookmark name '{bookmark}': must contain a '#'")
    if source[0] in "@#" and bookmark[0] == "#":
        raise UsageError("either source or bookmark must be specified as full dataset paths")
    if source[0] in "@#":
        source = names.dataset_of(bookmark) + source
    if bookmark[0] == "#":
        bookmark = names.dataset_of(source) + bookmark
    action = f"cannot create bookmark '{bookmark}'"
    kind = SNAPSHOT if "@" in source else BOOKMARK
    with changing(world) as (datasets, _moves):
        try:
            record = datasets.open(source, frozenset({kind}))
        except RefusedError as refused:
            raise UsageError(refused.message) from None
        if names.fault(bookmark, frozenset({BOOKMARK}), modifying=True):
            raise RefusedError(f"{action}: invalid argument")
        if bookmark in datasets:
            raise RefusedError(f"{action}: bookmark exists")
        if names.pool_of(bookmark) != names.pool_of(source):
            raise RefusedError(f"{action}: bookmark is in a different pool")
        if names.dataset_of(bookmark) != names.dataset_of(source):
            raise RefusedError(f"{action}: source is not an ancestor of the new bookmark's dataset")
        datasets[bookmark] = {
            "type": BOOKMARK,
            **{key: record[key] for key in ("creation", "createtxg", "guid", "referenced")},
            "local": {},
        }
    return 0
