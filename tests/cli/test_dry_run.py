# SPDX-License-Identifier: BSD-2-Clause
"""``--dry-run`` prints the programs that the real run then runs, and changes nothing."""

from collections.abc import Callable

import pytest

from chyves.errors import Exit
from tests.cli.conftest import Chyves
from tests.cli.lines import CHANGING
from tests.cli.plans import same_as_the_real_run

NO_PROGRAMS = {
    *("set", "unset", "group", "upgrade", "default", "private", "notes", "move", "import")
}
"""Words of lines that only write files, where nothing is to be changed on the host."""

RUN = {"console", "reclaim", "reload", "run", "start", "stop"}


LINES = [
    *(line.removesuffix(" --yes") for line in CHANGING if line.split()[1] not in RUN),
    "new,other create 2M",
    "all delete",
    "web delete keepnet",
    "web set template=yes",
    "all snapshot @two",
    "network bridge4 attach em0",
    "network web add tap60 bridge4",
    "network all add tap",
]


@pytest.mark.parametrize("line", LINES)
def test_the_plan_is_what_is_run(
    line: str, stocked: Chyves, with_source: Callable[[str], str]
) -> None:
    line = with_source(line)
    before = stocked.state()
    planned = stocked(f"{line} --dry-run")
    assert planned.out
    assert stocked.state() == before
    assert stocked.json(f"{line} --dry-run") is None
    programs = same_as_the_real_run(stocked, line)
    if not NO_PROGRAMS & set(line.split()):
        assert programs


def test_a_plan_says_what_is_written_into_files(stocked: Chyves) -> None:
    done = stocked("web set cpu=2 db notes=x --dry-run")
    assert done.out == (
        "web: set cpu=2\n"
        "db: set notes=x\n"
        "# cpu=2 in /chyves/tank/guests/web/.config/.cfg\n"
        "# notes=x in /chyves/tank/guests/db/.config/.cfg\n"
    )


def test_a_plan_of_what_has_no_room(guests: Chyves) -> None:
    for line in ("new create 10T", "web disk add 10T"):
        done = guests(f"{line} --dry-run", code=Exit.PRECONDITION)
        assert done.said[0].endswith(": out of space")
    done = guests("new,other create 40G --dry-run", code=Exit.PRECONDITION)
    assert done.said[0] == (
        "chyves: other: cannot create 'tank/chyves/guests/other/disk0': out of space"
    )
    guests("defaults set disk_sparse=yes -q")
    guests("new create 10T --dry-run")


def test_everybody_may_plan(stocked: Chyves, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHYVES_SIMULATE_USER", "nobody")
    done = stocked("new create 1M --dry-run")
    assert "zfs create -V 1048576 -o volblocksize=16384 tank/chyves/guests/new/disk0\n" in done.out
