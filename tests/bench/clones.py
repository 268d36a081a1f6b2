# SPDX-License-Identifier: BSD-2-Clause
"""``python -m tests.bench.clones [GUESTS]``: what guests cost whose disks are clones.

On a simulated host; in the lab ``python -m tests.lab run 2.3 .venv/bin/python -m tests.bench.clones
100 real`` does it with a real zfs.
"""

import json
import sys
import tempfile
import time
from pathlib import Path

import pytest

from chyves.simulator.world import Machine, World
from tests import prepared
from tests.cli.conftest import Chyves
from tests.lab.real import with_real_pools


def report(chyves: Chyves, what: str, line: str) -> None:
    """Run a line and print a row of the table."""
    before = len(chyves.commands())
    start = time.perf_counter()
    done = chyves(line)
    seconds = time.perf_counter() - start
    print(f"| {what} | {seconds:.1f} s | {len(chyves.commands()) - before} |", flush=True)
    if line.startswith("list"):
        assert json.loads(done.out)["data"]


def main(guests: int, *, real: bool = False) -> None:
    with tempfile.TemporaryDirectory() as directory:
        host = Path(directory, "host")
        World.make(host, Machine(pools={"tank": 64 << 30}))
        chyves = Chyves(host)
        if real:  # or the file of the pool, which is in memory, would only grow
            chyves.run("zpool", "set", "autotrim=on", "tank")
        chyves("dataset tank install -q")
        chyves("gold create 1M -q")
        names = ",".join(f"guest{number}" for number in range(guests))
        print(f"| {guests} guests | time | programs |\n| --- | --- | --- |")
        report(chyves, "clone", f"gold clone {names} -ce -q")
        report(chyves, "list", "list --json")
        report(chyves, "snapshot", f"{names} snapshot @one -q")
        report(chyves, "delete", f"{names} delete --yes -q")
        prepared.lay_aside(host)


if __name__ == "__main__":
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    with pytest.MonkeyPatch.context() as monkeypatch:
        if sys.argv[2:] == ["real"]:
            with with_real_pools(monkeypatch):
                main(count, real=True)
        else:
            main(count)
