# SPDX-License-Identifier: BSD-2-Clause
"""``zfs destroy``, ``rollback``, ``clone``, ``promote``: what goes, what stays, what is said."""

import os

from chyves.simulator.opened import open_device
from chyves.simulator.world import World
from tests.simulator.conftest import Type


def build(shell: Type) -> None:
    """A volume with three snapshots and a clone, below a filesystem, as in the transcripts."""
    for line in (
        "zfs create tank/vm",
        "zfs create -V 32M tank/vm/disk0",
        "zfs snapshot -r tank/vm@s1",
        "zfs snapshot tank/vm/disk0@s2",
        "zfs snapshot tank/vm/disk0@s3",
        "zfs clone tank/vm/disk0@s3 tank/vm/clone1",
    ):
        assert shell(line).code == 0, line


def names(shell: Type) -> list[str]:
    return shell("zfs list -H -t all -o name -r tank/vm").stdout.splitlines()


def test_children_and_clones_are_named_in_the_refusal(shell: Type) -> None:
    build(shell)
    result = shell("zfs destroy tank/vm/disk0")
    assert (result.code, result.stderr) == (
        1,
        "cannot destroy 'tank/vm/disk0': volume has children\n"
        "use '-r' to destroy the following datasets:\n"
        "tank/vm/disk0@s1\ntank/vm/disk0@s2\ntank/vm/disk0@s3\n",
    )
    result = shell("zfs destroy -r tank/vm/disk0")
    assert (result.code, result.stderr) == (
        1,
        "cannot destroy 'tank/vm/disk0': volume has dependent clones\n"
        "use '-R' to destroy the following datasets:\ntank/vm/clone1\n",
    )
    result = shell("zfs destroy tank/vm/disk0@s3")
    assert result.stderr.startswith(
        "cannot destroy 'tank/vm/disk0@s3': snapshot has dependent clones\n"
    )
    assert shell("zfs destroy tank").stderr == (
        "cannot destroy 'tank': operation does not apply to pools\n"
        "use 'zfs destroy -r tank' to destroy all datasets in the pool\n"
        "use 'zpool destroy tank' to destroy the pool itself\n"
    )


def test_a_dry_run_tells_and_destroys_nothing(shell: Type) -> None:
    build(shell)
    before = names(shell)
    assert shell("zfs destroy -nvp -R tank/vm/disk0").stdout == "".join(
        f"destroy\ttank/vm/{name}\n"
        for name in ("disk0@s1", "disk0@s2", "clone1", "disk0@s3", "disk0")
    )
    assert shell("zfs destroy -nvp tank/vm/disk0@s1%s2").stdout == (
        "destroy\ttank/vm/disk0@s1\ndestroy\ttank/vm/disk0@s2\nreclaim\t0\n"
    )
    assert shell("zfs destroy -nv -r tank/vm@s1").stdout == (
        "would destroy tank/vm@s1\nwould destroy tank/vm/disk0@s1\nwould reclaim 0B\n"
    )
    assert names(shell) == before


def test_lists_and_ranges_of_snapshots(shell: Type) -> None:
    build(shell)
    assert shell("zfs destroy tank/vm/disk0@s1,s2,nosuch").code == 0
    assert "tank/vm/disk0@s1" not in names(shell)
    assert "tank/vm/disk0@s3" in names(shell)
    result = shell("zfs destroy tank/vm/disk0@nosuch")
    assert (result.code, result.stderr) == (
        1,
        "could not find any snapshots to destroy; check snapshot names.\n",
    )


def test_with_an_open_volume_its_snapshots_go_and_it_stays(shell: Type, world: World) -> None:
    assert shell("zfs create -s -V 1G tank/sparse").code == 0
    assert shell("zfs snapshot tank/sparse@a").code == 0
    with world.process("sleep"):
        open_device(world, "/dev/zvol/tank/sparse", os.getpid())
        assert shell("zfs destroy -nvp -r tank/sparse").code == 0
        result = shell("zfs destroy -r tank/sparse")
        assert (result.code, result.stderr) == (
            1,
            "cannot destroy 'tank/sparse': dataset is busy\n",
        )
        assert shell("zfs list -H -o name -t all -r tank/sparse").stdout == "tank/sparse\n"
        assert shell("zfs rename tank/sparse tank/sparse2").code == 0
        assert shell("zfs destroy tank/sparse2").code == 1
    assert shell("zfs destroy tank/sparse2").code == 0


def test_a_busy_mountpoint_is_found_after_the_children_are_gone(shell: Type, world: World) -> None:
    build(shell)
    with world.process("sh"):
        open_device(world, "/tank/vm", os.getpid())
        for command in ("umount tank/vm", "rename tank/vm tank/vmz"):
            result = shell(f"zfs {command}")
            assert result.stderr == "cannot unmount '/tank/vm': pool or dataset is busy\n"
        assert "tank/vm/disk0" in names(shell)
        result = shell("zfs destroy -r tank/vm")
        assert (result.code, result.stderr) == (
            1,
            "cannot unmount '/tank/vm': pool or dataset is busy\n",
        )
    assert names(shell) == ["tank/vm"]


