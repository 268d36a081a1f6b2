# SPDX-License-Identifier: BSD-2-Clause
"""Kill a command before each of the steps by which it changes the host."""

import os
import signal
from collections.abc import Callable, Iterator
from typing import Any

from chyves.simulator.host import SimulatedHost
from tests import prepared
from tests.cli.conftest import Chyves


def killed_everywhere(chyves: Chyves, line: str) -> Iterator[Chyves]:
    """Yield a copy of the host for each step of a line, on which the line was killed before that
    step; and last one on which it came to its end."""
    for step in range(1, 1000):
        directory = chyves.directory.with_name(f"killed-{step}")
        with prepared.copied(chyves.directory, directory):
            copy = Chyves(directory)
            ended = _run(copy, line, step)
            yield copy
        if ended:
            return
    raise AssertionError(f"{line} does not come to an end")


def _run(chyves: Chyves, line: str, step: int) -> bool:
    """Run a line in a child that is killed before its n-th step; tell whether it had so few."""
    child = os.fork()
    if child == 0:
        code = 99
        try:
            _kill_before(step)
            chyves(line)
            code = 0
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL
        return False
    assert os.WEXITSTATUS(status) == 0, f"{line} failed"
    return True


def _kill_before(step: int) -> None:
    """Count the steps of all hosts in this process."""
    left = step

    def counted(act: Callable[..., Any]) -> Callable[..., Any]:
        def count(*words: Any, **named: Any) -> Any:
            nonlocal left
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return act(*words, **named)

        return count

    for name in ("try_change", "note"):
        setattr(SimulatedHost, name, counted(getattr(SimulatedHost, name)))
