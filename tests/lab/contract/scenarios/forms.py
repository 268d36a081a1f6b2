# SPDX-License-Identifier: BSD-2-Clause
"""The forms in which chyves looks at pools and copies datasets, with data behind them."""

from tests.lab.contract.session import Session

GUEST = "tank/chyves/guests/web"
SHOWN = "name,used,avail,refer,mounted,readonly,mountpoint,origin,chyves:unfinished"


def _guest(host: Session) -> None:
    host.zfs("create -o chyves:x=pool tank/chyves")
    host.zfs("create tank/chyves/guests")
    host.zfs(f"create -o chyves:x=guest -o readonly=off -o volmode=dev {GUEST}")
    host.zfs(f"create -o snapdir=visible {GUEST}/.config")
    host.zfs(f"create -V 32M {GUEST}/disk0")
    host.zfs(f"create -s -V 64M -o volblocksize=32K -o compression=off {GUEST}/disk1")
    host.put(f"/{GUEST}/.config/guest.cfg", "ram=1G")
    host.write(f"{GUEST}/disk0", 0, "disk0")
    host.write(f"{GUEST}/disk1", 0, "disk1")


def how_a_guest_is_looked_at(host: Session) -> None:
    _guest(host)
    host.flood(f"{GUEST}/disk0", 5)
    host.flood(f"{GUEST}/disk1", 3)
    host.zfs(f"snapshot -r {GUEST}@one")
    host.flood(f"{GUEST}/disk0", 3, at=8)
    host.zfs(f"snapshot -r {GUEST}@two")
    host.zfs(f"bookmark {GUEST}/disk0@one {GUEST}/disk0#mark")
    host.zfs(f"snapshot {GUEST}/disk0@three")
    host.ages(f"{GUEST}/disk0")
    host.zfs(
        f"list -H -p -r -t filesystem,volume,snapshot -o name,referenced,refreservation {GUEST}",
        near=True,
    )
    host.zfs("list -H -p -r -t filesystem,volume -o name,used tank/chyves", near=True)
    host.zfs(f"list -H -r -t filesystem,volume -o name {GUEST}")
    host.zfs(f"get -H -p -o value available {GUEST}", near=True)
    for volume in ("disk0", "disk1"):
        host.zfs(f"get -H -p -o value volblocksize {GUEST}/{volume}")
        host.zfs(f"get -H -p -o value refreservation {GUEST}/{volume}", near=True)
    host.zfs(f"get -H -o value,source volmode {GUEST} {GUEST}/disk0 {GUEST}/disk1")
    host.zfs(f"set volmode=full {GUEST}/disk1")
    host.zfs(f"get -H -o value,source volmode {GUEST} {GUEST}/disk0 {GUEST}/disk1")
    host.zfs(f"send -n -P -p {GUEST}/disk0@one", near=True)
    host.zfs(f"send -n -P -p {GUEST}/.config@one", near=True)
    host.zfs(f"send -n -P -R {GUEST}@two", near=True)
    host.zfs(f"destroy -r -n -v -p {GUEST}@one", near=True)
    host.zfs(f"clone -o chyves:x=z {GUEST}/disk0@two tank/chyves/guests/copy")
    host.table(f"zfs list -r -t filesystem,volume -o {SHOWN} tank/chyves")
    host.table("zpool list")
    host.zpool("list -H -p -o name,size,free,health", near=True)


def how_a_guest_is_copied(host: Session) -> None:
    """What a clone keeps of the properties of its original, and what it has for itself."""
    _guest(host)
    host.zfs(f"set readonly=on mountpoint=/tank/elsewhere chyves:unfinished=create {GUEST}")
    host.zfs(f"set compression=lz4 quota=500M reservation=1M chyves:y=local {GUEST}/.config")
    host.zfs(f"snapshot -r -o chyves:x=snapshot {GUEST}@one")
    copy = "tank/chyves/guests/copy"
    shown = "get -H -p -s local,received -o property,value all"
    host.zfs(f"{shown} {GUEST}")
    host.receive(
        f"-u -x mountpoint -x readonly {copy}",
        host.send(f"-p {GUEST}@one"),
    )
    host.zfs(f"mount {copy}")
    for part in (".config", "disk0", "disk1"):
        host.receive(f"-u {copy}/{part}", host.send(f"-p {GUEST}/{part}@one"))
    host.read(f"{copy}/disk1", 0, 8)
    names = "compression,mountpoint,quota,readonly,refreservation,reservation,volmode,chyves:x"
    host.zfs(f"get -H -r -o name,property,value,received,source {names} {copy}")
    host.zfs(f"{shown} {copy}")
    host.zfs(f"{shown} {copy}/.config")
    host.zfs(f"{shown} {copy}/disk1")
    host.zfs(f"set chyves:x=own quota=400M {copy}/.config")
    host.zfs(f"{shown} {copy}/.config")
    host.zfs(f"inherit chyves:y {copy}/.config")
    host.zfs(f"inherit -S quota {copy}/.config")
    host.zfs(f"{shown} {copy}/.config")
    host.zfs(f"snapshot -r {copy}@two")
    host.zfs(f"destroy -r {copy}@one")
    host.receive("-u tank/chyves/guests/third", host.send(f"-p {copy}/.config@two"))
    host.zfs(f"{shown} tank/chyves/guests/third")


def how_a_guest_is_moved(host: Session) -> None:
    _guest(host)
    host.flood(f"{GUEST}/disk0", 4, at=1)
    host.make_other_pool()
    host.zfs("create -o chyves:x=other dozer/chyves")
    host.zfs(f"snapshot -r {GUEST}@old")
    host.zfs(f"set chyves:x=later {GUEST}/disk0")
    host.zfs(f"snapshot -r {GUEST}@move")
    host.receive("-u dozer/chyves/web", host.send(f"-R {GUEST}@move"))
    host.read("dozer/chyves/web/disk0", 0, 8)
    host.zfs("list -H -r -t all -o name,chyves:x,volsize,volmode,mounted dozer")
    host.zfs("get -H -r -o name,value,source chyves:x dozer")
    host.zfs("mount dozer/chyves/web")
    host.zfs("mount dozer/chyves/web/.config")
    host.files("/dozer/chyves/web/.config")
    host.zfs(f"rename {GUEST} {GUEST}-gone")
    host.zfs("destroy -r dozer/chyves/web@move")
    host.zfs(f"destroy -d -r {GUEST}-gone@old")
    host.zfs(f"destroy -r {GUEST}-gone")
    host.table("zpool list")
    host.zpool("list -H -p -o name,size,free,health", near=True)
    host.zfs("list -H -d 1 -t filesystem -o name")
    host.zfs("list -H -p -r -t filesystem,volume -o name,used tank/chyves dozer/chyves", near=True)
