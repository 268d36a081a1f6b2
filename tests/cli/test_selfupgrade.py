# SPDX-License-Identifier: BSD-2-Clause
"""Another version of chyves itself: looked for, checked, installed as a whole or not at all."""

import hashlib
import io
import itertools
import json
import re
import shutil
import socket
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chyves import __version__
from chyves.backend import fetch, installation
from chyves.cli import run as run_cli
from chyves.commands import selfupgrade
from chyves.errors import Exit
from chyves.simulator.world import World
from tests.cli.conftest import Chyves
from tests.faults import harness
from tests.servers import CERTIFICATE, WebServer, serving
from tests.simulator.living import living
from tests.simulator.vms import wait_for
from tests.tools import CHECKOUT, run

GLOBAL = "/chyves/tank/.config/global.cfg"
MAIN = "from chyves import __version__\nif __name__ == '__main__':\n    print(__version__)\n"


def wheel(version: str, **more: str) -> bytes:
    """Return a release that can do nothing but say its version."""
    files = {
        "chyves/__init__.py": f'__version__ = "{version}"\n',
        "chyves/__main__.py": MAIN,
        "chyves/model/__init__.py": "",
        f"chyves-{version}.data/data/share/man/man8/chyves.8": f"manual of {version}",
        f"chyves-{version}.data/data/etc/rc.d/chyves": "#!/bin/sh",
        f"chyves-{version}.dist-info/METADATA": "Name: chyves",
        **more,
    }
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, text in files.items():
            member = zipfile.ZipInfo(name)
            member.external_attr = (0o755 if "rc.d" in name else 0o644) << 16
            archive.writestr(member, text)
    return packed.getvalue()


class GitHub:
    """A host with releases."""

    def __init__(self, web: WebServer) -> None:
        self.web = web
        self.listed: list[dict[str, Any]] = []
        self._publish()

    def release(self, version: str, content: bytes, *, early: bool = False, **more: Any) -> None:
        name = f"chyves-{version}-py3-none-any.whl"
        self.web.files[f"/{name}"] = content
        asset = {
            "name": name,
            "size": len(content),
            "digest": f"sha256:{hashlib.sha256(content).hexdigest()}",
            "browser_download_url": self.web.url(f"/{name}"),
            **more,
        }
        one = {"tag_name": f"v{version}", "draft": False, "prerelease": early, "assets": [asset]}
        self.listed.insert(0, one)
        self._publish()

    def _publish(self) -> None:
        self.web.files["/releases"] = json.dumps(self.listed).encode()


