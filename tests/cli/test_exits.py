# SPDX-License-Identifier: BSD-2-Clause
"""How a line can end: each exit status, by something that a user can run into."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence

import pytest

from chyves.backend import snapshots, survey
from chyves.backend.host import Host
from chyves.errors import Exit
from chyves.model.history import Snapshot
from chyves.simulator import faults
from tests.cli.conftest import Chyves
from tests.cli.plans import guest_runs

Ending = Callable[[Chyves, pytest.MonkeyPatch], int]


def _while_it_runs(chyves: Chyves, _: pytest.MonkeyPatch) -> int:
    with guest_runs(chyves, "web"):
        return chyves("web delete --yes", code=Exit.BUSY).code


def _two_ways(chyves: Chyves, _: pytest.MonkeyPatch) -> int:
    line = "web,db set uuid=8d0f5d5e-3b4a-4c0e-9a1d-5f2f6a7b8c00 global stdout_level=9"
    return chyves(line, code=1).code


def _as_a_program_fails(chyves: Chyves, _: pytest.MonkeyPatch) -> int:
    faults.order(chyves.host.world, "fail", 1)
    done = chyves("list", code=Exit.HOST)
    assert done.said[0].endswith("failed as ordered")
    return done.code


def _raising(error: BaseException, code: Exit, said: str) -> Ending:
    """What a user sees if reading the guests ends so."""

    def end(chyves: Chyves, monkeypatch: pytest.MonkeyPatch) -> int:
        def read_inventory(host: object) -> None:
            raise error

        monkeypatch.setattr(survey, "read_inventory", read_inventory)
        done = chyves("list", code=code)
        assert done.out == ""
        assert done.said[0].startswith(f"chyves: {said}")
        return done.code

    return end


def _ending(line: str, code: Exit) -> Ending:
    return lambda chyves, _: chyves(line, code=code).code


ENDINGS: dict[Exit, Ending] = {
    Exit.OK: _ending("list", Exit.OK),
    Exit.FAILED: _two_ways,
    Exit.USAGE: _ending("lsit", Exit.USAGE),
    Exit.NOT_FOUND: _ending("nobody start", Exit.NOT_FOUND),
    Exit.CONFLICT: _ending("web create 1M", Exit.CONFLICT),
    Exit.BUSY: _while_it_runs,
    Exit.PRECONDITION: _ending("new create 10T", Exit.PRECONDITION),
    Exit.NOT_PERMITTED: _ending("web delete", Exit.NOT_PERMITTED),
    Exit.HOST: _as_a_program_fails,
    Exit.BUG: _raising(
        RuntimeError("unheard of"), Exit.BUG, "bug: RuntimeError: unheard of (test_exits.py:"
    ),
    Exit.INTERRUPTED: _raising(KeyboardInterrupt(), Exit.INTERRUPTED, "interrupted"),
}


@pytest.mark.parametrize("code", Exit)
def test_a_line_can_end_so(code: Exit, guests: Chyves, monkeypatch: pytest.MonkeyPatch) -> None:
    assert ENDINGS[code](guests, monkeypatch) == code


def test_who_interrupts_has_what_was_done_in_json(
    chyves: Chyves, monkeypatch: pytest.MonkeyPatch
) -> None:
    chyves("web,db create 1M -q")
    real = snapshots.taken

    def interrupted(host: Host, roots: Sequence[str]) -> list[Snapshot]:
        if any(root.endswith("/db") for root in roots):
            raise KeyboardInterrupt
        return real(host, roots)

    monkeypatch.setattr(snapshots, "taken", interrupted)
    told = json.loads(chyves("web,db delete --yes --json", code=Exit.INTERRUPTED).out)
    assert [one["target"] for one in told["results"]] == ["web"]
    assert [(one["code"], one["message"]) for one in told["errors"]] == [
        ("interrupted", "interrupted")
    ]
    assert told["changed"]
    assert not told["ok"]


def test_who_interrupts_with_nobody_to_read_it_sees_no_traceback(chyves: Chyves) -> None:
    """As of ``chyves ... | head``, Ctrl-C in both."""
    line = ["--simulate", str(chyves.directory), "--json", "web", "wait", "--for", "running"]
    chyves("web create 1M -q")
    reading, writing = os.pipe()
    os.close(reading)
    child = subprocess.Popen(
        [sys.executable, "-m", "chyves", *line], stdout=writing, stderr=subprocess.PIPE, text=True
    )
    os.close(writing)
    assert child.stderr
    assert "simulated" in child.stderr.readline()
    child.send_signal(signal.SIGINT)
    assert child.communicate(timeout=30)[1] == "chyves: interrupted\n"
    assert child.returncode == 128 + signal.SIGPIPE
