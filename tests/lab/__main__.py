# SPDX-License-Identifier: BSD-2-Clause
"""The lab: a real OpenZFS in a virtual machine.

python -m tests.lab build                    build it, or have it built already
python -m tests.lab test [RELEASE ...]       what ``make lab`` does
python -m tests.lab record                   write down anew what the real zfs answers
python -m tests.lab cli [RELEASE ...]        all that the tests of the command line ask of zfs
python -m tests.lab run RELEASE COMMAND ...  run a command in it, in the current folder
"""

import os
import shlex
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
from tests.lab import machine, recipe
from tests.lab.contract.compare import RECORDED, disagreements, load_recorded
from tests.lab.contract.recording import load
from tests.lab.histories import gather
from tests.lab.recipe import Built

PYTEST = (sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--color=no", "--timeout=900")

SCENARIOS = (sys.executable, "-m", "tests.lab.contract.record", f"{machine.OUT}/answers.json")

INSIDE = (*PYTEST, "-p", "pytest_timeout", "-p", "tests.lab.real", "tests/lab/inside")

COMMAND_LINE = ("tests/cli", "tests/faults", "tests/machine")
"""The tests whose hosts have histories that are put to the real zfs."""

FREEBSD = {"2.1": "13.2", "2.3": "14.3"}
"""Of which release of FreeBSD the hosts are whose histories a release of OpenZFS is asked: the last
that lets a card with an address, as most tests have it, on a bridge."""

REPLAY = (sys.executable, "-m", "tests.lab.replay")

ROOMY = "12G"
"""Memory for what is run by hand: a thousand guests have two thousand datasets mounted."""

LIMIT = 10_000.0
"""Seconds that a machine may take for all it is asked."""


def record(built: Built, release: str, out: Path) -> list[str]:
    """Put the real zfs through the scenarios; returns what went wrong."""
    if code := _inside(built, release, SCENARIOS, out):
        return [f"OpenZFS {release}: the scenarios ended with {code}"]
    return []


def check_answers(release: str, answers: Path) -> list[str]:
    """Compare what a real zfs has answered now with what is kept of it, which the simulated one is
    held to by ``make test``."""
    kept = load_recorded(release)
    return [
        f"{scenario}: 'python -m tests.lab record' is due: {said}"
        for scenario, real in load(answers).items()
        for said in disagreements(real, kept.get(scenario, []))
    ]


def _inside(built: Built, release: str, command: Sequence[str], out: Path) -> int:
    environment = {
        "CHYVES_LAB": release,
        "CHYVES_LAB_GUEST": str(tiny_linux()),
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "PYTHONPATH": "/opt/lab/python",
    }
    out.mkdir(exist_ok=True)
    return machine.run(
        built,
        command,
        seconds=LIMIT,
        environment=environment,
        out=out,
        say=lambda line: print(f"{release}: {line}", flush=True),
    )


def test_release(built: Built, release: str, out: Path) -> list[str]:
    """Put the real zfs through the scenarios and run the tests that are for the lab alone; returns
    what is wrong."""
    both = f"{shlex.join(SCENARIOS)} && {shlex.join(INSIDE)}"
    code = _inside(built, release, ("sh", "-c", both), out)
    answers = out / "answers.json"
    wrong = check_answers(release, answers) if answers.exists() else []
    return [*wrong, f"OpenZFS {release}: the tests ended with {code}"] if code else wrong


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


def command_line(releases: Sequence[str]) -> int:
    """Put all that the tests of the command line ask of the simulated zfs to the real one."""
    built = recipe.build(releases)
    with _folders(releases) as folders, ThreadPoolExecutor(len(releases)) as pool:
        return max(pool.map(_replay, built.values(), releases, folders))


def _replay(built: Built, release: str, out: Path) -> int:
    seen = out / "histories"
    seen.mkdir(parents=True)
    freebsd = FREEBSD[release]
    environment = {
        **os.environ,
        "CHYVES_HISTORIES": str(seen),
        "CHYVES_RELEASE": freebsd,
        "TMPDIR": tempfile.gettempdir(),  # hosts share files with the folder of histories
    }
    plugins = ("-p", "tests.lab.histories", "-p", "no:xdist")
    tried = (*PYTEST, *plugins, "-q", *COMMAND_LINE)
    with (out / "tests.log").open("w") as log:
        subprocess.run(tried, env=environment, stdout=log, stderr=log, check=False)
    chosen, all_ = gather(seen, out / "histories.jsonl")
    shutil.rmtree(seen)
    said = f"{chosen} histories, out of {all_} of simulated hosts of FreeBSD {freebsd}"
    print(f"{release}: {said}", flush=True)
    return _inside(built, release, (*REPLAY, f"{machine.OUT}/histories.jsonl"), out)


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
            case ["cli", *releases] if set(releases) <= set(known):
                return command_line(releases or known)
            case ["run", release, *command] if command and release in known:
                built = recipe.build([release])[release]
                return machine.run(built, command, seconds=LIMIT, memory=ROOMY)
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
