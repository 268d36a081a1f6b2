# SPDX-License-Identifier: BSD-2-Clause
"""Streams that were cut short and are gone on with, and raw streams."""

from tests.lab.contract.session import Session

_SHOWN = "list -H -t all -o name,type,receive_resume_token -r"


def _disk(host: Session) -> None:
    host.zfs("create -V 16M tank/disk")
    host.write("tank/disk", 0, "one")
    host.zfs("snapshot tank/disk@one")
    host.write("tank/disk", 0, "two")
    host.write("tank/disk", 8388608, "far")
    host.zfs("snapshot tank/disk@two")


def _cut(stream: bytes) -> bytes:
    return stream[: len(stream) * 2 // 3]


def a_new_one_is_resumed(host: Session) -> None:
    _disk(host)
    whole = host.send("tank/disk@two")
    host.receive("-s tank/copy", _cut(whole))
    host.zfs(f"{_SHOWN} tank/copy")
    host.zfs("get -H -o value,source receive_resume_token tank/copy")
    host.receive("tank/copy", whole)
    host.receive("-F tank/copy", whole)
    host.zfs("snapshot tank/copy@own")
    host.receive("-s tank/copy", host.resume("tank/copy"))
    host.zfs(f"{_SHOWN} tank/copy")
    host.read("tank/copy", 0, 8)
    host.read("tank/copy", 8388608, 8)


def a_filesystem_is_resumed(host: Session) -> None:
    host.zfs("create tank/tree")
    host.put("/tank/tree/file", "text")
    host.zfs("snapshot tank/tree@one")
    host.receive("-s tank/copy", _cut(host.send("tank/tree@one")))
    host.zfs("list -H -o name,mounted tank/copy")
    host.zfs("mount tank/copy")
    host.zfs("mount -a")
    host.receive("tank/copy", host.resume("tank/copy"))
    host.files("/tank/copy")


def an_increment_is_resumed(host: Session) -> None:
    _disk(host)
    host.receive("tank/copy", host.send("tank/disk@one"))
    increment = host.send("-i @one tank/disk@two")
    host.receive("-s tank/copy", _cut(increment))
    host.zfs(f"{_SHOWN} tank/copy")
    host.read("tank/copy", 0, 8)
    host.receive("tank/copy", increment)
    host.receive("tank/copy", host.resume("tank/copy"))
    host.zfs(f"{_SHOWN} tank/copy")
    host.read("tank/copy", 0, 8)
    host.read("tank/copy", 8388608, 8)


def what_was_received_in_part_is_given_up(host: Session) -> None:
    _disk(host)
    host.receive("-s tank/copy", _cut(host.send("tank/disk@one")))
    host.zfs("receive -A tank/copy")
    host.zfs(f"{_SHOWN} tank/copy")
    host.zfs("receive -A tank/copy")
    host.receive("tank/copy", host.send("tank/disk@one"))
    host.receive("-s tank/copy", _cut(host.send("-i @one tank/disk@two")))
    host.zfs("receive -A tank/copy")
    host.zfs("receive -A tank/copy")
    host.zfs(f"{_SHOWN} tank/copy")
    host.zfs("receive -A tank/nosuch")


def what_was_received_in_part_is_destroyed(host: Session) -> None:
    _disk(host)
    host.receive("-s tank/copy", _cut(host.send("tank/disk@one")))
    host.zfs("rename tank/copy tank/other")
    host.zfs("destroy tank/other")
    host.zfs("destroy tank/copy")
    host.receive("tank/copy", host.send("tank/disk@one"))
    host.receive("-s tank/copy", _cut(host.send("-i @one tank/disk@two")))
    host.zfs("destroy -r tank/copy")


def what_cannot_be_resumed(host: Session) -> None:
    _disk(host)
    host.send("-t nonsense")
    host.receive("-s tank/copy", _cut(host.send("tank/disk@one")))
    rest = host.resume("tank/copy")
    host.receive("-s tank/other", rest)
    host.zfs("create -V 16M tank/plain")
    host.receive("-s tank/plain", rest)
    host.receive("-s tank/second", _cut(host.send("tank/disk@two")))
    host.receive("-s tank/second", rest)
    host.zfs("destroy tank/disk@one")
    host.resume("tank/copy")


def one_without_s_keeps_nothing(host: Session) -> None:
    _disk(host)
    host.receive("tank/copy", _cut(host.send("tank/disk@one")))
    host.zfs("receive -A tank/copy")


def raw(host: Session) -> None:
    _disk(host)
    host.receive("tank/copy", host.send("-w tank/disk@one"))
    host.receive("tank/copy", host.send("-w -i @one tank/disk@two"))
    host.read("tank/copy", 0, 8)
    host.read("tank/copy", 8388608, 8)
    host.zfs("create tank/tree")
    host.put("/tank/tree/file", "text")
    host.zfs("snapshot -r tank/tree@one")
    host.receive("tank/second", host.send("-R -w tank/tree@one"))
    host.files("/tank/second")
