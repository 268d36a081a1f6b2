# SPDX-License-Identifier: BSD-2-Clause
"""The demo of the README, with scripted guests and with real ones, and what it does on failure."""

import sys
from pathlib import Path

import pytest

from tests.tools import need, run


def demo(directory: Path, **environment: str) -> tuple[int, str]:
    """Run the demo with its files below ``directory``; return its exit code and output."""
    done = run(sys.executable, "-m", "tests.demo", env={"TMPDIR": str(directory), **environment})
    assert done.stderr == ""
    return done.returncode, done.stdout


def shows_the_main_job(output: str) -> None:
    typed = [line for line in output.splitlines() if line.startswith("$ chyves ")]
    for step in (
        *("dataset tank install", "network bridge0 attach em0", "iso import tiny.iso"),
        *("alice,bob create 1G", "list", "alice,bob start tiny.iso", "alice console"),
        *("alice snapshot @noted", "info -svz", "alice,bob stop", "list snapshots alice"),
    ):
        assert f"$ chyves {step}" in typed
    assert "1 packets received" in output
    assert "All is as it should be" in output.splitlines()[-1]


def test_with_scripted_guests(tmp_path: Path) -> None:
    code, output = demo(tmp_path, CHYVES_SIMULATE_GUEST="scripted")
    assert code == 0, output
    assert "the guests are scripted" in output
    shows_the_main_job(output)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.qemu
def test_with_guests_that_really_boot(tmp_path: Path) -> None:
    need("qemu-system-x86_64")
    code, output = demo(tmp_path)
    assert code == 0, output
    assert "scripted" not in output
    shows_the_main_job(output)
    assert list(tmp_path.iterdir()) == []


def test_what_is_not_true_ends_it_with_an_explanation(tmp_path: Path) -> None:
    code, output = demo(tmp_path, CHYVES_SIMULATE_GUEST="scripted", CHYVES_SIMULATE_USER="somebody")
    assert code == 1
    assert "The demo has failed: 'chyves dataset tank install' ended with 7" in output
    assert list(tmp_path.iterdir()) == []
