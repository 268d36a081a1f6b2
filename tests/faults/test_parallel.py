# SPDX-License-Identifier: BSD-2-Clause
"""Several chyves at once, each a process of its own: no number twice, no write lost."""

import json
from pathlib import Path
from typing import Any

import pytest

from chyves.errors import Exit
from tests.faults import harness
from tests.faults.harness import Chyves


@pytest.fixture
def host(furnished_host: Chyves) -> Chyves:
    return furnished_host.copy("parallel")


def _properties(host: Chyves) -> dict[str, dict[str, str]]:
    return {guest["name"]: guest["properties"] for guest in host.data("list")}


def _codes(ended: list[harness.Ended]) -> list[int]:
    return sorted(one.code for one in ended)


def test_twenty_creates_share_no_number(host: Chyves) -> None:
    names = [f"vm{number}" for number in range(20)]
    ended = host.together([f"{name} create 1M" for name in names])
    assert [one.code for one in ended] == [0] * 20, ended
    found = _properties(host)
    assert set(names) < set(found)
    for unique in ("net_ifaces", "serial", "uuid"):
        assert len({properties[unique] for properties in found.values()}) == len(found)
    assert harness.unowned(host) == []


def test_parallel_sets_lose_no_write(host: Chyves) -> None:
    wanted = {
        "ram": "512M",
        "cpu": "3",
        "rcboot": "4",
        "description": "a",
        "notes": "b",
        "os": "debian",
        "serial": "nmdm90",
        "loader": "bhyveload",
    }
    ended = host.together([f"web set {name}={value}" for name, value in wanted.items()])
    assert _codes(ended) == [0] * len(wanted), ended
    assert wanted.items() <= _properties(host)["web"].items()


def test_parallel_sets_on_global_lose_no_write(host: Chyves) -> None:
    wanted = {
        "tap_start_offset": "80",
        "console_start_offset": "81",
        "uefi_vnc_port_start_offset": "5990",
        "log_mode": "host",
        "default_info_flags": "-z",
        "default_list_flags": "-k",
    }
    lines = [f"global set {name}={value}" for name, value in wanted.items()]
    ended = host.together([*lines, "mail create 1M", "network bridge1 attach em1"])
    assert _codes(ended) == [0] * len(ended), ended
    assert wanted.items() <= host.data("global get all")["global"].items()
    bridges = {one["name"]: one for one in host.data("list bridges")}
    assert bridges["bridge1"]["uplink"] == "em1"
    assert "mail" in [tap["guest"] for tap in bridges["bridge0"]["taps"]]


@pytest.mark.parametrize(
    "value", ["serial=nmdm77", "uuid=8d0f5d5e-3b4a-4c0e-9a1d-5f2f6a7b8c9d", "uefi_vnc_port=5999"]
)
def test_of_two_that_want_one_number_one_is_refused(host: Chyves, value: str) -> None:
    ended = host.together([f"web set {value}", f"db set {value}"])
    assert len([one for one in ended if one.code == 0]) == 1, ended
    name, _, wanted = value.partition("=")
    assert [one.get(name) for one in _properties(host).values()].count(wanted) == 1


def test_of_two_creates_of_one_name_one_wins(host: Chyves) -> None:
    ended = host.together(["mail create 1M", "mail create 1M"])
    assert _codes(ended) == [0, Exit.CONFLICT], ended
    assert "mail" in _properties(host)
    assert harness.unowned(host) == []


def test_of_two_deletes_of_one_guest_one_wins(host: Chyves) -> None:
    ended = host.together(["web delete", "web delete"])
    assert _codes(ended)[0] == 0
    assert _codes(ended)[1] in (0, Exit.NOT_FOUND), ended
    assert set(_properties(host)) == {"db"}
    assert harness.unowned(host) == []


def test_creates_and_deletes_leave_what_nobody_took_away(host: Chyves) -> None:
    host("a,b,c,d create 1M")
    lines = ["a delete", "e create 1M", "b delete", "f create 1M", "c,d delete", "g create 1M"]
    ended = host.together(lines)
    assert _codes(ended) == [0] * len(lines), ended
    assert set(_properties(host)) == {"web", "db", "e", "f", "g"}
    assert harness.unowned(host) == []


def test_a_reader_sees_a_guest_or_none_while_it_is_deleted(host: Chyves) -> None:
    for name in ("a", "b", "c", "d"):
        host(f"{name} create 1M")
        deleting = host.starts(f"{name} delete")
        seen: list[bool] = []
        while deleting.poll() is None:
            ended = host.ends("list --json")
            assert ended.code == 0
            assert ended.errors == []
            seen.append(_lists(ended, name))
        deleting.communicate()
        assert deleting.returncode == 0
        assert seen == sorted(seen, reverse=True), "it came back"


def _lists(ended: harness.Ended, name: str) -> bool:
    data: list[dict[str, Any]] = json.loads(ended.out)["data"]
    return name in [guest["name"] for guest in data]


def test_taps_are_added_and_bridges_changed_at_once(host: Chyves) -> None:
    lines = [
        *["network web add tap", "network db add tap bridge1"] * 3,
        "network bridge1 attach em1",
        "network bridge0 join tap5,tap7",
    ]
    ended = host.together(lines)
    assert _codes(ended) == [0] * len(lines), ended
    assert harness.unowned(host, ("tap5", "tap7")) == []
    bridges = {one["name"]: one for one in host.data("list bridges")}
    assert [one["uplink"] for one in bridges.values()] == ["em0", "em1"]
    assert [len(one["taps"]) for one in bridges.values()] == [7, 3]
    ended = host.together(
        ["network bridge1 migrate bridge2", "network web add tap bridge2", "db delete"]
        + ["network bridge0 unjoin tap5", "network bridge0 unjoin tap7"]
    )
    assert _codes(ended) == [0] * 5, ended
    assert harness.unowned(host) == []
    assert set(host.interfaces()) - {"em0", "em1", "lo0", "bridge0", "bridge2"} == {
        tap["name"] for one in host.data("list bridges") for tap in one["taps"]
    }


def test_two_installs_at_once_make_one_primary(bare_host: Chyves) -> None:
    host = bare_host.copy("installs")
    ended = host.together(["dataset tank install", "dataset pool2 install"])
    assert _codes(ended) == [0, 0], ended
    assert sorted(p["role"] for p in host.data("list pools")) == ["primary", "secondary"]
    assert harness.unowned(host) == []


def test_of_two_installs_on_one_pool_one_wins(bare_host: Chyves) -> None:
    host = bare_host.copy("installs")
    ended = host.together(["dataset tank install", "dataset tank install"])
    assert _codes(ended) == [0, Exit.CONFLICT], ended
    assert harness.unowned(host) == []


def test_of_two_imports_of_one_name_one_wins(host: Chyves, media: Path) -> None:
    line = f"iso import {media / 'freebsd.iso'}"
    ended = host.together([line, line, line])
    assert _codes(ended) == [0, Exit.CONFLICT, Exit.CONFLICT], ended
    assert [one["name"] for one in host.data("iso list")] == [
        "debian.iso",
        "freebsd.iso",
        "null.iso",
    ]
    assert harness.unowned(host) == []
