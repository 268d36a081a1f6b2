# SPDX-License-Identifier: BSD-2-Clause
"""What the logs say of an administrator's doings, and how they are shown."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from chyves.backend import log
from chyves.errors import Exit
from chyves.simulator import faults
from chyves.simulator.control import fill
from chyves.simulator.world import World
from tests.cli.conftest import UNLOGGED, Chyves
from tests.cli.lines import READING
from tests.simulator.vms import wait_for

HOST = "/chyves/tank/logs"
WEB = "/chyves/tank/guests/web/logs"


@pytest.fixture(autouse=True)
def alice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUDO_USER", "alice")


def lines(chyves: Chyves, folder: str) -> list[str]:
    """Return the lines of a log without times and pids."""
    files = sorted(chyves.host.path(folder).glob("*.log"))
    found = [line for file in files for line in file.read_text().split("\n")[:-1]]
    return [re.sub(r"^.{24} - (\[\d\]) - \(\d+\) ", r"\1 ", line) for line in found]


def news(chyves: Chyves, line: str, *more: str, folder: str = HOST, code: int = 0) -> list[str]:
    """Return what a command line adds to a log, without the words that simulate."""
    before = len(lines(chyves, folder))
    chyves(line, *more, code=code)
    added = lines(chyves, folder)[before:]
    return [text.replace(f"--simulate {chyves.directory} ", "") for text in added]


def test_who_said_what_and_what_became_of_it(guests: Chyves) -> None:
    assert news(guests, "web,db set rcboot=1 -q") == [
        "[1] root for alice: chyves web,db set rcboot=1 -q",
        "[2] web: rcboot=1 in /chyves/tank/guests/web/.config/.cfg",
        "[1] web: set rcboot=1",
        "[2] db: rcboot=1 in /chyves/tank/guests/db/.config/.cfg",
        "[1] db: set rcboot=1",
    ]
    assert lines(guests, WEB)[-3:] == lines(guests, HOST)[-5:][:3]
    assert news(guests, "web snapshot @one", folder=WEB)[1:] == [
        "[3] web: zfs snapshot -r tank/chyves/guests/web@one",
        "[1] web: snapshot @one taken",
    ]


def test_failures_with_what_the_programs_said(guests: Chyves) -> None:
    before = len(guests.commands())
    guests("web snapshot @one -q")
    faults.order(World(guests.directory), "fail", len(guests.commands()) - before)
    _, ran, said, became = news(guests, "web snapshot @two", folder=WEB, code=Exit.HOST)
    assert ran == "[3] web: zfs snapshot -r tank/chyves/guests/web@two"
    assert said.startswith("[3] web: zfs ended with ")
    assert became.startswith("[1] web: failed: ")
    assert news(guests, "nobody delete", code=Exit.NOT_FOUND) == [
        "[1] root for alice: chyves nobody delete",
        "[1] failed: no such guest: nobody",
    ]


def test_snapshots_of_several_guests_are_in_the_log_of_each(guests: Chyves) -> None:
    guests("all snapshot @one -q")
    for name in ("web", "db"):
        folder = f"/chyves/tank/guests/{name}/logs"
        assert lines(guests, folder)[-1] == f"[1] {name}: snapshot @one taken"
        assert sum("zfs snapshot -r" in line for line in lines(guests, folder)) == 1


@pytest.mark.parametrize("line", [*READING, "web set cpu=2 --dry-run", "all delete --dry-run"])
def test_who_only_looks_is_not_logged(line: str, stocked: Chyves) -> None:
    for folder in (HOST, WEB):
        assert news(stocked, line, folder=folder) == []


def test_not_root_is_not_logged(guests: Chyves, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHYVES_SIMULATE_USER", "nobody")
    assert news(guests, "web delete", code=Exit.NOT_PERMITTED) == []


@pytest.mark.parametrize(
    ("setting", "logs"),
    [
        ("log_mode=host", {HOST}),
        ("log_mode=guest", {WEB}),
        ("log_mode=dual", {HOST, WEB}),
        ("log_mode=off", set()),
        ("log_to_file=no", set()),
        ("log_to_file=off", set()),
        ("log_to_file=on", {HOST, WEB}),
    ],
)
def test_where_is_logged(setting: str, logs: set[str], guests: Chyves) -> None:
    name, _, value = setting.partition("=")
    path = "/chyves/tank/.config/global.cfg"
    text = re.sub(rf"(?m)^{name}=.*$", setting, guests.file(path))
    guests.host.path(path).write_text(text)
    before = {folder: lines(guests, folder) for folder in (HOST, WEB)}
    guests("web set cpu=2")
    assert {folder for folder in (HOST, WEB) if lines(guests, folder) != before[folder]} == logs
    assert value


def test_a_value_cannot_forge_a_line(guests: Chyves) -> None:
    forged = "x\x1b[2J\u2028y\t2026-11-26T02:19:12+0000 - [1] - web: deleted"
    guests("web set", f"notes={forged}", "-q")
    guests("web set", "cpu=1\n2026", code=Exit.USAGE)
    text = "".join(guests.host.path(file).read_text() for file in [f"{HOST}/{month()}"])
    assert all(re.match(r"\d{4}-\d\d-\d\dT", line) for line in text.splitlines())
    assert "\x1b" not in text
    assert r"notes=x\x1b[2J\u2028y\t2026" in text


def month() -> str:
    return f"{time.strftime('%Y%m', time.gmtime())}.log"


def test_secrets_stay_out(guests: Chyves) -> None:
    guests("iso import nosuch://me:hush@host/x.iso", code=Exit.USAGE)
    for url in ("http://127.0.0.1:1/a.iso?key=hush", "ftp://127.0.0.1:1/a.iso?it's=hush&x='hush'"):
        guests("iso import", url, code=Exit.HOST)
    guests("web set uefi_vnc_password=hush", code=Exit.NOT_FOUND)
    for folder in (HOST, WEB):
        assert "hush" not in guests.file(f"{folder}/{month()}")
    assert "iso import 'http://127.0.0.1:1/a.iso?***'\n" in guests.file(f"{HOST}/{month()}")


def test_a_log_that_cannot_be_written_is_said_once(guests: Chyves) -> None:
    fill(World(guests.directory), "tank")
    done = guests("all delete --yes --json")
    assert [line for line in done.said if line.startswith(UNLOGGED)] == [
        f"{UNLOGGED}{HOST}/{month()}: No space left on device"
    ]
    assert guests.json("list") == []


def test_the_log_of_a_template_is_read_only_like_it(guests: Chyves) -> None:
    assert guests("web set template=yes").said == []
    assert news(guests, "web snapshot @one", folder=WEB) == []
    assert guests("web set template=no").said == []
    assert lines(guests, HOST)[-1] == "[1] web: set template=no"


def test_guests_that_move_or_change_their_name_take_their_log_along(guests: Chyves) -> None:
    guests("dataset pool2 install -q")
    guests("web rename shop --yes -q")
    guests("shop move pool2 -q")
    guests("shop set cpu=2 -q")
    told = lines(guests, "/chyves/pool2/guests/shop/logs")
    assert told[0].endswith(" web,db create 1M -q")
    assert told[-1] == "[1] shop: set cpu=2"


def test_a_rollback_leaves_the_log_as_it_is(guests: Chyves) -> None:
    for label in ("@one", "@two", "@three"):
        guests(f"web snapshot {label} -q")
    before = lines(guests, WEB)
    guests("web snapshot rollback @one --yes -q")
    after = lines(guests, WEB)
    assert after[: len(before)] == before
    assert after[-1] == "[1] web: rolled back to @one"
    left = {name for name in guests.datasets("tank/chyves/guests/web") if "@" in name}
    assert {name.partition("@")[2] for name in left} == {"one"}
    guests("web snapshot @two -q")


def test_the_log_of_the_host_follows_the_primary_pool(guests: Chyves) -> None:
    guests("dataset pool2 install -q")
    guests("dataset pool2 promote -q")
    assert lines(guests, "/chyves/pool2/logs")[-1] == "[1] pool2: primary, in place of tank"


def test_lines_of_many_never_mix(guests: Chyves) -> None:
    writers = [
        subprocess.Popen(
            [
                *(sys.executable, "-c", WRITER),
                str(guests.directory),
                character * 3000,
            ]
        )
        for character in "abc"
    ]
    assert [writer.wait() for writer in writers] == [0, 0, 0]
    told = [line for line in lines(guests, HOST) if "aaa" in line or "bbb" in line or "ccc" in line]
    assert len(told) == 150
    assert all(re.fullmatch(r".{24} - \[4\] - (a{3000}|b{3000}|c{3000})", line) for line in told)


WRITER = f"""
import sys
from pathlib import Path
from chyves.backend import log
from chyves.hosts import open_host
host = open_host(Path(sys.argv[1]))
for _ in range(50):
    assert log.append(host, "{HOST}", 4, sys.argv[2]) is None
