# SPDX-License-Identifier: BSD-2-Clause
"""How ZFS is asked to change something, by zfs(8) or libzfs_core, and what its complaints mean."""

import shlex
from collections.abc import Callable, Mapping

from chyves.backend import zfscore
from chyves.backend.host import Host
from chyves.backend.run import Result
from chyves.errors import (
    Busy,
    ChyvesError,
    Conflict,
    HostError,
    Invalid,
    NotFound,
    NotPermitted,
    Precondition,
)


def core(host: Host) -> zfscore.Core | None:
    """Return libzfs_core for a change of the host, if it is there and asks the host's ZFS."""
    return zfscore.load() if host.has_this_zfs and host.plan is None else None


def change(host: Host, *argv: str) -> None:
    understand(host.try_change(*argv))


def do(host: Host, by_library: Callable[[zfscore.Core], None], *argv: str) -> None:
    """Do by libzfs_core what these words would do, or as they do where it is not there."""
    library = core(host)
    if library is None:
        change(host, *argv)
        return
    host.tell(3, shlex.join(argv))
    try:
        by_library(library)
    except zfscore.Refusal as refusal:
        host.tell(3, f"zfs ended with 1: {refusal}")
        raise _meant(str(refusal)) or HostError(str(refusal)) from None


def options_of(given: Mapping[str, str]) -> list[str]:
    return [word for name, value in given.items() for word in ("-o", f"{name}={value}")]


_KINDS: tuple[tuple[str, type[ChyvesError], str], ...] = (
    ("already exists", Conflict, "take another name, or rename what is there"),
    ("dependent clones", Conflict, "delete the clones first, or: zfs promote <clone>"),
    (
        "clones of previous snapshots exist",
        Conflict,
        "delete the clones first, or: zfs promote <clone>",
    ),
    ("more recent snapshots", Conflict, "zfs list -t snapshot,bookmark shows which"),
    ("being held", Busy, "zfs holds shows what holds it"),
    ("is busy", Busy, "fstat shows which process has it open"),
    ("out of space", Precondition, "zfs list -o space shows what takes the room"),
    ("greater than available space", Precondition, "zfs list -o space shows what takes the room"),
    ("no space left", Precondition, "zfs list -o space shows what takes the room"),
    ("quota exceeded", Precondition, "zfs get quota,refquota"),
    ("pool I/O is currently suspended", Precondition, "zpool status -x"),
    ("no such pool", NotFound, "zpool list shows the pools"),
    ("does not exist", NotFound, "zfs list -t all shows what there is"),
    ("could not find any snapshots", NotFound, "zfs list -t snapshot shows what there is"),
    ("permission denied", NotPermitted, "run it with doas or sudo"),
    ("invalid character", Invalid, "names have letters, digits, _ . : and -"),
    ("name is too long", Invalid, "take a shorter name"),
)


ADVICE = "; use '-r' to force deletion of the following snapshots and bookmarks:; "
"""What zfs(8) would have done, between its complaint and the names: chyves does not advise it."""


def understand(result: Result) -> Result:
    """Return the result of a zfs command that succeeded, or raise the kind of error it names."""
    if result.code == 0:
        return result
    if meant := _meant(result.complaint().replace(ADVICE, ": ")):
        raise meant
    return result.check()


def _meant(said: str) -> ChyvesError | None:
    """Return the kind of error that is meant by what ZFS says, if it is one of the known."""
    for words, kind, hint in _KINDS:
        if words in said:
            return kind(said, hint=hint)
    return None
