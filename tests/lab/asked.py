# SPDX-License-Identifier: BSD-2-Clause
"""Lets a test fail in which chyves asks zfs or zpool for something that is in no scenario."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

from chyves.simulator.host import SimulatedRunner
from tests.lab.shapes import check


@contextmanager
def only_what_is_in_the_contract() -> Iterator[None]:
    """Look at each program that this process starts on a simulated host, until the end of the
    block."""
    with pytest.MonkeyPatch.context() as patch:
        for name, programs in (("run", 1), ("pipe", 2)):
            act = getattr(SimulatedRunner, name)
            patch.setattr(SimulatedRunner, name, _checked(act, programs))
        yield


def _checked(act: Callable[..., Any], programs: int) -> Callable[..., Any]:
    def checked(runner: SimulatedRunner, *words: Any, **more: Any) -> Any:
        asked: tuple[Sequence[str], ...] = words[:programs]
        for argv in asked:
            check(argv)
        return act(runner, *words, **more)

    return checked
