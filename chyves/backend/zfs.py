# SPDX-License-Identifier: BSD-2-Clause
"""Datasets, volumes and snapshots, through zfs(8), and through libzfs_core where it is there."""

import shlex
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from chyves.backend import zfscore
from chyves.backend.host import Host
from chyves.backend.run import Progress, Result
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
from chyves.model import kinds, layout

UNFINISHED = "chyves:unfinished"
"""User property with the verb that is at work on a dataset. A pool, guest or resource in the making
comes into being when it is cleared. Datasets below inherit it, where it means nothing."""

MAKERS: Mapping[type, str] = {
    layout.Root: "install",
    layout.GuestRoot: "create",
    layout.Resource: "import",
}

UNINSTALL = "uninstall"
"""The mark of a pool that chyves is taken off."""

PROMOTE = "promote"
"""The mark of what is copied to a pool that becomes primary."""

MOVE = "move "
"""Begins the mark of a guest that is moved here; the tombstone follows that it leaves behind."""

ROLLBACK = "rollback"
"""Begins the mark of a guest that is rolled back; the label follows, and the interfaces it had."""

COLUMNS = f"name,type,volsize,origin,mountpoint,mounted,readonly,{UNFINISHED}"

NODE_SECONDS = 10.0


class Dataset(NamedTuple):
    """A filesystem or volume. Sizes are in bytes; what it does not have is empty or 0.
    ``unfinished`` is the verb at work on it or on something above it."""

    name: str
    is_volume: bool
    volsize: int
    origin: str
    mountpoint: str
    is_mounted: bool
    is_read_only: bool
    unfinished: str

    @property
    def is_unfinished(self) -> bool:
        """Tell whether it is a pool's, guest's or resource's that does not exist yet."""
        making = self.unfinished and MAKERS.get(type(layout.classify(self.name)))
        return bool(making) and making == self.unfinished

    @property
    def is_leaving(self) -> bool:
        """Tell whether an uninstall is at work on it, or was."""
        return self.unfinished == UNINSTALL

    @property
    def awaits(self) -> str:
        """The tombstone that a guest which is moved here leaves where it was; as long as that is
        not there, it is no guest here. Empty if none is moved here."""
        return self.unfinished.removeprefix(MOVE) if self.unfinished.startswith(MOVE) else ""

    @property
    def half_rolled_back(self) -> str:
        """The label of the snapshot to which a guest was being rolled back; empty if it was not."""
        label = self.unfinished.removeprefix(ROLLBACK).partition(" ")[0]
        return label if self.unfinished.startswith(ROLLBACK) else ""


class Snapshot(NamedTuple):
    """A snapshot; ``used`` in bytes, ``created`` in seconds since the epoch."""

    name: str
    used: int
    created: int
    holds: int
    clones: tuple[str, ...]

    @property
    def dataset(self) -> str:
        return self.name.partition("@")[0]

    @property
    def label(self) -> str:
        """The name behind the dataset's, with its ``@``."""
        return "@" + self.name.partition("@")[2]


def top_datasets(host: Host) -> list[str]:
    """Return every pool and what lies directly in it: ``["tank", "tank/chyves", ...]``."""
    return host.ask("zfs", "list", "-H", "-d", "1", "-t", "filesystem", "-o", "name").stdout.split(
        "\n"
    )[:-1]


def datasets(host: Host, roots: Sequence[str]) -> list[Dataset]:
    """Return all filesystems and volumes at and below ``roots``, by one program."""
    listing = host.ask(
        *("zfs", "list", "-H", "-p", "-r", "-t", "filesystem,volume", "-o", COLUMNS, *roots)
    )
    found = (_dataset(line) for line in listing.stdout.splitlines())
    return [one for one in found if not _is_planned_away(host, one.name)]


def _is_planned_away(host: Host, name: str) -> bool:
    """Tell whether a dry run would have destroyed a dataset by now."""
    return any(name == gone or name.startswith(f"{gone}/") for gone in host.planned_away)


def _dataset(line: str) -> Dataset:
    name, kind, volsize, origin, mountpoint, mounted, readonly, unfinished = line.split("\t")
    return Dataset(
        name,
        kind == "volume",
        0 if volsize == "-" else int(volsize),
        "" if origin == "-" else origin,
        mountpoint if mountpoint.startswith("/") else "",
        mounted == "yes",
        readonly == "on",
        "" if unfinished == "-" else unfinished,
    )


def dataset(host: Host, name: str) -> Dataset | None:
    """Return one dataset as it is now; None if there is none of that name."""
    if _is_planned_away(host, name):
        return None
    try:
        listing = understand(host.try_ask("zfs", "list", "-H", "-p", "-o", COLUMNS, name))
    except NotFound:
        return None
    return _dataset(listing.stdout.removesuffix("\n"))


