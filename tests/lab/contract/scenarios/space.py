# SPDX-License-Identifier: BSD-2-Clause
"""Quotas, reservations, and a pool that is full. The pool has 960 MiB."""

from tests.lab.contract.session import Session


def quotas(host: Session) -> None:
    host.zfs("create -o quota=64M tank/small")
    host.zfs("create -V 128M tank/small/too-big")
    host.zfs("create -s -V 128M tank/small/sparse")
    host.zfs("create -V 16M tank/small/fits")
    host.zfs("create -V 48M tank/small/second")
    host.zfs("set quota=1M tank/small")
    host.zfs("set quota=0 tank/small")
    host.zfs("set quota=none tank/small")
    host.zfs("set quota=-1 tank/small")
    host.zfs("set quota=word tank/small")
    host.zfs("set refquota=1G tank/small")
    host.zfs("get -H -p -o value quota,refquota tank/small")
    host.zfs("get -H -o value quota,refquota tank/small")
    host.zfs("create -V 128M tank/small/now")


def reservations(host: Session) -> None:
    host.zfs("create -o reservation=512M tank/reserved")
    host.zfs("create -V 512M tank/outside")
    host.zfs("create -V 448M tank/reserved/inside")
    host.zfs("create -o reservation=2G tank/too-much")
    host.zfs("set reservation=2G tank/reserved")
    host.zfs("set refreservation=2G tank/reserved")
    host.zfs("set refreservation=auto tank/reserved")
    host.zfs("set refreservation=none tank/reserved/inside")
    host.zfs("create -V 300M tank/reserved/more")


def a_pool_that_is_full(host: Session) -> None:
    host.zfs("create -V 600M tank/most")
    host.zfs("create -V 600M tank/rest")
    host.zfs("create -s -V 600M tank/sparse")
    host.zfs("create tank/filesystem")
    host.zfs("snapshot tank/most@a")
    host.zfs("clone tank/most@a tank/clone")
    host.zfs("set refreservation=600M tank/clone")
    host.zfs("set volsize=900M tank/most")
    host.zfs("rollback tank/most@a")
    host.zfs("get -H -p -o value available tank", near=True)


def new_names_on_a_pool_that_is_full(host: Session) -> None:
    """Without room for a folder there is nothing to be mounted on."""
    listing = "list -H -r -o name,mounted tank"
    for guest in ("web", "db", "mail"):
        host.zfs(f"create tank/{guest}")
        host.zfs(f"create tank/{guest}/logs")
        host.zfs(f"create -V 8M tank/{guest}/disk0")
    host.zfs("create -o mountpoint=/tank/own tank/own")
    host.zfs("create -o canmount=off -o mountpoint=none tank/away")
    host.fill("tank/away")
    host.zfs("create tank/new")
    host.zfs("rename tank/web tank/old")
    host.zfs(listing)
    host.zfs("mount tank/old")
    host.zfs("rename tank/old/logs tank/old/log")
    host.zfs("rename tank/db/logs tank/db/log")
    host.zfs("rename tank/own tank/mine")
    host.zfs("rename -u tank/mail tank/post")
    host.zfs("unmount tank/mine")
    host.zfs("mount tank/mine")
    host.zfs("set mountpoint=/tank/elsewhere tank/mine")
    host.zfs(listing)
    host.zfs("destroy -r tank/old")
    host.zfs("mount tank/db/log")
    host.zfs("set reservation=none tank/away")
    host.zfs("mount -a")
    host.zfs(listing)


def a_taken_name_on_a_pool_that_is_full(host: Session) -> None:
    """What could not be renamed has to be mounted again, too."""
    for name in ("web", "web/logs", "db"):
        host.zfs(f"create tank/{name}")
    host.zfs("create -o canmount=off -o mountpoint=none tank/away")
    host.fill("tank/away")
    host.zfs("rename tank/web tank/db")
    host.zfs("list -H -r -o name,mounted tank")
    host.zfs("set reservation=none tank/away")


def thick_volumes_want_room_for_their_snapshots(host: Session) -> None:
    host.zfs("create -V 500M tank/v")
    host.write("tank/v", 0, "x" * 4096)
    host.zfs("create -V 256M tank/other")
    host.zfs("snapshot tank/v@a")
    host.zfs("get -H -p -o value available tank", near=True)


def what_snapshots_and_writes_take(host: Session) -> None:
    """12 MiB are written, 4 more after a snapshot, and 2 more after another."""
    host.zfs("create -s -V 32M tank/v")
    host.pour("tank/v", 0, 12 << 20)
    host.zfs("snapshot tank/v@a")
    host.pour("tank/v", 12 << 20, 4 << 20)
    host.zfs("snapshot tank/v@b")
    host.pour("tank/v", 16 << 20, 2 << 20)
    host.zfs("snapshot tank/v@c")
    listing = "list -H -p -r -t all -o name,used,referenced,written,usedbysnapshots,available"
    host.zfs(f"{listing} tank/v", near=True)
    for range_ in ("a", "a%b", "b", "c", "%"):
        host.zfs(f"destroy -n -v -p tank/v@{range_}", near=True)
    host.zfs("send -n -P tank/v@c", near=True)
    host.zfs("send -n -P -i tank/v@a tank/v@c", near=True)
    host.zfs("destroy tank/v@b")
    host.zfs(f"{listing} tank/v", near=True)
