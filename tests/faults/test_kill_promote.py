# SPDX-License-Identifier: BSD-2-Clause
"""``dataset <pool> promote``, killed at each of its steps."""

from typing import Any

from chyves.errors import Exit
from tests.cli.conftest import Chyves, bare, chyves, put
from tests.cli.original import write
from tests.faults.killing import killed_everywhere

__all__ = ["bare", "chyves", "put"]


NEW = "/chyves/pool2/.config/pool.cfg"


def sights(host: Chyves) -> dict[str, Any]:
    """What a user sees that does not depend on which pool is primary."""
    (primary,) = [pool["name"] for pool in host.json("list pools") if pool["role"] == "primary"]
    return {
        "global": host.json("list global primary")[primary]["global"],
        "defaults": host.json("list defaults"),
        "media": [(one["name"], one["size"]) for one in host.json("iso list")],
        "guests": [guest["name"] for guest in host.json("list")],
        "logs": host.file(f"/chyves/{primary}/logs/202601.log"),
    }


def test_there_is_always_one_primary_pool_with_all_it_needs(chyves: Chyves) -> None:
    chyves("dataset pool2 install -q")
    chyves("mail create 1M pool2 -q")
    write(chyves, "/chyves/tank/logs/202601.log", "long ago\n")
    expected = sights(chyves)
    for host in killed_everywhere(chyves, "dataset pool2 promote"):
        assert sights(host) == expected
        host("mail set ram=1G")
        roles = {pool["name"]: pool["role"] for pool in host.json("list pools")}
        if roles["tank"] == "secondary" and "promoted_over" in host.file(NEW):
            host("dataset tank offline", code=Exit.PRECONDITION)
            host("dataset tank uninstall force --yes", code=Exit.PRECONDITION)
        host("dataset pool2 promote")
        assert sights(host) == expected
        assert {name.partition("@")[0] for name in host.datasets("tank/chyves")} == {
            "tank/chyves",
            "tank/chyves/.config",
            "tank/chyves/guests",
        }
        assert "promoted_over" not in host.file(NEW)
        assert host.zfs("chyves:unfinished", "pool2/chyves/ISO") == "-"
        host("dataset tank promote")
        assert sights(host) == expected
        host("dataset pool2 offline")