@pytest.fixture
def github(monkeypatch: pytest.MonkeyPatch) -> Iterator[GitHub]:
    web = WebServer(safe=True)
    with serving(web.server):
        monkeypatch.setattr(selfupgrade, "RELEASES", web.url("/releases?per_page=50"))
        monkeypatch.setattr(fetch, "TRUST", str(CERTIFICATE))
        monkeypatch.setattr(fetch, "PAUSE", 0.0)
        yield GitHub(web)


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where an old version is installed."""
    folder = tmp_path / "local/lib/python3.11/site-packages/chyves"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text(f'__version__ = "{__version__}"\n')
    (folder / "__main__.py").write_text(MAIN)
    monkeypatch.setattr(installation, "package_folder", lambda: folder)
    return folder


def version_of(package: Path) -> str:
    """Return what the installed program says that it is."""
    done = run(sys.executable, "-m", "chyves", cwd=package.parent)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


# -- upgrade ------------------------------------------------------------------------------------


def test_the_newest_release_is_installed(chyves: Chyves, github: GitHub, package: Path) -> None:
    github.release("98.0", wheel("98.0"))
    github.release("99.0rc1", wheel("99.0rc1"), early=True)
    chyves("global set check_for_updates_last_check_status=1 -q")
    done = chyves("upgrade")
    assert done.out == f"chyves: upgraded from {__version__} to 98.0\n"
    assert version_of(package) == "98.0"
    prefix = package.parents[3]
    assert (prefix / "share/man/man8/chyves.8").read_text() == "manual of 98.0"
    assert (prefix / "etc/rc.d/chyves").stat().st_mode & 0o777 == 0o755
    assert (package / "__init__.py").stat().st_mode & 0o777 == 0o644
    assert not list(package.rglob("*.whl*"))
    assert "check_for_updates_last_check_status=0\n" in chyves.file(GLOBAL)
    assert chyves("upgrade dev").out == f"chyves: upgraded from {__version__} to 99.0rc1\n"
    assert version_of(package) == "99.0rc1"
    assert [path.name for path in package.glob("_[0-9]*")] == ["_99.0rc1"]


def test_the_program_itself_can_be_upgraded(
    chyves: Chyves, github: GitHub, package: Path, tmp_path: Path
) -> None:
    """The whole package: what it imports has to be found where it is put."""
    shutil.rmtree(package)
    shutil.copytree(CHECKOUT / "chyves", package)
    files = {
        str(path.relative_to(CHECKOUT)): path.read_text()
        for path in (CHECKOUT / "chyves").rglob("*.*")
        if path.parent.name != "__pycache__"
    }
    files["chyves/__init__.py"] = files["chyves/__init__.py"].replace(__version__, "99.0")
    github.release("99.0", wheel("99.0", **files))
    chyves("upgrade master")
    code = "import sys; sys.path.insert(0, sys.argv.pop(1)); import chyves.__main__ as m; m.main()"
    done = run(
        sys.executable, "-I", "-c", code, package.parent, "--simulate", tmp_path / "x", "version"
    )
    assert done.stdout.startswith("chyves: 99.0\n")
    code = "import sys; sys.path.insert(0, sys.argv[1]); import chyves.cli as c; print(c.__file__)"
    done = run(sys.executable, "-I", "-c", code, package.parent)
    assert done.stdout.strip() == str(package / "_99.0/chyves/cli.py")


def test_nothing_newer(chyves: Chyves, github: GitHub, package: Path) -> None:
    github.release("0.2.0", wheel("0.2.0"))
    github.release("99.0rc1", wheel("99.0rc1"), early=True)
    assert chyves("upgrade").out == f"chyves: {__version__} is the newest\n"
    assert version_of(package) == __version__


def test_nothing_that_could_be_installed(chyves: Chyves, github: GitHub, package: Path) -> None:
    assert "no release of chyves" in chyves.refused("upgrade", code=Exit.NOT_FOUND)
    github.release("99.0", wheel("99.0"), digest=None)
    said = "chyves 99.0 is there, but has no wheel with a SHA256: it cannot be installed"
    for word in ("upgrade", "upgrade dev"):
        assert said in chyves.refused(word, code=Exit.HOST)
    assert f"chyves: {said}" in chyves("upgrade check").said
    assert version_of(package) == __version__


def test_an_older_release_than_one_that_cannot_be_installed(
    chyves: Chyves, github: GitHub, package: Path
) -> None:
    github.release("98.0", wheel("98.0"))
    github.release("99.0", wheel("99.0"), name="chyves-99.0.tar.gz")
    done = chyves("upgrade")
    assert done.out == f"chyves: upgraded from {__version__} to 98.0\n"
    assert any("chyves 99.0 is there" in line for line in done.said)


def test_versions_stay_that_processes_are_of(chyves: Chyves, github: GitHub, package: Path) -> None:
    """A supervisor imports some modules late, when its guest reboots."""
    github.release("97.0", wheel("97.0"))
    chyves("upgrade")
    with living(World(chyves.directory), "python3.11 -m chyves.supervise 3"):
        for version in ("98.0", "99.0"):
            github.release(version, wheel(version))
            chyves("upgrade")
        assert {path.name for path in package.glob("_[0-9]*")} == {"_97.0", "_99.0"}
    github.release("99.1", wheel("99.1"))
    chyves("upgrade")
    assert [path.name for path in package.glob("_[0-9]*")] == ["_99.1"]


@pytest.mark.parametrize("word", ["", " master", " dev"])
def test_a_plan(word: str, chyves: Chyves, github: GitHub, package: Path) -> None:
    github.release("99.0", wheel("99.0"))
    done = chyves(f"upgrade{word} --dry-run")
    url = github.web.url("/chyves-99.0-py3-none-any.whl")
    assert done.out.splitlines()[1:] == [f"# fetch {url}", f"# put chyves 99.0 into {package}"]
    assert version_of(package) == __version__


def test_a_digest_that_does_not_match(chyves: Chyves, github: GitHub, package: Path) -> None:
    github.release("99.0", wheel("99.0"), digest="sha256:" + "0" * 64)
    why = chyves.refused("upgrade", code=Exit.FAILED)
    assert why.startswith("chyves: the release is not what it should be: its SHA256 is ")
    assert version_of(package) == __version__


@pytest.mark.parametrize(
    "harm",
    [
        {"chyves/model/broken.py": "import no_such_module"},
        {"chyves/__init__.py": '__version__ = "3.0"\n'},
        {"chyves/../../../../outside.py": ""},
        {"chyves-99.0.data/data/../../../outside": ""},
    ],
)
def test_a_release_that_does_not_work_here(
    harm: dict[str, str], chyves: Chyves, github: GitHub, package: Path, tmp_path: Path
) -> None:
    github.release("99.0", wheel("99.0", **harm))
    chyves("upgrade", code=Exit.FAILED)
    assert version_of(package) == __version__
    assert not list(tmp_path.rglob("outside*"))


def test_only_https(chyves: Chyves, github: GitHub, package: Path) -> None:
    plain = "http://localhost/chyves-99.0-py3-none-any.whl"
    github.release("99.0", wheel("99.0"), browser_download_url=plain)
    why = chyves("upgrade", code=Exit.HOST).said[0]
    assert why.endswith("which is not https")
    name = "/chyves-99.1-py3-none-any.whl"
    github.release("99.1", wheel("99.1"), browser_download_url=github.web.url("/away.whl"))
    github.web.redirects["/away.whl"] = f"http://localhost{name}"
    chyves("upgrade", code=Exit.USAGE)
    assert version_of(package) == __version__


def test_what_a_package_owns_is_left_to_pkg(chyves: Chyves, github: GitHub, package: Path) -> None:
    github.release("99.0", wheel("99.0"))
    world = World(chyves.directory)
    with world.changing():
        world.table("packages")[str(package / "__init__.py")] = {"name": "py311-chyves-1.0"}
    assert chyves.refused("upgrade", code=Exit.PRECONDITION) == (
        "the package py311-chyves-1.0 owns chyves\nhint: pkg upgrade chyves"
    )
    assert not github.web.requests


def test_a_checkout_is_left_to_git(chyves: Chyves, github: GitHub) -> None:
    assert "make install" in chyves.refused("upgrade", code=Exit.PRECONDITION)


def test_who_may_and_which_words(
    chyves: Chyves, github: GitHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "master|dev|check" in chyves.refused("upgrade trunk", code=Exit.USAGE)
    monkeypatch.setenv("CHYVES_SIMULATE_USER", "nobody")
    chyves.refused("upgrade", code=Exit.NOT_PERMITTED)
    chyves("upgrade check")


def test_it_can_be_killed_at_each_step(
    chyves: Chyves, github: GitHub, package: Path, tmp_path: Path
) -> None:
    github.release("99.0", wheel("99.0"))
    old = tmp_path / "old"
    shutil.copytree(tmp_path / "local", old)
    typed = harness.Chyves(chyves.directory)
    for number in itertools.count(1):
        shutil.rmtree(tmp_path / "local")
        shutil.copytree(old, tmp_path / "local")
        ended = typed.ends_under(harness.kill_at_file_step(number), "upgrade")
        if not ended.was_killed:
            break
        assert version_of(package) in (__version__, "99.0")
        assert typed.ends("upgrade").code == 0
        assert version_of(package) == "99.0"
        assert not list(package.rglob("*.whl*"))
    assert number > 10


# -- check --------------------------------------------------------------------------------------


def test_check_says_what_there_is(chyves: Chyves, github: GitHub) -> None:
    github.release("0.2.0", wheel("0.2.0"))
    github.release("99.0rc1", wheel("99.0rc1"), early=True)
    before = chyves.state()
    assert chyves("upgrade check").out == (
        f"installed: {__version__}\nmaster: 0.2.0\n"
        "dev: 99.0rc1, newer: chyves upgrade dev installs it\n"
    )
    assert chyves.json("upgrade check") == {
        "installed": __version__,
        "master": "0.2.0",
        "dev": "99.0rc1",
    }
    assert chyves.state() == before


@pytest.mark.parametrize("answer", [b"<html>", b"[1]", b"{}", b'[{"draft": false}]', b""])
def test_an_answer_that_is_none(answer: bytes, chyves: Chyves, github: GitHub) -> None:
    github.web.files["/releases"] = answer
    chyves("upgrade check", code=Exit.HOST)


def test_no_answer(chyves: Chyves, github: GitHub, monkeypatch: pytest.MonkeyPatch) -> None:
    github.web.files.clear()
    chyves.refused("upgrade check", code=Exit.HOST)
    monkeypatch.setattr(selfupgrade, "RELEASES", "https://localhost:1/releases")
    assert "Connection refused" in chyves.refused("upgrade check", code=Exit.HOST)


# -- every so often -----------------------------------------------------------------------------


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def typed(chyves: Chyves, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Type a line at a terminal; return what is said on stderr, but for the simulated host."""

    def type_(line: str) -> list[str]:
        out, err = Terminal(), Terminal()
        with monkeypatch.context() as patch:
            patch.setattr(sys, "stdout", out)
            patch.setattr(sys, "stderr", err)
            run_cli(["--simulate", str(chyves.directory), *line.split()])
        return [one for one in err.getvalue().splitlines() if "simulated" not in one]

    return type_


