# SPDX-License-Identifier: BSD-2-Clause
"""What is written where it must not be, or where there is no room for it."""

from tests.lab.contract.session import Session

LIMITS = "list -H -p -o name,used,available -r tank"


def past_a_quota(host: Session) -> None:
    host.zfs("create -o quota=8M tank/small")
    host.zfs("create -o refquota=4M tank/own")
    host.zfs("create -s -V 32M tank/small/sparse")
    host.flood("/tank/own/file", 8)
    host.put("/tank/own/other", "text")
    host.zfs("create tank/own/below")
    host.flood("/tank/own/below/file", 2)
    host.flood("/tank/small/file", 16)
    host.put("/tank/small/other", "text")
    host.zfs(LIMITS, near=True)
    host.zfs("create tank/small/below")
    host.zfs("snapshot tank/small@full")
    host.zfs("clone tank/small@full tank/small/clone")
    host.zfs("set quota=32M tank/small")
    host.put("/tank/small/other", "text")
    host.flood("tank/small/sparse", 4)
    host.zfs("set refquota=none tank/own")
    for file in ("/tank/small/file", "/tank/own/file"):
        host.put(file, "what had come of it is another length each time")
    host.zfs("snapshot tank/small/sparse@one")
    host.zfs("create -o quota=2M tank/tight")
    host.receive("tank/tight/disk", host.send("tank/small/sparse@one"))
    host.zfs("list -H -r -t all -o name tank/tight")


def into_a_pool_that_is_full(host: Session) -> None:
    """The room that a thick volume has reserved is its own; all others find nothing."""
    host.zfs("create -V 16M tank/thick")
    host.zfs("create -V 16M tank/taken")
    host.zfs("create -s -V 64M tank/sparse")
    host.zfs("create tank/files")
    host.flood("tank/thick", 4)
    host.flood("tank/taken", 4)
    host.flood("tank/sparse", 1)
    host.zfs("create -o canmount=off -o mountpoint=none tank/ballast")
    host.leave("tank/ballast", 8 << 20)
    host.flood("tank/taken", 6, at=6)
    host.zfs("snapshot tank/taken@one")
    host.zfs("snapshot tank/files@one tank/taken@one")
    host.flood("/tank/files/file", 2)
    host.flood("tank/sparse", 16)
    host.zfs("snapshot tank/taken@full")
    host.zfs("snapshot tank/files@full")
    host.write("tank/thick", 8 << 20, "kept")
    host.read("tank/thick", 8 << 20, 8)
    host.zfs("set volsize=32M tank/thick")
    host.zfs("clone tank/files@full tank/clone")
    host.zfs("create tank/more")
    host.zfs("create -s -V 8M tank/more-disk")
    host.zfs("set reservation=none tank/ballast")
    host.put("/tank/files/other", "text")
    host.zfs("snapshot tank/taken@full")


def to_what_is_read_only(host: Session) -> None:
    host.zfs("create tank/guest")
    host.zfs("create -V 8M tank/guest/disk0")
    host.write("tank/guest/disk0", 0, "one")
    host.zfs("snapshot tank/guest/disk0@one")
    host.zfs("clone -o readonly=on tank/guest/disk0@one tank/clone")
    host.write("tank/clone", 0, "own")
    host.read("tank/clone", 0, 8)
    host.zfs("set readonly=off tank/clone")
    host.write("tank/clone", 0, "own")
    host.read("tank/clone", 0, 8)
    host.put("/tank/guest/file", "one")
    host.zfs("set readonly=on tank/guest")
    host.write("tank/guest/disk0", 0, "two")
    host.read("tank/guest/disk0", 0, 8)
    host.put("/tank/guest/file", "two")
    host.files("/tank/guest")
    host.zfs("clone tank/guest/disk0@one tank/guest/disk1")
    host.write("tank/guest/disk1", 0, "two")
    host.zfs("set readonly=off tank/guest/disk0")
    host.write("tank/guest/disk0", 0, "two")
    host.read("tank/guest/disk0", 0, 8)
    host.zfs("inherit readonly tank/guest")
    host.write("tank/guest/disk1", 0, "two")
    host.put("/tank/guest/file", "two")
    host.files("/tank/guest")
