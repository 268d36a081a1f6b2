# SPDX-License-Identifier: BSD-2-Clause
"""``zfs send`` and ``zfs receive``, within a host and from one host to another."""

import os
import shlex
from collections.abc import Callable

import pytest

from chyves.simulator.world import World
from tests.simulator.conftest import Type, run, run_bytes


@pytest.fixture
def disk(shell: Type, world: World) -> World:
    """A host with a filesystem, a volume with bytes in it, and snapshots of both."""
    assert shell("zfs create tank/vm").code == 0
    assert shell("zfs create -V 32M tank/vm/disk0").code == 0
    world.path("/tank/vm/sub").mkdir()
    world.path("/tank/vm/sub/file").write_text("one")
    os.symlink("file", world.path("/tank/vm/sub/link"))
    with world.path("/dev/zvol/tank/vm/disk0").open("r+b") as device:
        device.write(b"first")
        device.seek(20 << 20)
        device.write(b"far away")
    assert shell("zfs snapshot -r tank/vm@s1").code == 0
    with world.path("/dev/zvol/tank/vm/disk0").open("r+b") as device:
        device.write(b"other")
    world.path("/tank/vm/sub/file").unlink()
    world.path("/tank/vm/new").write_text("two")
    assert shell("zfs snapshot -r tank/vm@s2").code == 0
    return world


def send(world: World, line: str) -> bytes:
    code, out, err = run_bytes(world, "zfs", "send", *shlex.split(line))
    assert code == 0, err
    return out


def test_a_volume_arrives_thin_and_whole(disk: World) -> None:
    stream = send(disk, "tank/vm/disk0@s1")
    result = run(disk, "zfs", "recv", "-v", "tank/vm/recv1", stdin=stream)
    assert result.code == 0
    first, second = result.stdout.splitlines()
    assert first == "receiving full stream of tank/vm/disk0@s1 into tank/vm/recv1@s1"
    assert second.startswith("received ")
    values = run(
        disk, "zfs", "get", "-Hp", "-o", "value", "refreservation,volsize", "tank/vm/recv1"
    )
    assert values.stdout.split() == ["0", str(32 << 20)]
    with disk.path("/dev/zvol/tank/vm/recv1").open("rb") as device:
        assert device.read(5) == b"first"
        assert device.seek(20 << 20)
        assert device.read(8) == b"far away"
    stream = send(disk, "-i @s1 tank/vm/disk0@s2")
    assert run(disk, "zfs", "recv", "tank/vm/recv1", stdin=stream).code == 0
    here = disk.path("/dev/zvol/tank/vm/disk0").read_bytes()
    assert disk.path("/dev/zvol/tank/vm/recv1").read_bytes() == here


def test_a_replication_arrives_on_another_host(
    disk: World, make_world: Callable[..., World]
) -> None:
    other = make_world("14.3", backup=8 << 30)
    assert run(disk, "zfs", "set", "x:y=z", "snapdir=visible", "tank/vm").code == 0
    stream = send(disk, "-R tank/vm@s2")
    assert run(other, "zfs", "receive", "backup/copy", stdin=stream).code == 0
    listed = run(other, "zfs", "list", "-Hp", "-t", "all", "-o", "name", "-r", "backup/copy")
    assert listed.stdout.split() == [
        f"backup/copy{name}" for name in ("", "@s1", "@s2", "/disk0", "/disk0@s1", "/disk0@s2")
    ]
    assert os.readlink(other.path("/backup/copy/sub/link")) == "file"
    assert other.path("/backup/copy/new").read_text() == "two"
    assert not other.path("/backup/copy/sub/file").exists()
    local = run(other, "zfs", "get", "-rHp", "-t", "filesystem,volume", "-s", "received,local")
    assert local.code == 2
    local = run(
        *(other, "zfs", "get", "-rHp", "-t", "filesystem,volume", "-s", "received,local"),
        *("-o", "name,property,value,source", "all", "backup/copy"),
    )
    assert local.stdout.splitlines() == [
        "backup/copy\tsnapdir\tvisible\treceived",
        "backup/copy\tx:y\tz\treceived",
        "backup/copy/disk0\tvolsize\t33554432\tlocal",
        "backup/copy/disk0\trefreservation\t36700160\treceived",
    ]
    assert run(other, "zfs", "rollback", "-r", "backup/copy@s1").code == 0
    assert other.path("/backup/copy/sub/file").read_text() == "one"


