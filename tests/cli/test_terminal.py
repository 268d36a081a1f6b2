# SPDX-License-Identifier: BSD-2-Clause
"""Values that would take over a terminal or fall out of their column; how much is said."""

import os
import subprocess
import sys

import pytest

from chyves.errors import Exit
from tests.cli.conftest import Chyves

EVIL = "\x1b[2J\x1b]0;owned\x07 a\tb \\n \u202e\x9b"
SHOWN = r"\x1b[2J\x1b]0;owned\x07 a\tb \n \u202e\u009b"
COLUMN = SHOWN.replace(r" \n ", r" \\n ")

LINES = ["list", "info -a", "list description", "web get description", "web get all", "list disks"]


@pytest.fixture
def evil(guests: Chyves) -> Chyves:
    guests("web set", f"description={EVIL}", f"disk0_description={EVIL}", "-q")
    return guests


@pytest.mark.parametrize("line", LINES)
def test_people_see_control_characters(line: str, evil: Chyves) -> None:
    assert SHOWN in evil(line).out


@pytest.mark.parametrize("line", LINES)
def test_columns_stay_columns(line: str, evil: Chyves) -> None:
    rows = [row.split("\t") for row in evil(line, "-H").out.splitlines()]
    assert any(COLUMN in row for row in rows)
    assert len({len(row) for row in rows}) == 1


def test_json_has_the_value_as_it_is(evil: Chyves) -> None:
    assert evil.json("web get description") == {"web": {"description": EVIL}}
    assert "\x1b" not in evil("web get description --json").out


def test_what_was_done_and_what_failed_is_harmless_too(evil: Chyves) -> None:
    assert evil("web set", f"description={EVIL}").out == f"web: has description={SHOWN}\n"
    assert "\x1b" not in evil("-q", EVIL, "start", code=Exit.NOT_FOUND).err
    assert "\x1b" not in evil("list", EVIL, code=Exit.USAGE).err
    assert "\x1b" not in evil("web set", f"{EVIL}=1", code=Exit.USAGE).err
    assert "\x1b" not in evil("list", f"--{EVIL}", code=Exit.USAGE).err


def test_a_file_whose_name_has_a_line_break_is_one_row(guests: Chyves) -> None:
    guests.host.path("/chyves/tank/guests/web/img/a\nb\t.raw").write_bytes(bytes(512))
    assert "\n  a\\nb\\t.raw  512B  " in guests("list disks").out
    assert "web\ta\\nb\\t.raw\t512B\t-\t-\n" in guests("list disks -H").out


@pytest.mark.parametrize("encoding", ["iso8859-1", "ascii", "utf-8"])
def test_a_locale_that_lacks_characters_is_no_bug(encoding: str, guests: Chyves) -> None:
    guests("web set", "description=café 日本", "-q")
    env = {**os.environ, "CHYVES_SIMULATE": str(guests.directory), "PYTHONIOENCODING": encoding}
    argv = [sys.executable, "-m", "chyves", "-q", "list"]
    done = subprocess.run(argv, env=env, capture_output=True, check=True)
    assert "café 日本".encode(encoding, "backslashreplace") in done.stdout
    assert done.stderr == b""


# -- how much is said, and whether it is asked --------------------------------------------------


def test_stdout_level_0_is_quiet(chyves: Chyves) -> None:
    assert "no guests" in chyves("list").err
    chyves("global set stdout_level=0 -q")
    assert "no guests" not in chyves("list").err
    assert chyves("nobody get cpu", code=Exit.NOT_FOUND).err.endswith("chyves list shows all\n")


def test_stdout_level_3_is_verbose(chyves: Chyves) -> None:
    chyves("global set stdout_level=3 -q")
    assert "ifconfig tap50 create" in chyves("web create 1M").err
    assert "ifconfig" not in chyves("db create 1M -q").err


@pytest.mark.parametrize("level", ["1", "2", ""])
def test_other_levels_are_the_usual(level: str, guests: Chyves) -> None:
    path = guests.host.path("/chyves/tank/.config/global.cfg")
    path.write_text(path.read_text().replace("stdout_level=2", f"stdout_level={level}"))
    done = guests("web snapshot")
    assert (done.said, done.out[:4]) == ([], "web:")


@pytest.mark.parametrize(
    "line",
    [
        "web delete",
        "web rename new",
        "web disk delete disk0",
        "web snapshot rollback @one",
        "web snapshot delete @one",
        "iso delete a.img",
    ],
)
def test_nothing_is_asked_if_that_is_switched_off(line: str, stocked: Chyves) -> None:
    assert "add --yes" in stocked(line, code=Exit.NOT_PERMITTED).err
    stocked("global set prompt_on_destruction=no -q")
    stocked(line)


def test_a_disk_is_never_cut_off_unasked(guests: Chyves) -> None:
    guests("global set prompt_on_destruction=no -q")
    guests("web disk resize disk0 8M -q")
    assert "add --yes to cut it off" in guests("web disk resize disk0 1M", code=7).err
