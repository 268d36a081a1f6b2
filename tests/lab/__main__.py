# SPDX-License-Identifier: BSD-2-Clause
"""The lab: a real OpenZFS in a virtual machine.

python -m tests.lab build                    build it, or have it built already
python -m tests.lab test [RELEASE ...]       what ``make lab`` does
python -m tests.lab record                   write down anew what the real zfs answers
python -m tests.lab cli RELEASE [TEST ...]   what tests/cli has about storage, or these tests of it
python -m tests.lab run RELEASE COMMAND ...  run a command in it, in the current folder
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import chain
from pathlib import Path

from tests.guests.linux import MissingPackages, tiny_linux
from tests.lab import machine, recipe, warm
from tests.lab.contract.compare import REAL, RECORDED, disagreements, load_recorded, simulate
from tests.lab.contract.recording import load
from tests.lab.recipe import Built

PYTEST: tuple[str, ...] = (sys.executable, "-m", "pytest", "-p", "no:cacheprovider")
PYTEST += ("-p", "tests.lab.real", "--color=no", "--timeout=900")

LIMIT = 2400.0
"""Seconds that a machine may take for all it is asked."""


def record(built: Built, release: str, out: Path) -> list[str]:
    """Put the real zfs through the scenarios; returns what is wrong with its answers."""
    command = (sys.executable, "-m", "tests.lab.contract.record", f"{machine.OUT}/answers.json")
    if code := _inside(built, release, command, out):
        return [f"OpenZFS {release}: the scenarios ended with {code}"]
    return []


def check_answers(release: str, answers: Path) -> list[str]:
    """Compare what a real zfs has answered now with the simulated one, and with what is kept."""
    wrong = []
    kept = load_recorded(release)
    for scenario, real in load(answers).items():
        for freebsd in (each for each, held_to in REAL.items() if held_to == release):
            wrong += [
                f"{scenario}: the simulated FreeBSD {freebsd} answers otherwise: {said}"
                for said in disagreements(real, simulate(scenario, freebsd))
            ]
        wrong += [
            f"{scenario}: 'python -m tests.lab record' is due: {said}"
            for said in disagreements(real, kept.get(scenario, []))
        ]
    return wrong


def tests(built: Built, release: str, out: Path) -> list[str]:
    """Run the tests that are for the lab alone."""
    if code := _inside(built, release, (*PYTEST, "tests/lab/inside"), out):
        return [f"OpenZFS {release}: the tests ended with {code}"]
    return []


def _inside(built: Built, release: str, command: Sequence[str], out: Path) -> int:
    environment = {
        "CHYVES_LAB": release,
        "CHYVES_LAB_GUEST": str(tiny_linux()),
        "PYTHONPATH": "/opt/lab/python",
    }
    out.mkdir(exist_ok=True)
    warm.compile_library(out)
    return machine.run(
        built,
        command,
        seconds=LIMIT,
        environment=environment,
        out=out,
        say=lambda line: print(f"{release}: {line}", flush=True),
    )


def test_release(built: Built, release: str, out: Path) -> list[str]:
    wrong = record(built, release, out)
    if not wrong:
        wrong = check_answers(release, out / "answers.json")
    return wrong + tests(built, release, out)


@contextmanager
def _folders(releases: Sequence[str]) -> Iterator[list[Path]]:
    with tempfile.TemporaryDirectory(prefix="chyves-lab-") as directory:
        yield [Path(directory, release) for release in releases]


def test(releases: Sequence[str]) -> int:
    """Test on these releases, side by side; returns the exit code."""
    start = time.monotonic()
    built = recipe.build(releases)
    tiny_linux()
    with _folders(releases) as folders, ThreadPoolExecutor(len(releases)) as pool:
        wrong = list(chain.from_iterable(pool.map(test_release, built.values(), releases, folders)))
    for each in wrong:
        print(f"lab: {each}", file=sys.stderr)
    seconds = time.monotonic() - start
    print(f"lab: {len(wrong)} failures on OpenZFS {' and '.join(releases)}, {seconds:.0f} s")
    return 1 if wrong else 0


def command_line(release: str, chosen: Sequence[str]) -> int:
    """Run tests of the command line with a real zfs and all else simulated."""
    built = recipe.build([release])[release]
    with _folders([release]) as (folder,):
        return _inside(built, release, (*PYTEST, *chosen), folder)


def record_all(releases: Sequence[str]) -> int:
    built = recipe.build(releases)
    with _folders(releases) as folders, ThreadPoolExecutor(len(releases)) as pool:
        wrong = list(chain.from_iterable(pool.map(record, built.values(), releases, folders)))
        for release, folder in zip(releases, folders, strict=True):
            if not wrong:
                shutil.copy(folder / "answers.json", RECORDED / f"openzfs-{release}.json")
    return 1 if wrong else 0


def main(words: list[str]) -> int:
    known = tuple(recipe.SUITES)
    try:
        match words:
            case ["build"]:
                recipe.build(known)
                return 0
            case ["test", *releases] if set(releases) <= set(known):
                return test(releases or known)
            case ["record"]:
                return record_all(known)
            case ["cli", release, *chosen] if release in known:
                return command_line(release, chosen or ["tests/cli"])
            case ["run", release, *command] if command and release in known:
                return machine.run(recipe.build([release])[release], command, seconds=LIMIT)
    except (recipe.CannotBuild, MissingPackages) as why:
        print(f"lab: skipped: {why}", file=sys.stderr)
        return 1 if os.environ.get("CI") == "true" and recipe.is_debian_12() else 0
    except subprocess.CalledProcessError as failed:
        print(f"lab: {failed}", file=sys.stderr)
        return 1
    print(__doc__, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
