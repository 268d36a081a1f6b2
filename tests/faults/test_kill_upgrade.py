# SPDX-License-Identifier: BSD-2-Clause
"""``dataset <pool> upgrade``, killed at each of its steps."""

from chyves.errors import Exit
from tests.cli.conftest import Chyves, bare, put
from tests.cli.original import make_guest, make_pool
from tests.faults.killing import killed_everywhere

__all__ = ["bare", "put"]


def test_upgrade_is_completed_by_another(bare: Chyves) -> None:
    make_pool(bare, "tank", "primary", "0001")
    make_guest(bare, "tank", "g1", 50, "0100")
    make_guest(bare, "tank", "g2", 51, "0202")
    bare.run("zfs", "set", "readonly=on", "tank/chyves/guests/g2")
    expected: list[str] = []
    for host in killed_everywhere(bare, "dataset tank upgrade"):
        (pool,) = host.json("list pools")
        if pool["version"] == "0001":
            host("all set ram=1G", code=Exit.PRECONDITION)
        host("dataset tank upgrade")
        paths = [
            "/chyves/tank/.config/pool.cfg",
            "/chyves/tank/.config/global.cfg",
            "/chyves/tank/guests/.defaults",
            "/chyves/tank/guests/g1/.config/.cfg",
            "/chyves/tank/guests/g2/.config/.cfg",
        ]
        result = [host.file(path) for path in paths]
        expected = expected or result
        assert result == expected
        assert host.zfs("snapdir", "tank/chyves/guests/g1/.config") == "visible"
        assert host.zfs("readonly", "tank/chyves/guests/g2") == "on"
        assert host.zfs("chyves:unfinished", "tank/chyves/guests/g2") == "-"