"""


def test_nobody_else_can_keep_a_line_from_being_written(guests: Chyves) -> None:
    """Whoever may read a log can lock it; the lock that counts is for root alone."""
    assert guests.host.path("/var/run/chyves/log.lock").stat().st_mode & 0o077 == 0
    assert log.append(guests.host, HOST, 1, "still") is None


# -- chyves <guest> log -------------------------------------------------------------------------


def old_log(chyves: Chyves, name: str, *texts: str) -> None:
    file = chyves.host.path(f"{WEB}/{name}")
    file.write_text("".join(f"{text}\n" for text in texts))


def test_the_last_lines_go_back_to_earlier_months(guests: Chyves) -> None:
    old_log(guests, "201609.log", "2016-09-11T10:00:00+0000 - [4] - first", "torn\x1b[31m")
    old_log(guests, "201610.log", "2016-10-11T10:00:00+0000 - [1] - third")
    old_log(guests, "notes.txt", "no log")
    here = guests.file(f"{WEB}/{month()}").splitlines()
    assert guests("web log 1").out.splitlines() == here[-1:]
    count = len(here)
    assert guests("web log", str(count + 2)).out.splitlines()[:3] == [
        r"torn\x1b[31m",
        "2016-10-11T10:00:00+0000 - [1] - third",
        here[0],
    ]
    first, torn, *_ = guests.json("web log 1000")
    assert first == {
        "log": "web",
        "time": "2016-09-11T10:00:00+0000",
        "level": 4,
        "message": "first",
    }
    assert (torn["time"], torn["level"], torn["message"]) == (None, None, "torn\x1b[31m")
    assert (
        guests("web log -H 1000").out.splitlines()[0] == "web\t2016-09-11T10:00:00+0000\t4\tfirst"
    )
    assert guests("web log 0").out == ""


def test_lines_of_several_guests_come_in_their_order(guests: Chyves) -> None:
    old_log(
        guests, month(), "2026-01-01T00:00:02+0000 - [1] - b", "2026-01-01T00:00:09+0000 - [1] - d"
    )
    file = guests.host.path(f"/chyves/tank/guests/db/logs/{month()}")
    file.write_text("2026-01-01T00:00:01+0000 - [1] - a\n2026-01-01T00:00:05+0000 - [1] - c\n")
    assert [line[-1] for line in guests("all log").out.splitlines()] == ["a", "b", "c", "d"]
    assert [line[-1] for line in guests("web,db log 2").out.splitlines()] == ["c", "d"]


def test_a_long_log_is_read_from_its_end(guests: Chyves) -> None:
    texts = [f"2026-01-01T00:00:00+0000 - [3] - {number} {'x' * 200}" for number in range(3000)]
    old_log(guests, month(), *texts)
    assert guests("web log 1500").out.splitlines() == texts[-1500:]


def test_why_there_is_nothing(guests: Chyves) -> None:
    guests("global set log_mode=host -q")
    assert "chyves global log" in guests("web log").said[-1]
    guests("global set log_mode=off -q")
    assert "log_mode and log_to_file" in guests("global log").said[-1]


@contextmanager
def following(chyves: Chyves, *words: str) -> Iterator["subprocess.Popen[str]"]:
    """Follow a log with a process of its own, of which the output goes to a file."""
    with (chyves.directory / "followed").open("w") as followed:
        child = subprocess.Popen(
            [sys.executable, "-m", "chyves", "-q", *words],
            env={**os.environ, "CHYVES_SIMULATE": str(chyves.directory)},
            stdout=followed,
            stderr=subprocess.PIPE,
            text=True,
        )
    try:
        yield child
    finally:
        child.kill()
        child.communicate()


def test_following_goes_on_over_rotation_months_and_renames(guests: Chyves) -> None:
    followed = guests.directory / "followed"

    def seen(text: str) -> None:
        wait_for(lambda: text in followed.read_text(), text)

    with following(guests, "web", "log", "1", "-f") as child:
        seen("created on tank")
        guests("web set notes=first -q")
        seen("[1] - (")
        seen("web: set notes=first")
        file = guests.host.path(f"{WEB}/{month()}")
        file.rename(file.with_suffix(".log.0"))
        guests("web set notes=second -q")
        seen("web: set notes=second")
        old_log(guests, "999912.log", "2999-12-01T00:00:00+0000 - [1] - another month")
        seen("another month")
        guests("web rename shop --yes -q")
        assert child.wait(20) == Exit.NOT_FOUND
    text = followed.read_text()
    assert text.count("web: set notes=first") == text.count("web: set notes=second") == 1


def test_ctrl_c_ends_following_well(guests: Chyves) -> None:
    with following(guests, "global", "log", "-f") as child:
        wait_for(lambda: "created on" in (guests.directory / "followed").read_text(), "lines")
        child.send_signal(2)
        assert child.wait(20) == 0
        assert child.stderr
        assert child.stderr.read() == ""


def test_what_has_no_end_is_no_json(guests: Chyves) -> None:
    done = guests("web log -f --json", code=Exit.USAGE)
    assert done.said == [
        "chyves: what has no end is no JSON",
        "hint: -f -H has columns between tabs",
    ]


def test_a_log_mode_that_is_none_is_the_usual_one(guests: Chyves) -> None:
    guests.by_hand("log_mode", "Dual")
    for folder in (HOST, WEB):
        assert any("set cpu=" in line for line in news(guests, "web set cpu=3", folder=folder))
        guests("web set cpu=1 -q")
