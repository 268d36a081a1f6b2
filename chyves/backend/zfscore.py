# SPDX-License-Identifier: BSD-2-Clause
"""Acts of ZFS through libzfs_core, where its Python binding (of OpenZFS: pyzfs) is there.

They are one transaction over many datasets, and say which of them is why they fail.
"""

import errno
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from typing import Any

_REASONS: Mapping[int | str, str] = {
    errno.EAGAIN: "pool I/O is currently suspended",
    errno.EBUSY: "dataset is busy",
    errno.EDQUOT: "quota exceeded",
    errno.EEXIST: "dataset already exists",
    errno.EINVAL: "invalid character in name",
    errno.ENAMETOOLONG: "name is too long",
    errno.ENOENT: "dataset does not exist",
    errno.ENOSPC: "out of space",
    errno.EPERM: "permission denied",
    "DuplicateSnapshots": "multiple snapshots of same fs not allowed",
    "HoldExists": "tag already exists on this dataset",
    "HoldNotFound": "no such tag on this dataset",
    "PoolsDiffer": "source and target pools differ",
    "SnapshotIsCloned": "snapshot has dependent clones",
    "SnapshotIsHeld": "it's being held",
    "SnapshotNotLatest": "more recent snapshots or bookmarks exist",
}
"""What zfs(8) says of an error, by its class where that tells more than its number."""


class Refusal(Exception):
    """ZFS has refused, or failed; the message is as zfs(8) words it."""


@cache
def load() -> "Core | None":
    """Return libzfs_core, or None where it or the kernel's ZFS is missing."""
    try:
        import libzfs_core
        from libzfs_core.exceptions import ZFSError
    except (ImportError, OSError):
        return None
    try:
        libzfs_core.lzc_exists(b"chyves")
    except ZFSError:
        return None
    return Core(libzfs_core, ZFSError)


class Core:
    """The functions of libzfs_core that chyves uses, with names as text; each raises Refusal."""

    def __init__(self, library: Any, error: type[Exception]) -> None:
        self._library = library
        self._error = error

    def exists(self, name: str) -> bool:
        """Tell whether there is a dataset or snapshot of this name."""
        found: bool = self._library.lzc_exists(name.encode())
        return found

    def take_snapshots(self, names: Sequence[str]) -> None:
        """Take these snapshots of one pool, all or none."""
        self._act("create snapshot", names[0], self._library.lzc_snapshot, _encoded(names))

    def destroy_snapshots(self, names: Sequence[str]) -> None:
        """Destroy these snapshots of one pool, all or none."""
        self._act("destroy", names[0], self._library.lzc_destroy_snaps, _encoded(names), False)

    def destroy_bookmarks(self, names: Sequence[str]) -> None:
        self._act("destroy", names[0], self._library.lzc_destroy_bookmarks, _encoded(names))

    def roll_back(self, snapshot: str) -> None:
        """Roll a dataset back to its newest snapshot. Raises Refusal if it is not the newest."""
        name = snapshot.partition("@")[0]
        self._act(
            *("rollback to", snapshot, self._library.lzc_rollback_to),
            *(name.encode(), snapshot.encode()),
        )

    def clone(self, snapshot: str, name: str, options: Mapping[str, str]) -> None:
        """Clone a snapshot, with user properties; a filesystem is not mounted."""
        properties = {key.encode(): value.encode() for key, value in options.items()}
        arguments = (name.encode(), snapshot.encode(), properties)
        self._act("create", name, self._library.lzc_clone, *arguments)

    def hold(self, tag: str, snapshots: Sequence[str]) -> None:
        """Hold snapshots of one pool, all or none; those that are missing keep none of the others
        from being held."""
        holds = {name.encode(): tag.encode() for name in snapshots}
        self._act("hold snapshot", snapshots[0], self._hold, holds)

    def release(self, tag: str, snapshots: Sequence[str]) -> None:
        """Release holds; what is missing keeps none of the others from being released."""
        holds = {name.encode(): [tag.encode()] for name in snapshots}
        self._act("release hold from snapshot", snapshots[0], self._release, holds)

    def _hold(self, holds: Mapping[bytes, bytes]) -> None:
        if missing := self._library.lzc_hold(holds):
            raise Refusal(f"cannot hold snapshot '{missing[0].decode()}': dataset does not exist")

    def _release(self, holds: Mapping[bytes, list[bytes]]) -> None:
        if missing := self._library.lzc_release(holds):
            name, _, tag = missing[0].decode().partition("#")
            why = _REASONS["HoldNotFound" if tag else errno.ENOENT]
            raise Refusal(f"cannot release hold from snapshot '{name}': {why}")

    def _act(self, action: str, name: str, act: Callable[..., object], *arguments: object) -> None:
        try:
            act(*arguments)
        except self._error as error:
            raise _understood(action, name, error) from None


def _encoded(names: Iterable[str]) -> list[bytes]:
    return [name.encode() for name in names]


def _understood(action: str, name: str, error: Any) -> Refusal:
    """Put an error of libzfs_core, or the several that it consists of, into words."""
    said = []
    for cause in getattr(error, "errors", ()) or [error]:
        reason = _REASONS.get(type(cause).__name__) or _REASONS.get(cause.errno, str(cause))
        culprit = cause.name.decode() if cause.name else name
        said.append(f"cannot {action} '{culprit}': {reason}")
    return Refusal("; ".join(said))
