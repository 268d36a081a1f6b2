# SPDX-License-Identifier: BSD-2-Clause
"""All of the backend that asks ZFS, on a real one; what libzfs_core does with it and without."""

import os
from pathlib import Path

import pytest

from chyves.backend import snapshots, zfs, zfsacts
from chyves.backend.host import Host
from chyves.errors import Busy, ChyvesError, Conflict, Invalid, NotFound, Precondition
from tests.lab.contract.realsession import RealSession
from tests.lab.inside import volumes
from tests.lab.inside.conftest import both_ways

MEBIBYTE = 1 << 20


def make_guests(host: Host, *names: str) -> None:
    for name in names:
        zfs.create_filesystem(host, f"tank/{name}")
        zfs.create_volume(host, f"tank/{name}/disk0", 8 * MEBIBYTE, {"volmode": "dev"})


def write(volume: str, text: str) -> None:
    volumes.write(Path("/dev/zvol", volume), text)


def read(volume: str) -> str:
    return volumes.read(Path("/dev/zvol", volume))


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


@both_ways
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


@both_ways
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


@both_ways
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


@both_ways
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


@both_ways
def test_a_hold_in_the_way_of_a_rollback_loses_nothing_with_the_library(host: Host) -> None:
    make_guests(host, "web")
    for text in ("one", "two", "three"):
        write("tank/web/disk0", text)
        snapshots.take(host, [f"tank/web@{text}"])
    snapshots.hold(host, "keep", ["tank/web/disk0@two"])
    before = names(host)
    with pytest.raises(Busy):
        snapshots.rollback(host, "tank/web/disk0@one")
    assert read("tank/web/disk0") == "three"
    lost = set(before) - set(names(host))
    assert lost == (set() if zfsacts.core(host) else {"tank/web/disk0@three"})
    snapshots.release(host, "keep", ["tank/web/disk0@two"])
    snapshots.rollback(host, "tank/web/disk0@one")
    assert read("tank/web/disk0") == "one"


@both_ways
def test_what_is_newer_is_never_lost_on_the_way_back_to_the_newest(host: Host) -> None:
    make_guests(host, "web")
    write("tank/web/disk0", "one")
    snapshots.take(host, ["tank/web@one"])
    write("tank/web/disk0", "two")
    snapshots.go_back(host, "tank/web/disk0@one")
    assert read("tank/web/disk0") == "one"
    snapshots.take(host, ["tank/web@two"])
    write("tank/web/disk0", "three")
    before = names(host)
    with pytest.raises(Conflict, match="more recent snapshots or bookmarks exist"):
        snapshots.go_back(host, "tank/web/disk0@one")
    with pytest.raises(NotFound):
        snapshots.go_back(host, "tank/web/disk0@nosuch")
    assert (names(host), read("tank/web/disk0")) == (before, "three")


@both_ways
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
    with pytest.raises(NotFound, match="tank/web@nosuch"):
        snapshots.hold(host, "keep", ["tank/web@nosuch", *both])
    assert [snapshot.holds for snapshot in snapshots.taken(host, ["tank"])] == [1, 1]
    with pytest.raises(NotFound, match="tank/web@nosuch"):
        snapshots.release(host, "keep", ["tank/web@nosuch", *both])
    assert [snapshot.holds for snapshot in snapshots.taken(host, ["tank"])] == [0, 0]


@both_ways
def test_what_exists(host: Host) -> None:
    make_guests(host, "web")
    snapshots.take(host, ["tank/web@one"])
    assert zfs.exists(host, "tank/web/disk0")
    assert zfs.exists(host, "tank/web/disk0@one")
    assert not zfs.exists(host, "tank/web/disk1")
    assert not zfs.exists(host, "tank/web@two")


