# SPDX-License-Identifier: BSD-2-Clause
"""What a real zfs has answered, as it is kept in a file."""

import json
from collections.abc import Mapping
from pathlib import Path

from tests.lab.contract.session import Step

Recording = Mapping[str, list[Step]]
"""Steps by scenario."""


def dump(recorded: Recording, version: str) -> str:
    steps = {name: [step._asdict() for step in each] for name, each in recorded.items()}
    shown = {
        name: [{key: value for key, value in step.items() if value} for step in each]
        for name, each in steps.items()
    }
    return json.dumps({"version": version, "scenarios": shown}, indent=1) + "\n"


def load(file: Path) -> Recording:
    """Return what was written down, by scenario."""
    scenarios_ = json.loads(file.read_text())["scenarios"]
    return {name: [Step(**step) for step in each] for name, each in scenarios_.items()}
