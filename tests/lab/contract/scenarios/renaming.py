# SPDX-License-Identifier: BSD-2-Clause
"""Renaming datasets and snapshots."""

from tests.lab.contract.session import Session


def a_tree(host: Session) -> None:
    host.zfs("create tank/web")
    host.zfs("create -V 16M tank/web/disk0")
    host.write("tank/web/disk0", 0, "bytes")
    host.put("/tank/web/file", "text")
    host.zfs("snapshot -r tank/web@s")
    host.zfs("clone tank/web/disk0@s tank/clone")
    host.zfs("rename tank/web tank/www")
    host.read("tank/www/disk0", 0, 8)
    host.files("/tank/www")
    host.files("/tank/web")
    host.zfs("get -H -o value origin tank/clone")
    host.zfs("rename tank/www/disk0 tank/www/disk1")
    host.read("tank/www/disk1", 0, 8)


def renames_that_are_refused(host: Session) -> None:
    host.zfs("create tank/a")
    host.zfs("create tank/b")
    host.zfs("create -V 8M tank/v")
    host.zfs("rename tank/a tank/b")
    host.zfs("rename tank/nosuch tank/c")
    host.zfs("rename tank/a tank/no/c")
    host.zfs("rename tank/a other/a")
    host.zfs("rename tank/a tank/v/a")
    host.zfs("rename tank/a tank/a/below")
    host.zfs("rename tank/a tank/a")
    host.zfs("rename tank other")
    host.zfs("rename tank/a tank/c@s")
    host.zfs("rename tank/a")
    host.zfs("rename")
    host.zfs("rename -r tank/a tank/c")
    host.zfs("rename -p tank/a tank/new/parent/a")


def snapshots_by_another_name(host: Session) -> None:
    host.zfs("create tank/a")
    host.zfs("create tank/a/b")
    host.zfs("snapshot -r tank/a@one")
    host.zfs("snapshot tank/a@two")
    host.zfs("clone tank/a@one tank/clone")
    host.zfs("rename tank/a@one tank/a@two")
    host.zfs("rename tank/a@one tank/b@one")
    host.zfs("rename tank/a@nosuch tank/a@x")
    host.zfs("rename tank/a@one three")
    host.zfs("rename -r tank/a@one tank/a@four")
    host.zfs("rename tank/a@three tank/a@one")
    host.zfs("rename -r tank/a@one tank/a@four")


def renaming_an_open_volume(host: Session) -> None:
    host.zfs("create tank/web")
    host.zfs("create -V 16M tank/web/disk0")
    with host.hold_open("tank/web/disk0"):
        host.zfs("rename tank/web tank/www")
        host.state()
