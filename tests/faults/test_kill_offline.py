# SPDX-License-Identifier: BSD-2-Clause
"""``dataset <pool> offline`` and ``online``, killed at each of their steps."""

import pytest

from tests.cli.conftest import Chyves, bare, chyves, put
from tests.faults.killing import killed_everywhere

__all__ = ["bare", "chyves", "put"]


@pytest.mark.parametrize("verb", ["offline", "online"])
def test_pool_is_either_there_or_not_and_both_ways_are_open(chyves: Chyves, verb: str) -> None:
    chyves("dataset pool2 install -q")
    chyves("mail create 1M pool2 -q")
    if verb == "online":
        chyves("dataset pool2 offline -q")
    for host in killed_everywhere(chyves, f"dataset pool2 {verb}"):
        roles = {pool["name"]: pool["role"] for pool in host.json("list pools")}
        seen = [guest["name"] for guest in host.json("list")]
        assert (roles["pool2"], seen) in [("secondary", ["mail"]), ("offline", [])]
        for again in (verb, "offline", "online"):
            host(f"dataset pool2 {again}")
        assert [guest["name"] for guest in host.json("list")] == ["mail"]
        assert host.zfs("mountpoint", "pool2/chyves") == "/chyves/pool2"
        host("dataset pool2 offline")
        assert host.zfs("mountpoint", "pool2/chyves_offline") == "/chyves/.offline/pool2"
        assert host.json("list") == []
