# SPDX-License-Identifier: BSD-2-Clause
"""All of the backend that asks ZFS, on a real one, with libzfs_core and without."""

import os
from pathlib import Path

import pytest

from chyves.backend import snapshots, zfs
from chyves.backend.host import Host
from chyves.errors import Busy, ChyvesError, Conflict, Invalid, NotFound, Precondition

MEBIBYTE = 1 << 20


def make_guests(host: Host, *names: str) -> None:
    for name in names:
        zfs.create_filesystem(host, f"tank/{name}")
        zfs.create_volume(host, f"tank/{name}/disk0", 8 * MEBIBYTE, {"volmode": "dev"})


def write(volume: str, text: str) -> None:
    with Path("/dev/zvol", volume).open("r+b") as device:
        device.write(text.encode().ljust(16, b"\0"))
        os.fsync(device.fileno())


def read(volume: str) -> str:
    with Path("/dev/zvol", volume).open("rb") as device:
        return device.read(16).rstrip(b"\0").decode()


def names(host: Host) -> list[str]:
    listing = host.ask("zfs", "list", "-H", "-t", "all", "-o", "name", "-r", "tank").stdout
    return listing.splitlines()[1:]


def test_datasets_are_read_as_they_were_made(host: Host) -> None:
    zfs.create_filesystem(host, "tank/web", {zfs.UNFINISHED: "create", "mountpoint": "/tank/www"})
    zfs.create_volume(host, "tank/web/disk0", 8 * MEBIBYTE, {"volblocksize": "16K"}, sparse=True)
    assert zfs.top_datasets(host) == ["tank", "tank/web"]
    web, disk = zfs.datasets(host, ["tank/web"])
    assert web == ("tank/web", False, 0, "", "/tank/www", True, False, "create")
    assert disk == ("tank/web/disk0", True, 8 * MEBIBYTE, "", "", False, False, "create")
    assert zfs.dataset(host, "tank/web/disk0") == disk
    assert zfs.dataset(host, "tank/nosuch") is None
    assert zfs.block_size(host, "tank/web/disk0") == 16384
    assert 500 * MEBIBYTE < zfs.available(host, "tank") < 1024 * MEBIBYTE
    used = zfs.space_used(host, ["tank/web"])
    assert 0 < used["tank/web/disk0"] < used["tank/web"] < MEBIBYTE


def test_properties_are_set_and_inherited(host: Host) -> None:
    make_guests(host, "web")
    zfs.set_property(host, "tank/web", zfs.UNFINISHED, "delete")
    found = zfs.dataset(host, "tank/web/disk0")
    assert found is not None
    assert found.unfinished == "delete"
    zfs.inherit_property(host, "tank/web", zfs.UNFINISHED)
    found = zfs.dataset(host, "tank/web/disk0")
    assert found is not None
    assert found.unfinished == ""


def test_a_filesystem_is_unmounted_and_mounted(host: Host) -> None:
    zfs.create_filesystem(host, "tank/web")
    Path("/tank/web/file").write_text("text")
    zfs.unmount(host, "tank/web")
    assert not Path("/tank/web/file").exists()
    zfs.mount(host, "tank/web")
    with Path("/tank/web/file").open() as file:
        assert file.read() == "text"
        with pytest.raises(Busy):
            zfs.unmount(host, "tank/web")


def test_a_rename_takes_all_along(host: Host) -> None:
    make_guests(host, "web", "db")
    write("tank/web/disk0", "bytes")
    with pytest.raises(Conflict):
        zfs.rename(host, "tank/web", "tank/db")
    zfs.rename(host, "tank/web", "tank/www")
    zfs.wait_for_nodes(host, ["tank/www/disk0"])
    assert read("tank/www/disk0") == "bytes"


def test_what_cannot_be_created(host: Host) -> None:
    make_guests(host, "web")
    with pytest.raises(Conflict):
        zfs.create_filesystem(host, "tank/web")
    with pytest.raises(NotFound):
        zfs.create_filesystem(host, "nopool/web")
    with pytest.raises(NotFound):
        zfs.create_filesystem(host, "tank/no/parent")
    with pytest.raises(Invalid):
        zfs.create_filesystem(host, "tank/a!b")
    with pytest.raises(Precondition):
        zfs.create_volume(host, "tank/large", 2048 * MEBIBYTE, {})


