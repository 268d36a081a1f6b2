# SPDX-License-Identifier: BSD-2-Clause
"""What the wheel and the source archive carry."""

import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.tools import CHECKOUT, run

DATA = {
    "share/man/man8/chyves.8": "man/chyves.8",
    "etc/rc.d/chyves": "rc.d/chyves",
    "share/bash-completion/completions/chyves": "completions/chyves.bash",
    "share/zsh/site-functions/_chyves": "completions/_chyves",
    "share/fish/vendor_completions.d/chyves.fish": "completions/chyves.fish",
    "share/examples/chyves/chyves.tcsh": "completions/chyves.tcsh",
}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("dist")
    done = run(sys.executable, "-m", "hatchling", "build", "-d", directory)
    assert done.returncode == 0, done.stderr
    return directory


def test_the_wheel_holds_the_package_and_its_data_and_nothing_else(built: Path) -> None:
    with zipfile.ZipFile(next(built.glob("*.whl"))) as wheel:
        members = {info.filename: info for info in wheel.infolist()}
        data = {name.split(".data/data/")[1]: name for name in members if ".data/data/" in name}
        assert set(data) == set(DATA)
        for name, source in DATA.items():
            assert wheel.read(data[name]) == (CHECKOUT / source).read_bytes(), name
            executable = bool(members[data[name]].external_attr >> 16 & 0o111)
            assert executable == (name == "etc/rc.d/chyves"), name

    assert {name for name in members if name.startswith("chyves/")} == {
        str(path.relative_to(CHECKOUT))
        for path in CHECKOUT.glob("chyves/**/*.*")
        if path.parent.name != "__pycache__"
    }
    rest = {name.split("/")[0] for name in members} - {"chyves"}
    assert {name.rpartition(".")[2] for name in rest} == {"data", "dist-info"}
    assert any(name.endswith("licenses/LICENSE") for name in members)


def test_the_source_archive_can_be_tested(built: Path) -> None:
    with tarfile.open(next(built.glob("*.tar.gz"))) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"Makefile", "LICENSE", "tests/prepare", "tests/demo.py", "man/chyves.8"} <= names
