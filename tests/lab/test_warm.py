# SPDX-License-Identifier: BSD-2-Clause
"""Programs that are loaded once and forked for each start, on this machine: printf(1)."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab import recipe, warm

COMPILER = shutil.which("gcc-12") or shutil.which("gcc")

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or COMPILER is None, reason="wants Linux and gcc"
)

ROOM = 128 << 10


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    assert COMPILER
    library = tmp_path_factory.mktemp("warm") / "warm.so"
    compiled = (COMPILER, "-shared", "-fPIC", "-o", str(library), str(recipe.HERE / "warm.c"))
    subprocess.run(compiled, check=True)
    return library


@pytest.fixture(autouse=True)
def servers(
    library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> "Iterator[list[subprocess.Popen[bytes]]]":
    servers: list[subprocess.Popen[bytes]] = []
    monkeypatch.setattr(warm, "LIBRARY", library)
    monkeypatch.setattr(warm, "SOCKETS", tmp_path / "warm")
    monkeypatch.setattr(warm, "_servers", servers)
    yield servers
    for server in servers:
        server.kill()
        server.wait()


def words_of(length: int) -> list[str]:
    """Return a command whose words, each with a NUL behind it, have this length."""
    first = ["printf", "%s"]
    return [*first, *["x"] * ((length - 10) // 2)]


def test_a_program_gets_its_words_and_input_and_answers() -> None:
    assert warm.run(["printf", "%s-", "a", "", "b c"]) == (0, b"a--b c-", b"")
    code, out, err = warm.run(["printf", "%d", "x"])
    assert (code, out) == (1, b"0")
    assert err
    assert warm.run(["cat"], b"input") == (0, b"input", b"")


def test_there_is_room_for_128_kib_of_words() -> None:
    words = words_of(ROOM)
    assert sum(len(word) + 1 for word in words) == ROOM
    assert warm.run(words) == (0, b"x" * (len(words) - 2), b"")


@pytest.mark.parametrize("length", [ROOM + 2, ROOM * 3 // 2, ROOM * 8])
def test_what_is_longer_is_refused_and_the_next_is_not(length: int) -> None:
    with pytest.raises(OSError, match="too long"):
        warm.run(words_of(length))
    assert warm.run(["printf", "a"]) == (0, b"a", b"")


def test_a_program_that_is_killed_before_it_begins_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("socket.send_fds", lambda server, words, streams: server.shutdown(1))
    with pytest.raises(ChildProcessError, match="printf ended before it began"):
        warm.run(["printf", "a"])
