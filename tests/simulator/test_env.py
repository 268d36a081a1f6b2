# SPDX-License-Identifier: BSD-2-Clause
"""env(1) of the simulated host, as hooks and people at a shell use it."""

import os
import subprocess

import pytest

from chyves.simulator.world import World

ASKS = 'echo "$FOO:$MINE"'


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["FOO=a b", "sh", "-c", ASKS], "a b:kept"),
        (["FOO=1", "/bin/sh", "-c", ASKS], "1:kept"),
        (["-i", "FOO=1", "/bin/sh", "-c", ASKS], "1:"),
        (["-i", "A=b"], "A=b"),
        (["uname", "-s"], "FreeBSD"),
        (["nosuch"], "env: nosuch: No such file or directory"),
    ],
)
def test_env(words: list[str], said: str, world: World) -> None:
    done = subprocess.run(
        [world.bin / "env", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
        check=False,
        env={**os.environ, "MINE": "kept", "PATH": f"{world.bin}:{os.environ['PATH']}"},
    )
    assert done.stdout.strip() == said
    assert done.returncode == (127 if words == ["nosuch"] else 0)
