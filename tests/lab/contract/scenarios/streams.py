# SPDX-License-Identifier: BSD-2-Clause
"""Sending and receiving: full, incremental, replicated, cut short."""

from tests.lab.contract.session import Session


def _disk(host: Session) -> None:
    host.zfs("create -o chyves:x=y tank/web")
    host.zfs("create -V 16M tank/web/disk0")
    host.write("tank/web/disk0", 0, "one")
    host.zfs("snapshot -r tank/web@one")
    host.write("tank/web/disk0", 0, "two")
    host.write("tank/web/disk0", 8388608, "far")
    host.zfs("snapshot -r tank/web@two")


def full_and_incremental(host: Session) -> None:
    _disk(host)
    full = host.send("tank/web/disk0@one")
    host.receive("tank/copy", full)
    host.read("tank/copy", 0, 8)
    host.receive("tank/copy", full)
    host.receive("-F tank/copy", full)
    increment = host.send("-i @one tank/web/disk0@two")
    host.receive("tank/copy", increment)
    host.read("tank/copy", 0, 8)
    host.read("tank/copy", 8388608, 8)
    host.receive("tank/nosuch", increment)
    host.receive("tank/no/parent", full)
    host.receive("-u -o volmode=dev -o chyves:x=z tank/second", full)


def an_incremental_that_does_not_fit(host: Session) -> None:
    _disk(host)
    full = host.send("tank/web/disk0@one")
    increment = host.send("-i @one tank/web/disk0@two")
    host.receive("tank/copy", full)
    host.write("tank/copy", 0, "own")
    host.receive("tank/copy", increment)
    host.receive("-F tank/copy", increment)
    host.read("tank/copy", 0, 8)
    host.zfs("create -V 16M tank/stranger")
    host.zfs("snapshot tank/stranger@one")
    host.receive("tank/stranger", increment)


def whole_trees(host: Session) -> None:
    _disk(host)
    host.put("/tank/web/file", "text")
    host.zfs("snapshot -r tank/web@three")
    tree = host.send("-R tank/web@three")
    host.receive("-u tank/copy", tree)
    host.read("tank/copy/disk0", 0, 8)
    host.zfs("snapshot -r tank/web@four")
    host.receive("-u tank/copy", host.send("-R -I @three tank/web@four"))
    host.zfs("get -H -r -o name,value,source chyves:x tank/copy")
    host.zfs("mount tank/copy")
    host.files("/tank/copy")


def clones_as_streams(host: Session) -> None:
    _disk(host)
    host.zfs("clone tank/web/disk0@one tank/clone")
    host.write("tank/clone", 0, "clone")
    host.zfs("snapshot tank/clone@c")
    increment = host.send("-i tank/web/disk0@one tank/clone@c")
    host.receive("tank/second", increment)
    host.read("tank/second", 0, 8)


def under_other_names(host: Session) -> None:
    _disk(host)
    host.zfs("create tank/backup")
    full = host.send("tank/web/disk0@one")
    host.receive("-d tank/backup", full)
    host.receive("-e tank/backup", full)
    host.receive("-n tank/backup/dry", full)
    host.receive("tank/backup/other@label", full)


def what_cannot_be_sent(host: Session) -> None:
    _disk(host)
    host.send("tank/web/disk0@nosuch")
    host.send("tank/nosuch@one")
    host.send("")
    host.send("-i @two tank/web/disk0@one")
    host.send("-i @nosuch tank/web/disk0@two")
    host.send("-i tank/web@one tank/web/disk0@two")
    host.send("-Z tank/web/disk0@one")
    host.send("-R tank/web@nosuch")


def what_is_no_stream(host: Session) -> None:
    _disk(host)
    full = host.send("tank/web/disk0@two")
    host.receive("tank/copy", b"")
    host.receive("tank/copy", b"garbage\n")
    host.receive("tank/copy", b"garbage\n" * 1000)
    host.receive("tank/copy", full[: len(full) // 2])
    host.receive("tank/web/disk0", full)
    host.receive("tank", full)
    host.receive("", full)


def a_clone_replicated(host: Session) -> None:
    _disk(host)
    host.zfs("clone tank/web/disk0@one tank/web/clone")
    host.zfs("snapshot -r tank/web@three")
    host.receive("-u tank/copy", host.send("-R tank/web@three"))
    host.zfs("get -H -o value origin tank/copy/clone")
