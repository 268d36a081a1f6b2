# SPDX-License-Identifier: BSD-2-Clause
"""What commands cost: time, as a ratio to importing click, and programs started."""

import os
import subprocess
import sys
from pathlib import Path


class SimulatedHost:
    """A simulated host on which chyves is run as a process of its own."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def chyves(self, *words: str) -> str:
        """Run one command and return its standard output. Raises CalledProcessError."""
        return subprocess.run(
            [sys.executable, "-m", "chyves", "-q", *words],
            check=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            env={
                **os.environ,
                "CHYVES_SIMULATE": str(self.directory),
                "CHYVES_SIMULATE_GUEST": "scripted",
            },
        ).stdout

    def programs(self, *words: str) -> int:
        """Run one command and return how many programs of the host it has started."""
        log = self.directory / "commands.log"
        before = log.read_text().count("\n") if log.exists() else 0
        self.chyves(*words)
        return log.read_text().count("\n") - before if log.exists() else 0


def make_host(directory: Path, guests: int) -> SimulatedHost:
    """Make a host with that many guests on it; each has one disk of a mebibyte."""
    host = SimulatedHost(directory)
    host.chyves("dataset", "tank", "install")
    host.chyves(",".join(f"guest{number}" for number in range(guests)), "create", "1M")
    return host