def settings(chyves: Chyves) -> dict[str, str]:
    lines = chyves.file(GLOBAL).splitlines()
    return dict(line.split("=", 1) for line in lines if line.startswith("check_for_updates"))


TODAY = time.strftime("%Y%m%d", time.gmtime())


def set_back(chyves: Chyves, interval: str = "daily") -> None:
    chyves(f"global set check_for_updates={interval} check_for_updates_last_check=20200101 -q")


def test_nobody_looks_unless_asked_to(chyves: Chyves, github: GitHub, typed: Any) -> None:
    github.release("99.0", wheel("99.0"))
    chyves("global set check_for_updates_last_check=20200101 -q")
    assert typed("list pools") == []
    assert not github.web.requests


def test_a_newer_version_is_said(chyves: Chyves, github: GitHub, typed: Any) -> None:
    github.release("99.0", wheel("99.0"))
    set_back(chyves)
    assert typed("list pools") == []
    assert settings(chyves)["check_for_updates_last_check"] == TODAY
    wait_for(lambda: settings(chyves)["check_for_updates_last_check_status"] == "1", "it is known")
    assert typed("list pools") == ["chyves: chyves 99.0 is there: chyves upgrade installs it"]
    (request,) = github.web.requests
    assert request.headers["User-Agent"] == f"chyves/{__version__}"


