# SPDX-License-Identifier: BSD-2-Clause
"""The short life of two guests on a real ZFS, with libzfs_core or through zfs(8) alone."""

import pytest

from tests.cli.conftest import Chyves
from tests.lab.inside import volumes
from tests.lab.inside.conftest import WITHOUT_LIBRARY
from tests.lab.real import use_library

ROOT = "tank/chyves/guests"
LIBRARY = {"rollback", "snapshot"}
"""Verbs of zfs(8) in whose place libzfs_core is asked."""


def test_guests_come_and_go(one_pool: Chyves, monkeypatch: pytest.MonkeyPatch) -> None:
    chyves = one_pool
    if not WITHOUT_LIBRARY:
        use_library(monkeypatch)
    before, earlier = chyves.datasets("tank"), len(chyves.commands())
    web, kid = (chyves.host.path(f"/dev/zvol/{ROOT}/{name}/disk0") for name in ("web", "kid"))
    chyves("web create 1M -q")
    volumes.write(web, "one")
    chyves("web clone kid -ce -q")
    assert chyves.zfs("origin", f"{ROOT}/kid/disk0").startswith(f"{ROOT}/web/disk0@")
    volumes.write(web, "two")
    chyves("web,kid snapshot @one -q")
    taken = [f"{ROOT}/{name}@one" for name in ("web", "kid", "web/disk0", "kid/disk0")]
    assert len(set(chyves.run("zfs", "get", "-Ho", "value", "createtxg", *taken).split())) == 1
    for disk in (web, kid):
        volumes.write(disk, "three")
    chyves.run("zfs", "snapshot", "-r", f"{ROOT}/kid@two")
    chyves("kid snapshot rollback @one --yes -q")
    assert [volumes.read(disk) for disk in (web, kid)] == ["three", "one"]
    chyves("web,kid delete --yes -q")
    assert chyves.datasets("tank") == before
    by_chyves = [words for words in chyves.commands()[earlier:] if "@two" not in words[-1]]
    asked = {words[1] for words in by_chyves if words[0] == "zfs"} & LIBRARY
    assert asked == (LIBRARY if WITHOUT_LIBRARY else set())
