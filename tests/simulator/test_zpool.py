# SPDX-License-Identifier: BSD-2-Clause
"""zpool(8), checked against the transcripts of a real FreeBSD 13.2."""

import os
from pathlib import Path

import pytest

from chyves.simulator.opened import open_device
from chyves.simulator.world import World
from tests.simulator.conftest import Type


@pytest.fixture
def disk(world: World) -> Path:
    """A file of 8 GiB on the host, as /var/disk."""
    path = world.path("/var/disk")
    path.parent.mkdir(exist_ok=True)
    path.touch()
    os.truncate(path, 8 << 30)
    return path


def test_list_of_a_fresh_pool(shell: Type) -> None:
    assert shell("zpool list").stdout == (
        "NAME   SIZE  ALLOC   FREE  CKPOINT  EXPANDSZ   FRAG    CAP  DEDUP    HEALTH  ALTROOT\n"
        "tank  7.50G   124K  7.50G        -         -     0%     0%  1.00x    ONLINE  -\n"
    )
    assert shell("zpool list -Hp").stdout == (
        "tank\t8053063680\t127488\t8052936192\t-\t-\t0\t0\t1.00\tONLINE\t-\n"
    )
    assert shell("zpool list -H -o name,health").stdout == "tank\tONLINE\n"
    result = shell("zpool list nosuch")
    assert (result.code, result.stderr) == (1, "cannot open 'nosuch': no such pool\n")


def test_status(shell: Type) -> None:
    assert shell("zpool status tank").stdout == (
        "  pool: tank\n state: ONLINE\nconfig:\n\n"
        "\tNAME        STATE     READ WRITE CKSUM\n"
        "\ttank        ONLINE       0     0     0\n"
        "\t  da0       ONLINE       0     0     0\n"
        "\nerrors: No known data errors\n"
    )
    assert shell("zpool status -x").stdout == "all pools are healthy\n"


def test_a_pool_on_a_file(shell: Type, world: World, disk: Path) -> None:
    assert shell("zpool create p2 /var/disk").code == 0
    assert shell("zpool list -Hp -o name,size").stdout == "p2\t8053063680\ntank\t8053063680\n"
    assert world.path("/p2").is_dir()
    assert shell("zpool create p3 /var/disk").stderr == (
        "invalid vdev specification\nuse '-f' to override the following errors:\n"
        "/var/disk is part of active pool 'p2'\n"
    )
    assert shell("zfs create -V 16M p2/v").code == 0
    assert shell("zpool destroy p2").code == 0
    assert not world.path("/p2").exists()
    assert not world.path("/dev/zvol/p2").exists()
    assert shell("zfs list -H -o name").stdout == "tank\n"


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ("tank /var/disk", "cannot create 'tank': pool already exists"),
        ("p2 /var/nosuch", "cannot resolve path '/var/nosuch'"),
        ("2p /var/disk", "cannot create '2p': name must begin with a letter"),
        ("mirror /var/disk", "cannot create 'mirror': name is reserved"),
        ("-O nosuch=1 p2 /var/disk", "cannot create 'p2': invalid property 'nosuch'"),
    ],
)
def test_pools_that_cannot_be_made(shell: Type, disk: Path, arguments: str, complaint: str) -> None:
    result = shell(f"zpool create {arguments}")
    assert (result.code, result.stderr.splitlines()[0]) == (1, complaint)


def test_a_file_that_is_too_small(shell: Type, disk: Path) -> None:
    os.truncate(disk, 60 << 20)
    assert shell("zpool create p2 /var/disk").stderr == (
        "cannot create 'p2': one or more devices is less than the minimum size (64M)\n"
    )


def test_without_a_pool(shell: Type) -> None:
    assert shell("zpool destroy tank").code == 0
    assert shell("zpool list").stdout == "no pools available\n"
    assert shell("zpool status").stderr == "no pools available\n"
    result = shell("zfs list")
    assert (result.code, result.stderr) == (0, "no datasets available\n")


def test_export_and_import_bring_lost_nodes_back(shell: Type, world: World) -> None:
    assert shell("zfs create tank/a").code == 0
    assert shell("zfs create -V 16M -o volmode=dev tank/v").code == 0
    world.path("/tank/a/file").write_text("text")
    assert not world.path("/dev/zvol/tank/v").exists()
    with world.process("sh"):
        open_device(world, "/tank/a", os.getpid())
        assert shell("zpool export tank").stderr == (
            "cannot unmount '/tank/a': pool or dataset is busy\n"
        )
    assert shell("zpool export tank").code == 0
    assert not world.path("/tank/a").exists()
    assert shell("zpool import nosuch").stderr == "cannot import 'nosuch': no such pool available\n"
    assert shell("zpool import tank").code == 0
    assert world.path("/tank/a/file").read_text() == "text"
    assert world.path("/dev/zvol/tank/v").exists()


def test_properties(shell: Type) -> None:
    assert shell("zpool set listsnapshots=on tank").code == 0
    assert shell("zpool get -H -o value,source listsnapshots tank").stdout == "on\tlocal\n"
    assert shell("zfs snapshot tank@a").code == 0
    assert shell("zfs list -H -o name").stdout == "tank\ntank@a\n"
    assert shell("zpool set size=1 tank").stderr == (
        "cannot set property for 'tank': 'size' is readonly\n"
    )
