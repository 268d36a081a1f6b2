# SPDX-License-Identifier: BSD-2-Clause
"""Destroying, and all that is refused."""

from tests.lab.contract.session import Session


def what_is_alone(host: Session) -> None:
    host.zfs("create tank/a")
    host.zfs("create -V 8M tank/v")
    host.zfs("snapshot tank/a@s")
    host.zfs("destroy tank/a@s")
    host.zfs("destroy tank/a")
    host.zfs("destroy tank/v")
    host.files("/tank/a")


def what_has_children(host: Session) -> None:
    host.zfs("create tank/web")
    host.zfs("create -V 8M tank/web/disk0")
    host.zfs("create -V 8M tank/web/disk1")
    host.zfs("snapshot -r tank/web@s")
    host.zfs("destroy tank/web")
    host.zfs("destroy tank/web/disk0")
    host.zfs("destroy -n tank/web")
    host.zfs("destroy -n -r tank/web")
    host.zfs("destroy -n -v -r tank/web")
    host.zfs("destroy -n -p -r tank/web")
    host.zfs("destroy -r tank/web")


def what_is_cloned(host: Session) -> None:
    host.zfs("create tank/web")
    host.zfs("create -V 8M tank/web/disk0")
    host.zfs("snapshot -r tank/web@s")
    host.zfs("clone tank/web/disk0@s tank/clone")
    host.zfs("snapshot tank/clone@own")
    host.zfs("destroy tank/web/disk0@s")
    host.zfs("destroy tank/web/disk0")
    host.zfs("destroy -r tank/web/disk0")
    host.zfs("destroy -r tank/web")
    host.zfs("destroy -n -r tank/web")
    host.zfs("destroy -r tank/web@s")
    host.zfs("list -H -t all -o name -r tank")
    host.zfs("destroy -R -n -v tank/web")
    host.zfs("destroy -R tank/web")


def snapshots_by_list_and_range(host: Session) -> None:
    host.zfs("create tank/a")
    host.zfs("create tank/a/b")
    for label in ("1", "2", "3", "4", "5", "6"):
        host.zfs(f"snapshot -r tank/a@{label}")
    host.zfs("destroy -n -v tank/a@1,3")
    host.zfs("destroy tank/a@1,3")
    host.zfs("destroy -n -p tank/a@4%5")
    host.zfs("destroy tank/a@4%5")
    host.zfs("list -H -t snapshot -o name -r tank")
    host.zfs("destroy tank/a@nosuch")
    host.zfs("destroy tank/a@2,nosuch")
    host.zfs("destroy -r tank/a@6")
    host.zfs("destroy tank/a/b@%2")
    host.zfs("list -H -t snapshot -o name -r tank")
    host.zfs("destroy -r tank/a@nosuch")
    host.zfs("destroy tank/a@4%nosuch")


def what_is_not_there(host: Session) -> None:
    host.zfs("create tank/a")
    host.zfs("destroy tank/nosuch")
    host.zfs("destroy -r tank/nosuch")
    host.zfs("destroy tank/nosuch@s")
    host.zfs("destroy tank/a@nosuch")
    host.zfs("destroy nopool")
    host.zfs("destroy tank")
    host.zfs("destroy")
    host.zfs("destroy tank/a tank/b")
    host.zfs("destroy -Z tank/a")
    host.zfs("destroy -d tank/a")


def destroying_an_open_volume(host: Session) -> None:
    host.zfs("create tank/web")
    host.zfs("create -V 8M tank/web/disk0")
    host.zfs("create -V 8M tank/web/disk1")
    host.zfs("snapshot -r tank/web@s")
    with host.hold_open("tank/web/disk0"):
        host.zfs("destroy tank/web/disk0")
        host.zfs("destroy -r tank/web/disk0")
        host.zfs("list -H -t all -o name -r tank")
        host.zfs("destroy -r tank/web")
        host.zfs("list -H -t all -o name -r tank")


def what_is_freed(host: Session) -> None:
    host.zfs("create tank/a")
    host.zfs("create -V 8M tank/a/v")
    host.zfs("snapshot -r tank/a@s")
    host.zfs("destroy -r -n -v -p tank/a@s", near=True)
    host.zfs("destroy -r -n -v -p tank/a@nosuch")
    host.zpool("sync tank")
    host.zpool("sync nosuch")