def test_what_becomes_of_snapshots_that_are_needed(host: Host) -> None:
    make_guests(host, "web")
    snapshots.take(host, ["tank/web@one"])
    snapshots.clone(host, "tank/web@one", "tank/clone")
    found = zfs.dataset(host, "tank/clone")
    assert found is not None
    assert (found.origin, found.is_mounted) == ("tank/web@one", True)
    with pytest.raises(Conflict):
        snapshots.clone(host, "tank/web@one", "tank/clone")
    with pytest.raises(NotFound):
        snapshots.clone(host, "tank/web@nosuch", "tank/other")
    snapshots.destroy_unused(host, "tank/web@one")
    assert names(host) == ["tank/clone", "tank/web", "tank/web@one", "tank/web/disk0"]
    zfs.destroy(host, "tank/clone")
    assert names(host) == ["tank/web", "tank/web/disk0"]


def test_what_is_copied_has_the_bytes_and_the_properties(host: Host) -> None:
    options = {"volmode": "dev", "chyves:x": "y"}
    zfs.create_filesystem(host, "tank/web")
    zfs.create_volume(host, "tank/web/disk0", 8 * MEBIBYTE, options)
    content = os.urandom(MEBIBYTE)
    Path("/dev/zvol/tank/web/disk0").write_bytes(content)
    snapshots.take(host, ["tank/web@one"])
    estimate = snapshots.copied_bytes(host, ["tank/web/disk0@one"])
    assert 0.9 * MEBIBYTE < estimate < 1.5 * MEBIBYTE
    moved: list[int] = []
    snapshots.copy(host, "tank/web/disk0@one", "tank/copy", moved.append, without=["volmode"])
    assert sum(moved) == pytest.approx(estimate, rel=0.1)
    zfs.wait_for_nodes(host, ["tank/copy"])
    assert Path("/dev/zvol/tank/copy").read_bytes()[:MEBIBYTE] == content
    kept = zfs.properties_to_copy(host, "tank/copy")
    assert kept["chyves:x"] == "y"
    assert "volmode" not in kept
    with pytest.raises(ChyvesError):
        snapshots.copy(host, "tank/web/disk0@one", "tank/copy", moved.append)
    with pytest.raises(NotFound):
        snapshots.copy(host, "tank/web/disk0@nosuch", "tank/other", moved.append)


