# SPDX-License-Identifier: BSD-2-Clause
"""Type a recorded session at a simulated host and compare what it answers."""

import re
import shlex
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from chyves.simulator.net.interfaces import open_tap
from chyves.simulator.world import World
from tests.simulator.conftest import run
from tests.simulator.living import living

SESSIONS = Path(__file__).parents[1] / "data/sessions"


def without_accidents(text: str) -> str:
    """Replace what belongs to one run: MAC addresses, pids, kernel addresses, the host's IP."""
    text = re.sub(r"ether [0-9a-f:]{17}", "ether MAC", text)
    text = re.sub(r"Opened by PID \d+", "Opened by PID N", text)
    text = re.sub(r"0x[0-9a-f]{16}", "ADDRESS", text)
    return re.sub(r"10\.0\.2\.15|192\.0\.2\.10", "IP", re.sub(r"[\d.]+\.255$", "LAST", text))


def answer(world: World, line: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return what a line of commands prints, in the form of the sessions."""
    with monkeypatch.context() as patch:
        if line.startswith("su -m nobody -c "):
            patch.setenv("CHYVES_SIMULATE_USER", "nobody")
            line = shlex.split(line)[-1]
        results = [run(world, *shlex.split(one)) for one in line.split(";")]
    said = "".join(result.stdout for result in results)
    complained = [row for result in results for row in result.stderr.splitlines()]
    return said + "".join(f"[stderr] {row}\n" for row in complained) + f"[exit {results[-1].code}]"


def replay(world: World, name: str, monkeypatch: pytest.MonkeyPatch) -> int:
    """Replay a session; return the number of its commands."""
    opened: dict[str, AbstractContextManager[int]] = {}
    steps = re.split(r"(?m)^(?=[$#] )", (SESSIONS / name).read_text())[1:]
    for step in steps:
        line, _, expected = step[2:].partition("\n")
        word, _, device = line.partition(" ")
        if step.startswith("$"):
            said = answer(world, line, monkeypatch)
            assert _lines(said) == _lines(expected), f"$ {line}"
        elif word == "open":
            opened[device] = living(world, "sleep 60")
            assert open_tap(world, device, opened[device].__enter__()) == 0
        else:
            opened.pop(device).__exit__(None, None, None)
    return sum(step.startswith("$") for step in steps)


def _lines(text: str) -> list[str]:
    return [without_accidents(line) for line in text.strip().splitlines()]
