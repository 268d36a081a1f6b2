# SPDX-License-Identifier: BSD-2-Clause
"""For people and for programs: JSON, -H, -p, -q, -v, and where the output goes."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from chyves import __version__
from chyves.commands.table import GUEST_VERBS, TOP_COMMANDS
from chyves.errors import Exit
from tests.cli.conftest import Chyves
from tests.cli.lines import READING
from tests.documents import PAGE

Golden = Callable[[str, str], None]

VARYING = {
    r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b": "UUID",
    r"\w{3} \w{3} \d\d [\d:]{8} UTC \d{4}": "DATE",
    r'(?<="check_for_updates_last_check": ")\d{8}': "DAY",
    r"\b\d{4}-\d\d-\d\dT[\d:]{8}\+0000": "TIME",
    r"\(\d+\) ": "(PID) ",
    r'(?<="created": )\d+': "0",
    r'(?<="used": )\d+': "0",
    r'(?<="free": )\d+(?=,?\n)': "0",
    r'(?<="freed": )\d+': "0",
    rf"\b{re.escape(__version__)}": "VERSION",
    r"freed [\d.]+[BKMG]": "freed 0B",
    r'(?<="simulated_in": ")[^"]+': "DIRECTORY",
}
"""What differs from run to run."""


NO_GOLDEN = {"debug", "help"}
"""What is longer than anybody would read again."""


def normal(text: str) -> str:
    for varying, instead in VARYING.items():
        text = re.sub(varying, instead, text)
    return text


def file_name(line: str) -> str:
    return f"json/{re.sub(r'[^a-z0-9]+', '-', line.lower())}.json"


@pytest.mark.parametrize("line", [line for line in READING if line not in NO_GOLDEN])
def test_reading_verbs_as_json(line: str, stocked: Chyves, golden: Golden) -> None:
    done = stocked(f"{line} --json")
    assert done.said == []
    golden(file_name(line), normal(done.out))
    described = PAGE.read_text().partition(".Sh JSON")[2].partition(".Sh ")[0]
    missing = members(done.data) - set(re.findall(r"\w+", described))
    assert not missing, f"describe them in the section JSON of {PAGE.name}"


def test_a_screen_as_json(stocked: Chyves, golden: Golden) -> None:
    stocked("web set loader=uefi uefi_console_output=vnc uefi_vnc_port=5907 -q")
    golden(file_name("web console vnc"), normal(stocked("web console vnc --json").out))


def test_one_command_as_json(stocked: Chyves, golden: Golden) -> None:
    golden(file_name("help start"), normal(stocked("help start --json").out))


def members(data: Any) -> set[str]:
    """Return the names of the members of all objects that are in lists."""
    if not isinstance(data, list):
        return set()
    objects = [entry for entry in data if isinstance(entry, dict)]
    below = (members(value) for entry in objects for value in entry.values())
    return set().union(*objects, *below)


def test_help_as_json_is_the_table_of_commands(chyves: Chyves) -> None:
    words = [entry["word"] for entry in chyves.json("help")["commands"]]
    assert words == sorted([*TOP_COMMANDS, *GUEST_VERBS])


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("new create 1M", Exit.OK),
        ("all set rcboot=1 defaults cpu=2", Exit.OK),
        ("web set rcboot=0", Exit.OK),
        ("web unset pcidev_1", Exit.OK),
        ("all snapshot @two", Exit.OK),
        ("web snapshot delete @one --yes", Exit.OK),
        ("network web add tap", Exit.OK),
        ("network bridge0 attach em0 --dry-run", Exit.OK),
        ("web delete --yes", Exit.OK),
        ("web delete", Exit.NOT_PERMITTED),
        ("wbe delete", Exit.NOT_FOUND),
        ("web get colour", Exit.NOT_FOUND),
        ("db,web set cpu=2 global stdout_level=9", Exit.USAGE),
        ("web create 1M", Exit.CONFLICT),
        ("--json web strat", Exit.USAGE),
        ("--json lsit", Exit.USAGE),
    ],
)
def test_results_and_failures_as_json(
    line: str, code: Exit, stocked: Chyves, golden: Golden
) -> None:
    done = stocked(line if line.startswith("--json") else f"{line} --json", code=code)
    envelope = json.loads(done.out)
    assert envelope["schema"] == 1
    assert envelope["ok"] is (code is Exit.OK)
    assert {error["code"] for error in envelope["errors"]} == set(
        [] if code is Exit.OK else [code.name.lower()]
    )
    golden(file_name(line.replace("--json", "")), normal(done.out))


def test_several_kinds_of_failures_share_one_code(stocked: Chyves) -> None:
    stocked("web set template=yes -q")
    done = stocked("web set cpu=2 db cpu=zero --json", code=Exit.FAILED)
    errors = json.loads(done.out)["errors"]
    assert [(error["target"], error["code"]) for error in errors] == [
        ("web", "precondition"),
        ("db", "usage"),
    ]


@pytest.mark.parametrize(
    "line", [line for line in READING if line not in ("debug", "help", "info -a", "version")]
)
def test_without_headers_cells_are_separated_by_tabs(line: str, stocked: Chyves) -> None:
    stocked("web set", "description=two  blanks", "-q")
    table, plain = stocked(line).out.splitlines(), stocked(f"{line} -H").out.splitlines()
    if line not in ("host", "list bridges", "web get all", "web log 1", "web wait --for stopped"):
        assert len(plain) == len(table) - 1
        columns = len(re.split(r"  +", table[0])) + table[0].startswith("Guest/Disks")
        assert {row.count("\t") for row in plain} <= {columns - 1}
    assert all("\t" in row for row in plain)


def test_exact_numbers(stocked: Chyves) -> None:
    assert stocked("list disks -H").out.splitlines()[1].split("\t")[2] == "1M"
    assert stocked("list disks -H -p").out.splitlines()[1].split("\t")[2] == str(1 << 20)
    taken = stocked.json("list snapshots")[0]["created"]
    assert stocked("list snapshots -H -p").out.splitlines()[0].split("\t")[2] == str(taken)
    assert stocked("iso list -Hp").out == "a.img\t5\nnull.iso\t0\n"
    assert re.fullmatch(r"\d+", stocked("web snapshot list -Hp").out.split("\t")[1])


def test_quiet_says_nothing_but_data_and_errors(bare: Chyves) -> None:
    assert bare("dataset tank install").said == []
    for line in ("web create 1M -q", "-q list", "list -q", "web snapshot -q", "info -s --quiet"):
        assert bare(line).err == ""
    assert bare("nobody delete -q", code=Exit.NOT_FOUND).err.startswith("chyves: no such guest")


def test_verbose_shows_each_program_that_changes_something(chyves: Chyves) -> None:
    assert chyves("web create 1M").said == []
    done = chyves("web delete --yes -v")
    assert "ifconfig bridge0 deletem tap50" in done.said
    assert [
        line for line in done.said if line.startswith("zfs destroy -r tank/chyves/.deleted-web-")
    ]
    assert chyves("list pools -v").said == []


# -- as real processes --------------------------------------------------------------------------


def process(chyves: Chyves, *words: str, **streams: Any) -> subprocess.CompletedProcess[str]:
    env = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    return subprocess.run(
        [sys.executable, "-m", "chyves", *words],
        env={**env, "CHYVES_SIMULATE": str(chyves.directory)},
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        **streams,
    )


@pytest.mark.parametrize("words", ["help", "list", "list --json", "web get all", "list --help"])
def test_nobody_reads_the_output(words: str, guests: Chyves) -> None:
    """As in ``chyves list | head -0``: the end by a signal that shells know, and no complaint."""
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = process(guests, "-q", *words.split(), stdout=writing)
    finally:
        os.close(writing)
    assert (done.returncode, done.stderr) == (141, "")


def test_output_that_cannot_be_written_is_no_bug(guests: Chyves) -> None:
    with open("/dev/full", "wb") as full:
        done = process(guests, "-q", "web", "set", "cpu=3", stdout=full.fileno())
    assert done.returncode == Exit.FAILED
    assert done.stderr.startswith("chyves: cannot write the output: No space left on device\n")
    assert "cpu=3\n" in guests.file("/chyves/tank/guests/web/.config/.cfg")


@pytest.mark.parametrize(
    ("line", "after"),
    [
        ("a,b,c create 1M", ["a", "b", "c", "db", "web"]),
        ("web,db delete --yes", []),
        ("web clone a,b,c -iu", ["a", "b", "c", "db", "web"]),
    ],
)
def test_a_change_goes_on_when_its_output_is_lost(
    line: str, after: list[str], guests: Chyves
) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = process(guests, *line.split(), "-v", stdout=writing)
    os.close(writing)
    assert done.returncode == 141
    assert "Broken pipe" not in done.stderr
    assert [row["name"] for row in guests.json("list")] == after


def test_a_change_whose_output_is_lost_is_logged_whole(guests: Chyves) -> None:
    with open("/dev/full", "wb") as full:
        done = process(guests, "all", "set", "notes=q", stdout=full.fileno())
    assert done.returncode == Exit.FAILED
    assert [line for line in done.stderr.splitlines() if "cannot write the output" in line]
    for guest in ("web", "db"):
        assert guests(f"{guest} get notes").out == f"{guest}'s notes=q\n"
        assert "set notes=q" in guests(f"{guest} log 1").out


def test_a_failure_is_told_by_the_exit_code_though_the_output_is_lost(guests: Chyves) -> None:
    with open("/dev/full", "wb") as full:
        done = process(guests, "web,nobody", "delete", "--yes", stdout=full.fileno())
    assert done.returncode == Exit.NOT_FOUND
    assert "chyves: cannot write the output: No space left on device" in done.stderr
    assert [row["name"] for row in guests.json("list")] == ["db"]


def test_info_as_json_needs_no_flags(guests: Chyves) -> None:
    assert [guest["name"] for guest in guests.json("info")] == ["db", "web"]
    assert guests("info").out.startswith("chyves info -<flags>")


def test_only_the_first_lines_are_read(guests: Chyves) -> None:
    command = f"{sys.executable} -m chyves -q help | head -n 1"
    env = {**os.environ, "CHYVES_SIMULATE": str(guests.directory)}
    done = subprocess.run(command, shell=True, env=env, capture_output=True, check=True)
    assert (done.stdout.count(b"\n"), done.stderr) == (1, b"")


def test_output_that_is_closed_is_no_bug(guests: Chyves) -> None:
    done = process(guests, "-q", "list", preexec_fn=lambda: os.close(1))
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("close", [True, False])
def test_nobody_hears_what_is_said(close: bool, guests: Chyves) -> None:
    """Neither where stderr is closed, nor where it is full: what is asked is done all the same."""

    def deafen() -> None:
        if close:
            os.close(2)
        else:
            os.dup2(os.open("/dev/full", os.O_WRONLY), 2)

    for line, code in (("web,db set cpu=2", 0), ("nobody,db start", 3), ("db,web wait", 2)):
        done = process(guests, "-q", *line.split(), preexec_fn=deafen)
        assert done.returncode == code, line
    assert [row["value"] for row in guests.json("list cpu")] == ["2", "2"]


def test_options_may_stand_anywhere(guests: Chyves) -> None:
    for line in ("-H web get cpu", "web -H get cpu", "web get -H cpu", "web get cpu -H"):
        assert guests(line).out == "web\tcpu\t1\n"
    assert guests("web --dry-run set cpu=2").out.startswith("web: set cpu=2\n")
    assert guests("web get cpu").out == "web's cpu=1\n"


def test_what_is_wrong_with_words_is_one_line(guests: Chyves) -> None:
    assert guests.refused("web wait", code=Exit.USAGE).splitlines() == [
        "Missing option '--for'. Choose from: running, stopped",
        "hint: chyves <guest>[,...]|all wait --for running|stopped",
    ]