def test_a_tree_is_copied_with_its_earlier_snapshots(host: Host) -> None:
    make_guests(host, "web")
    Path("/tank/web/file").write_text("text")
    for text in ("one", "two"):
        write("tank/web/disk0", text)
        snapshots.take(host, [f"tank/web@{text}"])
    estimate = snapshots.copied_bytes(host, ["tank/web@two"], replicate=True)
    moved: list[int] = []
    snapshots.copy(host, "tank/web@two", "tank/copy", moved.append, replicate=True)
    assert sum(moved) == pytest.approx(estimate, rel=1)
    assert names(host)[: len(names(host)) // 2] == [
        name.replace("tank/web", "tank/copy") for name in names(host)[len(names(host)) // 2 :]
    ]
    found = zfs.dataset(host, "tank/copy")
    assert found is not None
    assert not found.is_mounted
    zfs.mount(host, "tank/copy")
    assert Path("/tank/copy/file").read_text() == "text"
    assert read("tank/copy/disk0") == "two"
    snapshots.rollback(host, "tank/copy/disk0@one")
    assert read("tank/copy/disk0") == "one"


def test_what_volumes_take(host: Host) -> None:
    zfs.create_filesystem(host, "tank/web")
    zfs.create_volume(host, "tank/web/thick", 8 * MEBIBYTE, {"volmode": "dev"})
    zfs.create_volume(host, "tank/web/thin", 8 * MEBIBYTE, {"volmode": "dev"}, sparse=True)
    thick, thin = ("tank/web/thick", "tank/web/thin")
    Path("/dev/zvol", thin).write_bytes(os.urandom(MEBIBYTE))
    assert zfs.is_thick(host, thick)
    assert not zfs.is_thick(host, thin)
    assert zfs.volmode_of_each(host, "tank/web", [thick, thin]) == "dev"
    zfs.set_property(host, thin, "volmode", "full")
    assert zfs.volmode_of_each(host, "tank/web", [thick, thin]) == ""
    kept = zfs.properties_to_copy(host, thick)
    assert kept["volmode"] == "dev"
    assert int(kept["refreservation"]) > 8 * MEBIBYTE
    snapshots.take(host, ["tank/web@one"])
    for label in ("", "@one"):
        sizes = snapshots.sizes_of_copies(host, "tank/web", label)
        assert sizes.keys() == {"tank/web", thick, thin}
        assert sizes[thick] == int(kept["refreservation"])
        assert MEBIBYTE <= sizes[thin] < 1.5 * MEBIBYTE


def test_a_dry_run_knows_what_it_would_have_done(host: Host) -> None:
    zfs.create_filesystem(host, "tank/chyves")
    make_guests(host, "chyves/web")
    free = zfs.available(host, "tank/chyves")
    before = names(host)
    with host.planning() as lines:
        zfs.require_room(host, "tank", free // 2, "create it")
        with pytest.raises(Precondition, match="cannot create it: out of space"):
            zfs.require_room(host, "tank", free, "create it")
        zfs.destroy(host, "tank/chyves/web", recursive=True)
        assert zfs.is_planned_away(host, "tank/chyves/web/disk0")
        assert [one.name for one in zfs.datasets(host, ["tank"])] == ["tank", "tank/chyves"]
        assert zfs.dataset(host, "tank/chyves/web") is None
    assert lines == ["zfs destroy -r tank/chyves/web"]
    assert names(host) == before


def test_the_history_of_a_guest_is_that_of_all_it_has(host: Host) -> None:
    for name in ("chyves", "chyves/guests"):
        zfs.create_filesystem(host, f"tank/{name}")
    make_guests(host, "chyves/guests/web", "chyves/guests/webx")
    root = "tank/chyves/guests/web"
    for label in ("one", "two"):
        snapshots.take(host, [f"{root}@{label}", f"{root}x@{label}"])
    history = snapshots.history(host, "tank", "web")
    assert (history.labels, history.newest) == (["@one", "@two"], "@two")
    assert history.reversion("@two") == [f"{root}/disk0@two"]
    with pytest.raises(Conflict):
        history.reversion("@one")
    assert {one.dataset for one in history.rollback("@one").lost} == {root, f"{root}/disk0"}


def test_names_change_on_a_pool_that_is_full(host: Host, session: RealSession) -> None:
    """What is renamed is not mounted where there is no room for a folder, and said so, whether zfs
    fails then (2.1) or not. Nor is what cannot be renamed, and that is a failure."""
    make_guests(host, "web", "db", "mail")
    zfs.create_filesystem(host, "tank/ballast", {"mountpoint": "none"})
    session.fill("tank/ballast")
    with pytest.raises(Conflict):
        zfs.put_aside(host, "tank/mail", "tank/db")
    with pytest.raises(Precondition, match="tank/www cannot be mounted"):
        zfs.rename(host, "tank/web", "tank/www")
    zfs.put_aside(host, "tank/db", "tank/gone")
    renamed = {one.name: one.is_mounted for one in zfs.datasets(host, ["tank"])}
    assert (renamed.get("tank/www"), renamed.get("tank/gone")) == (False, False)
    assert "tank/web" not in renamed
    with pytest.raises(Conflict):
        zfs.put_aside(host, "tank/gone", "tank/www")


def test_the_room_of_what_is_destroyed_is_waited_for(host: Host, session: RealSession) -> None:
    make_guests(host, "web")
    zfs.create_filesystem(host, "tank/db")
    Path("/tank/db/file").write_bytes(os.urandom(4 * MEBIBYTE))
    zfs.create_filesystem(host, "tank/ballast", {"mountpoint": "none"})
    session.fill("tank/ballast")
    zfs.destroy(host, "tank/db")
    zfs.wait_until_free(host, "tank")
    assert zfs.available(host, "tank") > 3 * MEBIBYTE
    Path("/tank/web/file").write_text("text")
