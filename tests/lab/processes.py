# SPDX-License-Identifier: BSD-2-Clause
"""Processes and a folder that do not outlive this process, however it ends."""

import os
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

_WATCH = """read -r _; setsid sh -c 'kill -KILL "-$1"; rm -rf "$2"' sh "$$" "$1" """
"""Reads until this process is gone; kills its own process group then, and removes a folder. That
a child asks for a signal at its parent's death would not reach what make(1) starts."""


class Workplace(NamedTuple):
    """A temporary folder, threads, and the process group for all that they start."""

    folder: Path
    pool: ThreadPoolExecutor
    group: int


@contextmanager
def workplace(prefix: str, parent: Path | None = None) -> Iterator[Workplace]:
    """Have a place to work in. At the end of the block its processes are killed, its threads
    waited for, and its folder is removed; if this process is killed, only the threads need not."""
    with (
        tempfile.TemporaryDirectory(prefix=prefix, dir=parent) as folder,
        ThreadPoolExecutor() as pool,
        _group(folder) as group,
    ):
        yield Workplace(Path(folder), pool, group)


@contextmanager
def _group(folder: str) -> Iterator[int]:
    with subprocess.Popen(
        ["sh", "-c", _WATCH, "sh", folder],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        process_group=0,
    ) as watch:
        try:
            yield watch.pid
        finally:
            os.killpg(watch.pid, signal.SIGKILL)
