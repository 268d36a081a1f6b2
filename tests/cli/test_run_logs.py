# SPDX-License-Identifier: BSD-2-Clause
"""What the logs say of a guest's life, and where."""

import re
import time
from collections.abc import Iterator

import pytest

from tests.cli.conftest import Chyves
from tests.cli.runs import Runs, run_on

HOST = "/chyves/tank/logs"
GUEST = "/chyves/tank/guests/web/logs"


@pytest.fixture
def runs(chyves: Chyves) -> Iterator[Runs]:
    with run_on(chyves) as runs:
        runs.chyves("network bridge0 private")
        yield runs


def test_a_life_in_the_logs(runs: Runs) -> None:
    runs.booted()
    runs.type("reboot")
    runs.wait_for_reboots(1)
    runs.chyves("web stop")
    lines = runs.log(GUEST)
    assert [re.sub(r" -.*", "", line) for line in lines] == [
        "[3]",
        "[3]",
        "[2]",
        "[3]",
        "[3]",
        "[1]",
    ]
    loads = f"[3] - web: {' '.join(runs.commands('bhyveload')[0])}"
    boots = f"[3] - web: {' '.join(runs.commands('bhyve')[0])}"
    assert lines[:2] == lines[3:5] == [loads, boots]
    assert lines[2] == "[2] - web: reset; starting again"
    assert lines[5] == "[1] - web: powered off"
    assert runs.log(HOST) == lines


def test_a_file_for_each_month_with_times_in_utc(runs: Runs) -> None:
    before = time.gmtime()
    runs.booted()
    after = time.gmtime()
    (file,) = runs.host.path(GUEST).iterdir()
    assert file.name in {f"{time.strftime('%Y%m', moment)}.log" for moment in (before, after)}
    stamp = file.read_text().split(" - ")[0]
    told = time.strptime(stamp, "%Y-%m-%dT%H:%M:%S+0000")
    assert before[:6] <= told[:6] <= after[:6]


@pytest.mark.parametrize(
    ("mode", "host", "guest"),
    [("dual", True, True), ("host", True, False), ("guest", False, True)],
)
def test_the_log_mode(runs: Runs, mode: str, host: bool, guest: bool) -> None:
    runs.chyves(f"global set log_mode={mode}")
    runs.booted()
    assert (bool(runs.log(HOST)), bool(runs.log(GUEST))) == (host, guest)


def test_no_log_without_log_to_file(runs: Runs) -> None:
    runs.chyves("global set log_to_file=no")
    runs.booted()
    assert runs.log(HOST) == runs.log(GUEST) == []


def test_lines_of_guests_do_not_mix(runs: Runs) -> None:
    names = ("web", "db", "mail")
    runs.create(",".join(names))
    for name in names:
        runs.install(name)
    runs.chyves("all start")
    runs.chyves("all stop")
    lines = runs.log(HOST)
    assert len(lines) == 9
    for name in names:
        assert sum(line.split()[2] == f"{name}:" for line in lines) == 3
