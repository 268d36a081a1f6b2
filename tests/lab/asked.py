# SPDX-License-Identifier: BSD-2-Clause
"""Looks at what chyves asks of a simulated host; lets a test fail in which it asks zfs or zpool for
something that is in no scenario."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pytest

from chyves.simulator.host import SimulatedRunner
from tests.lab.shapes import check

Look = Callable[[Sequence[str]], None]


def only_what_is_in_the_contract() -> AbstractContextManager[None]:
    """Check each program that this process starts on a simulated host, until the end of the
    block."""
    return looking_at_programs(check)


@contextmanager
def looking_at_programs(look: Look) -> Iterator[None]:
    """Show each command line to ``look`` before this process starts it on a simulated host, until
    the end of the block."""
    with pytest.MonkeyPatch.context() as patch:
        for name, programs in (("run", 1), ("pipe", 2)):
            act = getattr(SimulatedRunner, name)
            patch.setattr(SimulatedRunner, name, _shown(act, programs, look))
        yield


def _shown(act: Callable[..., Any], programs: int, look: Look) -> Callable[..., Any]:
    def shown(runner: SimulatedRunner, *words: Any, **more: Any) -> Any:
        asked: tuple[Sequence[str], ...] = words[:programs]
        for argv in asked:
            look(argv)
        return act(runner, *words, **more)

    return shown
