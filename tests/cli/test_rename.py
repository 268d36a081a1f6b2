# SPDX-License-Identifier: BSD-2-Clause
"""``rename``: everything follows, or nothing has happened."""

import pytest

from chyves.model import layout
from tests.cli.conftest import Chyves
from tests.cli.plans import guest_runs, same_as_the_real_run


def names(chyves: Chyves) -> list[str]:
    return [guest["name"] for guest in chyves.json("list")]


def test_disks_snapshots_properties_and_clones_follow(chyves: Chyves) -> None:
    chyves("web create 1M")
    chyves("web set notes=mine")
    before = dict(chyves.json("web get all")["web"])
    volume = chyves.host.path("/dev/zvol/tank/chyves/guests/web/disk0")
    volume.write_bytes(b"data")
    chyves("web snapshot @kept")
    chyves("web rename shop -y")
    assert names(chyves) == ["shop"]
    assert chyves.json("shop get all")["shop"] == before
    node = chyves.host.path("/dev/zvol/tank/chyves/guests/shop/disk0")
    assert node.read_bytes()[:4] == b"data"
    assert {one["name"] for one in chyves.json("shop snapshot list")} == {"@kept"}
    assert not chyves.host.path("/chyves/tank/guests/web").exists()


def test_its_tap_tells_the_new_name(chyves: Chyves) -> None:
    chyves("web create 1M")
    chyves("web rename shop -y")
    shown = chyves.host.ask("ifconfig", "tap50").stdout
    assert "description: chyves-tap shop\n" in shown


def test_how_it_ended_last_follows(chyves: Chyves) -> None:
    chyves("web create 1M")
    state = chyves.host.path(layout.state_file("web"))
    state.write_text('{"phase": "failed", "reason": "bhyve crashed"}')
    chyves("web rename shop -y")
    assert chyves.json("list")[0]["last_end"] == "bhyve crashed"


def test_a_property_that_leads_to_the_old_place_is_named(chyves: Chyves) -> None:
    chyves("web create 1M")
    chyves("web set pcidev_1=ahci-cd,/chyves/tank/guests/web/tools.iso")
    done = chyves("web rename shop -y")
    assert "shop: pcidev_1 still leads to /chyves/tank/guests/web" in done.err


@pytest.mark.parametrize(
    ("new", "code"), [("db", 4), ("all", 2), ("-x", 2), ("a,b", 2), ("web", 4), ("foreign", 4)]
)
def test_a_name_that_is_taken_or_none_is_refused(chyves: Chyves, new: str, code: int) -> None:
    chyves("web,db create 1M")
    chyves.host.change("zfs", "create", "tank/chyves/guests/foreign")
    chyves("web rename -y --", new, code=code)
    assert names(chyves) == ["db", "web"]


def test_it_takes_one_guest(chyves: Chyves) -> None:
    chyves("web,db create 1M")
    assert "one guest" in chyves("web,db rename shop -y", code=2).err
    chyves("nobody rename shop -y", code=3)


def test_it_asks_first(chyves: Chyves) -> None:
    chyves("web create 1M")
    assert "--yes" in chyves("web rename shop", code=7).err
    assert names(chyves) == ["web"]


def test_a_dry_run_says_what_the_real_run_does(chyves: Chyves) -> None:
    chyves("web create 1M")
    assert same_as_the_real_run(chyves, "web rename shop") == [
        "ifconfig tap50 description 'chyves-tap shop'",
        "zfs rename tank/chyves/guests/web tank/chyves/guests/shop",
    ]


def test_a_running_guest_is_refused(chyves: Chyves) -> None:
    chyves("web create 1M")
    with guest_runs(chyves, "web"):
        assert "stop" in chyves("web rename shop -y", code=5).err
    assert names(chyves) == ["web"]


def test_who_comes_after_it_is_named(guests: Chyves) -> None:
    guests("mail create 1M -q")
    guests("db set rcboot_after=mail,web -q")
    done = guests("web rename www --yes")
    assert done.said == [
        "chyves: db still comes after web: chyves db set rcboot_after=mail,www",
    ]
    guests("db set rcboot_after=mail,www -q")
    assert guests("www delete --yes").said == [
        "chyves: db came after www, which is gone: chyves db set rcboot_after=mail",
    ]
    assert guests("db,mail delete --yes").said == []
