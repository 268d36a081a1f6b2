# SPDX-License-Identifier: BSD-2-Clause
"""Every form of every command, as ``chyves help`` shows them: what a user notices of it."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from chyves import __version__
from chyves.errors import Exit
from tests.cli.conftest import Chyves
from tests.documents import synopses

Example = Callable[[Chyves, Path], None]

EXAMPLES: dict[str, Example] = {}

ALONE = {"upgrade [master|dev|check]"}
"""This needs another host, and is in tests/cli/test_selfupgrade.py."""

RUN_VERBS = {"console", "reclaim", "reload", "run", "start", "stop"}
"""What these do is in tests/cli/test_run*.py."""

CFG = "/chyves/tank/guests/web/.config/.cfg"
GLOBAL = "/chyves/tank/.config/global.cfg"
DEFAULTS = "/chyves/tank/guests/.defaults"


def example(synopsis: str) -> Callable[[Example], Example]:
    def note(function: Example) -> Example:
        EXAMPLES[synopsis] = function
        return function

    return note


@pytest.mark.parametrize(
    "synopsis",
    [s for s in synopses() if not (RUN_VERBS & set(re.findall(r"\w+", s)) or s in ALONE)],
)
def test_form(synopsis: str, guests: Chyves, tmp_path: Path) -> None:
    """A form without an example fails here."""
    EXAMPLES[synopsis](guests, tmp_path)


def test_no_example_is_out_of_date() -> None:
    assert set(EXAMPLES) <= set(synopses())


@example("<guest>[,...]|all wait --for running|stopped")
def wait(chyves: Chyves, tmp_path: Path) -> None:
    assert chyves("web,db wait --for stopped").out == "web: stopped\ndb: stopped\n"
    done = chyves("all wait --for running --timeout 0", code=Exit.PRECONDITION)
    assert done.said[:2] == [
        "chyves: db: not running after 0 seconds, but stopped",
        "hint: chyves list shows what each guest is doing",
    ]


# -- logs ---------------------------------------------------------------------------------------


@example("<guest>[,...]|all|global log [<n>] [-f]")
def log(chyves: Chyves, tmp_path: Path) -> None:
    chyves("web set cpu=2 -q")
    (line,) = chyves("web log 1").out.splitlines()
    assert re.fullmatch(
        r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+0000 - \[1\] - \(\d+\) web: set cpu=2", line
    )
    assert chyves("all log 1").out == chyves("global log 1").out == f"{line}\n"


# -- the host -----------------------------------------------------------------------------------


@example("host")
def host(chyves: Chyves, tmp_path: Path) -> None:
    rows = dict(line.split("\t") for line in chyves("host -H").out.splitlines())
    assert rows["release"] == "14.3-RELEASE"
    assert rows["virtualization"] == rows["unrestricted guest"] == rows["IOMMU"] == "yes"
    assert rows["memory of guests"] == "0B of 0 running"
    assert rows["loaders"] == "bhyveload grub-bhyve"
    assert "BHYVE_UEFI_VARS.fd" in rows["firmware installed"]
    assert rows["pool tank"].endswith(", ONLINE")


# -- pools --------------------------------------------------------------------------------------


@example("dataset <pool> install")
def dataset_install(chyves: Chyves, tmp_path: Path) -> None:
    before = chyves.state()
    done = chyves("dataset pool2 install")
    assert done.out == "pool2: set up as secondary pool\n"
    assert chyves.datasets("pool2/chyves") == {
        "pool2/chyves",
        "pool2/chyves/.config",
        "pool2/chyves/guests",
    }
    assert chyves.zfs("mountpoint", "pool2/chyves") == "/chyves/pool2"
    creation, *rest = chyves.file("/chyves/pool2/.config/pool.cfg").splitlines()
    assert re.fullmatch(
        r"creation=Dataset originally created on \w{3} \w{3} \d\d [\d:]{8} UTC \d{4} "
        rf"by chyves {re.escape(__version__)} using dataset version 0005",
        creation,
    )
    assert rest == ["dataset_version=0005", "dataset_role=secondary"]
    assert all("pool2" in name for name in chyves.changed(before))
    assert [(p["name"], p["role"]) for p in chyves.json("list pools")] == [
        ("pool2", "secondary"),
        ("tank", "primary"),
    ]


@example("dataset <pool> offline|online")
def dataset_offline(chyves: Chyves, tmp_path: Path) -> None:
    chyves("dataset pool2 install -q")
    chyves("mail create 1M pool2 -q")
    assert chyves("dataset pool2 offline").out == "pool2: offline\n"
    assert [guest["name"] for guest in chyves.json("list")] == ["db", "web"]
    assert chyves("dataset pool2 online").out == "pool2: online\n"
    assert [guest["name"] for guest in chyves.json("list")] == ["db", "mail", "web"]


@example("dataset <pool> uninstall [force]")
def dataset_uninstall(chyves: Chyves, tmp_path: Path) -> None:
    before = chyves.state()
    chyves("dataset pool2 install -q")
    assert chyves("dataset pool2 uninstall --yes").out == "pool2: uninstalled\n"
    assert chyves.state() == before
    assert chyves("dataset tank uninstall force --yes").out == "tank: uninstalled\n"
    assert chyves.datasets("tank") == {"tank"}


@example("dataset <pool> promote")
def dataset_promote(chyves: Chyves, tmp_path: Path) -> None:
    chyves("dataset pool2 install -q")
    settings, defaults = chyves.file(GLOBAL), chyves.file(DEFAULTS)
    assert chyves("dataset pool2 promote").out == "pool2: primary, in place of tank\n"
    assert chyves.file("/chyves/pool2/.config/global.cfg") == settings
    assert chyves.file("/chyves/pool2/guests/.defaults") == defaults
    assert [(p["name"], p["role"]) for p in chyves.json("list pools")] == [
        ("pool2", "primary"),
        ("tank", "secondary"),
    ]


@example("dataset <pool>|primary upgrade")
def dataset_upgrade(chyves: Chyves, tmp_path: Path) -> None:
    path = "/chyves/tank/.config/pool.cfg"
    current = chyves.file(path)
    chyves.host.path(path).write_text(current.replace("version=0005", "version=0004"))
    assert chyves("dataset primary upgrade").out == (
        "db: is of version 0300\nweb: is of version 0300\ntank: upgraded from 0004 to 0005\n"
    )
    assert chyves.file(path) == current


def test_the_first_pool_gets_all_that_chyves_0_2_0_made(bare: Chyves) -> None:
    assert bare("dataset tank install").out == "tank: set up as primary pool\n"
    made = bare.datasets("tank/chyves")
    (snapshot,) = [name for name in made if "@" in name]
    assert re.fullmatch(
        r"tank/chyves/.config@\d{8}-chyves-install-inital-settings-version-"
        + re.escape(__version__),
        snapshot,
    )
    assert made - {snapshot} == {
        f"tank/chyves{below}"
        for below in ("", "/.config", "/guests", "/logs", "/Firmware", "/ISO", "/ISO/null.iso")
    }
    assert bare.zfs("compression", "tank/chyves/logs") == "on"
    assert bare.file("/chyves/tank/ISO/null.iso/null.iso") == ""
    assert "dataset_role=primary\n" in bare.file("/chyves/tank/.config/pool.cfg")
    assert "stdout_level=2\n" in bare.file(GLOBAL)
    assert bare.file(DEFAULTS).startswith("bargs=-A -H -P -S\nbhyveload_flags=\n")


# -- guests -------------------------------------------------------------------------------------


@example("<guest>[,...] create [<size>] [<pool>]")
def create(chyves: Chyves, tmp_path: Path) -> None:
    chyves("dataset pool2 install -q")
    before = chyves.state()
    done = chyves("mail,dns create 3M pool2")
    assert done.out == (
        "mail: created on pool2, 3M, tap52, nmdm52\ndns: created on pool2, 3M, tap53, nmdm53\n"
    )
    root = "pool2/chyves/guests/mail"
    assert chyves.datasets(root) == {
        f"{root}{part}" for part in ("", "/.config", "/logs", "/img", "/disk0")
    }
    assert chyves.zfs("volsize", f"{root}/disk0") == str(3 << 20)
    assert chyves.zfs("volblocksize", f"{root}/disk0") == "16384"
    assert chyves.zfs("volmode", f"{root}/disk0") == "dev"
    assert chyves.zfs("snapdir", f"{root}/.config") == "visible"
    assert chyves.zfs("compression", f"{root}/logs") == "on"
    file = chyves.file("/chyves/pool2/guests/mail/.config/.cfg").splitlines()
    assert " ".join(line.partition("=")[0] for line in file) == (
        "bargs bhyveload_flags bhyve_disk_type bhyve_net_type chyves_guest_version cpu creation "
        "description loader net_ifaces notes os ram rcboot revert_to_snapshot "
        "revert_to_snapshot_method serial template uuid"
    )
    assert {"ram=256M", "cpu=1", "net_ifaces=tap52", "serial=nmdm52", "description=-"} < set(file)
    assert "bridge0_tap_members=tap50,tap51,tap52,tap53\n" in chyves.file(GLOBAL)
    assert "\tmember: tap52 " in chyves.run("ifconfig", "bridge0")
    assert "\tdescription: chyves-tap mail\n" in chyves.run("ifconfig", "tap52")
    others = {n for n in chyves.changed(before) if not re.search("mail|dns|tap5[23]|zvol", n)}
    assert others == {GLOBAL}


def test_create_takes_size_and_pool_from_the_defaults(chyves: Chyves) -> None:
    chyves("defaults set size=2M cpu=3 disk_compression=off -q")
    assert chyves("web create").out == "web: created on tank, 2M, tap50, nmdm50\n"
    assert chyves.zfs("volsize", "tank/chyves/guests/web/disk0") == str(2 << 20)
    assert chyves.zfs("compression", "tank/chyves/guests/web/disk0") == "off"
    assert "cpu=3\n" in chyves.file(CFG)


def test_create_means_the_primary_pool_by_primary(chyves: Chyves) -> None:
    assert chyves("web create 1M primary").out.startswith("web: created on tank, ")


@example("<guest> clone <new>[,...] [-ce|-cu|-ie|-iu] [@<name>] [<pool>]")
def clone(chyves: Chyves, tmp_path: Path) -> None:
    chyves("dataset pool2 install -q")
    chyves("web snapshot @clean -q")
    done = chyves("web clone one,two -iu @clean pool2")
    assert done.out == (
        "one: cloned from web@clean (-iu) on pool2, tap52, nmdm52\n"
        "two: cloned from web@clean (-iu) on pool2, tap53, nmdm53\n"
    )
    root = "pool2/chyves/guests/one"
    assert chyves.datasets(root) == {
        f"{root}{part}" for part in ("", "/.config", "/logs", "/img", "/disk0")
    }
    for flag in ("-ce", "-cu", "-ie", "-iu"):
        chyves(f"web clone by{flag} {flag}")
    assert chyves("web clone plain").out.startswith("plain: cloned from web (-iu) on tank")


@example("<guest>[,...]|all move <pool>")
def move(chyves: Chyves, tmp_path: Path) -> None:
    chyves("dataset pool2 install -q")
    done = chyves("web,db move pool2")
    assert done.out == "web: moved from tank to pool2\ndb: moved from tank to pool2\n"
    assert {one["name"]: one["pool"] for one in chyves.json("list")} == {
        "db": "pool2",
        "web": "pool2",
    }
    assert chyves("all move pool2").out == "db: is on pool2\nweb: is on pool2\n"


@example("<guest> disk list")
def disk_list(chyves: Chyves, tmp_path: Path) -> None:
    chyves.host.path("/chyves/tank/guests/web/img/data.raw").write_bytes(bytes(2048))
    header, *rows = rows_of(chyves, "web disk list")
    assert header == ["Guest/Disks", "Size", "Description", "Notes"]
    assert [row[0] for row in rows] == ["web", "disk0", "data.raw"]
    assert [row[1] for row in rows][1:] == ["1M", "2K"]


@example("<guest> disk add [<size>]")
def disk_add(chyves: Chyves, tmp_path: Path) -> None:
    assert chyves("web disk add 2M").out == "web: disk1 added, 2M\n"
    assert chyves.zfs("volsize", "tank/chyves/guests/web/disk1") == str(2 << 20)
    chyves("defaults set size=3M -q")
    assert chyves("web disk add").out == "web: disk2 added, 3M\n"


@example("<guest> disk delete disk{n}")
def disk_delete(chyves: Chyves, tmp_path: Path) -> None:
    before = chyves.datasets()
    chyves("web disk add 2M -q")
    assert chyves("web disk delete disk1 -y").out == "web: disk1 deleted\n"
    assert chyves.datasets() == before


@example("<guest> disk resize disk{n} <size>")
def disk_resize(chyves: Chyves, tmp_path: Path) -> None:
    assert chyves("web disk resize disk0 4M").out == "web: disk0 resized from 1M to 4M\n"
    assert chyves.zfs("volsize", "tank/chyves/guests/web/disk0") == str(4 << 20)


@example("<guest> disk disk{n} description|notes <text>")
def disk_annotate(chyves: Chyves, tmp_path: Path) -> None:
    done = chyves("web disk disk0 description", "the root disk")
    assert done.out == "web: set disk0_description=the root disk\n"
    chyves("web disk disk0 notes keep it")
    assert chyves.file(CFG).endswith("disk0_description=the root disk\ndisk0_notes=keep it\n")
    assert rows_of(chyves, "web disk list")[2] == ["disk0", "1M", "the root disk", "keep it"]


@example("<guest> rename <new>")
def rename(chyves: Chyves, tmp_path: Path) -> None:
    parts = {
        name.removeprefix("tank/chyves/guests/web") for name in chyves.datasets() if "web" in name
    }
    text = chyves.file(CFG)
    assert chyves("web rename shop -y").out == "web: renamed to shop\n"
    root = "tank/chyves/guests/shop"
    assert chyves.datasets(root) == {f"{root}{part}" for part in parts}
    assert chyves.file("/chyves/tank/guests/shop/.config/.cfg") == text
    assert [guest["name"] for guest in chyves.json("list")] == ["db", "shop"]


@example("<guest>[,...]|all delete [force|keepnet]")
def delete(chyves: Chyves, tmp_path: Path) -> None:
    before = chyves.state()
    assert chyves("web delete --yes").out == "web: deleted\n"
    assert chyves.datasets() == {
        f"tank/chyves/guests{part}"
        for part in ("", "/db", "/db/.config", "/db/logs", "/db/img", "/db/disk0")
    }
    assert "bridge0_tap_members=tap51\n" in chyves.file(GLOBAL)
    assert "tap50" not in chyves.run("ifconfig", "-l").split()
    others = {n for n in chyves.changed(before) if not re.search("web|tap50", n)}
    assert others == {GLOBAL}
    assert chyves("all delete --yes").out == "db: deleted\n"
    assert chyves.json("list") == []


def test_delete_keepnet_leaves_the_taps(guests: Chyves) -> None:
    network = guests.run("ifconfig", "-a")
    globals_ = guests.file(GLOBAL)
    assert guests("web delete keepnet --yes").out == "web: deleted\n"
    assert guests.run("ifconfig", "-a") == network
    assert guests.file(GLOBAL) == globals_


def test_delete_force_takes_the_clones_along(guests: Chyves) -> None:
    guests("web snapshot @base -q")
    source = "tank/chyves/guests/web/disk0@base"
    guests.run("zfs", "clone", source, "tank/chyves/guests/db/disk1")
    assert "cloned from it: db" in guests.refused("web delete --yes", code=Exit.CONFLICT)
    assert guests("web delete force --yes").out == "db: deleted\nweb: deleted\n"
    assert guests.datasets() == {"tank/chyves/guests"}


@example("<guest>[,...]|all upgrade")
def upgrade(chyves: Chyves, tmp_path: Path) -> None:
    current = chyves.file(CFG)
    chyves.host.path(CFG).write_text(current.replace("version=0300", "version=0202"))
    assert chyves("web upgrade").out == "web: upgraded from 0202 to 0300\n"
    assert chyves.file(CFG) == current
    assert chyves("all upgrade").out == "db: is of version 0300\nweb: is of version 0300\n"


# -- properties ---------------------------------------------------------------------------------


@example("<guest>[,...]|all|defaults|global get <property>|all")
def get(chyves: Chyves, tmp_path: Path) -> None:
    before = chyves.state()
    assert chyves("web get ram").out == "web's ram=256M\n"
    assert chyves("db,web get serial").out == "db's serial=nmdm51\nweb's serial=nmdm50\n"
    assert chyves("all get cpu").out == "db's cpu=1\nweb's cpu=1\n"
    assert chyves("defaults get size").out == "defaults's size=8G\n"
    assert chyves("global get log_mode").out == "global's log_mode=dual\n"
    everything = chyves("web get all").out.splitlines()
    assert everything[0].split() == ["Property:", "Value:"]
    assert everything[1].split(maxsplit=1) == ["bargs", "-A -H -P -S"]
    assert len(everything) == 1 + chyves.file(CFG).count("\n")
    assert chyves("db,web get all").out.count(":\nProperty:") == 2
    assert chyves.state() == before


@example(
    "<guest>[,...]|all|defaults|global set <property>=<value> [...]"
    " [<guest>[,...] <property>=<value> [...]]"
)
def set_properties(chyves: Chyves, tmp_path: Path) -> None:
    before, old = chyves.state(), chyves.file(CFG)
    assert chyves("web set ram=1024m cpu=2").out == "web: set ram=1G cpu=2\n"
    assert chyves.file(CFG) == old.replace("ram=256M", "ram=1G").replace("cpu=1", "cpu=2")
    assert chyves.changed(before) == {CFG}
    done = chyves("all set rcboot=1 defaults ram=512 global log_mode=off")
    assert done.out == (
        "db: set rcboot=1\nweb: set rcboot=1\ndefaults: set ram=512M\nglobal: set log_mode=off\n"
    )
    assert chyves("web set ram=1G").out == "web: has ram=1G\n"


@example("<guest>[,...]|all|defaults|global unset <property> [...]")
def unset(chyves: Chyves, tmp_path: Path) -> None:
    before = chyves.state()
    chyves("web set pcidev_1=virtio-rnd -q")
    assert chyves("web unset pcidev_1").out == "web: pcidev_1 removed\n"
    assert chyves("all unset pcidev_1").out == "db: has no pcidev_1\nweb: has no pcidev_1\n"
    assert chyves.state() == before


@example("<guest>[,...]|all group add|remove :<group>[,...]")
def group(chyves: Chyves, tmp_path: Path) -> None:
    before = chyves.state()
    assert chyves("web,db group add :prod,:eu").out == "web: in :prod, :eu\ndb: in :prod, :eu\n"
    assert chyves.file(CFG).endswith("\ngroups=prod,eu\n")
    assert chyves("web group remove :prod").out == "web: in :eu\n"
    assert chyves(":eu group remove :eu,:prod").out == "db: in no group\nweb: in no group\n"
    assert chyves.state() == before


# -- snapshots ----------------------------------------------------------------------------------


@example("<guest>[,...]|all snapshot [@<name>]")
def snapshot(chyves: Chyves, tmp_path: Path) -> None:
    before = chyves.datasets()
    assert chyves("all snapshot @one").out == (
        "db: snapshot @one taken\nweb: snapshot @one taken\n"
    )
    guests_of = {name for name in before if name != "tank/chyves/guests"}
    assert chyves.datasets() == before | {f"{name}@one" for name in guests_of}
    done = chyves("web snapshot")
    assert re.fullmatch(
        r"web: snapshot @chyves-auto-named-snapshot-\d{8}-\d{4}\.\d\d taken\n", done.out
    )


@example("<guest> snapshot list")
def snapshot_list(chyves: Chyves, tmp_path: Path) -> None:
    chyves("all snapshot @one -q")
    before = chyves.state()
    header, *rows = chyves("web snapshot list").out.splitlines()
    assert header.split() == ["Snapshot", "Used", "Taken"]
    assert [row.split()[0] for row in rows] == [
        f"web{part}@one" for part in ("", "/.config", "/disk0", "/img", "/logs")
    ]
    assert chyves.state() == before


@example("<guest> snapshot rollback [@<name>]")
def snapshot_rollback(chyves: Chyves, tmp_path: Path) -> None:
    device = chyves.host.path("/dev/zvol/tank/chyves/guests/web/disk0")
    with device.open("r+b") as disk:
        disk.write(b"old")
    chyves("web snapshot @one -q")
    old = chyves.file(CFG)
    with device.open("r+b") as disk:
        disk.write(b"new")
    chyves("web set ram=1G -q")
    chyves("web snapshot @two -q")
    chyves("db snapshot @two -q")
    done = chyves("web snapshot rollback @one --yes")
    assert done.out == "web: rolled back to @one\n"
    assert "newer snapshots of web will be destroyed: @two" in done.err
    assert chyves.file(CFG) == old
    assert device.read_bytes()[:3] == b"old"
    assert {name for name in chyves.datasets() if "@two" in name and "/web" in name} == set()
    assert {name for name in chyves.datasets() if "@two" in name and "/db" in name}
    assert chyves("web snapshot rollback --yes").out == "web: rolled back to @one\n"


@example("<guest> snapshot delete [@<name>|@<first>%<last>]")
def snapshot_delete(chyves: Chyves, tmp_path: Path) -> None:
    def left() -> list[str]:
        return [taken["name"] for taken in chyves.json("list snapshots")]

    for name in "abcdefgh":
        chyves("web snapshot", f"@{name}", "-q")
    chyves("db snapshot @b -q")
    assert chyves("web snapshot delete @b --yes").out.startswith("web: deleted @b, freed ")
    assert left() == ["@b", *(f"@{name}" for name in "acdefgh")]
    chyves("web snapshot delete @d%f --yes")
    assert left() == ["@b", *(f"@{name}" for name in "acgh")]
    chyves("web snapshot delete @g% --yes")
    assert left() == ["@b", "@a", "@c"]
    chyves("web snapshot delete @%a --yes")
    chyves("web snapshot delete --yes")
    assert left() == ["@b"]
    assert not [name for name in chyves.datasets("tank/chyves/guests/web") if "@" in name]


# -- network ------------------------------------------------------------------------------------


@example("network bridge{n} attach <interface>")
def network_attach(chyves: Chyves, tmp_path: Path) -> None:
    before = chyves.state()
    assert chyves("network bridge0 attach em0").out == "bridge0: attached to em0\n"
    assert "\tmember: em0 " in chyves.run("ifconfig", "bridge0")
    assert "bridge0_phy_attach=em0\n" in chyves.file(GLOBAL)
    assert chyves.changed(before) == {GLOBAL, "interfaces em0"}


@example("network bridge{n} private")
def network_private(chyves: Chyves, tmp_path: Path) -> None:
    chyves("network bridge0 attach em0 -q")
    assert chyves("network bridge0 private").out == "bridge0: private\n"
    assert "em0" not in chyves.run("ifconfig", "bridge0")
    assert "\tmember: tap50 " in chyves.run("ifconfig", "bridge0")
    assert "bridge0_phy_attach=private\n" in chyves.file(GLOBAL)


@example("network bridge{n} default")
def network_default(chyves: Chyves, tmp_path: Path) -> None:
    chyves("network bridge7 private -q")
    before, old = chyves.state(), chyves.file(DEFAULTS)
    assert chyves("network bridge7 default").out == "bridge7: default bridge of new guests\n"
    assert chyves.file(DEFAULTS) == old.replace("bridge=bridge0", "bridge=bridge7")
    assert chyves.changed(before) == {DEFAULTS}
    chyves("mail create 1M -q")
    assert "\tmember: tap52 " in chyves.run("ifconfig", "bridge7")
    assert "bridge7_tap_members=tap52\n" in chyves.file(GLOBAL)


@example("network bridge{n} join tap{n}[,...]")
def network_join(chyves: Chyves, tmp_path: Path) -> None:
    before = chyves.state()
    assert chyves("network bridge0 join tap5,tap9").out == "bridge0: has tap5, tap9\n"
    assert "bridge0_tap_members=tap50,tap51,tap5,tap9\n" in chyves.file(GLOBAL)
    assert "\tmember: tap5 " in chyves.run("ifconfig", "bridge0")
    assert chyves.changed(before) == {
        GLOBAL,
        *(f"{place}{tap}" for place in ("interfaces ", "/dev/") for tap in ("tap5", "tap9")),
    }


@example("network bridge{n} unjoin tap{n}[,...]")
def network_unjoin(chyves: Chyves, tmp_path: Path) -> None:
    chyves("network bridge0 join tap5 -q")
    done = chyves("network bridge0 unjoin tap5,tap50")
    assert done.out == "bridge0: has tap5, tap50 no more\n"
    assert done.said == ["chyves: until tap50 is on a bridge again, web cannot start"]
    assert "bridge0_tap_members=tap51\n" in chyves.file(GLOBAL)
    assert "tap50" not in chyves.run("ifconfig", "bridge0")
    assert chyves.run("ifconfig", "-l").split() == ["em0", "lo0", "bridge0", "tap50", "tap51"]


@example("network bridge{n} migrate bridge{m}")
def network_migrate(chyves: Chyves, tmp_path: Path) -> None:
    chyves("network bridge0 attach em0 -q")
    chyves("network web add tap7 bridge2 -q")
    assert chyves("network bridge0 migrate bridge2").out == "bridge0: migrated to bridge2\n"
    settings = chyves.file(GLOBAL)
    assert "bridge2_tap_members=tap7,tap50,tap51\nbridge2_phy_attach=em0\n" in settings
    assert "bridge0" not in settings
    assert "bridge=bridge2\n" in chyves.file(DEFAULTS)
    assert re.findall("member: ([^ ]+)", chyves.run("ifconfig", "bridge2")) == [
        *("tap51", "tap50", "em0", "tap7")
    ]
    assert "bridge0" not in chyves.run("ifconfig", "-l").split()


@example("network bridge{n} delete")
def network_delete(chyves: Chyves, tmp_path: Path) -> None:
    before = chyves.state()
    chyves("network bridge3 attach em0 -q")
    assert chyves("network bridge3 delete").out == "bridge3: deleted\n"
    assert chyves.changed(before) == set()


@example("network import")
def network_import(chyves: Chyves, tmp_path: Path) -> None:
    chyves("global set network_design_mode=system -q")
    for words in (
        "bridge0 deletem tap50",
        "bridge1 create",
        "bridge1 addm em0",
        "bridge1 addm tap50",
    ):
        chyves.run("ifconfig", *words.split())
    network = chyves.run("ifconfig", "-a")
    assert chyves("network import").out == "bridge0: private, tap51\nbridge1: em0, tap50\n"
    settings = chyves.file(GLOBAL)
    assert "bridge0_tap_members=tap51\nbridge0_phy_attach=private\n" in settings
    assert "bridge1_phy_attach=em0\nbridge1_tap_members=tap50\n" in settings
    assert chyves.run("ifconfig", "-a") == network
    assert '"changed": true' not in chyves("network import --json").out


@example("network <guest>[,...]|all add tap|tap{n}|vale{s}[:{p}] [bridge{n}]")
def network_add(chyves: Chyves, tmp_path: Path) -> None:
    assert chyves("network all add tap bridge3").out == "db: has tap52\nweb: has tap53\n"
    chyves("network all remove tap52 -q", code=Exit.NOT_FOUND)
    chyves("network web remove tap53 -q")
    assert chyves("network web add tap").out == "web: has tap52\n"
    assert chyves("network web add tap60 bridge4").out == "web: has tap60\n"
    assert chyves("network web add vale1").out == "web: has vale1\n"
    assert chyves("network web add vale0:3").out == "web: has vale0:3\n"
    assert "net_ifaces=tap50,tap52,tap60,vale1,vale0:3\n" in chyves.file(CFG)
    assert "bridge0_tap_members=tap50,tap51,tap52\n" in chyves.file(GLOBAL)
    assert "bridge4_tap_members=tap60\n" in chyves.file(GLOBAL)
    assert "\tmember: tap60 " in chyves.run("ifconfig", "bridge4")
    assert "\tmember: tap52 " in chyves.run("ifconfig", "bridge0")


@example("network <guest>[,...]|all remove tap{n}|vale{s}[:{p}]")
def network_remove(chyves: Chyves, tmp_path: Path) -> None:
    chyves("network web add tap5 -q")
    chyves("network web add vale0:1 -q")
    before = chyves.state()
    assert chyves("network web remove tap5").out == "web: has tap5 no more\n"
    assert "net_ifaces=tap50,vale0:1\n" in chyves.file(CFG)
    assert "bridge0_tap_members=tap50,tap51\n" in chyves.file(GLOBAL)
    assert chyves.run("ifconfig", "-l").split() == ["em0", "lo0", "bridge0", "tap50", "tap51"]
    assert chyves.changed(before) == {CFG, GLOBAL, "interfaces tap5", "/dev/tap5"}
    assert chyves("network web remove vale0:1").out == "web: has vale0:1 no more\n"
    chyves("network all add vale0 -q")
    assert chyves("network web,db remove vale0").out == (
        "web: has vale0 no more\ndb: has vale0 no more\n"
    )
    chyves("network web remove tap50 -q")
    assert "net_ifaces=-\n" in chyves.file(CFG)
    assert "bridge0_tap_members=tap51\n" in chyves.file(GLOBAL)


# -- media and firmware -------------------------------------------------------------------------


def imported(chyves: Chyves, tmp_path: Path, verb: str, kind: str) -> None:
    source = tmp_path / "boot.img"
    source.write_bytes(b"\x00\xff" * 1024)
    before = chyves.state()
    assert chyves(f"{verb} import", str(source)).out == "boot.img: imported, 2K\n"
    copy = f"/chyves/tank/{kind}/boot.img/boot.img"
    assert chyves.host.path(copy).read_bytes() == source.read_bytes()
    assert chyves.changed(before) == {
        copy,
        f"/chyves/tank/{kind}/boot.img",
        f"zfs tank/chyves/{kind}/boot.img",
    }


def listed(chyves: Chyves, tmp_path: Path, verb: str, word: str, title: str) -> None:
    source = tmp_path / "boot.img"
    source.write_bytes(b"x" * 2048)
    chyves(f"{verb} import", str(source), "-q")
    before = chyves.state()
    header, *rows = chyves(word).out.splitlines()
    assert header.split("  ")[0] == title
    assert rows[0].split() == ["boot.img", "2K"]
    assert chyves(f"{word} -H -p").out.startswith("boot.img\t2048\n")
    assert chyves.state() == before


def renamed(chyves: Chyves, tmp_path: Path, verb: str, kind: str) -> None:
    (tmp_path / "a.img").write_bytes(b"content")
    chyves(f"{verb} import", str(tmp_path / "a.img"), "-q")
    assert chyves(f"{verb} rename a.img b.img --yes").out == "a.img: renamed to b.img\n"
    folder = chyves.host.path(f"/chyves/tank/{kind}")
    assert (folder / "b.img/b.img").read_bytes() == b"content"
    assert not (folder / "a.img").exists()
    assert [path.name for path in (folder / "b.img").iterdir()] == ["b.img"]
    assert f"tank/chyves/{kind}/b.img" in chyves.datasets("tank/chyves")


def deleted(chyves: Chyves, tmp_path: Path, verb: str) -> None:
    before = chyves.state()
    (tmp_path / "a.img").write_bytes(b"content")
    chyves(f"{verb} import", str(tmp_path / "a.img"), "-q")
    assert chyves(f"{verb} delete a.img --yes").out == "a.img: deleted\n"
    assert chyves.state() == before


@example("iso import <file>|<url>")
def iso_import(chyves: Chyves, tmp_path: Path) -> None:
    imported(chyves, tmp_path, "iso", "ISO")


@example("firmware import <file>|<url>")
def firmware_import(chyves: Chyves, tmp_path: Path) -> None:
    imported(chyves, tmp_path, "firmware", "Firmware")


@example("iso list")
def iso_list(chyves: Chyves, tmp_path: Path) -> None:
    listed(chyves, tmp_path, "iso", "iso list", "ISO")


@example("list iso")
def list_iso(chyves: Chyves, tmp_path: Path) -> None:
    listed(chyves, tmp_path, "iso", "list iso", "ISO")


@example("firmware list")
def firmware_list(chyves: Chyves, tmp_path: Path) -> None:
    listed(chyves, tmp_path, "firmware", "firmware list", "UEFI Firmware")


@example("list firmware")
def list_firmware(chyves: Chyves, tmp_path: Path) -> None:
    listed(chyves, tmp_path, "firmware", "list firmware", "UEFI Firmware")


@example("iso rename <name> <new>")
def iso_rename(chyves: Chyves, tmp_path: Path) -> None:
    renamed(chyves, tmp_path, "iso", "ISO")


@example("firmware rename <name> <new>")
def firmware_rename(chyves: Chyves, tmp_path: Path) -> None:
    renamed(chyves, tmp_path, "firmware", "Firmware")


@example("iso delete <name>")
def iso_delete(chyves: Chyves, tmp_path: Path) -> None:
    deleted(chyves, tmp_path, "iso")


@example("firmware delete <name>")
def firmware_delete(chyves: Chyves, tmp_path: Path) -> None:
    deleted(chyves, tmp_path, "firmware")


# -- lists --------------------------------------------------------------------------------------


def rows_of(chyves: Chyves, line: str) -> list[list[str]]:
    """Return the cells of a table, which is printed without changing anything."""
    before = chyves.state()
    table = chyves(line).out
    assert chyves.state() == before
    return [re.split(r"  +", row.strip()) for row in table.splitlines()]


@example("list")
def list_guests(chyves: Chyves, tmp_path: Path) -> None:
    chyves("web set", "description=The web server", "rcboot=5", "-q")
    assert rows_of(chyves, "list") == [
        ["Guest", "Pool", "VMM", "Running", "rcboot", "Description"],
        ["db", "tank", "NO", "NO", "NO", "-"],
        ["web", "tank", "NO", "NO", "YES (5)", "The web server"],
    ]
    chyves("global set default_list_flags=-pkc -q")
    assert rows_of(chyves, "list")[0] == ["Guest", "Pool", "Clone"]


@example("list bridges")
def list_bridges(chyves: Chyves, tmp_path: Path) -> None:
    chyves("network bridge3 attach em0 -q")
    chyves("network db add tap9 bridge3 -q")
    assert chyves("list bridges").out == (
        "Bridge: bridge0 (default)\n"
        "  private (attach an interface, or set it private)\n"
        "  tap50  web\n"
        "  tap51  db\n"
        "Bridge: bridge3\n"
        "  uplink: em0\n"
        "  tap9  db\n"
    )
    chyves("network bridge3 join tap77 -q")
    chyves.run("ifconfig", "vlan7", "create", "vlan", "7", "vlandev", "em0")
    chyves.run("ifconfig", "bridge3", "addm", "vlan7")
    assert chyves("list bridges -H").out == (
        "bridge0\t-\ttap50,tap51\tweb,db\t-\tdefault\nbridge3\tem0\ttap9,tap77\tdb,-\tvlan7\t-\n"
    )
    chyves.run("ifconfig", "vlan7", "destroy")
    chyves("network bridge3 unjoin tap77 -q")
    assert chyves.json("list bridges")[1] == {
        "name": "bridge3",
        "default": False,
        "uplink": "em0",
        "uplink_present": True,
        "uplink_member": True,
        "present": True,
        "mtu": 1500,
        "taps": [
            {
                "member": True,
                "name": "tap9",
                "guest": "db",
                "guests": ["db"],
                "present": True,
                "opened_by": None,
            }
        ],
        "others": [],
    }


@example("list tap active")
def list_tap(chyves: Chyves, tmp_path: Path) -> None:
    chyves.run("ifconfig", "tap7", "create")
    assert rows_of(chyves, "list tap active") == [
        ["Tap:", "Bridge:", "Guest:", "Opened by:"],
        ["tap50", "bridge0", "web", "-"],
        ["tap51", "bridge0", "db", "-"],
        ["tap7", "-", "-", "-"],
    ]
    assert chyves("list tap active -H").out.splitlines()[0] == "tap50\tbridge0\tweb\t-"


@example("list clones")
def list_clones(chyves: Chyves, tmp_path: Path) -> None:
    assert rows_of(chyves, "list clones") == [["Guest", "Clone of", "Snapshot"]]
    chyves("web clone shop -cu -q")
    (_, root, clone) = chyves("list clones").out.splitlines()
    assert root.split() == ["web", "-", "-"]
    assert re.match(r"   shop  +web  +@chyves-clone-process-", clone)
    assert chyves("list clones -H").out.startswith("web\t-\t-\nshop\tweb\t@chyves-clone-")


@example("list defaults")
def list_defaults(chyves: Chyves, tmp_path: Path) -> None:
    header, *rows = rows_of(chyves, "list defaults")
    assert header == ["Guest Default:", "Value:"]
    file = dict(line.split("=", 1) for line in chyves.file(DEFAULTS).splitlines())
    assert [(row[0], " ".join(row[1:])) for row in rows] == sorted(file.items())


@example("list disks")
def list_disks(chyves: Chyves, tmp_path: Path) -> None:
    chyves("web set", "disk0_description=root", "disk0_notes=keep it", "-q")
    header, *rows = rows_of(chyves, "list disks")
    assert header == ["Guest/Disks", "Size", "Description", "Notes"]
    assert [row[0] for row in rows] == ["db", "disk0", "web", "disk0"]
    assert rows[3] == ["disk0", "1M", "root", "keep it"]


@example("list global [<pool>|primary]")
def list_global(chyves: Chyves, tmp_path: Path) -> None:
    chyves("dataset pool2 install -q")
    header, *rows = rows_of(chyves, "list global")
    assert header == ["Pool:", "Type:", "Property:", "Value:"]
    assert {(row[0], row[1]) for row in rows} == {
        ("tank", "global"),
        ("tank", "pool"),
        ("pool2", "pool"),
    }
    assert ["tank", "global", "stdout_level", "2"] in rows
    assert ["tank", "pool", "dataset_version", "0005"] in rows
    assert rows_of(chyves, "list global primary") == rows_of(chyves, "list global tank")
    assert {row[0] for row in rows_of(chyves, "list global pool2")[1:]} == {"pool2"}


@example("list groups")
def list_groups(chyves: Chyves, tmp_path: Path) -> None:
    chyves("web,db group add :prod -q")
    chyves("web group add :eu -q")
    assert rows_of(chyves, "list groups") == [
        ["Group:", "Guests:"],
        ["eu", "web"],
        ["prod", "db,web"],
    ]


@example("list pools")
def list_pools(chyves: Chyves, tmp_path: Path) -> None:
    assert rows_of(chyves, "list pools") == [
        ["Pool:", "Role:", "Version:"],
        ["tank", "primary", "0005"],
    ]


@example("list processes [<guest>]")
def list_processes(chyves: Chyves, tmp_path: Path) -> None:
    columns = ["Guest", "Process", "PID", "CPU time", "Memory", "Since"]
    assert rows_of(chyves, "list processes") == rows_of(chyves, "list processes web") == [columns]


@example("list properties")
def list_properties(chyves: Chyves, tmp_path: Path) -> None:
    chyves("web set uefi_vnc_res=640x480 -q")
    header, *rows = rows_of(chyves, "list properties")
    assert header == ["Property:", "Meaning:"]
    used = {line.partition("=")[0] for line in chyves.file(CFG).splitlines()}
    assert [row[0] for row in rows] == sorted(used)
    assert all(row[1].endswith(".") for row in rows)


@example("list snapshots [<guest>]")
def list_snapshots(chyves: Chyves, tmp_path: Path) -> None:
    chyves("all snapshot @one -q")
    chyves("web snapshot @two -q")
    assert [row[0] for row in rows_of(chyves, "list snapshots")] == [
        "Snapshot",
        "db@one",
        "web@one",
        "web@two",
    ]
    assert [row[0] for row in rows_of(chyves, "list snapshots db")[1:]] == [
        f"db{part}@one" for part in ("", "/.config", "/disk0", "/img", "/logs")
    ]


@example("list <property>")
def list_property(chyves: Chyves, tmp_path: Path) -> None:
    chyves("web set ram=1G -q")
    assert rows_of(chyves, "list ram") == [["Guest:", "ram:"], ["db", "256M"], ["web", "1G"]]


# -- help and versions --------------------------------------------------------------------------


@example("help [<command>]")
def help_(chyves: Chyves, tmp_path: Path) -> None:
    assert chyves("help start").out == chyves("start --help").out == chyves("web start -h").out
    text = chyves("help").out
    lines = text.splitlines()
    assert lines[0] == f"chyves {__version__}, bhyve virtual-machine manager"
    assert all(f"  chyves {synopsis}" in lines for synopsis in synopses())
    assert chyves("").out == chyves("help").out == text


@example("debug")
def debug(chyves: Chyves, tmp_path: Path) -> None:
    text = chyves("debug").out
    assert text.startswith(f"## Versions\n\n```\nchyves={__version__}\n")
    assert "\n## Guests\n\n```\ndb on tank: stopped (" in text


@example("dev <function> [<argument>] [...]")
def dev(chyves: Chyves, tmp_path: Path) -> None:
    chyves("global set dev_mode=on -q")
    assert chyves("dev zfs.exists tank/chyves").out == "true\n"


@example("version")
def version(chyves: Chyves, tmp_path: Path) -> None:
    assert chyves("version").out == (
        f"chyves: {__version__}\ndataset version: 0005\nguest version: 0300\n"
        f"host: FreeBSD 14.3-RELEASE\nsimulated in: {chyves.directory}\n"
    )


COLUMNS = {
    "z": ["Size"],
    "b": ["CPU", "RAM"],
    "p": ["Pool"],
    "r": ["Dataset Role"],
    "v": ["OS", "Loader", "CGV (0300)", "net-ifaces", "Serial"],
    "s": ["VMM", "Running", "rcboot"],
    "t": ["Template"],
    "c": ["Clone"],
    "u": [
        "UEFI Console",
        "UEFI Firmware",
        "UEFI IP:Port",
        "UEFI Mouse",
        "UEFI Pause",
        "UEFI Resolution",
    ],
    "d": ["Description"],
    "n": ["Notes"],
}
"""The flags of info in the order of their columns, as chyves 0.2.0 had them."""


@example("info [-abcdhknprstuvwzlH]")
def info(chyves: Chyves, tmp_path: Path) -> None:
    chyves("web set loader=uefi uefi_console_output=vnc template=yes -q")
    chyves("web set template=no -q")
    for flag, headers in COLUMNS.items():
        assert rows_of(chyves, f"info -{flag}")[0] == ["Guest/Disks", *headers]
        assert rows_of(chyves, f"info -k{flag}")[0] == ["Guest", *headers]
    everything = [header for headers in COLUMNS.values() for header in headers]
    header, *rows = rows_of(chyves, "info -a")
    assert header == ["Guest/Disks", *everything]
    assert [row[0] for row in rows] == ["db", "disk0", "web", "disk0"]
    assert rows_of(chyves, "info a") == rows_of(chyves, "info -abv") == [header, *rows]
    web = dict(zip(header, rows[2], strict=True))
    assert web["UEFI IP:Port"] == "127.0.0.1:5900"
    assert web["Loader"] == "uefi"
    db = dict(zip(header, rows[0], strict=True))
    assert db["UEFI IP:Port"] == "-"
    assert rows_of(chyves, "info -l -p") == rows_of(chyves, "info -p")
    assert max(len(line) for line in chyves("info -aw").out.splitlines()) <= 80
    assert chyves("info -pH").out == ("db\t-\ttank\ndb\tdisk0\t-\nweb\t-\ttank\nweb\tdisk0\t-\n")
    assert chyves("info -kpH").out == "db\ttank\nweb\ttank\n"


def test_info_without_flags_or_with_h_explains_them(guests: Chyves) -> None:
    text = guests("info").out
    assert text == guests("info -h").out == guests("info -ah").out
    assert all(f"\n  {flag}  " in text for flag in "abcdhklnprstuvwz")
    guests("global set default_info_flags=-p -q")
    assert rows_of(guests, "info") == [
        ["Guest/Disks", "Pool"],
        ["db", "tank"],
        ["disk0", "-"],
        ["web", "tank"],
        ["disk0", "-"],
    ]
