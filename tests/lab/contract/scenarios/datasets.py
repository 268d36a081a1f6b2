# SPDX-License-Identifier: BSD-2-Clause
"""Filesystems, volumes, clones: how they come into being, and where they are mounted."""

from tests.lab.contract.session import Session


def filesystems_are_created_and_mounted(host: Session) -> None:
    host.zfs("create tank/a")
    host.zfs("create -p tank/b/c/d")
    host.zfs("create -o mountpoint=none tank/none")
    host.zfs("create -o canmount=off tank/off")
    host.zfs("create -u tank/unmounted")
    host.zfs("create -o chyves:x=y -o readonly=on tank/a/below")
    host.put("/tank/a/file", "text")
    host.put("/tank/a/below/file", "text")
    host.files("/tank/a")


def what_cannot_be_created(host: Session) -> None:
    host.zfs("create tank/a")
    host.zfs("create tank/a")
    host.zfs("create -p tank/a")
    host.zfs("create tank")
    host.zfs("create tank/no/child")
    host.zfs("create nopool/child")
    host.zfs("create -V 8M nopool/child")
    host.zfs("create -V 8M tank/v")
    host.zfs("create tank/v/below")
    host.zfs("create -p tank/v/below/it")
    host.zfs("create")
    host.zfs("create a b")
    host.zfs("create -Z tank/x")
    host.zfs("create -o tank/x")
    host.zfs("create -o nosuch=1 tank/x")
    host.zfs("create -o readonly=maybe tank/x")
    host.zfs("create -o volsize=8M tank/x")
    host.zfs("create -o used=1 tank/x")
    host.zfs("create -o quota=1M -o quota=2M tank/x")
    host.zfs("create -o mountpoint=relative tank/x")
    host.zfs("create -s tank/x")
    host.zfs("create -V")
    host.zfs("frobnicate tank/x")


def malformed_names(host: Session) -> None:
    host.zfs("create tank/vm")
    for name in (
        *("tank/a@b", "tank/a#b", "tank/a%b", "tank/a!b", "tank/a,b", "tank/ä", "tank/a\\b"),
        *("tank//x", "tank/x/", "/tank/x", "tank/.", "tank/..", "tank/../x", "tank/x@", "@x", ""),
        *("tank/ blank ", "tank/-dash", "tank/:colon_under.dot"),
    ):
        host.zfs("create", name)
    for name in ("tank/vm@", "tank/vm@a@b", "tank/vm@a/b", "tank/vm@a%b", "tank/vm@a b", "tank/vm"):
        host.zfs("snapshot", name)
    host.zfs("rename tank/vm", "tank/a%b")
    host.zfs("rename tank/vm", "tank/v/")
    host.zfs("list", "tank/vm/")
    host.zfs("list", "tank/v!m")
    host.zfs("get name", "tank//vm")
    host.zfs("destroy", "tank/vm/")


def names_that_are_too_long(host: Session) -> None:
    longest = "tank/" + "a" * 250
    host.zfs("create", longest)
    host.zfs("create", longest + "a")
    host.zfs("create -V 8M", longest + "a")
    host.zfs("snapshot", longest + "@s")
    host.zfs("snapshot", "tank@" + "s" * 250)
    host.zfs("snapshot", "tank@" + "s" * 251)
    host.zfs("create tank/a")
    host.zfs("create tank/a/bbbbbbbbbb")
    host.zfs("snapshot tank/a/bbbbbbbbbb@sssssssssssssssss")
    host.zfs("rename tank/a", "tank/" + "c" * 241)
    host.zfs("rename tank/a", "tank/" + "c" * 230)
    host.zfs("rename tank/a", "tank/" + "c" * 251)
    host.zfs("snapshot -r", "tank/a@" + "s" * 240)


