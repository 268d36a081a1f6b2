# SPDX-License-Identifier: BSD-2-Clause
"""Rolling back, with newer snapshots and clones in the way."""

from tests.lab.contract.session import Session


def _history(host: Session) -> None:
    host.zfs("create -V 16M tank/v")
    for text in ("one", "two", "three"):
        host.write("tank/v", 0, text)
        host.zfs(f"snapshot tank/v@{text}")
    host.write("tank/v", 0, "now")


def to_the_newest_snapshot(host: Session) -> None:
    _history(host)
    host.zfs("rollback tank/v@three")
    host.read("tank/v", 0, 8)
    host.write("tank/v", 0, "again")
    host.zfs("rollback -r tank/v@three")
    host.read("tank/v", 0, 8)


def past_newer_snapshots(host: Session) -> None:
    _history(host)
    host.zfs("rollback tank/v@one")
    host.read("tank/v", 0, 8)
    host.zfs("rollback -r tank/v@one")
    host.read("tank/v", 0, 8)
    host.zfs("list -H -t all -o name -r tank")


def past_clones(host: Session) -> None:
    _history(host)
    host.zfs("clone tank/v@two tank/clone")
    host.zfs("snapshot tank/clone@own")
    host.zfs("clone tank/clone@own tank/grandchild")
    host.zfs("rollback tank/v@one")
    host.zfs("rollback -r tank/v@one")
    host.read("tank/v", 0, 8)
    host.zfs("rollback -r tank/v@two")
    host.read("tank/v", 0, 8)
    host.zfs("destroy -R tank/clone@own")
    host.zfs("rollback -R tank/v@one")
    host.read("tank/v", 0, 8)


def past_holds(host: Session) -> None:
    _history(host)
    host.zfs("hold keep tank/v@three")
    host.zfs("rollback -r tank/v@one")
    host.read("tank/v", 0, 8)
    host.zfs("list -H -t all -o name -r tank")


def past_bookmarks(host: Session) -> None:
    _history(host)
    host.zfs("bookmark tank/v@three tank/v#mark")
    host.zfs("destroy tank/v@three")
    host.zfs("rollback tank/v@two")
    host.zfs("rollback -r tank/v@two")
    host.zfs("list -H -t all -o name -r tank")


def past_many(host: Session) -> None:
    host.zfs("create tank/a")
    for number in range(12):
        host.zfs(f"snapshot tank/a@s{number:02}")
    host.zfs("rollback tank/a@s00")


def of_filesystems(host: Session) -> None:
    host.zfs("create tank/a")
    host.zfs("create tank/a/below")
    host.put("/tank/a/file", "one")
    host.put("/tank/a/below/file", "one")
    host.zfs("snapshot -r tank/a@s")
    host.put("/tank/a/file", "two")
    host.put("/tank/a/other", "new")
    host.put("/tank/a/below/file", "two")
    host.zfs("rollback tank/a@s")
    host.files("/tank/a")
    host.files("/tank/a/below")


def the_size_comes_back_too(host: Session) -> None:
    host.zfs("create -V 16M tank/v")
    host.zfs("snapshot tank/v@s")
    host.zfs("set volsize=32M tank/v")
    host.zfs("set chyves:x=later tank/v")
    host.zfs("rollback tank/v@s")


def rollbacks_that_are_refused(host: Session) -> None:
    host.zfs("create tank/a")
    host.zfs("rollback tank/a@nosuch")
    host.zfs("rollback tank/nosuch@s")
    host.zfs("rollback tank/a")
    host.zfs("rollback")
    host.zfs("rollback tank/a@x tank/a@y")


def of_an_open_volume(host: Session) -> None:
    _history(host)
    with host.hold_open("tank/v"):
        host.zfs("rollback tank/v@three")
    host.read("tank/v", 0, 8)