def space_used(host: Host, roots: Sequence[str]) -> dict[str, int]:
    """Return how many bytes each dataset at and below ``roots`` takes, with all below it."""
    listing = host.ask(
        *("zfs", "list", "-H", "-p", "-r", "-t", "filesystem,volume", "-o", "name,used", *roots)
    )
    pairs = (line.split("\t") for line in listing.stdout.splitlines())
    return {name: int(used) for name, used in pairs}


def sizes_of_copies(host: Host, root: str, label: str = "") -> dict[str, int]:
    """Return how many bytes a copy takes of each dataset at and below ``root``, as it is or as its
    snapshot ``label`` has it; a volume takes what it reserves, if that is more."""
    listing = host.ask(
        *("zfs", "list", "-H", "-p", "-r", "-t", "filesystem,volume,snapshot"),
        *("-o", "name,referenced,refreservation", root),
    )
    referenced, reserved = {}, {}
    for line in listing.stdout.splitlines():
        name, data, reservation = line.split("\t")
        dataset, at, snapshot = name.partition("@")
        if at + snapshot == label:
            referenced[dataset] = int(data)
        if not at:
            reserved[dataset] = int(reservation)
    return {name: max(data, reserved[name]) for name, data in referenced.items()}


def snapshots(host: Host, roots: Sequence[str]) -> list[Snapshot]:
    """Return the snapshots of all datasets at and below ``roots``: by dataset, oldest first."""
    columns = "name,used,creation,userrefs,clones"
    listing = host.ask("zfs", "list", "-H", "-p", "-r", "-t", "snapshot", "-o", columns, *roots)
    found = []
    for line in listing.stdout.splitlines():
        name, used, created, holds, clones = line.split("\t")
        dependants = tuple(
            clone
            for clone in (clones.split(",") if clones not in ("", "-") else ())
            if not _is_planned_away(host, clone)
        )
        found.append(Snapshot(name, int(used), int(created), int(holds), dependants))
    return found


def available(host: Host, dataset: str) -> int:
    """Return how many bytes may still be written to a dataset."""
    return int(host.ask("zfs", "get", "-H", "-p", "-o", "value", "available", dataset).stdout)


def create_filesystem(host: Host, name: str, options: Mapping[str, str] | None = None) -> None:
    """Create and mount a filesystem. Raises Conflict, Precondition, NotFound (its parent)."""
    _change(host, "zfs", "create", *_options(options or {}), name)


def create_volume(
    host: Host, name: str, size: int, options: Mapping[str, str], *, sparse: bool = False
) -> None:
    """Create a volume of ``size`` bytes and wait for its device.

    Raises Precondition if the pool has no room for it, HostError if its node does not come:
    FreeBSD makes it asynchronously, and sometimes never (volmode set on the volume itself).
    """
    thin = ["-s"] if sparse else []
    if host.plan is not None and not sparse:
        require_room(host, name.partition("/")[0], size, f"create '{name}'")
    _change(host, "zfs", "create", *thin, "-V", str(size), *_options(options), name)
    wait_for_nodes(host, [name])


def require_room(host: Host, pool: str, size: int, what: str) -> None:
    """Raise Precondition if ``size`` bytes more have no room on a pool, with what a dry run would
    have taken of it by now."""
    taken = host.planned_bytes.get(pool, 0) + size
    free = available(host, layout.root_dataset(pool))
    if taken > free:
        raise Precondition(
            f"cannot {what}: out of space",
            hint=f"{pool} has {kinds.format_bytes(free)} free; zfs list -o space shows what takes "
            "the room",
        )
    if host.plan is not None:
        host.planned_bytes[pool] = taken


def wait_for_nodes(host: Host, volumes: Iterable[str]) -> None:
    """Wait until the devices of ``volumes`` are there. Raises HostError after ten seconds."""
    if host.plan is not None:
        return
    deadline = time.monotonic() + NODE_SECONDS
    for volume in volumes:
        node = host.path(f"/dev/zvol/{volume}")
        while not node.exists():
            if time.monotonic() > deadline:
                raise HostError(
                    f"the device /dev/zvol/{volume} did not appear",
                    hint=f"'zfs rename {volume} {volume}.x' and back makes it anew",
                )
            time.sleep(0.01)


def destroy(host: Host, name: str, *, recursive: bool = False) -> None:
    """Destroy a dataset or snapshots (never with -R). Raises Busy, Conflict, NotFound.

    A recursive destroy is not atomic: what is left after a failure is still there to destroy.
    """
    _change(host, "zfs", "destroy", *(["-r"] if recursive else []), name)
    if host.plan is not None:
        host.planned_away.add(name)


