# SPDX-License-Identifier: BSD-2-Clause
"""Programs that tests need: skipped without them, but never in CI."""

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parent.parent


def need(program: str) -> str:
    """Return where ``program`` is; without it skip the test, or fail it where CI=true."""
    found = shutil.which(program)
    if not found:
        missing = f"{program} is not installed; tests/prepare knows its package"
        if os.environ.get("CI") == "true":
            pytest.fail(missing)
        pytest.skip(missing)
    return found


def run(
    *argv: str | Path, cwd: Path = CHECKOUT, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a program with stdin closed and the variables of ``env`` added; capture its output."""
    inherited = {
        k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "MFLAGS", "CHYVES_"))
    }
    return subprocess.run(
        [str(word) for word in argv],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**inherited, **(env or {})},
        check=False,
        timeout=100,
    )
