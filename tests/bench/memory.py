# SPDX-License-Identifier: BSD-2-Clause
"""``python -m tests.bench.memory [SUPERVISORS]``: print the private memory of a supervisor.

It is what one more running guest costs beside its bhyve: Private_Clean and Private_Dirty of
/proc/PID/smaps_rollup (proc(5)), so this needs Linux. Several (3) supervisors are started, for what
they share not to count; they drive this machine, and their bhyve is sleep(1).
"""

import os
import signal
import sys
import tempfile
from pathlib import Path

from tests.realhost import RealSupervisor

SLEEP = ("sleep", "600")


def private_memory(pid: int) -> float:
    """Return the memory that a process shares with no other, in MiB."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private_")) / 1024


def supervisors_memory(root: Path, count: int) -> float:
    """Run so many supervisors at once; return the largest private memory, in MiB."""
    supervisors = [RealSupervisor(root, f"guest{number}", SLEEP) for number in range(count)]
    for supervisor in supervisors:
        supervisor.wait_for("running")
    try:
        return max(private_memory(supervisor.pid) for supervisor in supervisors)
    finally:
        for supervisor in supervisors:
            os.kill(supervisor.pid, signal.SIGTERM)
            supervisor.wait_for("stopped")
            supervisor.close()


def memory_line(root: Path, count: int) -> str:
    memory = supervisors_memory(root, count)
    return f"Private memory of a supervisor: {memory:.1f} MiB (target: at most 12)"


def main(count: int) -> None:
    with tempfile.TemporaryDirectory() as root:
        print(memory_line(Path(root), count))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
