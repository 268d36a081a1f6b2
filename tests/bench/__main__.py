# SPDX-License-Identifier: BSD-2-Clause
"""``python -m tests.bench [GUESTS]``: print what commands cost, as the README states it.

Times are ratios to ``python -c 'import click'`` in the same run: the fastest of several runs of
each, taken in turn. GUESTS (1000) is the size of the largest host.
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from tests.bench import SimulatedHost, make_host
from tests.bench.memory import memory_line

ROUNDS = 7

LOOKS = (
    "list",
    "info -a",
    "list bridges",
    "list clones",
    "list snapshots",
    "guest0 get all",
    "list ram",
)
"""Lines that start as many programs for one guest as for many."""


class Measured(NamedTuple):
    """A command on a host, and the targets for it: a ratio, and a number of programs."""

    host: SimulatedHost
    guests: int
    words: tuple[str, ...]
    ratio: float | None = None
    programs: int | None = None


def seconds(act: Callable[[], object]) -> float:
    start = time.perf_counter()
    act()
    return time.perf_counter() - start


def import_click() -> None:
    subprocess.run([sys.executable, "-c", "import click"], check=True)


def measure(measured: Measured) -> str:
    """Return a row of the table."""
    rounds = [
        (seconds(import_click), seconds(lambda: measured.host.chyves(*measured.words)))
        for _ in range(ROUNDS)
    ]
    ratio = min(own for _, own in rounds) / min(base for base, _ in rounds)
    programs = measured.host.programs(*measured.words)
    guests = "1 guest" if measured.guests == 1 else f"{measured.guests} guests"
    command = f"`chyves {' '.join(measured.words)}`, {guests}"
    return (
        f"| {command} | {ratio:.1f}{_target(measured.ratio)} "
        f"| {programs}{_target(measured.programs)} |"
    )


def _target(value: float | None) -> str:
    return "" if value is None else f" (target: at most {value})"


def main(largest: int) -> None:
    with tempfile.TemporaryDirectory() as directory:
        hosts = {
            guests: make_host(Path(directory, str(guests)), guests) for guests in (1, 100, largest)
        }
        print("| command | time | programs started |")
        print("| --- | --- | --- |")
        print(measure(Measured(hosts[1], 1, ("version",), 1.5)), flush=True)
        for guests, host in hosts.items():
            ratio = 10.0 if guests == largest else None
            print(measure(Measured(host, guests, ("list",), ratio, 2)), flush=True)
        print(measure(Measured(hosts[100], 100, ("all", "set", "notes=measured"))), flush=True)
        print(f"\n| command | programs, 1 guest | programs, {largest} guests |")
        print("| --- | --- | --- |")
        for line in LOOKS:
            few, many = (hosts[n].programs(*line.split()) for n in (1, largest))
            print(f"| `chyves {line}` | {few} | {many} |", flush=True)
        print(f"\n{memory_line(Path(directory, 'running'), 3)}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)
