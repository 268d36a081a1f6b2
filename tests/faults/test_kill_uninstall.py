# SPDX-License-Identifier: BSD-2-Clause
"""``dataset <pool> uninstall force``, killed at each of its steps."""

import pytest

from chyves.errors import Exit
from tests.cli.conftest import Chyves, bare, chyves, put
from tests.faults.killing import killed_everywhere

__all__ = ["bare", "chyves", "put"]


@pytest.mark.parametrize("pool", ["tank", "pool2"])
def test_pool_is_either_there_or_not_and_another_completes_it(chyves: Chyves, pool: str) -> None:
    if pool == "pool2":
        chyves("dataset pool2 install -q")
    chyves(f"mail,dns create 1M {pool} -q")
    line = f"dataset {pool} uninstall force --yes"
    for host in killed_everywhere(chyves, line):
        known = [one["name"] for one in host.json("list pools")]
        seen = [guest["name"] for guest in host.json("list")]
        assert seen == (["dns", "mail"] if pool in known else [])
        if pool in known:
            host(line)
        elif host.datasets(pool) != {pool}:
            assert "was interrupted" in host(f"dataset {pool} install", code=Exit.CONFLICT).err
            host(line)
        assert host.datasets(pool) == {pool}
        assert host.run("ifconfig", "-l").split() == ["em0", "lo0", "bridge0"]
        if pool == "pool2":
            assert "bridge0_tap_members=-\n" in host.file("/chyves/tank/.config/global.cfg")
        host(f"dataset {pool} install")
