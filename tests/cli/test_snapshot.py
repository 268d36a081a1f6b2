# SPDX-License-Identifier: BSD-2-Clause
"""What a rollback takes back, what it leaves, and how snapshots refuse guests of two times."""

from chyves.backend import zfs
from chyves.errors import Exit
from tests.cli.conftest import Chyves

ROOT = "tank/chyves/guests/web"


def test_a_disk_that_was_added_since_stays_and_is_named(guests: Chyves) -> None:
    guests("web snapshot @one -q")
    guests("web disk add 1M -q")
    done = guests("web snapshot rollback @one --yes")
    assert done.said == [f"chyves: {ROOT}/disk1 is not in @one: it stays as it is now"]
    assert f"{ROOT}/disk1" in guests.datasets(ROOT)


def test_what_became_a_template_since_is_none_again(guests: Chyves) -> None:
    guests("web snapshot @one -q")
    guests("web set template=yes -q")
    assert guests("web snapshot rollback @one --yes").out == "web: rolled back to @one\n"
    assert guests.zfs("readonly", ROOT) == "off"
    guests("web set cpu=2 -q")


def test_what_was_a_template_is_read_only_again(guests: Chyves) -> None:
    guests("web set template=yes -q")
    guests("web snapshot @one -q")
    guests("web set template=no -q")
    guests("web snapshot rollback @one --yes -q")
    assert guests.zfs("readonly", ROOT) == "on"
    assert guests("web get template").out == "web's template=yes\n"
    guests("web snapshot rollback @one --yes -q")
    assert guests.zfs("readonly", ROOT) == "on"


def test_a_guest_of_two_times_gets_no_snapshot(guests: Chyves) -> None:
    guests("web snapshot @one -q")
    guests.run("zfs", "set", f"{zfs.UNFINISHED}={zfs.ROLLBACK}@one tap50", ROOT)
    done = guests("all snapshot @two", code=Exit.PRECONDITION)
    assert done.out == "db: snapshot @two taken\n"
    assert "chyves: web: its rollback to @one was not finished" in done.err
    assert f"{ROOT}@two" not in guests.datasets(ROOT)
    guests("web snapshot rollback @one --yes -q")
    guests("web snapshot @two -q")
