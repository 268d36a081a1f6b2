# SPDX-License-Identifier: BSD-2-Clause
"""zfs(8) of the simulated host."""

import importlib

from chyves.simulator.programs import Io, Main
from chyves.simulator.world import World
from chyves.simulator.zfs import usage
from chyves.simulator.zfs.errors import RefusedError, UsageError
from chyves.simulator.zfs.moves import recover

_PACKAGE = "chyves.simulator.zfs"
_ALIASES = {"umount": "unmount", "recv": "receive", "snap": "snapshot"}
_COMMANDS = {
    "bookmark": ("bookmarks", "zfs_bookmark"),
    "clone": ("creating", "zfs_clone"),
    "create": ("creating", "zfs_create"),
    "destroy": ("destroying", "zfs_destroy"),
    "get": ("getting", "zfs_get"),
    "hold": ("holding", "zfs_hold"),
    "holds": ("holding", "zfs_holds"),
    "inherit": ("inheriting", "zfs_inherit"),
    "list": ("listing", "zfs_list"),
    "mount": ("mountcommands", "zfs_mount"),
    "promote": ("promoting", "zfs_promote"),
    "receive": ("receiving", "zfs_receive"),
    "release": ("holding", "zfs_release"),
    "rename": ("renaming", "zfs_rename"),
    "rollback": ("rollingback", "zfs_rollback"),
    "send": ("sending", "zfs_send"),
    "set": ("changing", "zfs_set"),
    "snapshot": ("snapshots", "zfs_snapshot"),
    "unmount": ("mountcommands", "zfs_unmount"),
}


def zfs(world: World, arguments: list[str], io: Io) -> int:
    """Answer one zfs command."""
    major = world.release.major
    if not arguments:
        io.err("missing command")
        io.err(usage.whole(major))
        return 2
    word, *rest = arguments
    if word in ("-?", "--help"):
        io.out(usage.whole(major))
        return 0
    if word in ("-V", "--version", "version"):
        return print_version(world, io)
    recover(world)
    word = _ALIASES.get(word, word)
    if word not in _COMMANDS and "=" in word:
        word, rest = "set", arguments
    if word not in _COMMANDS:
        io.err(f"unrecognized command '{word}'")
        io.err(usage.whole(major))
        return 2
    try:
        return _find(word)(world, rest, io)
    except RefusedError as refused:
        io.err(refused.message)
        return refused.code
    except UsageError as wrong:
        if wrong.message:
            io.err(wrong.message)
        io.err(usage.of_command(major, word))
        return 2


def _find(word: str) -> Main:
    module, function = _COMMANDS[word]
    main: Main = getattr(importlib.import_module(f"{_PACKAGE}.{module}"), function)
    return main


def print_version(world: World, io: Io) -> int:
    """Answer ``zfs version`` and ``zpool version``."""
    io.out(world.release.zfs)
    io.out(world.release.zfs.replace("zfs-", "zfs-kmod-", 1))
    return 0
