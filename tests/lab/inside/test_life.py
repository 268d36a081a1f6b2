# SPDX-License-Identifier: BSD-2-Clause
"""The short life of two guests on a real ZFS, with libzfs_core and through zfs(8) alone."""

import pytest

from tests.cli.conftest import Chyves
from tests.lab.inside import volumes
from tests.lab.real import use_library

ROOT = "tank/chyves/guests"
LIBRARY = {"rollback", "snapshot"}
"""Verbs of zfs(8) in whose place libzfs_core is asked."""


def test_guests_come_and_go_in_both_ways(one_pool: Chyves) -> None:
    with pytest.MonkeyPatch.context() as patch:
        use_library(patch)
        assert not LIBRARY & come_and_go(one_pool)
    assert come_and_go(one_pool) >= LIBRARY


def come_and_go(chyves: Chyves) -> set[str]:
    """Create, clone, change and delete guests; return for what zfs(8) was used."""
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
    chyves("web,kid snapshot @two -q")
    chyves("kid snapshot rollback @one --yes -q")
    assert [volumes.read(disk) for disk in (web, kid)] == ["three", "one"]
    chyves("web,kid delete --yes -q")
    assert chyves.datasets("tank") == before
    return {words[1] for words in chyves.commands()[earlier:] if words[0] == "zfs"}
