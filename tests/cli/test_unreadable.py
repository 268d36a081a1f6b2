# SPDX-License-Identifier: BSD-2-Clause
"""Guests whose properties are there and cannot be read: nobody takes them for none."""

import json

import pytest

from chyves.backend import store, survey
from chyves.backend.host import Host
from chyves.errors import Exit
from chyves.model import layout
from chyves.model.config import ConfigFile
from tests.cli.conftest import Chyves
from tests.cli.plans import guest_runs

CONFIG = "tank/chyves/guests/web/.config"
HINT = f"hint: zfs mount {CONFIG}"


@pytest.fixture
def unreadable(guests: Chyves) -> Chyves:
    guests.run("zfs", "unmount", CONFIG)
    return guests


@pytest.mark.parametrize(
    "line",
    [
        "new create 1M",
        "db clone new",
        "network db add tap",
        "network db remove tap51",
        "network bridge0 unjoin tap50",
        "db set serial=nmdm50",
        "db set uefi_console_output=vnc",
        "web create 1M",
        "db rename web --yes",
        "web set cpu=2",
        "web start",
        "web delete --yes",
        "dataset tank uninstall force --yes",
    ],
)
def test_nothing_is_done_that_needs_to_know_them(unreadable: Chyves, line: str) -> None:
    before = unreadable.state()
    done = unreadable(line, code=Exit.PRECONDITION)
    assert done.said[-1] == HINT
    assert unreadable.changed(before) == set()


def test_where_all_are_meant_it_fails_for_one(unreadable: Chyves) -> None:
    done = unreadable("all set cpu=2", code=Exit.PRECONDITION)
    assert done.out == "db: set cpu=2\n"
    assert done.said == ["chyves: web: its properties cannot be read", HINT]
    told = json.loads(unreadable("all get cpu --json", code=Exit.PRECONDITION).out)
    assert [failure["target"] for failure in told["errors"]] == ["web"]


def test_where_it_is_one_of_several_the_others_have_their_turn(unreadable: Chyves) -> None:
    for line in ("web,db start --dry-run", "db,web snapshot", "web,db get cpu"):
        done = unreadable(line, code=Exit.PRECONDITION)
        assert "db" in done.out
        assert done.said[:2] == ["chyves: web: its properties cannot be read", HINT]
    unreadable("web,nosuch start", code=Exit.FAILED)
    unreadable("web,web start", code=Exit.PRECONDITION)


def test_its_log_can_be_read_all_the_same(unreadable: Chyves) -> None:
    assert "created on tank" in unreadable("web log").out


def test_lists_name_it(unreadable: Chyves) -> None:
    done = unreadable("list")
    assert done.said == [f"chyves: web: its properties cannot be read; zfs mount {CONFIG}"]
    assert unreadable("db set cpu=2").out == "db: set cpu=2\n"


def test_it_is_stopped_all_the_same(unreadable: Chyves) -> None:
    assert unreadable("web stop").out == "web: not running\n"
    assert unreadable("all stop").out == "db: not running\nweb: not running\n"
    with guest_runs(unreadable, "web"):
        assert "web" in unreadable("all stop --dry-run").out


def test_a_file_that_is_lost_is_put_back(guests: Chyves) -> None:
    guests.host.path("/chyves/tank/guests/web/.config/.cfg").unlink()
    done = guests("web start", code=Exit.PRECONDITION)
    assert done.said[-1] == (
        "hint: put back /chyves/tank/guests/web/.config/.cfg; snapshots have it in "
        "/chyves/tank/guests/web/.config/.zfs/snapshot"
    )


@pytest.mark.parametrize("text", [b"", b"\n", b"# empty\n", bytes(range(256)) * 8])
def test_a_file_that_is_damaged_is_as_one_that_is_lost(text: bytes, guests: Chyves) -> None:
    guests.host.path("/chyves/tank/guests/web/.config/.cfg").write_bytes(text)
    assert "web: its properties cannot be read; put back " in guests("list").err
    done = guests("new create 1M", code=Exit.PRECONDITION)
    assert "chyves: new: the properties of web cannot be read" in done.said
    assert guests.json("list")[0]["name"] == "db"


@pytest.mark.parametrize("version", ["", "abc", "5"])
def test_a_pool_of_no_version(version: str, guests: Chyves) -> None:
    config = guests.host.path("/chyves/tank/.config/pool.cfg")
    text = config.read_text().replace("dataset_version=0005", f"dataset_version={version}")
    config.write_text(text)
    why = guests.refused("web set cpu=2", code=Exit.PRECONDITION)
    assert "put back /chyves/tank/.config/pool.cfg" in why


