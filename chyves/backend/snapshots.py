# SPDX-License-Identifier: BSD-2-Clause
"""Snapshots: taken, gone back to, held, destroyed, cloned and copied."""

from collections.abc import Iterable, Mapping, Sequence

from chyves.backend.host import Host
from chyves.backend.run import Progress
from chyves.backend.zfs import is_planned_away, wait_for_nodes
from chyves.backend.zfsacts import change, do, options_of, understand
from chyves.backend.zfscore import Core
from chyves.errors import NotFound
from chyves.model import layout
from chyves.model.history import History, Snapshot


def taken(host: Host, roots: Sequence[str]) -> list[Snapshot]:
    """Return the snapshots of all datasets at and below ``roots``: by dataset, oldest first."""
    columns = "name,used,creation,userrefs,clones"
    listing = host.ask("zfs", "list", "-H", "-p", "-r", "-t", "snapshot", "-o", columns, *roots)
    found = []
    for line in listing.stdout.splitlines():
        name, used, created, holds, clones = line.split("\t")
        dependants = tuple(
            clone
            for clone in (clones.split(",") if clones not in ("", "-") else ())
            if not is_planned_away(host, clone)
        )
        found.append(Snapshot(name, int(used), int(created), int(holds), dependants))
    return found


def history(host: Host, pool: str, guest: str) -> History:
    """Return the snapshots of a guest."""
    root = layout.guest_dataset(pool, guest)
    return History(guest, root, tuple(taken(host, [root])))


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


def take(host: Host, names: Sequence[str]) -> None:
    """Take snapshots of whole trees (``dataset@label``), of one pool in one transaction group.

    Raises Conflict if one exists already; then none is taken.
    """

    def take_all(library: Core) -> None:
        trees = ((name.partition("@")[2], _tree(host, name)) for name in names)
        library.take_snapshots([f"{below}@{label}" for label, tree in trees for below in tree])

    do(host, take_all, "zfs", "snapshot", "-r", *names)


def _tree(host: Host, snapshot: str) -> list[str]:
    """Return the datasets at and below that of a snapshot. Raises NotFound."""
    root = snapshot.partition("@")[0]
    words = ("zfs", "list", "-H", "-r", "-t", "filesystem,volume", "-o", "name", root)
    return understand(host.try_ask(*words)).stdout.splitlines()


def rollback(host: Host, snapshot: str) -> None:
    """Roll one dataset back, destroying its snapshots that are newer. Raises Conflict, Busy.

    With libzfs_core those snapshots go all or none.
    """

    def roll_back(library: Core) -> None:
        newer = _newer(host, snapshot)
        if snapshots := [name for name in newer if "@" in name]:
            library.destroy_snapshots(snapshots)
        if bookmarks := [name for name in newer if "#" in name]:
            library.destroy_bookmarks(bookmarks)
        library.roll_back(snapshot)

    do(host, roll_back, "zfs", "rollback", "-r", snapshot)


def go_back(host: Host, snapshot: str) -> None:
    """Roll one dataset back to its newest snapshot. Raises Conflict if newer ones would be lost,
    Busy, NotFound."""
    do(host, lambda library: library.roll_back(snapshot), "zfs", "rollback", snapshot)


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


def hold(host: Host, tag: str, snapshots: Sequence[str]) -> None:
    """Hold snapshots of one pool, so that they cannot be destroyed. Raises NotFound if some are
    missing; the others are held then."""
    do(host, lambda library: library.hold(tag, snapshots), "zfs", "hold", tag, *snapshots)


def release(host: Host, tag: str, snapshots: Sequence[str]) -> None:
    """Release holds. Raises NotFound if some snapshots are missing; others are released then."""
    do(host, lambda library: library.release(tag, snapshots), "zfs", "release", tag, *snapshots)


def clone(host: Host, snapshot: str, name: str) -> None:
    """Make a dataset that shares its content with a snapshot. Raises Conflict, NotFound."""
    change(host, "zfs", "clone", snapshot, name)


def clone_volume(host: Host, snapshot: str, name: str, options: Mapping[str, str]) -> None:
    """Clone the snapshot of a volume, with user properties, and wait for its device.
    Raises Conflict, NotFound."""
    argv = ("zfs", "clone", *options_of(options), snapshot, name)
    do(host, lambda library: library.clone(snapshot, name, options), *argv)
    wait_for_nodes(host, [name])


def destroy(host: Host, range_: str, names: Sequence[str]) -> None:
    """Destroy the snapshots that ``dataset@range`` stands for with all below: they are ``names``.

    With libzfs_core all or none. Raises Busy if one is held, Conflict if one has clones.
    """
    do(host, lambda library: library.destroy_snapshots(names), "zfs", "destroy", "-r", range_)


def destroy_unused(host: Host, snapshot: str) -> None:
    """Destroy the snapshots of a whole tree (``dataset@label``); those that have clones or are held
    go as soon as nothing needs them (``-d`` of zfs-destroy(8))."""
    change(host, "zfs", "destroy", "-d", "-r", snapshot)


def space_freed(host: Host, snapshot: str) -> int:
    """Return how many bytes destroying this snapshot (or range) recursively would free."""
    dry = understand(host.try_ask("zfs", "destroy", "-r", "-n", "-v", "-p", snapshot))
    for line in dry.stdout.splitlines():
        word, _, value = line.partition("\t")
        if word == "reclaim":
            return int(value)
    return 0


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