def destroy_unused(host: Host, snapshot: str) -> None:
    """Destroy the snapshots of a whole tree (``dataset@label``); those that have clones or are held
    go as soon as nothing needs them (``-d`` of zfs-destroy(8))."""
    _change(host, "zfs", "destroy", "-d", "-r", snapshot)


def destroy_snapshots(host: Host, range_: str, names: Sequence[str]) -> None:
    """Destroy the snapshots that ``dataset@range`` stands for with all below: they are ``names``.

    With libzfs_core all or none. Raises Busy if one is held, Conflict if one has clones.
    """
    library = core(host)
    argv = ("zfs", "destroy", "-r", range_)
    if library is None:
        _change(host, *argv)
    else:
        _act(host, lambda: library.destroy_snapshots(names), *argv)


def rename(host: Host, old: str, new: str) -> None:
    """Rename a dataset with all below it, as a whole or not at all. Raises Busy, Conflict."""
    _change(host, "zfs", "rename", old, new)
    if host.plan is not None:
        host.planned_away.add(old)


def block_size(host: Host, volume: str) -> int:
    """Return the block size of a volume in bytes; its size is a multiple of it."""
    return int(host.ask("zfs", "get", "-H", "-p", "-o", "value", "volblocksize", volume).stdout)


def is_thick(host: Host, volume: str) -> bool:
    """Tell whether the room for all of a volume is reserved."""
    words = ("zfs", "get", "-H", "-p", "-o", "value", "refreservation", volume)
    return host.ask(*words).stdout not in ("0\n", "none\n")


def set_property(host: Host, dataset: str, name: str, value: str) -> None:
    _change(host, "zfs", "set", f"{name}={value}", dataset)


def inherit_property(host: Host, dataset: str, name: str) -> None:
    _change(host, "zfs", "inherit", name, dataset)


def mount(host: Host, dataset: str) -> None:
    _change(host, "zfs", "mount", dataset)


def unmount(host: Host, dataset: str) -> None:
    """Unmount a filesystem and those below it. Raises Busy."""
    _change(host, "zfs", "unmount", dataset)


def take_snapshots(host: Host, names: Sequence[str]) -> None:
    """Take snapshots of whole trees (``dataset@label``), of one pool in one transaction group.

    Raises Conflict if one exists already; then none is taken.
    """
    library = core(host)
    argv = ("zfs", "snapshot", "-r", *names)
    if library is None:
        _change(host, *argv)
        return
    wanted = [f"{below}@{name.partition('@')[2]}" for name in names for below in _tree(host, name)]
    _act(host, lambda: library.take_snapshots(wanted), *argv)


def _tree(host: Host, snapshot: str) -> list[str]:
    """Return the datasets at and below that of a snapshot. Raises NotFound."""
    root = snapshot.partition("@")[0]
    words = ("zfs", "list", "-H", "-r", "-t", "filesystem,volume", "-o", "name", root)
    return understand(host.try_ask(*words)).stdout.splitlines()


def rollback(host: Host, snapshot: str) -> None:
    """Roll one dataset back, destroying its snapshots that are newer. Raises Conflict, Busy.

    With libzfs_core those snapshots go all or none.
    """
    library = core(host)
    argv = ("zfs", "rollback", "-r", snapshot)
    if library is None:
        _change(host, *argv)
        return
    newer = _newer(host, snapshot)

    def roll_back() -> None:
        if snapshots := [name for name in newer if "@" in name]:
            library.destroy_snapshots(snapshots)
        if bookmarks := [name for name in newer if "#" in name]:
            library.destroy_bookmarks(bookmarks)
        library.roll_back(snapshot)

    _act(host, roll_back, *argv)


def _newer(host: Host, snapshot: str) -> list[str]:
    """Return the snapshots and bookmarks of a dataset that are newer than one. Raises NotFound."""
    words = ("zfs", "list", "-H", "-p", "-d", "1", "-t", "snapshot,bookmark")
    name = snapshot.partition("@")[0]
    listing = understand(host.try_ask(*words, "-o", "createtxg,name", name)).stdout
    rows = [line.split("\t") for line in listing.splitlines()]
    ages = {name: int(born) for born, name in rows}
    if snapshot not in ages:
        raise NotFound(f"cannot open '{snapshot}': dataset does not exist")
    return [name for name, born in ages.items() if born > ages[snapshot]]