def test_a_held_snapshot_stops_the_batch_it_is_in(shell: Type) -> None:
    build(shell)
    assert shell("zfs hold keep tank/vm/disk0@s1").code == 0
    assert shell("zfs hold keep tank/vm/disk0@s1").stderr == (
        "cannot hold snapshot 'tank/vm/disk0@s1': tag already exists on this dataset\n"
    )
    result = shell("zfs destroy tank/vm/disk0@s1,s2")
    assert (result.code, result.stderr) == (
        1,
        "cannot destroy snapshot tank/vm/disk0@s1: dataset is busy\n",
    )
    assert "tank/vm/disk0@s2" in names(shell)
    assert shell("zfs destroy -d tank/vm/disk0@s1").code == 0
    listed = shell("zfs list -Hp -o name,userrefs,defer_destroy tank/vm/disk0@s1").stdout
    assert listed == "tank/vm/disk0@s1\t1\ton\n"
    assert shell("zfs release nosuch tank/vm/disk0@s1").stderr == (
        "cannot release hold from snapshot 'tank/vm/disk0@s1': no such tag on this dataset\n"
    )
    assert shell("zfs release keep tank/vm/disk0@s1").code == 0
    assert "tank/vm/disk0@s1" not in names(shell)


def test_rollback_brings_the_bytes_back(shell: Type, world: World) -> None:
    assert shell("zfs create tank/fs").code == 0
    assert shell("zfs create tank/fs/child").code == 0
    assert shell("zfs create -V 16M tank/vol").code == 0
    volume, file = world.path("/dev/zvol/tank/vol"), world.path("/tank/fs/file")
    file.write_text("before")
    world.path("/tank/fs/child/kept").write_text("kept")
    with volume.open("r+b") as device:
        device.write(b"before")
    assert shell("zfs snapshot tank/fs@a tank/vol@a").code == 0
    file.write_text("after")
    world.path("/tank/fs/new").write_text("new")
    with volume.open("r+b") as device:
        device.write(b"after!")
    assert shell("zfs set volsize=32M tank/vol").code == 0
    assert shell("zfs rollback tank/fs@a").code == 0
    assert shell("zfs rollback tank/vol@a").code == 0
    assert file.read_text() == "before"
    assert not world.path("/tank/fs/new").exists()
    assert world.path("/tank/fs/child/kept").read_text() == "kept"
    assert volume.read_bytes().startswith(b"before")
    assert volume.stat().st_size == 16 << 20
    assert shell("zfs list -Hp -o name,used,written tank/vol@a").stdout.split()[1] == "0"


def test_rollback_asks_before_it_destroys(shell: Type) -> None:
    build(shell)
    assert shell("zfs rollback tank/vm/disk0@s1").stderr == (
        "cannot rollback to 'tank/vm/disk0@s1': more recent snapshots or bookmarks exist\n"
        "use '-r' to force deletion of the following snapshots and bookmarks:\n"
        "tank/vm/disk0@s2\ntank/vm/disk0@s3\n"
    )
    assert shell("zfs rollback -r tank/vm/disk0@s1").stderr == (
        "cannot rollback to 'tank/vm/disk0@s1': clones of previous snapshots exist\n"
        "use '-R' to force deletion of the following clones and dependents:\n"
        "tank/vm/clone1\n"
    )
    assert shell("zfs rollback -R tank/vm/disk0@s1").code == 0
    assert names(shell) == ["tank/vm", "tank/vm@s1", "tank/vm/disk0", "tank/vm/disk0@s1"]


def test_promote_takes_the_snapshots_over(shell: Type, world: World) -> None:
    build(shell)
    with world.path("/dev/zvol/tank/vm/clone1").open("r+b") as device:
        device.write(b"clone")
    assert shell("zfs promote tank/vm/clone1").code == 0
    assert shell("zfs list -Hp -t all -o name,origin -r tank/vm/clone1 tank/vm/disk0").stdout == (
        "tank/vm/clone1\t-\ntank/vm/clone1@s1\t-\ntank/vm/clone1@s2\t-\ntank/vm/clone1@s3\t-\n"
        "tank/vm/disk0\ttank/vm/clone1@s3\n"
    )
    assert shell("zfs promote tank/vm/clone1").stderr == (
        "cannot promote 'tank/vm/clone1': not a cloned filesystem\n"
    )
    assert shell("zfs destroy tank/vm/disk0").code == 0
    assert world.path("/dev/zvol/tank/vm/clone1").read_bytes().startswith(b"clone")