def thick_and_sparse_volumes(host: Session) -> None:
    host.zfs("create -V 64M tank/thick")
    host.zfs("create -s -V 8G tank/sparse")
    host.zfs("create -V 1 tank/tiny")
    host.zfs("create -V 10000001 -b 16K tank/rounded")
    host.zfs("create -V 0 tank/zero")
    host.zfs("create -V abc tank/word")
    host.zfs("create -V 2G tank/too-big")
    host.zfs("create -V 64M -o refreservation=none tank/thin-by-option")
    host.zfs("create -V 64M -o refreservation=8M tank/half")
    host.zfs("create -s -V 64M -o refreservation=auto tank/auto")
    host.write("tank/thick", 0, "first")
    host.write("tank/thick", 33554432, "middle")
    host.read("tank/thick", 0, 16)
    host.read("tank/thick", 33554432, 16)
    host.write("tank/sparse", 8589934500, "end")
    host.read("tank/sparse", 8589934500, 92)
    host.read("tank/sparse", 0, 16)


def block_sizes(host: Session) -> None:
    host.zfs("create -s -V 64M -b 4K tank/b4")
    host.zfs("create -s -V 64M -b 8K tank/b8")
    host.zfs("create -s -V 64M -o volblocksize=16K tank/b16")
    host.zfs("create -V 64M -b 64K tank/b64")
    host.zfs("create -V 64M -b 128K tank/b128")
    host.zfs("create -V 64M -b 3K tank/odd")
    host.zfs("create -V 64M -b 256 tank/small")
    host.zfs("create -V 64M -b 32M tank/large")
    host.zfs("create -b 16K tank/filesystem")
    host.zfs("set volblocksize=8K tank/b4")


def volmode(host: Session) -> None:
    host.zfs("create -o volmode=dev tank/vm")
    host.zfs("create -V 8M tank/vm/inherits")
    host.zfs("create -V 8M -o volmode=none tank/vm/hidden")
    host.zfs("create -V 8M -o volmode=nosuch tank/vm/wrong")
    host.zfs("get -H -o name,value,source volmode tank/vm tank/vm/inherits tank/vm/hidden")
    host.zfs("set volmode=full tank/vm/inherits")
    host.zfs("inherit volmode tank/vm/inherits")
    host.zfs("destroy tank/vm/hidden")  # which has a node on Linux, or has not


def volmode_of_their_own(host: Session) -> None:
    host.zfs("create -V 8M -o volmode=dev tank/own-mode")
    host.zfs("create -V 8M tank/late-mode")
    host.zfs("set volmode=none tank/late-mode")
    host.zfs("create -o volmode=none tank/none")
    host.zfs("create -V 8M tank/none/inherits")


def sizes_of_volumes_change(host: Session) -> None:
    host.zfs("create -V 16M tank/v")
    host.zfs("create -s -V 16M tank/s")
    host.write("tank/v", 0, "kept")
    host.zfs("set volsize=32M tank/v")
    host.zfs("set volsize=32M tank/s")
    host.zfs("set volsize=33554433 tank/v")
    host.zfs("set volsize=0 tank/v")
    host.zfs("set volsize=none tank/v")
    host.zfs("set volsize=4G tank/v")
    host.zfs("set volsize=8M tank/v")
    host.zfs("set volsize=8M tank")
    host.read("tank/v", 0, 16)


def clones(host: Session) -> None:
    host.zfs("create -V 16M -o chyves:x=origin tank/base")
    host.write("tank/base", 0, "base")
    host.zfs("snapshot tank/base@a")
    host.write("tank/base", 0, "later")
    host.zfs("clone tank/base@a tank/one")
    host.zfs("clone -o chyves:x=two -o readonly=on tank/base@a tank/two")
    host.zfs("clone -p tank/base@a tank/deep/below/three")
    host.write("tank/one", 4096, "own")
    host.read("tank/one", 0, 8)
    host.read("tank/one", 4096, 8)
    host.read("tank/base", 0, 8)
    host.zfs("create tank/fs")
    host.put("/tank/fs/file", "text")
    host.zfs("snapshot tank/fs@a")
    host.zfs("clone tank/fs@a tank/fs2")
    host.files("/tank/fs2")
    host.zfs("get -H -o value origin tank/one tank/base tank/fs2")
    host.zfs("list -H -t snapshot -o name,clones")