def test_snapshots_of_several_guests_are_taken_in_one_act(host: Host) -> None:
    make_guests(host, "web", "db")
    snapshots.take(host, ["tank/web@one", "tank/db@one"])
    taken = snapshots.taken(host, ["tank"])
    assert [snapshot.name for snapshot in taken] == [
        *("tank/db@one", "tank/db/disk0@one", "tank/web@one", "tank/web/disk0@one")
    ]
    births = host.ask("zfs", "list", "-H", "-t", "snapshot", "-o", "createtxg").stdout.split()
    assert len(set(births)) == 1
    snapshots.take(host, ["tank/web@two"])
    with pytest.raises(Conflict, match="tank/web"):
        snapshots.take(host, ["tank/db@two", "tank/web@two"])
    assert "tank/db@two" not in names(host)
    with pytest.raises(NotFound):
        snapshots.take(host, ["tank/nosuch@two"])


def test_snapshots_are_destroyed_all_or_none(host: Host) -> None:
    make_guests(host, "web")
    snapshots.take(host, ["tank/web@one"])
    snapshots.take(host, ["tank/web@two"])
    doomed = [snapshot.name for snapshot in snapshots.taken(host, ["tank/web"])]
    assert snapshots.space_freed(host, "tank/web@one%two") >= 0
    snapshots.hold(host, "keep", ["tank/web/disk0@two"])
    with pytest.raises(Busy):
        snapshots.destroy(host, "tank/web@one%two", doomed)
    snapshots.release(host, "keep", ["tank/web/disk0@two"])
    snapshots.clone_volume(host, "tank/web/disk0@one", "tank/clone", {"chyves:x": "y"})
    with pytest.raises(Conflict):
        snapshots.destroy(host, "tank/web@one%two", doomed)
    assert set(doomed) < set(names(host))
    zfs.destroy(host, "tank/clone")
    snapshots.destroy(host, "tank/web@one%two", doomed)
    assert names(host) == ["tank/web", "tank/web/disk0"]


def test_a_rollback_destroys_what_is_newer(host: Host) -> None:
    make_guests(host, "web")
    for text in ("one", "two", "three"):
        write("tank/web/disk0", text)
        snapshots.take(host, [f"tank/web@{text}"])
    host.change("zfs", "bookmark", "tank/web/disk0@three", "tank/web/disk0#mark")
    write("tank/web/disk0", "now")
    snapshots.clone_volume(host, "tank/web/disk0@two", "tank/clone", {})
    with pytest.raises(Conflict):
        snapshots.rollback(host, "tank/web/disk0@one")
    assert read("tank/web/disk0") == "now"
    assert zfs.exists(host, "tank/web/disk0@three")
    zfs.destroy(host, "tank/clone")
    snapshots.rollback(host, "tank/web/disk0@one")
    assert read("tank/web/disk0") == "one"
    left = [name for name in names(host) if name.startswith("tank/web/disk0")]
    assert left == ["tank/web/disk0", "tank/web/disk0@one"]
    with pytest.raises(NotFound):
        snapshots.rollback(host, "tank/web/disk0@two")


def test_a_clone_has_the_bytes_and_its_own_properties(host: Host) -> None:
    make_guests(host, "web")
    write("tank/web/disk0", "golden")
    snapshots.take(host, ["tank/web@gold"])
    snapshots.clone_volume(host, "tank/web/disk0@gold", "tank/clone", {zfs.UNFINISHED: "create"})
    assert read("tank/clone") == "golden"
    found = zfs.dataset(host, "tank/clone")
    assert found is not None
    assert (found.origin, found.unfinished) == ("tank/web/disk0@gold", "create")
    snapshot = snapshots.taken(host, ["tank/web/disk0"])[0]
    assert snapshot.clones == ("tank/clone",)
    with pytest.raises(Conflict):
        snapshots.clone_volume(host, "tank/web/disk0@gold", "tank/clone", {})
    with pytest.raises(NotFound):
        snapshots.clone_volume(host, "tank/web/disk0@nosuch", "tank/other", {})


def test_holds(host: Host) -> None:
    make_guests(host, "web")
    snapshots.take(host, ["tank/web@one"])
    both = ["tank/web@one", "tank/web/disk0@one"]
    snapshots.hold(host, "keep", both)
    assert [snapshot.holds for snapshot in snapshots.taken(host, ["tank"])] == [1, 1]
    with pytest.raises(ChyvesError):
        snapshots.hold(host, "keep", both)
    with pytest.raises(Busy):
        zfs.destroy(host, "tank/web@one", recursive=True)
    snapshots.release(host, "keep", both)
    with pytest.raises(ChyvesError):
        snapshots.release(host, "keep", both)
    with pytest.raises(NotFound):
        snapshots.hold(host, "keep", ["tank/web@nosuch"])


def test_what_exists(host: Host) -> None:
    make_guests(host, "web")
    snapshots.take(host, ["tank/web@one"])
    assert zfs.exists(host, "tank/web/disk0")
    assert zfs.exists(host, "tank/web/disk0@one")
    assert not zfs.exists(host, "tank/web/disk1")
    assert not zfs.exists(host, "tank/web@two")
