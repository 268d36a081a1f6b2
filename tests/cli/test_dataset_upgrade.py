# SPDX-License-Identifier: BSD-2-Clause
"""``dataset <pool> upgrade`` and ``<guest> upgrade``: what older versions left becomes current."""

import pytest

from chyves.errors import Exit
from chyves.model.upgrades import GUEST_STEPS, POOL_STEPS
from tests.cli import original
from tests.cli.conftest import Chyves
from tests.cli.original import config, make_guest, make_pool, write

TANK_DEFAULTS = "/chyves/tank/guests/.defaults"
TANK_GLOBAL = "/chyves/tank/.config/global.cfg"
TANK_POOL = "/chyves/tank/.config/pool.cfg"


def values(text: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in text.splitlines())


def replace(chyves: Chyves, path: str, old: str, new: str) -> None:
    text = chyves.file(path)
    assert old in text
    write(chyves, path, text.replace(old, new))


@pytest.fixture
def old(bare: Chyves) -> Chyves:
    """A host with a primary pool of the first version, and two guests on it."""
    make_pool(bare, "tank", "primary", "0001")
    make_guest(bare, "tank", "g1", 50, "0100")
    make_guest(bare, "tank", "g2", 51, "0202")
    return bare


@pytest.mark.parametrize("version", [step.old for step in POOL_STEPS])
def test_every_older_pool_becomes_what_chyves_0_2_0_has(bare: Chyves, version: str) -> None:
    make_pool(bare, "tank", "primary", version)
    assert f"of version {version}, older" in bare("all set ram=1G", code=Exit.PRECONDITION).err
    assert bare("dataset tank upgrade").out == f"tank: upgraded from {version} to 0005\n"
    assert bare.file(TANK_POOL) == original.POOL.replace("secondary", "primary")
    assert values(bare.file(TANK_DEFAULTS)) == values(original.DEFAULTS)
    assert values(bare.file(TANK_GLOBAL)) == values(original.GLOBAL)
    bare("web create 1M")


@pytest.mark.parametrize("version", [step.old for step in GUEST_STEPS])
def test_every_older_guest_becomes_what_chyves_0_2_0_has(bare: Chyves, version: str) -> None:
    make_pool(bare, "tank", "primary")
    make_guest(bare, "tank", "g4", 53, version)
    write(bare, config("tank", "g4"), bare.file(config("tank", "g4")) + "mine=kept\nno property\n")
    assert bare("g4 upgrade").out == f"g4: upgraded from {version} to 0300\n"
    lines = bare.file(config("tank", "g4")).splitlines()
    assert "no property" in lines
    lines.remove("no property")
    expected = values(original.GUEST.replace("d649e44c", "d649e453"))
    assert values("\n".join(lines)) == {**expected, "mine": "kept"}
    assert bare.zfs("snapdir", "tank/chyves/guests/g4/.config") == "visible"
    bare("g4 start --dry-run")


def test_pool_takes_its_guests_along(old: Chyves) -> None:
    done = old("dataset primary upgrade")
    assert done.out == (
        "g1: upgraded from 0100 to 0300\n"
        "g2: upgraded from 0202 to 0300\n"
        "tank: upgraded from 0001 to 0005\n"
    )
    assert values(old.file(config("tank", "g1")))["bargs"] == "-A -H -P -S"
    assert values(old.file(config("tank", "g1")))["bhyve_net_type"] == "virtio-net"


def test_what_is_current_is_left_alone(old: Chyves) -> None:
    old("dataset tank upgrade")
    before = old.state()
    assert old("dataset tank upgrade").out == (
        "g1: is of version 0300\ng2: is of version 0300\ntank: is of version 0005\n"
    )
    assert old("all upgrade").out == "g1: is of version 0300\ng2: is of version 0300\n"
    assert old.state() == before


