# SPDX-License-Identifier: BSD-2-Clause
"""``zfs list`` in every form that chyves reads."""

from tests.lab.contract.session import Session

COLUMNS = "name,type,volsize,origin,mountpoint,mounted,readonly,chyves:unfinished"


def _some(host: Session) -> None:
    host.zfs("create tank/chyves")
    host.zfs("create -o chyves:unfinished=create tank/chyves/guests")
    host.zfs("create tank/chyves/guests/web")
    host.zfs("create -V 16M tank/chyves/guests/web/disk0")
    host.zfs("create -s -V 8G tank/chyves/guests/web/disk10")
    host.zfs("create -s -V 16M tank/chyves/guests/web/disk2")
    host.zfs("snapshot -r tank/chyves/guests@b")
    host.zfs("snapshot -r tank/chyves/guests@a")
    host.zfs("clone tank/chyves/guests/web/disk0@a tank/chyves/guests/web/disk3")
    host.zfs("create -o mountpoint=none tank/other")


def what_is_on_a_pool(host: Session) -> None:
    _some(host)
    host.zfs("list -H -d 1 -t filesystem -o name")
    host.zfs(f"list -H -p -r -t filesystem,volume -o {COLUMNS} tank/chyves")
    host.zfs(f"list -H -p -o {COLUMNS} tank/chyves/guests/web/disk0")
    host.zfs("list -H -p -r -t filesystem,volume -o name,used tank/chyves", near=True)
    host.zfs("list -H -p -r -t snapshot -o name,used,creation,userrefs,clones tank", near=True)
    host.zfs("list -H -p -r -t snapshot -o name,clones tank/chyves/guests/web/disk0")
    host.zfs("list -H -t all -o name -r tank")
    host.zfs("list -H -t volume -o name,volsize,volblocksize,refreservation")
    host.zfs("list -H -p -t volume -o name,volsize,volblocksize,refreservation")


def choices_of_a_list(host: Session) -> None:
    _some(host)
    host.zfs("list -H -o name")
    host.zfs("list -o name,type,mounted,mountpoint tank/chyves tank/other")
    host.zfs("list -H -o name -d 1 tank/chyves")
    host.zfs("list -H -o name -d 0 tank/chyves")
    host.zfs("list -H -o name -r tank/chyves/guests/web")
    host.zfs("list -H -o name -t snapshot tank/chyves/guests/web")
    host.zfs("list -H -o name -t snapshot -d 1 tank/chyves/guests/web")
    host.zfs("list -H -o name tank/chyves/guests/web@a")
    host.zfs("list -H -o name tank/chyves/guests/web@a tank/other")
    host.zfs("list -H -o name,volsize -s volsize -r -t volume tank")
    host.zfs("list -H -o name,volsize -S volsize -r -t volume tank")
    host.zfs("list -H -o name -S name -r tank")
    host.zfs("list -H -o name -s type -s name -r tank")
    host.zfs("list -H -t bookmark -o name")


def lists_that_fail(host: Session) -> None:
    host.zfs("create tank/a")
    host.zfs("list tank/nosuch")
    host.zfs("list -H -o name tank/nosuch tank/a")
    host.zfs("list nopool")
    host.zfs("list tank/a@nosuch")
    host.zfs("list -t snapshot")
    host.zfs("list -H -t snapshot")
    host.zfs("list -t volume tank/a")
    host.zfs("list -t nosuch")
    host.zfs("list -o nosuch")
    host.zfs("list -Z")
    host.zfs("list -d x tank")
    host.zfs("list -s nosuch")
    host.zfs("list -H -o name tank/a/b/c")
