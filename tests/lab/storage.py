# SPDX-License-Identifier: BSD-2-Clause
"""``pytest -p tests.lab.storage``: write down which tests change pools, datasets or snapshots, in a
file of the folder ``CHYVES_STORAGE`` for each process, a test each line."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.lab.asked import looking_at_programs

LOOKS = {"get", "holds", "list", "version"}
"""Verbs of zfs and zpool that change nothing."""

_running = ""
_changing: dict[str, None] = {}


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """A host that is made ready for a test is none of its doing."""
    global _running
    _running = item.nodeid
    try:
        yield
    finally:
        _running = ""


def pytest_sessionfinish() -> None:
    lines = "".join(f"{test}\n" for test in _changing)
    Path(os.environ["CHYVES_STORAGE"], str(os.getpid())).write_text(lines)


@pytest.fixture(autouse=True, scope="session")
def noted() -> Iterator[None]:
    """Look at each program that this process starts on a simulated host."""
    with looking_at_programs(_note):
        yield


def _note(argv: Sequence[str]) -> None:
    if _running and _changes_storage(argv):
        _changing[_running] = None


def _changes_storage(argv: Sequence[str]) -> bool:
    return argv[0] in ("zfs", "zpool") and argv[1] not in LOOKS and "-n" not in argv