def test_values_that_are_there_stay(old: Chyves) -> None:
    with old.host.path(TANK_DEFAULTS).open("a") as file:
        file.write("bhyve_disk_type=virtio-blk\n")
    with old.host.path(config("tank", "g1")).open("a") as file:
        file.write("bhyve_net_type=e1000\n")
    old("dataset tank upgrade")
    assert "bhyve_disk_type=virtio-blk\n" in old.file(TANK_DEFAULTS)
    assert values(old.file(config("tank", "g1")))["bhyve_net_type"] == "e1000"
    assert values(old.file(config("tank", "g1")))["bhyve_disk_type"] == "virtio-blk"


@pytest.mark.parametrize("order", ["tank pool2", "pool2 tank"])
def test_pools_are_upgraded_in_any_order(old: Chyves, order: str) -> None:
    make_pool(old, "pool2", "secondary", "0002")
    make_guest(old, "pool2", "g4", 53, "0100")
    with old.host.path(TANK_DEFAULTS).open("a") as file:
        file.write("bhyve_disk_type=virtio-blk\n")
    for pool in order.split():
        old(f"dataset {pool} upgrade")
    guest = values(old.file(config("pool2", "g4")))
    assert (guest["bargs"], guest["bhyve_disk_type"]) == ("-A -H -P -S", "virtio-blk")
    assert "global.cfg" not in [p.name for p in old.host.path("/chyves/pool2/.config").iterdir()]
    assert old.json("list pools") == [
        {"name": "pool2", "role": "secondary", "version": "0005"},
        {"name": "tank", "role": "primary", "version": "0005"},
    ]


@pytest.mark.parametrize(
    ("version", "complaint"),
    [("0006", "it is of version 0006, newer than 0005"), ("0000", "never been a version 0000")],
)
def test_unknown_pool_versions_are_refused(old: Chyves, version: str, complaint: str) -> None:
    replace(old, TANK_POOL, "version=0001", f"version={version}")
    assert complaint in old.refused("dataset tank upgrade", code=Exit.PRECONDITION)


def test_a_guest_of_unknown_version_does_not_hold_the_others_back(old: Chyves) -> None:
    replace(old, config("tank", "g1"), "guest_version=0100", "guest_version=0777")
    done = old("dataset tank upgrade", code=Exit.PRECONDITION)
    assert "g1: it is of version 0777, newer than 0300" in done.err
    assert done.out == "g2: upgraded from 0202 to 0300\ntank: upgraded from 0001 to 0005\n"
    assert "g1: it is of version 0777" in old("all upgrade", code=Exit.PRECONDITION).err


def test_a_template_is_upgraded_and_stays_read_only(old: Chyves) -> None:
    replace(old, config("tank", "g1"), "template=no", "template=yes")
    old.run("zfs", "set", "readonly=on", "tank/chyves/guests/g1")
    old("dataset tank upgrade")
    assert "chyves_guest_version=0300\n" in old.file(config("tank", "g1"))
    assert old.zfs("readonly", "tank/chyves/guests/g1") == "on"
    assert old.zfs("chyves:unfinished", "tank/chyves/guests/g1") == "-"


def test_dry_run_says_what_would_be_written(old: Chyves) -> None:
    before = old.state()
    plan = old("dataset tank upgrade --dry-run").out.splitlines()
    assert old.state() == before
    assert "zfs set snapdir=visible tank/chyves/guests/g1/.config" in plan
    assert plan[-1] == f"# dataset_version=0005 in {TANK_POOL}"


def test_passthru_is_mentioned_where_bargs_were_chosen(old: Chyves) -> None:
    replace(old, TANK_DEFAULTS, "bargs=-A -H -P\n", "bargs=-A -H\n")
    assert "passthru needs -S in bargs" in old("dataset tank upgrade").err
    assert "bargs=-A -H\n" in old.file(TANK_DEFAULTS)


def test_chyves_0_2_0_pools_are_used_as_they_are(bare: Chyves) -> None:
    make_pool(bare, "tank", "primary")
    make_pool(bare, "pool2", "secondary")
    make_guest(bare, "pool2", "g4", 53)
    before = bare.state()
    bare("list")
    bare("info -a")
    assert bare("all upgrade").out == "g4: is of version 0300\n"
    bare("dataset pool2 upgrade")
    assert bare.state() == before
