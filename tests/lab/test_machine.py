# SPDX-License-Identifier: BSD-2-Clause
"""How the lab is kept, started and ended, with a program in QEMU's place."""

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from threading import Event, Thread

import pytest

from tests.lab import cache, machine, recipe
from tests.lab.__main__ import main
from tests.lab.processes import workplace
from tests.tools import CHECKOUT

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the lab is made for Linux")

SECONDS = 30.0

QEMU = """#!/bin/sh
for word; do
	case $word in local,id=run,path=*) run=${word#*path=} run=${run%%,*} ;; esac
done
"""
"""The beginning of a program in QEMU's place: it knows the folder that it is to share."""

STAYS = """
exec 3>"$ALIVE"
(sleep 600) &
echo >&3
wait
"""
"""Goes on with a process of its own; both have the FIFO open as long as they live."""

RUN = ("-m", "tests.lab", "run", "2.3", "true")

STEP = """
from pathlib import Path
from tests.lab.__main__ import clean_up_if_told_to_end
from tests.lab.processes import workplace
from tests.lab.recipe import _Steps
clean_up_if_told_to_end()
with workplace("work-") as place:  # a build's
    place.pool.submit(_Steps(place, Path("/")).run, "qemu-system-x86_64").result()
"""


class Said(StringIO):
    """A standard error that is waited for."""

    def __init__(self) -> None:
        super().__init__()
        self.something = Event()

    def write(self, text: str) -> int:
        self.something.set()
        return super().write(text)


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Have an empty cache, and where temporary folders are made nothing else."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("CI", "")
    there = tmp_path / "temporary"
    there.mkdir()
    monkeypatch.setenv("TMPDIR", str(there))
    monkeypatch.setattr("tempfile.tempdir", None)
    return there


@pytest.fixture
def qemu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Put a program in QEMU's place, and have a cache for it."""
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    fill(cache.home(), "2.3")

    def put(script: str) -> None:
        program = tmp_path / "bin" / "qemu-system-x86_64"
        program.parent.mkdir(exist_ok=True)
        program.write_text(QEMU + script)
        program.chmod(0o755)

    return put


def fill(home: Path, *releases: str) -> None:
    for release in releases:
        (home / release / "tree").mkdir(parents=True)
        (home / release / "packages").write_text(f"zfs-dkms_{release}_all.deb\n")


