# SPDX-License-Identifier: BSD-2-Clause
"""The tests of the command line that change storage, with a real zfs and all else simulated."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from itertools import chain, repeat
from pathlib import Path

from tests.lab import cache, machine
from tests.lab.processes import workplace
from tests.lab.within import PYTEST, REAL, ROOMY, run_within

HOURS = 20_000.0
"""Seconds that all of them may take on a release."""

PATIENT = "--timeout=3600"
"""The Hypothesis machine is one test, and has time for all it does."""

TESTS = ("tests/cli", "tests/machine")

PROCESSES = ("boot", "console", "fleet", "hooks", "launch", "run", "run_*", "terminal")
"""What tests are about whose guests run in processes of their own, where zfs is simulated as well.
Besides making guests these go back to snapshots, which tests/lab/inside/test_backend.py does."""

OTHERWISE = {
    "who has a file open is what the simulator says": [
        "test_import.py::test_what_another_program_has_open_stays"
    ],
    "a process of its own follows the log, and asks the simulated zfs where it is": [
        "test_logs.py::test_following_goes_on_over_rotation_months_and_renames"
    ],
    "they look into the tables of the simulator": [
        "test_synopsis.py::test_form[firmware import <file>|<url>]",
        "test_synopsis.py::test_form[iso import <file>|<url>]",
    ],
    "Linux keeps a filesystem read-only that was mounted so, when its parent is not any more; "
    "FreeBSD goes by the property (readonly_changed_cb in module/os/freebsd/zfs/zfs_vfsops.c)": [
        "test_move.py::test_a_template_stays_one"
    ],
}
"""Why tests of the command line cannot be in the lab, and which."""


def test(releases: Sequence[str], tests: Sequence[str]) -> int:
    """Run them, or the ``tests`` that are named, on these releases, side by side; return the exit
    code."""
    with cache.built(releases) as built, workplace("chyves-lab-") as place:
        folders = [place.folder / release for release in releases]
        chosen = place.folder / "storage"
        if tests:
            chosen.write_text("\n".join(tests))
        elif code := find(chosen, log=built[releases[0]].tree.parent / "tests.log"):
            return code
        for folder in folders:
            folder.mkdir()
            shutil.copy(chosen, folder)
        without = (f"--deselect=tests/cli/{test}" for test in chain(*OTHERWISE.values()))
        command = (*REAL, PATIENT, *without, f"@{machine.OUT}/{chosen.name}")
        same = (repeat(each) for each in (place.group, ROOMY, HOURS))
        codes = place.pool.map(
            run_within, built.values(), releases, repeat(command), folders, *same
        )
        return max(codes)


def find(target: Path, log: Path) -> int:
    """Run all tests on simulated hosts, and write down which of them change storage: tests that
    are written later join by themselves. Returns the exit code."""
    with tempfile.TemporaryDirectory() as seen:
        without = (f"--ignore-glob=*/test_{name}.py" for name in PROCESSES)
        with log.open("w") as said:
            code = subprocess.run(
                (*PYTEST, "-q", "-n", "2", "-p", "tests.lab.storage", *without, *TESTS),
                env={**os.environ, "CHYVES_STORAGE": seen},
                stdout=said,
                stderr=said,
                check=False,
            ).returncode
        tests = {line for file in Path(seen).iterdir() for line in file.read_text().splitlines()}
    target.write_text("\n".join(sorted(tests)))
    print(f"lab: {len(tests)} tests change storage", flush=True)
    if code:
        print(f"lab: the tests on simulated hosts ended with {code}: {log}", file=sys.stderr)
    return code