@pytest.fixture
def two(guests: Chyves) -> Chyves:
    guests("dataset pool2 install -q")
    guests("far create 1M pool2 -q")
    return guests


POOL2 = "/chyves/pool2/.config/pool.cfg"


@pytest.mark.parametrize("text", [None, "", "\n"])
def test_the_properties_of_another_pool_are_lost(text: str | None, two: Chyves) -> None:
    file = two.host.path(POOL2)
    file.unlink()
    if text is not None:
        file.write_text(text)
    done = two("web set cpu=2")
    assert done.out == "web: set cpu=2\n"
    assert len(done.said) == 1
    assert done.said[0].startswith(f"chyves: {POOL2}")
    assert [guest["name"] for guest in two.json("list")] == ["db", "far", "web"]
    taken = {two(f"{guest} get net_ifaces").out for guest in ("db", "far", "web")}
    two("new create 1M -q")
    assert two("new get net_ifaces").out not in taken


def test_the_properties_of_the_primary_pool_are_lost(guests: Chyves) -> None:
    file = guests.host.path("/chyves/tank/.config/pool.cfg")
    file.write_text("")
    done = guests("web set cpu=2", code=Exit.PRECONDITION)
    assert done.said[-2] == ("chyves: no primary pool, and the properties of tank cannot be read")
    assert done.said[-1] == (
        "hint: put back /chyves/tank/.config/pool.cfg; "
        "snapshots have it in /chyves/tank/.config/.zfs/snapshot"
    )


@pytest.mark.parametrize("file", [".config/global.cfg", "guests/.defaults"])
@pytest.mark.parametrize("text", ["", "bridge0_tap_members=tap50\n"])
def test_a_file_that_was_emptied_is_not_as_it_was_initially(
    guests: Chyves, file: str, text: str
) -> None:
    guests.host.path(f"/chyves/tank/{file}").write_text(text)
    said = f"chyves: /chyves/tank/{file} has nothing that such a file begins with: put it back; "
    assert [line[: len(said)] for line in guests("web set cpu=2").said] == [said]


def test_a_second_primary_pool(two: Chyves) -> None:
    """One that was imported from another host, with its guests."""
    for name in (".config/global.cfg", "guests/.defaults"):
        two.host.path(f"/chyves/pool2/{name}").write_text(two.file(f"/chyves/tank/{name}"))
    file = two.host.path(POOL2)
    file.write_text(file.read_text().replace("secondary", "primary"))
    why = two.refused("far set cpu=2", code=Exit.PRECONDITION)
    assert why.startswith("more than one primary pool: pool2, tank\nhint: zpool export one of them")
    assert "dataset_role=secondary into its /chyves/<pool>/.config/pool.cfg" in why
    assert [guest["name"] for guest in two.json("list")] == ["db", "far", "web"]
    assert two("all stop").code == 0
    file.write_text(file.read_text().replace("primary", "secondary"))
    assert two("far set cpu=2").out == "far: set cpu=2\n"


def test_a_role_that_is_none(two: Chyves) -> None:
    file = two.host.path(POOL2)
    file.write_text(file.read_text().replace("secondary", "bogus"))
    assert two("far set cpu=2").said == [
        f"chyves: {POOL2}: dataset_role=bogus is no role: write primary or secondary"
    ]


@pytest.mark.parametrize(
    ("file", "lines"),
    [
        ("guests/.defaults", ["defaults set cpu=2", "network bridge0 default"]),
        (".config/global.cfg", ["global set stdout_level=2", "network bridge0 private"]),
    ],
)
def test_a_file_of_a_pool_that_is_lost_is_no_bug(
    guests: Chyves, file: str, lines: list[str]
) -> None:
    guests.host.path(f"/chyves/tank/{file}").unlink()
    for line in lines:
        done = guests(line, code=Exit.PRECONDITION)
        assert f"/chyves/tank/{file}: No such file or directory" in done.err
        assert "an empty file stands for what chyves has by itself" in done.said[-1]


def test_one_that_is_deleted_meanwhile_is_none(
    guests: Chyves, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another chyves takes it out of sight between the datasets and the files."""
    read = store.read_config
    file = layout.guest_config("tank", "web")
    dataset, hidden = "tank/chyves/guests/web", "tank/chyves/.deleted-web-20261127101500"

    def read_late(host: Host, path: str) -> ConfigFile:
        if path == file and host.path(path).exists():
            guests.run("zfs", "rename", dataset, hidden)
        return read(host, path)

    monkeypatch.setattr(survey, "read_config", read_late)
    done = guests("list")
    assert "cannot be read" not in done.err
    assert [guest["name"] for guest in guests.json("list")] == ["db"]
