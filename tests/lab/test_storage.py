# SPDX-License-Identifier: BSD-2-Clause
"""Which tests are run with a real zfs."""

import os
import subprocess
import sys
from itertools import chain
from pathlib import Path

from tests.lab.command_line import OTHERWISE

HERE = Path(__file__).parents[2]

TESTS = """
import pytest
from chyves.simulator.host import SimulatedRunner
from chyves.simulator.world import World

@pytest.fixture
def runner(tmp_path):
    runner = SimulatedRunner(World.make(tmp_path / "host"))
    runner.run(["zfs", "create", "tank/before"])
    return runner

def test_looks(runner):
    runner.run(["zfs", "list", "-H"])

def test_tries(runner):
    runner.run(["zfs", "destroy", "-n", "tank/before"])

def test_does_something_else(runner):
    runner.run(["ifconfig", "bridge0", "create"])

@pytest.mark.parametrize("name", ["one", "two"])
def test_creates(runner, name):
    runner.run(["zfs", "create", f"tank/{name}"])

def test_fails(runner):
    assert runner.run(["zpool", "export", "nopool"]).code == 0

def test_copies(runner):
    runner.run(["zfs", "snapshot", "tank/before@one"])
    runner.pipe(["zfs", "send", "tank/before@one"], ["zfs", "receive", "tank/after"], print)
"""


def test_those_that_change_storage_are_found(tmp_path: Path) -> None:
    (tmp_path / "test_some.py").write_text(TESTS)
    seen = tmp_path / "seen"
    seen.mkdir()
    command = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider")
    done = subprocess.run(
        (*command, "-p", "tests.lab.storage", "--rootdir", str(tmp_path), str(tmp_path)),
        env={**os.environ, "CHYVES_STORAGE": str(seen), "PYTEST_ADDOPTS": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "1 failed, 6 passed" in done.stdout
    found = [line for file in seen.iterdir() for line in file.read_text().splitlines()]
    tests = ["test_creates[one]", "test_creates[two]", "test_fails", "test_copies"]
    assert found == [f"test_some.py::{test}" for test in tests]


def test_those_that_are_left_out_are_there() -> None:
    for test in chain(*OTHERWISE.values()):
        file, _, name = test.partition("::")
        assert f"def {name.partition('[')[0]}(" in (HERE / "tests/cli" / file).read_text()