def wait_until(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_command_says_its_lines_and_ends_with_its_code(
    qemu: Callable[[str], None], capsys: pytest.CaptureFixture[str], temporary: Path
) -> None:
    qemu('sed -n "s/^false //p" "$run/command"\necho 3 >"$run/exit"\n')
    assert main(["run", "2.3", "false", "a", "b"]) == 3
    assert capsys.readouterr() == ("a b\n", "")
    assert not list(temporary.iterdir())


def test_what_is_neither_a_release_nor_a_test_is_not_run(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["cli", "2.3", "test_move.py"]) == 2
    assert "cli [RELEASE ...] [TEST ...]" in capsys.readouterr().err


def test_a_machine_that_fails_at_once_is_one_line(
    qemu: Callable[[str], None], capsys: pytest.CaptureFixture[str], temporary: Path
) -> None:
    qemu("exit 5\n")
    assert main(["run", "2.3", "true"]) == 1
    said = "lab: the machine ended before its command; QEMU ended with 5\n"
    assert capsys.readouterr() == ("", said)
    assert not list(temporary.iterdir())


def test_the_last_words_of_the_kernel_are_said(
    qemu: Callable[[str], None], capsys: pytest.CaptureFixture[str]
) -> None:
    qemu('echo panic >"${run%/out}/out.kernel"\n')
    assert main(["run", "2.3", "true"]) == 1
    assert capsys.readouterr().out == "panic\n"


def test_no_qemu_is_one_line(
    qemu: Callable[[str], None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for program in ("sh", "setsid"):
        found = shutil.which(program)
        assert found
        (tmp_path / "bin").mkdir(exist_ok=True)
        (tmp_path / "bin" / program).symlink_to(found)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    assert main(["run", "2.3", "true"]) == 1
    said = (
        "lab: no qemu-system-x86_64 here: apt-get install --no-install-recommends qemu-system-x86\n"
    )
    assert capsys.readouterr() == ("", said)


def test_a_cache_that_cannot_be_written_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "cache").write_text("")
    assert main(["run", "2.3", "true"]) == 1
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_command_that_takes_too_long_is_ended(
    qemu: Callable[[str], None], tmp_path: Path
) -> None:
    qemu("exec sleep 600\n")
    said: list[str] = []
    with cache.built(["2.3"]) as built, workplace("x") as place:
        code = machine.run(
            *(built["2.3"], ["true"]),
            out=tmp_path / "out",
            group=place.group,
            seconds=0.1,
            say=said.append,
        )
    assert code == 124
    assert said == ["lab: no end within 0 seconds"]


@pytest.mark.parametrize(
    ("words", "ending"),
    [
        (RUN, signal.SIGINT),
        (RUN, signal.SIGTERM),
        (RUN, signal.SIGHUP),
        (RUN, signal.SIGKILL),
        (("-c", STEP), signal.SIGTERM),
        (("-c", STEP), signal.SIGKILL),
    ],
)
def test_nothing_outlives_who_started_it(
    words: tuple[str, ...],
    ending: signal.Signals,
    qemu: Callable[[str], None],
    tmp_path: Path,
    temporary: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    alive = tmp_path / "alive"
    os.mkfifo(alive)
    reads = os.open(alive, os.O_RDONLY | os.O_NONBLOCK)
    monkeypatch.setenv("ALIVE", str(alive))
    qemu(STAYS)
    with subprocess.Popen([sys.executable, *words], stdout=subprocess.PIPE, cwd=CHECKOUT) as lab:
        wait_until(lambda: _read(reads) == b"\n")
        os.set_blocking(reads, True)
        lab.send_signal(ending)
    assert lab.returncode in (-ending, 128 + ending)
    assert os.read(reads, 1) == b""
    os.close(reads)
    wait_until(lambda: not list(temporary.iterdir()))


def _read(reads: int) -> bytes:
    try:
        return os.read(reads, 1)
    except BlockingIOError:
        return b""


def test_a_machine_ends_when_nobody_reads_it_any_more(
    qemu: Callable[[str], None], temporary: Path
) -> None:
    qemu("while echo line; do :; done\n")
    lab = [sys.executable, *RUN]
    with subprocess.Popen(
        lab, cwd=CHECKOUT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 128 + signal.SIGPIPE
    assert not list(temporary.iterdir())


def test_who_waits_for_a_build_says_so_and_does_not_build_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "stderr", said := Said())
    monkeypatch.setattr(recipe, "check_this_machine", lambda: None)
    builds: list[Path] = []
    building = Event()

    def build(home: Path, releases: list[str]) -> None:
        builds.append(home)
        building.set()
        assert said.something.wait(SECONDS)
        fill(home, *releases)

    def use() -> None:
        with cache.built(["2.3"]) as built:
            assert built["2.3"].tree.is_dir()

    monkeypatch.setattr(recipe, "build", build)
    first, second = Thread(target=use), Thread(target=use)
    first.start()
    assert building.wait(SECONDS)
    second.start()
    first.join()
    second.join()
    assert builds == [cache.home()]
    waited = f"lab: waiting until no other process builds {cache.home()}\n"
    assert said.getvalue() == waited


def test_a_build_waits_for_machines_of_what_it_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", said := Said())
    monkeypatch.setattr(recipe, "check_this_machine", lambda: None)
    done = Event()
    monkeypatch.setattr(recipe, "build", lambda home, releases: done.set())
    fill(cache.home(), "2.1")
    builder = Thread(target=cache.build, args=(["2.3"],))
    with cache.built(["2.1"]), cache.built(["2.1"]):
        builder.start()
        assert said.something.wait(SECONDS)
        assert not done.is_set()
    builder.join()
    assert done.is_set()


def test_only_what_nobody_uses_is_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recipe, "check_this_machine", lambda: None)
    monkeypatch.setattr(recipe, "build", lambda home, releases: None)
    used, unused = (cache.cache() / name for name in ("used", "unused"))
    fill(unused, "2.1")
    fill(cache.home() / "work-x", "2.1")
    with cache._locked(used, fcntl.LOCK_SH):
        cache.build(["2.1"])
        assert list(cache.home().iterdir()) == []
        assert sorted(cache.cache().iterdir()) == sorted([cache.home(), used])


def test_who_waited_for_what_was_removed_has_a_folder_of_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "stderr", said := Said())
    folder = cache.cache() / "x"
    found: list[bool] = []

    def use() -> None:
        with cache._locked(folder, fcntl.LOCK_SH):
            found.append(folder.is_dir())

    user = Thread(target=use)
    with cache._locked(folder, fcntl.LOCK_EX):
        user.start()
        assert said.something.wait(SECONDS)
        shutil.rmtree(folder)
    user.join()
    assert found == [True]


def test_what_has_newer_packages_is_built_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path, "2.1", "2.3")
    now = {"2.1": "zfs-dkms_2.1_all.deb\n", "2.3": "zfs-dkms_2.3.1_all.deb\n"}
    built: list[str] = []
    for step in ("find_packages", "prepare"):
        monkeypatch.setattr(recipe._Steps, step, lambda self: None)
    monkeypatch.setattr(recipe._Steps, "_packages", lambda self, release: now[release])
    monkeypatch.setattr(recipe._Steps, "release", lambda self, release: built.append(release))
    recipe.build(tmp_path, ["2.1", "2.3"])
    assert built == ["2.3"]


def test_packages_that_cannot_be_had_are_no_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    apt = tmp_path / "apt-get"
    apt.write_text("#!/bin/sh\necho 'W: old' >&2\necho 'E: no network' >&2\necho more\nexit 100\n")
    apt.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with (
        workplace("x") as place,
        pytest.raises(recipe.CannotBuild, match=r"^apt-get update: E: no network \(see .*\)$"),
    ):
        recipe._Steps(place, tmp_path).apt("apt-get", "update")


def test_a_step_that_fails_tells_its_last_line_even_without_room_for_a_log() -> None:
    with workplace("x") as place:
        step = recipe._Steps(place, Path("/proc"))
        with pytest.raises(recipe.Failed, match=r"^one \| two: no room \(see .*\)$"):
            step.run("sh", "-c", "echo a; echo no room >&2; exit 1", name="one | two")


@pytest.mark.parametrize(("ci", "code"), [("", 0), ("true", 1)])
def test_another_architecture_is_a_skip_but_in_ci(
    ci: str,
    code: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    dpkg = tmp_path / "dpkg"
    dpkg.write_text("#!/bin/sh\necho arm64\n")
    dpkg.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("CI", ci)
    monkeypatch.setattr(recipe, "is_debian_12", lambda: True)
    assert main(["build"]) == code
    said = "lab: skipped: the lab is built on amd64, from its packages; this is arm64\n"
    assert capsys.readouterr() == ("", said)