def test_a_clone_arrives_as_a_clone_where_its_origin_is(disk: World) -> None:
    assert run(disk, "zfs", "clone", "tank/vm/disk0@s1", "tank/c").code == 0
    assert run(disk, "zfs", "snapshot", "tank/c@x").code == 0
    assert run(disk, "zfs", "recv", "tank/d", stdin=send(disk, "-R tank/c@x")).code == 0
    assert run(disk, "zfs", "get", "-H", "-o", "value", "origin", "tank/d").stdout == (
        "tank/vm/disk0@s1\n"
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            "tank/vm",
            "cannot receive new filesystem stream: destination 'tank/vm' exists\n"
            "must specify -F to overwrite it\n",
        ),
        (
            "-F tank/vm/disk0",
            "cannot receive new filesystem stream: destination has snapshots"
            " (eg. tank/vm/disk0@s1)\nmust destroy them to overwrite it\n",
        ),
        (
            "tank/nosuch/x",
            "cannot open 'tank/nosuch': dataset does not exist\n"
            "cannot receive new filesystem stream: unable to restore to destination\n",
        ),
    ],
)
def test_where_nothing_can_be_received(disk: World, arguments: str, said: str) -> None:
    stream = send(disk, "tank/vm/disk0@s1")
    result = run(disk, "zfs", "recv", *arguments.split(), stdin=stream)
    assert (result.code, result.stderr) == (1, said)


def test_what_is_no_stream_or_half_a_stream(disk: World) -> None:
    stream = send(disk, "tank/vm/disk0@s1")
    for data, said in (
        (b"", "cannot receive: failed to read from stream\n"),
        (b"garbage\n", "cannot receive: failed to read from stream\n"),
        (stream[:400], "cannot receive new filesystem stream: incomplete stream\n"),
    ):
        result = run(disk, "zfs", "recv", "tank/vm/recv2", stdin=data)
        assert (result.code, result.stderr) == (1, said)
    assert run(disk, "zfs", "list", "tank/vm/recv2").code == 1


def test_incremental_needs_its_base(disk: World) -> None:
    incremental = send(disk, "-i @s1 tank/vm/disk0@s2")
    result = run(disk, "zfs", "recv", "tank/vm/new", stdin=incremental)
    assert result.stderr == (
        "cannot receive incremental stream: destination 'tank/vm/new' does not exist\n"
    )
    assert run(disk, "zfs", "create", "-V", "32M", "tank/v").code == 0
    assert run(disk, "zfs", "snapshot", "tank/v@s1").code == 0
    result = run(disk, "zfs", "recv", "tank/v", stdin=incremental)
    assert result.stderr == (
        "cannot receive incremental stream: most recent snapshot of tank/v does not\n"
        "match incremental source\n"
    )


def test_dry_runs_tell_names_and_sizes(disk: World) -> None:
    assert run(disk, "zfs", "create", "-V", "16M", "tank/vm/later").code == 0
    result = run(disk, "zfs", "send", "-nvPR", "tank/vm@s2")
    kinds = [line.split("\t")[:-1] for line in result.stdout.splitlines()]
    assert kinds == [
        ["full", "tank/vm@s1"],
        ["incremental", "s1", "tank/vm@s2"],
        ["full", "tank/vm/disk0@s1"],
        ["incremental", "s1", "tank/vm/disk0@s2"],
        ["size"],
    ]
    assert result.stderr == "skipping dataset tank/vm/later: snapshot s2 does not exist\n"
    result = run(disk, "zfs", "send", "-nvP", "-i", "s2", "tank/vm/disk0@s1")
    assert (result.code, result.stderr.splitlines()[1]) == (
        1,
        "warning: cannot send 'tank/vm/disk0@s1': not an earlier snapshot from the same fs",
    )


def test_overridden_properties_are_local(disk: World) -> None:
    stream = send(disk, "tank/vm/disk0@s1")
    arguments = ("zfs", "recv", "-u", "-o", "volmode=dev", "-o", "x:y=z", "tank/vm/recv3")
    assert run(disk, *arguments, stdin=stream).code == 0
    values = run(disk, "zfs", "get", "-Hp", "-o", "value,source", "volmode,x:y", "tank/vm/recv3")
    assert values.stdout == "dev\tlocal\nz\tlocal\n"
    assert disk.path("/dev/zvol/tank/vm/recv3").exists()