def clone_volume(host: Host, snapshot: str, name: str, options: Mapping[str, str]) -> None:
    """Clone the snapshot of a volume, with user properties, and wait for its device.
    Raises Conflict, NotFound."""
    library = core(host)
    argv = ("zfs", "clone", *_options(options), snapshot, name)
    if library is None:
        _change(host, *argv)
    else:
        _act(host, lambda: library.clone(snapshot, name, options), *argv)
    wait_for_nodes(host, [name])


def hold(host: Host, tag: str, snapshots: Sequence[str]) -> None:
    """Hold snapshots of one pool, so that they cannot be destroyed. Raises Conflict, NotFound."""
    library = core(host)
    argv = ("zfs", "hold", tag, *snapshots)
    if library is None:
        _change(host, *argv)
    else:
        _act(host, lambda: library.hold(tag, snapshots), *argv)


def release(host: Host, tag: str, snapshots: Sequence[str]) -> None:
    """Release holds. Raises NotFound."""
    library = core(host)
    argv = ("zfs", "release", tag, *snapshots)
    if library is None:
        _change(host, *argv)
    else:
        _act(host, lambda: library.release(tag, snapshots), *argv)


def exists(host: Host, name: str) -> bool:
    """Tell whether there is a dataset or snapshot of this name."""
    library = core(host)
    if library:
        return library.exists(name)
    return host.try_ask("zfs", "list", "-H", "-o", "name", name).code == 0


def clone(host: Host, snapshot: str, name: str) -> None:
    """Make a dataset that shares its content with a snapshot. Raises Conflict, NotFound."""
    _change(host, "zfs", "clone", snapshot, name)


def copy(
    host: Host,
    snapshot: str,
    target: str,
    progress: Progress,
    *,
    without: Sequence[str] = (),
    replicate: bool = False,
) -> None:
    """Copy a snapshot and the properties of its dataset, but those in ``without``, to a new
    dataset, which is not mounted; or ``replicate`` a whole tree with its earlier snapshots.

    Raises Precondition where there is no room, HostError with what either side complained.
    """
    excluded = [word for name in without for word in ("-x", name)]
    source = ("zfs", "send", "-R" if replicate else "-p", snapshot)
    understand(host.pipe(source, ("zfs", "receive", "-u", *excluded, target), progress))


def copied_bytes(host: Host, snapshots: Iterable[str], *, replicate: bool = False) -> int:
    """Estimate how many bytes copying the snapshots will move, by one program for each."""
    total = 0
    for snapshot in snapshots:
        mode = "-R" if replicate else "-p"
        told = understand(host.try_ask("zfs", "send", "-n", "-P", mode, snapshot)).stdout
        sizes = [line.split("\t")[1] for line in told.splitlines() if line.startswith("size\t")]
        total += sum(map(int, sizes))
    return total


def space_freed(host: Host, snapshot: str) -> int:
    """Return how many bytes destroying this snapshot (or range) recursively would free."""
    dry = understand(host.try_ask("zfs", "destroy", "-r", "-n", "-v", "-p", snapshot))
    for line in dry.stdout.splitlines():
        word, _, value = line.partition("\t")
        if word == "reclaim":
            return int(value)
    return 0


def _options(options: Mapping[str, str]) -> list[str]:
    return [word for name, value in options.items() for word in ("-o", f"{name}={value}")]


def _change(host: Host, *argv: str) -> None:
    understand(host.try_change(*argv))


def core(host: Host) -> zfscore.Core | None:
    """Return libzfs_core for a change of this machine, if it is there."""
    return None if host.simulated or host.plan is not None else zfscore.load()


def _act(host: Host, act: Callable[[], None], *argv: str) -> None:
    """Do by libzfs_core what these words would do."""
    host.tell(3, shlex.join(argv))
    try:
        act()
    except zfscore.Refusal as refusal:
        host.tell(3, f"zfs ended with 1: {refusal}")
        raise _meant(str(refusal)) or HostError(str(refusal)) from None


_KINDS: tuple[tuple[str, type[ChyvesError], str], ...] = (
    ("already exists", Conflict, "take another name, or rename what is there"),
    ("dependent clones", Conflict, "delete or promote the clones first"),
    ("clones of previous snapshots exist", Conflict, "delete or promote the clones first"),
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


def understand(result: Result) -> Result:
    """Return the result of a zfs command that succeeded, or raise the kind of error it names."""
    if result.code == 0:
        return result
    if meant := _meant(result.complaint()):
        raise meant
    return result.check()


def _meant(said: str) -> ChyvesError | None:
    """Return the kind of error that is meant by what ZFS says, if it is one of the known."""
    for words, kind, hint in _KINDS:
        if words in said:
            return kind(said, hint=hint)
    return None