def what_cannot_be_cloned(host: Session) -> None:
    host.zfs("create -V 16M tank/base")
    host.zfs("snapshot tank/base@a")
    host.zfs("clone tank/base@nosuch tank/x")
    host.zfs("clone tank/base tank/x")
    host.zfs("clone tank/nosuch@a tank/x")
    host.zfs("clone tank/base@a tank/base")
    host.zfs("clone -p tank/base@a tank/base")
    host.zfs("clone tank/base@a tank/no/parent")
    host.zfs("clone tank/base@a tank/base/below")
    host.zfs("clone tank/base@a tank/x@y")
    host.zfs("clone tank/base@a other/x")
    host.zfs("clone tank/base@a")
    host.zfs("clone")
    host.zfs("clone -o nosuch=1 tank/base@a tank/x")


def promotion(host: Session) -> None:
    host.zfs("create -V 16M tank/base")
    host.write("tank/base", 0, "one")
    host.zfs("snapshot tank/base@a")
    host.zfs("snapshot tank/base@b")
    host.zfs("snapshot tank/base@c")
    host.zfs("clone tank/base@b tank/clone")
    host.zfs("snapshot tank/clone@own")
    host.zfs("promote tank/base")
    host.zfs("promote tank/nosuch")
    host.zfs("promote tank/base@a")
    host.zfs("promote")
    host.zfs("promote tank/clone")
    host.state()
    host.read("tank/clone", 0, 8)
    host.read("tank/base", 0, 8)
    host.zfs("destroy tank/base@c")
    host.zfs("destroy tank/base")
    host.zfs("list -H -t all -o name -r tank")


def promotion_of_a_clashing_name(host: Session) -> None:
    host.zfs("create tank/base")
    host.zfs("snapshot tank/base@a")
    host.zfs("clone tank/base@a tank/clone")
    host.zfs("snapshot tank/clone@a")
    host.zfs("promote tank/clone")


def mounts(host: Session) -> None:
    host.zfs("create tank/fs")
    host.zfs("create tank/fs/below")
    host.zfs("create -V 8M tank/v")
    host.put("/tank/fs/file", "text")
    host.zfs("mount tank/fs")
    host.zfs("unmount tank/fs/below")
    host.zfs("unmount tank/fs/below")
    host.zfs("umount tank/fs")
    host.files("/tank/fs")
    host.zfs("mount tank/fs")
    host.files("/tank/fs")
    host.zfs("mount tank/v")
    host.zfs("unmount tank/v")
    host.zfs("mount tank/nosuch")
    host.zfs("unmount tank/nosuch")
    host.zfs("set canmount=off tank/fs/below")
    host.zfs("mount tank/fs/below")
    host.zfs("set mountpoint=legacy tank/fs/below")
    host.zfs("mount tank/fs/below")
    host.zfs("unmount /tank/fs")
    host.zfs("list -H -o name,mounted,mountpoint -r tank")


def mountpoints_move(host: Session) -> None:
    host.zfs("create tank/fs")
    host.zfs("create tank/fs/below")
    host.put("/tank/fs/below/file", "text")
    host.zfs("set mountpoint=/tank/elsewhere tank/fs")
    host.files("/tank/elsewhere/below")
    host.zfs("get -H -r -o name,value,source mountpoint tank")
    host.zfs("inherit mountpoint tank/fs")
    host.files("/tank/fs/below")
    host.zfs("set mountpoint=none tank/fs")
    host.zfs("list -H -o name,mounted,mountpoint -r tank")
    host.zfs("set mountpoint=relative tank/fs")


def what_is_read_only(host: Session) -> None:
    host.zfs("create tank/fs")
    host.put("/tank/fs/file", "one")
    host.zfs("set readonly=on tank/fs")
    host.put("/tank/fs/file", "two")
    host.zfs("set chyves:x=y tank/fs")
    host.zfs("create tank/fs/below")
    host.zfs("snapshot tank/fs@a")
    host.zfs("set readonly=off tank/fs")
    host.put("/tank/fs/file", "three")
    host.zfs("rollback tank/fs@a")
    host.files("/tank/fs")
    host.zfs("get -H -r -o name,value,source readonly tank")
    host.zfs("set readonly=on tank/fs")
    host.zfs("rollback tank/fs@a")
    host.zfs("destroy -r tank/fs")
