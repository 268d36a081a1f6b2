# SPDX-License-Identifier: BSD-2-Clause
"""The Makefile under both makes, and what it installs."""

import os
import re
import stat
import sys
from pathlib import Path

import pytest

from tests.tools import CHECKOUT, need, run

MAKEFILE = (CHECKOUT / "Makefile").read_text()
TARGETS = MAKEFILE.split(".PHONY:")[1].split()
MAKES = ("make", "bmake")


@pytest.mark.parametrize("make", MAKES)
@pytest.mark.parametrize("target", TARGETS)
def test_both_makes_accept_every_target(make: str, target: str) -> None:
    done = run(need(make), "-n", target)
    assert done.returncode == 0, done.stderr
    assert done.stdout


def test_every_target_is_declared() -> None:
    assert set(re.findall(r"^([a-z]+):", MAKEFILE, re.MULTILINE)) == set(TARGETS)


@pytest.mark.parametrize("make", MAKES)
def test_what_explains_every_target(make: str) -> None:
    explained = re.findall(r"^make (\w+) {2,}\w", run(need(make)).stdout, re.MULTILINE)
    assert sorted([*explained, "what"]) == sorted(TARGETS)


def _files(top: Path) -> set[str]:
    return {
        str(path.relative_to(top)) for path in top.rglob("*") if path.is_symlink() or path.is_file()
    }


@pytest.mark.parametrize("make", MAKES)
def test_install_and_deinstall(make: str, tmp_path: Path) -> None:
    stage = tmp_path / "stage with a blank" if make == "make" else tmp_path / "stage"
    settings = (f"DESTDIR={stage}", f"PYTHON={sys.executable}")
    done = run(need(make), "install", *settings)
    assert done.returncode == 0, done.stderr

    prefix = stage / "usr/local"
    assert os.readlink(prefix / "sbin/chyves") == "../bin/chyves"
    for script in ("bin/chyves", "etc/rc.d/chyves"):
        assert stat.S_IMODE((prefix / script).stat().st_mode) == 0o755
    installed = _files(prefix)
    for name in (
        "share/man/man8/chyves.8",
        "share/bash-completion/completions/chyves",
        "share/zsh/site-functions/_chyves",
        "share/fish/vendor_completions.d/chyves.fish",
        "share/examples/chyves/chyves.tcsh",
    ):
        assert name in installed
    assert not [name for name in installed if "tests" in name.split("/")]

    modules = next((prefix / "lib").glob("python3*/site-packages"))
    version = run(prefix / "sbin/chyves", "version", cwd=tmp_path, env={"PYTHONPATH": str(modules)})
    assert version.returncode == 0, version.stderr
    assert version.stdout.startswith("chyves: ")

    again = run(need(make), "install", *settings)
    assert again.returncode == 0, again.stderr
    removed = run(need(make), "deinstall", *settings)
    assert removed.returncode == 0, removed.stderr
    assert _files(stage) == set()


def test_boot_is_enabled_and_disabled_by_sysrc(tmp_path: Path) -> None:
    sysrc = tmp_path / "sysrc"
    sysrc.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/log\n')
    sysrc.chmod(0o755)
    path = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    for target in ("installrc", "rcremove"):
        assert run("make", target, env=path).returncode == 0
    assert (tmp_path / "log").read_text() == "chyves_enable=YES\n-x chyves_enable\n"


def test_a_check_without_its_program_is_skipped_aloud_but_fails_in_ci() -> None:
    prepare = CHECKOUT / "tests/prepare"
    assert run(prepare, "run", "echo", "checked", env={"CI": "true"}).stdout == (
        "echo checked\nchecked\n"
    )
    assert run(prepare, "run", "false", env={"CI": ""}).returncode == 1

    skipped = run(prepare, "run", "no-such-program", "x", env={"CI": ""})
    assert skipped.returncode == 0
    assert "skipped, no no-such-program" in skipped.stderr
    assert run(prepare, "run", "no-such-program", "x", env={"CI": "true"}).returncode == 1
