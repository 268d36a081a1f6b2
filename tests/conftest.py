# SPDX-License-Identifier: BSD-2-Clause
"""What all tests share."""

import os
import signal
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytest.register_assert_rewrite("tests.faults.harness", "tests.machine")

GOLDEN = Path(__file__).parent / "golden"

MEMORY = "/dev/shm"
ENOUGH = 2 << 30
"""Bytes; the tests take a few hundred million at a time."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--regenerate", action="store_true", help="rewrite the golden files, to be read in a diff"
    )


def pytest_configure() -> None:
    """Keep the many small files of the tests in memory, where there is room and programs may be
    run: on a disk a third of the time goes by with making and removing them."""
    if "TMPDIR" not in os.environ and os.path.isdir(MEMORY) and not os.environ.get("CHYVES_LAB"):
        there = os.statvfs(MEMORY)
        if there.f_bavail * there.f_frsize > ENOUGH and not there.f_flag & os.ST_NOEXEC:
            os.environ["TMPDIR"] = MEMORY
            tempfile.tempdir = None


@pytest.fixture(scope="session", autouse=True)
def ctrl_c_ends_programs() -> None:
    """A shell without job control lets what it runs in the background ignore SIGINT: the tests, and
    so all that they start."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def no_wait_for_the_disk() -> Iterator[None]:
    """Let fsync(2) return at once: no test cuts the power of the machine it runs on. The lab has
    real devices to wait for."""
    with pytest.MonkeyPatch.context() as patch:
        if not os.environ.get("CHYVES_LAB"):
            patch.setattr(os, "fsync", lambda descriptor: None)
        yield


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """Compare a text with the golden file of that name, or with --regenerate write the file."""

    def compare(name: str, text: str) -> None:
        path = GOLDEN / name
        if request.config.getoption("--regenerate"):
            path.write_text(text)
        assert text == path.read_text(), f"{path}: pytest --regenerate rewrites it"

    return compare
