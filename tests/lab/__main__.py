# SPDX-License-Identifier: BSD-2-Clause
"""The lab: a real OpenZFS in a virtual machine.

python -m tests.lab build                    build it, or what of it has newer packages by now
python -m tests.lab test [RELEASE ...]       what ``make lab`` does
python -m tests.lab record                   write down anew what the real zfs answers
python -m tests.lab cli [RELEASE ...] [TEST ...]
                                             tests of the command line that change storage, in it
python -m tests.lab run RELEASE COMMAND ...  run a command in it, in the current folder
"""

import compileall
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from itertools import chain, repeat
from pathlib import Path

from tests.guests.linux import MissingPackages, tiny_linux
from tests.lab import cache, command_line, machine, recipe
from tests.lab.cache import Built
from tests.lab.contract.compare import RECORDED, disagreements, load_recorded
from tests.lab.contract.recording import load
from tests.lab.processes import workplace
from tests.lab.within import LIMIT, REAL, ROOMY, run_within

CHECKOUT = Path(__file__).parents[2]

SCENARIOS = (sys.executable, "-m", "tests.lab.contract.record", f"{machine.OUT}/answers.json")

INSIDE = (*REAL, "tests/lab/inside")

WITHOUT = {"2.1": ("--ignore=tests/lab/inside/test_guest.py",)}
"""What of these a release goes without: one guest is enough, and half a minute shorter."""


def record(built: Built, release: str, out: Path, group: int) -> list[str]:
    """Put the real zfs through the scenarios; returns what went wrong."""
    if code := run_within(built, release, SCENARIOS, out, group):
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


def test_release(built: Built, release: str, out: Path, group: int) -> list[str]:
    """Put the real zfs through the scenarios and run the tests that are for the lab alone; returns
    what is wrong."""
    inside = (*INSIDE, *WITHOUT.get(release, ()))
    both = f"{shlex.join(SCENARIOS)} && {shlex.join(inside)}"
    start = time.time()
    try:
        code = run_within(built, release, ("sh", "-c", both), out, group)
    except machine.Died as died:
        return [f"OpenZFS {release}: {died}"]
    answers = out / "answers.json"
    wrong = check_answers(release, answers) if answers.exists() else []
    print(f"lab: {_what_is_in(built)}: {_times(start, out)}", flush=True)
    return [*wrong, f"OpenZFS {release}: the tests ended with {code}"] if code else wrong


def _what_is_in(built: Built) -> str:
    """Tell which versions a machine has, as its packages are called."""
    text = built.packages.read_text()
    found = re.findall(r"(?m)^(?:(zfs)-dkms|(linux)-image-\S+?)_([^_]+)", text)
    return ", ".join("".join(names) + f" {version}" for *names, version in sorted(found))


def _times(start: float, out: Path) -> str:
    """Tell how long the parts of a test took. By when a file was written: the two machines have
    one clock for that, the one of the folder that they share."""
    ends = {"boot": machine.STARTED, "scenarios": "answers.json", "tests inside": "exit"}
    times = []
    for part, file in ends.items():
        if (out / file).exists():
            end = (out / file).stat().st_mtime
            times.append(f"{part} {end - start:.0f} s")
            start = end
    return ", ".join(times)


def compile_all() -> None:
    """Compile this checkout beforehand: under emulation it takes ten times as long."""
    for folder in ("chyves", "tests"):
        compileall.compile_dir(CHECKOUT / folder, quiet=1, workers=0)
    collect = (*INSIDE, "--collect-only", "-q")
    alone = {
        **{name: value for name, value in os.environ.items() if not name.startswith("PY")},
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    }
    subprocess.run(collect, cwd=CHECKOUT, env=alone, check=True, stdout=subprocess.DEVNULL)


def test(releases: Sequence[str]) -> int:
    """Test on these releases, side by side; returns the exit code."""
    start = time.monotonic()
    with cache.built(releases) as built, workplace("chyves-lab-") as place:
        tiny_linux()
        compile_all()
        print(f"lab: build {time.monotonic() - start:.0f} s", flush=True)
        folders = [place.folder / release for release in releases]
        tested = place.pool.map(
            test_release, built.values(), releases, folders, repeat(place.group)
        )
        wrong = list(chain.from_iterable(tested))
    for each in wrong:
        print(f"lab: {each}", file=sys.stderr)
    seconds = time.monotonic() - start
    print(f"lab: {len(wrong)} failures on OpenZFS {' and '.join(releases)}, {seconds:.0f} s")
    return 1 if wrong else 0


def record_all(releases: Sequence[str]) -> int:
    with cache.built(releases) as built, workplace("chyves-lab-") as place:
        folders = [place.folder / release for release in releases]
        recorded = place.pool.map(record, built.values(), releases, folders, repeat(place.group))
        wrong = list(chain.from_iterable(recorded))
        for each in wrong:
            print(f"lab: {each}", file=sys.stderr)
        for release, folder in zip(releases, folders, strict=True):
            if not wrong:
                shutil.copy(folder / "answers.json", RECORDED / f"openzfs-{release}.json")
    return 1 if wrong else 0


def run(release: str, command: Sequence[str]) -> int:
    with cache.built([release]) as built, workplace("chyves-lab-") as place:
        out = place.folder / "out"
        return machine.run(
            built[release], command, out=out, group=place.group, seconds=LIMIT, memory=ROOMY
        )


def _do(words: list[str]) -> int:
    known = tuple(recipe.SUITES)
    match words:
        case ["build"]:
            cache.build(known)
            return 0
        case ["test", *releases] if set(releases) <= set(known):
            return test(releases or known)
        case ["record"]:
            return record_all(known)
        case ["cli", *words] if all(word in known or _is_test(word) for word in words):
            releases = [word for word in words if word in known]
            return command_line.test(releases or known, list(filter(_is_test, words)))
        case ["run", release, *command] if command and release in known:
            return run(release, command)
    print(__doc__, file=sys.stderr)
    return 2


def _is_test(word: str) -> bool:
    return word.startswith("tests/")


def main(words: list[str]) -> int:
    """Do what the words say; say in one line what kept it from being done."""
    try:
        return _do(words)
    except (recipe.CannotBuild, MissingPackages) as why:
        print(f"lab: skipped: {why}", file=sys.stderr)
        return 1 if os.environ.get("CI") == "true" and recipe.is_debian_12() else 0
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except BrokenPipeError:  # nobody reads any more
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except (recipe.Failed, machine.Died, OSError, subprocess.CalledProcessError) as failed:
        print(f"lab: {failed}", file=sys.stderr)
        return 1


def clean_up_if_told_to_end() -> None:
    for ending in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(ending) != signal.SIG_IGN:  # as nohup(1) has it
            signal.signal(ending, lambda number, frame: sys.exit(128 + number))


if __name__ == "__main__":
    clean_up_if_told_to_end()
    sys.exit(main(sys.argv[1:]))
