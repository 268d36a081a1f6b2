# SPDX-License-Identifier: BSD-2-Clause
"""What the simulated zfs refuses, the real one was asked for: some scenario comes to each refusal
in its source, or the reason why none does stands here."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

import chyves.simulator.zfs
from chyves.simulator.zfs.errors import RefusedError
from tests.lab.contract.compare import REAL, simulate
from tests.lab.contract.scenarios import SCENARIOS

SOURCE = Path(chyves.simulator.zfs.__file__).parent

ELSEWHERE = {"pools.py", "poolview.py", "zpool.py"}
"""All that chyves asks of zpool(8) is a list."""

MAKERS = {"RefusedError", "_refuse", "_corrupt", "_cut_short"}
"""What makes a refusal of the words that it is given."""

PRIVILEGES = ("permission denied", "Insufficient privileges")

REASONS = {
    "tag too long": "with so long a tag zfs(8) does not end on Linux",
    "not a mountpoint": "what was mounted by another is looked for in /proc on Linux",
    "dataset name is too long": "it takes a tree of fifty levels",
    "from a terminal": "a scenario has no terminal",
    "to a terminal": "a scenario has no terminal",
    "mountpoint or dataset is busy": "two filesystems at one mountpoint are not simulated",
    "the simulated host cannot": "it is said instead of what is not simulated",
}
"""Why no scenario comes to a refusal, by words of it."""


class Place(NamedTuple):
    """Where a refusal is worded: the lines from first to last of a file."""

    file: str
    first: int
    last: int
    words: str

    @property
    def reason(self) -> str | None:
        """The words of it that a reason is given for; None if there is none."""
        return next((words for words in REASONS if words in self.words), None)


def _places() -> Iterator[Place]:
    for file in sorted(SOURCE.glob("*.py")):
        if file.name not in ELSEWHERE:
            yield from _places_in(file.name, ast.parse(file.read_text()))


def _places_in(file: str, within: ast.AST) -> Iterator[Place]:
    for node in ast.iter_child_nodes(within):
        if isinstance(node, ast.FunctionDef) and node.name in MAKERS:
            continue
        if isinstance(node, ast.Call):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else ""
            called = node.func.id if isinstance(node.func, ast.Name) else called
            words = ast.unparse(node)
            if called in MAKERS and not any(each in words for each in PRIVILEGES):
                yield Place(file, node.lineno, node.end_lineno or node.lineno, words)
        yield from _places_in(file, node)


@pytest.fixture
def reached(monkeypatch: pytest.MonkeyPatch) -> set[tuple[str, int]]:
    """All files and lines in which the simulated zfs has refused something in some scenario."""
    found = set()
    make = RefusedError.__init__

    def noted(self: RefusedError, message: str, code: int = 1) -> None:
        frame = sys._getframe(1)
        while frame.f_code.co_name in MAKERS and frame.f_back:
            frame = frame.f_back
        found.add((Path(frame.f_code.co_filename).name, frame.f_lineno))
        make(self, message, code)

    monkeypatch.setattr(RefusedError, "__init__", noted)
    for freebsd in REAL:
        for scenario in SCENARIOS:
            simulate(scenario, freebsd)
    return found


def test_each_refusal_of_the_simulated_zfs_was_met_in_a_scenario(
    reached: set[tuple[str, int]],
) -> None:
    places = list(_places())
    missed = [
        place
        for place in places
        if not any(place.file == file and place.first <= at <= place.last for file, at in reached)
    ]
    assert [place for place in missed if not place.reason] == []
    assert {place.reason for place in missed} == set(REASONS)
