# SPDX-License-Identifier: BSD-2-Clause
"""``python -m tests.lab.contract.record FILE [SCENARIO ...]``: put the real zfs of this machine
through the scenarios (or some of them), and write down what it answers."""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.lab.contract.realsession import RealSession
from tests.lab.contract.recording import dump
from tests.lab.contract.scenarios import SCENARIOS
from tests.lab.contract.session import Step


def record(scenario: str) -> list[Step]:
    with tempfile.TemporaryDirectory() as directory, RealSession(Path(directory)) as session:
        SCENARIOS[scenario](session)
        session.state()
    return session.steps


def main(file: str, *names: str) -> None:
    version = subprocess.run(["zfs", "version"], capture_output=True, text=True).stdout
    recorded = {}
    for name in names or SCENARIOS:
        start = time.monotonic()
        recorded[name] = record(name)
        print(f"{time.monotonic() - start:5.1f} s: {name}", flush=True)
    Path(file).write_text(dump(recorded, version.splitlines()[0]))


if __name__ == "__main__":
    main(*sys.argv[1:])
