# SPDX-License-Identifier: BSD-2-Clause
"""Datasets and volumes, through zfs(8)."""

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from chyves.backend.host import Host
from chyves.backend.zfsacts import change, core, options_of, understand
from chyves.errors import (
    HostError,
    NotFound,
    Precondition,
)
from chyves.model import kinds, layout, places
from chyves.model.volumes import reservation

UNFINISHED = "chyves:unfinished"
"""User property with the verb that is at work on a dataset. A pool, guest or resource in the making
comes into being when it is cleared. Datasets below inherit it, where it means nothing."""

MAKERS: Mapping[type, str] = {
    places.Root: "install",
    places.GuestRoot: "create",
    places.Resource: "import",
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

SMALL_BLOCK = "8192"
"""Bytes in a block of a volume if nothing is said, before OpenZFS 2.2; 16384 since."""


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
        making = self.unfinished and MAKERS.get(type(places.classify(self.name)))
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
    return [one for one in found if not is_planned_away(host, one.name)]


def is_planned_away(host: Host, name: str) -> bool:
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
    if is_planned_away(host, name):
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


def available(host: Host, dataset: str) -> int:
    """Return how many bytes may still be written to a dataset."""
    return int(host.ask("zfs", "get", "-H", "-p", "-o", "value", "available", dataset).stdout)


def create_filesystem(host: Host, name: str, options: Mapping[str, str] | None = None) -> None:
    """Create and mount a filesystem. Raises Conflict, Precondition, NotFound (its parent)."""
    change(host, "zfs", "create", *options_of(options or {}), name)


def create_volume(
    host: Host, name: str, size: int, options: Mapping[str, str], *, sparse: bool = False
) -> None:
    """Create a volume of ``size`` bytes and wait for its device.

    Raises Precondition if the pool has no room for it, HostError if its node does not come:
    FreeBSD makes it asynchronously, and sometimes never (volmode set on the volume itself).
    """
    thin = ["-s"] if sparse else []
    if host.plan is not None and not sparse:
        block = int(kinds.block_size(options.get("volblocksize") or SMALL_BLOCK))
        needed = reservation(size, block)
        require_room(host, name.partition("/")[0], needed, f"create '{name}'")
    change(host, "zfs", "create", *thin, "-V", str(size), *options_of(options), name)
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
    change(host, "zfs", "destroy", *(["-r"] if recursive else []), name)
    if host.plan is not None:
        host.planned_away.add(name)


def wait_until_free(host: Host, pool: str) -> None:
    """Wait until the room of what was destroyed is there: ZFS frees it in the background, in the
    groups of transactions that follow (zpool-sync(8); txg_wait_synced in module/zfs/txg.c)."""
    change(host, "zpool", "sync", pool)


def rename(host: Host, old: str, new: str) -> None:
    """Rename a dataset with all below it, as a whole or not at all. Raises Busy, Conflict;
    Precondition also where all is renamed, but cannot be mounted, as without room for folders."""
    if why := _rename(host, old, new):
        raise Precondition(
            f"{new} cannot be mounted: {why}", hint="zfs mount -a, once that is mended"
        )


def put_aside(host: Host, old: str, new: str) -> None:
    """Rename what is to be destroyed, whether it can be mounted then or not. Raises Busy,
    Conflict."""
    _rename(host, old, new)


def _rename(host: Host, old: str, new: str) -> str:
    """Rename a dataset; return why it could not be mounted at its new place, which ZFS does last
    (lib/libzfs/libzfs_changelist.c), and for which OpenZFS ends with 1 before 2.2 and with 0 since.
    What was refused may not be mounted at its old place again, and is said with that."""
    done = host.try_change("zfs", "rename", old, new)
    why = done.complaint() if "cannot mount " in done.stderr else ""
    if done.code and (not why or exists(host, old)):
        understand(done)
    if host.plan is not None:
        host.planned_away.add(old)
    return why


def block_size(host: Host, volume: str) -> int:
    """Return the block size of a volume in bytes; its size is a multiple of it."""
    return int(host.ask("zfs", "get", "-H", "-p", "-o", "value", "volblocksize", volume).stdout)


def is_thick(host: Host, volume: str) -> bool:
    """Tell whether the room for all of a volume is reserved."""
    words = ("zfs", "get", "-H", "-p", "-o", "value", "refreservation", volume)
    return host.ask(*words).stdout not in ("0\n", "none\n")


def volmode_of_each(host: Host, root: str, volumes: Sequence[str]) -> str:
    """Return the volmode that each of the volumes below a guest's dataset has for itself, as chyves
    0.2.0 gave it; empty if the dataset has one, or not all of them have that same."""
    words = ("zfs", "get", "-H", "-o", "value,source", "volmode", root, *volumes)
    above, *modes = (tuple(line.split("\t")) for line in host.ask(*words).stdout.splitlines())
    is_common = len(set(modes)) == 1 and modes[0][1] == "local" and above[1] == "default"
    return modes[0][0] if is_common else ""


BOUND = {
    *("canmount", "jailed", "mountpoint", "readonly", "zoned"),
    *("encryption", "keyformat", "keylocation", UNFINISHED),
}
"""Properties that are those of one dataset, or would keep another from being filled."""


def properties_to_copy(host: Host, dataset: str) -> dict[str, str]:
    """Return what a dataset has for itself, and one that is made in its place is to have too."""
    words = ("zfs", "get", "-H", "-p", "-s", "local,received", "-o", "property,value", "all")
    lines = host.ask(*words, dataset).stdout.splitlines()
    found = dict(line.split("\t", 1) for line in lines)
    return {name: value for name, value in found.items() if name not in BOUND}


def set_property(host: Host, dataset: str, name: str, value: str) -> None:
    change(host, "zfs", "set", f"{name}={value}", dataset)


def inherit_property(host: Host, dataset: str, name: str) -> None:
    change(host, "zfs", "inherit", name, dataset)


def mount(host: Host, dataset: str) -> None:
    change(host, "zfs", "mount", dataset)


def unmount(host: Host, dataset: str) -> None:
    """Unmount a filesystem and those below it. Raises Busy."""
    change(host, "zfs", "unmount", dataset)


def exists(host: Host, name: str) -> bool:
    """Tell whether there is a dataset or snapshot of this name."""
    library = core(host)
    if library:
        return library.exists(name)
    return host.try_ask("zfs", "list", "-H", "-o", "name", name).code == 0
