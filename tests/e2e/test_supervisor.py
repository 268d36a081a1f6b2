# SPDX-License-Identifier: BSD-2-Clause
"""The supervisor on a real machine: what its programs get, and what it costs."""

import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from chyves.backend.run import ENVIRONMENT
from chyves.model import layout
from tests.bench.memory import supervisors_memory
from tests.realhost import RealSupervisor
from tests.simulator.vms import wait_for

TELL = """
import json, os, signal, sys, time
told = {
    "env": dict(os.environ),
    "cwd": os.getcwd(),
    "files": [os.readlink(f"/proc/self/fd/{n}") for n in os.listdir("/proc/self/fd")
              if os.path.lexists(f"/proc/self/fd/{n}")],
    "ignored": [n for n in (1, 2, 13, 15) if signal.getsignal(n) is signal.SIG_IGN],
    "blocked": sorted(signal.pthread_sigmask(signal.SIG_BLOCK, ())),
}
with open(sys.argv[1], "w") as file:
    json.dump(told, file)
os.rename(sys.argv[1], sys.argv[1] + ".told")
time.sleep(60)
"""

Start = Callable[..., RealSupervisor]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start supervisors; they are ended after the test."""
    started: list[RealSupervisor] = []

    def start(*programs: tuple[str, ...], **more: Any) -> RealSupervisor:
        started.append(RealSupervisor(tmp_path, "web", *programs, **more))
        return started[-1]

    yield start
    for supervisor in started:
        try:
            os.kill(supervisor.pid, signal.SIGTERM)
        except ProcessLookupError:
            continue
        finally:
            supervisor.close()


def state(root: Path) -> Any:
    return json.loads((root / layout.state_file("web").lstrip("/")).read_text())


def test_the_surroundings_of_bhyve_are_pinned(tmp_path: Path, start: Start) -> None:
    told = tmp_path / "told"
    env = {**os.environ, "SECRET": "of the starter", "LC_ALL": "de_DE.UTF-8", "PATH": "/nowhere"}
    start((sys.executable, "-I", "-c", TELL, str(told)), env=env)
    file = told.with_suffix(".told")
    wait_for(file.exists, "bhyve told")
    found = json.loads(file.read_text())
    assert found["env"] == dict(ENVIRONMENT)
    assert found["cwd"] == "/"
    log = str(tmp_path / layout.bhyve_log("web").lstrip("/"))
    assert set(found["files"]) == {"/dev/null", log}
    assert found["blocked"] == []
    assert 1 not in found["ignored"]
    assert 15 not in found["ignored"]


def test_a_reset_and_an_end(tmp_path: Path, start: Start) -> None:
    supervisor = start(("sh", "-c", "exit 0"), ("sh", "-c", "echo some words >&2; exit 4"))
    assert supervisor.wait_for("restarting")["reason"] == "reset"
    ended = supervisor.wait_for("failed")
    assert ended["reason"] == "bhyve failed with exit code 4: some words"
    kept = state(tmp_path)
    assert [end["code"] for end in kept["exits"]] == [0, 4]
    assert (kept["phase"], kept["reason"]) == ("failed", ended["reason"])


def test_a_power_off(start: Start) -> None:
    assert start(("sh", "-c", "exit 1")).wait_for("stopped")["reason"] == "powered off"


def test_a_bhyve_that_is_not_installed(start: Start) -> None:
    assert start(("no-such-bhyve",)).wait_for("failed")["reason"] == "no-such-bhyve: not found"


def test_the_power_button_is_sigterm_to_bhyve(start: Start) -> None:
    acpi = "trap 'exit 1' TERM; while :; do sleep 0.05; done"
    supervisor = start(("sh", "-c", acpi))
    supervisor.wait_for("running")
    os.kill(supervisor.pid, signal.SIGTERM)
    supervisor.wait_for("stopped")


def test_a_second_supervisor_of_a_guest_gives_way(tmp_path: Path, start: Start) -> None:
    first = start(("sleep", "60"))
    first.wait_for("running")
    with pytest.raises(AssertionError, match="ended before it was starting"):
        RealSupervisor(tmp_path, "web", ("sleep", "60"))
    os.kill(first.pid, 0)


def test_it_is_a_small_process(tmp_path: Path) -> None:
    assert supervisors_memory(tmp_path, 3) <= 12