def test_nothing_newer_is_no_news(chyves: Chyves, github: GitHub, typed: Any) -> None:
    chyves("global set check_for_updates_last_check_status=1 -q")
    github.release("0.2.0", wheel("0.2.0"))
    set_back(chyves)
    assert typed("list pools") == []
    wait_for(lambda: settings(chyves)["check_for_updates_last_check_status"] == "0", "none is")
    assert typed("list pools") == []
    assert len(github.web.requests) == 1


@pytest.mark.parametrize(
    "line", ["list pools --json", "list pools -q", "web create 1M --dry-run", "version"]
)
def test_programs_are_told_nothing(line: str, chyves: Chyves, github: GitHub, typed: Any) -> None:
    set_back(chyves, "always")
    assert typed(line) == []
    chyves("list pools")
    assert not github.web.requests


def test_who_is_not_root_is_told_nothing(
    chyves: Chyves, github: GitHub, typed: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_back(chyves)
    monkeypatch.setenv("CHYVES_SIMULATE_USER", "nobody")
    assert typed("list pools") == []
    assert not github.web.requests


def test_a_look_that_fails_is_not_made_again(chyves: Chyves, github: GitHub, typed: Any) -> None:
    github.web.files.clear()
    set_back(chyves)
    assert typed("list pools") == []
    wait_for(lambda: github.web.requests, "it was looked for")
    assert typed("list pools") == []
    assert len(github.web.requests) == 1
    assert settings(chyves)["check_for_updates_last_check"] == TODAY


def test_a_server_that_is_silent_delays_nobody(chyves: Chyves, typed: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.MonkeyPatch.context() as patch:
        port = silent.getsockname()[1]
        patch.setattr(selfupgrade, "RELEASES", f"https://127.0.0.1:{port}/releases")
        set_back(chyves)
        chyves("global set check_for_updates_timeout_seconds=60 -q")
        began = time.monotonic()
        assert typed("list pools") == []
        assert time.monotonic() - began < 30, "it waits for nobody"
        silent.settimeout(20)
        connection, _ = silent.accept()
        connection.close()


def test_a_version_that_was_upgraded_to_is_no_news(chyves: Chyves, typed: Any) -> None:
    """By pkg, for one."""
    chyves("global set check_for_updates=monthly -q")
    path = chyves.host.path(GLOBAL)
    values = f"check_for_updates_last_check={TODAY}\ncheck_for_updates_newest={{}}\n"
    text = re.sub("check_for_updates_last_check=.*\n", "", path.read_text())
    path.write_text(text + values.format("99.0"))
    assert typed("list pools") == ["chyves: chyves 99.0 is there: chyves upgrade installs it"]
    path.write_text(text + values.format(__version__))
    assert typed("list pools") == []
