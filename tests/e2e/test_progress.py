# SPDX-License-Identifier: BSD-2-Clause
"""What takes long shows on a terminal how far it is, how fast it goes and how long it will take."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import Shell, make_shell


@pytest.fixture
def pools(tmp_path: Path) -> Iterator[Shell]:
    """A host with chyves on two pools, with a guest and an ISO on the primary one."""
    size = 64 << 30
    shell = make_shell(tmp_path / "host", "scripted", pools={"tank": size, "pool2": size})
    medium = tmp_path / "disc.img"
    medium.write_bytes(bytes(2 << 20))
    shell(f"iso import {medium} -q")
    shell("dataset pool2 install -q")
    shell("web create 1M -q")
    yield shell
    shell.end()


@pytest.mark.parametrize(
    ("line", "label"),
    [
        ("web clone new -iu pool2", "web"),
        ("web move pool2", "web"),
        ("dataset pool2 promote", "pool2"),
    ],
)
def test_copies_show_how_far_they_are(pools: Shell, line: str, label: str) -> None:
    session = pools.session(line)
    session.expect(f"{label}  [")
    session.expect("B/s")
    assert session.wait() == 0


def test_where_nobody_looks_there_is_no_bar(pools: Shell) -> None:
    assert "[" not in pools("web move pool2").stderr
