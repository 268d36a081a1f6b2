# SPDX-License-Identifier: BSD-2-Clause
"""Snapshots, holds, bookmarks."""

from tests.lab.contract.session import Session


def _two_guests(host: Session) -> None:
    for guest in ("web", "db"):
        host.zfs(f"create tank/{guest}")
        host.zfs(f"create -V 16M tank/{guest}/disk0")
        host.write(f"tank/{guest}/disk0", 0, guest)


def one_and_many_at_once(host: Session) -> None:
    _two_guests(host)
    host.zfs("snapshot tank/web@alone")
    host.zfs("snapshot -r tank/web@tree")
    host.zfs("snapshot -r tank/web@both tank/db@both")
    host.zfs("snapshot tank/web@x tank/db@y")
    host.zfs("snap tank/web@short")
    host.zfs("list -H -t snapshot -o name -r tank")
    host.zfs("snapshot -o chyves:x=set tank/db@with")
    host.zfs("get -H -o value,source chyves:x tank/db@with")


def snapshots_that_are_refused(host: Session) -> None:
    _two_guests(host)
    host.zfs("snapshot tank/web@a")
    host.zfs("snapshot tank/web@a")
    host.zfs("snapshot -r tank/web@a")
    host.zfs("snapshot -r tank/db@a tank/web@a")
    host.zfs("snapshot tank/db@b tank/web@a")
    host.zfs("snapshot tank/db@b tank/db@c")
    host.zfs("snapshot tank/nosuch@a")
    host.zfs("snapshot -r tank/nosuch@a")
    host.zfs("snapshot tank/db@b tank/nosuch@a")
    host.zfs("snapshot nopool@a")
    host.zfs("snapshot tank/web")
    host.zfs("snapshot")
    host.zfs("snapshot -o readonly=on tank/web@b")
    host.zfs("snapshot -o nosuch=1 tank/web@b")


def snapshots_keep_their_bytes(host: Session) -> None:
    _two_guests(host)
    host.zfs("snapshot tank/web/disk0@one")
    host.write("tank/web/disk0", 0, "two")
    host.zfs("snapshot tank/web/disk0@two")
    host.write("tank/web/disk0", 1048576, "three")
    host.zfs("clone tank/web/disk0@one tank/one")
    host.zfs("clone tank/web/disk0@two tank/two")
    for volume in ("tank/one", "tank/two", "tank/web/disk0"):
        host.read(volume, 0, 8)
        host.read(volume, 1048576, 8)


def holds(host: Session) -> None:
    _two_guests(host)
    host.zfs("snapshot -r tank/web@a")
    host.zfs("hold keep tank/web/disk0@a")
    host.zfs("hold keep tank/web/disk0@a")
    host.zfs("hold other tank/web/disk0@a tank/web@a")
    host.zfs("hold -r deep tank/web@a")
    host.zfs("list -H -p -t snapshot -o name,userrefs")
    host.zfs("destroy tank/web/disk0@a")
    host.zfs("destroy -r tank/web@a")
    host.zfs("list -H -t all -o name -r tank")
    host.zfs("rename tank/web/disk0@a b")
    host.zfs("release keep tank/web/disk0@b")
    host.zfs("release keep tank/web/disk0@b")
    host.zfs("release other tank/web/disk0@b tank/web@a")
    host.zfs("release -r deep tank/web@a")
    host.zfs("release deep tank/web/disk0@b")
    host.zfs("destroy tank/web/disk0@b")
    host.zfs("destroy tank/web@a")


def holds_that_are_refused(host: Session) -> None:
    host.zfs("create tank/a")
    host.zfs("snapshot tank/a@s")
    host.zfs("hold keep tank/a@nosuch")
    host.zfs("hold keep tank/nosuch@s")
    host.zfs("hold keep tank/a")
    host.zfs("hold keep")
    host.zfs("hold")
    host.zfs("hold .keep tank/a@s")
    host.zfs("hold -r keep tank/a@nosuch")
    host.zfs("hold keep tank/nosuch@s tank/a@s tank/a@nosuch")
    host.zfs("release keep tank/nosuch@s tank/a@s tank/a@nosuch")
    host.zfs("release keep tank/a@s")
    host.zfs("release keep tank/a@nosuch")
    host.zfs("release keep")
    host.zfs("holds -H tank/a@s")
    host.zfs("holds -H tank/a@nosuch")
    host.zfs("holds -H tank/a")


def a_destroy_that_is_deferred(host: Session) -> None:
    host.zfs("create -V 8M tank/v")
    host.zfs("snapshot tank/v@held")
    host.zfs("snapshot tank/v@cloned")
    host.zfs("hold keep tank/v@held")
    host.zfs("clone tank/v@cloned tank/c")
    host.zfs("destroy -d tank/v@held")
    host.zfs("destroy -d tank/v@cloned")
    host.zfs("list -H -p -o name,userrefs,defer_destroy -t snapshot")
    host.zfs("release keep tank/v@held")
    host.zfs("destroy tank/c")
    host.zfs("list -H -o name -t snapshot")


def an_origin_that_goes_with_its_last_clone(host: Session) -> None:
    host.zfs("create tank/g")
    host.zfs("create -V 8M tank/g/v")
    host.zfs("snapshot -r tank/g@t")
    host.zfs("clone tank/g/v@t tank/c")
    host.zfs("clone tank/g/v@t tank/d")
    host.zfs("destroy -d -r tank/g@t")
    host.zfs("destroy -d -r tank/g@t")
    host.zfs("rename tank/g/v@t tank/g/v@origin")
    host.zfs("destroy -d -r tank/g@t")
    host.zfs("list -H -p -o name,defer_destroy,clones -t snapshot")
    host.zfs("destroy tank/c")
    host.zfs("list -H -o name -t snapshot")
    host.zfs("destroy tank/d")
    host.zfs("list -H -o name -t snapshot")


def bookmarks(host: Session) -> None:
    host.zfs("create -V 8M tank/v")
    host.zfs("snapshot tank/v@a")
    host.zfs("bookmark tank/v@a tank/v#a")
    host.zfs("bookmark tank/v@a #b")
    host.zfs("bookmark tank/v@a tank/v#a")
    host.zfs("bookmark tank/v@nosuch tank/v#c")
    host.zfs("list -H -t bookmark -o name,type")
    host.zfs("destroy tank/v#a")
    host.zfs("destroy tank/v#a")
    host.zfs("destroy -r tank/v#b")
