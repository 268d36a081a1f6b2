# SPDX-License-Identifier: BSD-2-Clause
"""What no scenario of the lab can show: refusals of which zfs(8) on Linux never comes back, and
what chyves itself would write."""

import errno
import os

import pytest

from chyves.simulator.host import SimulatedHost
from chyves.simulator.world import World
from chyves.simulator.zfs import writing
from tests.simulator.conftest import Type


@pytest.mark.parametrize("length", [256, 300])
def test_a_tag_that_is_too_long_holds_nothing(shell: Type, length: int) -> None:
    shell("zfs snapshot tank@s")
    held = shell(f"zfs hold {'t' * length} tank@s")
    assert (held.code, held.stderr) == (1, "cannot hold snapshot 'tank@s': tag too long\n")
    assert shell("zfs get -H -o value userrefs tank@s").stdout == "0\n"


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ("-o readonly=on", errno.EROFS),
        ("-o quota=1M", errno.EDQUOT),
        ("-o refquota=1M", errno.EDQUOT),
    ],
)
def test_chyves_is_refused_what_zfs_would_refuse(
    world: World, shell: Type, options: str, why: int
) -> None:
    host = SimulatedHost(world)
    shell(f"zfs create {options} tank/a")
    if why == errno.EDQUOT:
        host.may_write("/tank/a/file")
        writing.write_at(world, "/tank/a/file", 0, b"x" * (2 << 20))
    with pytest.raises(OSError, match=os.strerror(why)):
        host.may_write("/tank/a/file")
    host.may_write("/tank/file")
