# SPDX-License-Identifier: BSD-2-Clause
"""Completion in bash, zsh, fish and tcsh: commands from the table, guests from the host."""

import os
import pty
import re
import select
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import documents
from tests.tools import need, run

BASH = """
source {script}
COMP_LINE='{words}' COMP_POINT=${{#COMP_LINE}}
compopt() {{ :; }}
_chyves_completion chyves
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
ZSH = """
compdef() {{ }}
compadd() {{ print -l -- $completions }}
_describe() {{ print -l -- ${{completions_with_descriptions%%:*}} }}
source {script}
words=({words}) CURRENT=$#words
_chyves_completion
"""
FISH = "source {script}; complete -C '{words}' | cut -f 1"


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a simulated host with guests alice and bob."""
    directory = tmp_path_factory.mktemp("completion")
    env = {
        "CHYVES_SIMULATE": str(directory / "host"),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HOME": str(directory),
        "TERM": "dumb",
    }
    for line in (
        "dataset tank install",
        "alice,bob create 1G",
        "bob group add :test",
        "bob snapshot @one",
    ):
        arguments = line.split()
        done = run("chyves", *arguments, env=env)
        assert done.returncode == 0, done.stderr
    return env


def _script(shell: str) -> Path:
    return documents.COMPLETIONS / ("_chyves" if shell == "zsh" else f"chyves.{shell}")


@pytest.mark.parametrize(
    ("shell", "check"),
    [("bash", "-n"), ("zsh", "-n"), ("fish", "--no-execute"), ("tcsh", "-fn")],
)
def test_syntax(shell: str, check: str) -> None:
    done = run(need(shell), check, _script(shell))
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("shell", "arguments", "program"),
    [
        ("bash", ("--norc", "-c"), BASH),
        ("zsh", ("-f", "-c"), ZSH),
        ("fish", ("--no-config", "-c"), FISH),
    ],
)
@pytest.mark.parametrize(
    ("typed", "wanted"),
    [
        ("chyves ver", ["version"]),
        ("chyves da", ["dataset"]),
        ("chyves al", ["alice", "all"]),
        ("chyves alice,bo", ["alice,bob"]),
        ("chyves alice sta", ["start"]),
        ("chyves :te", [":test"]),
        ("chyves bob,:te", ["bob,:test"]),
        ("chyves rcb", ["rcboot"]),
        ("chyves list pr", ["processes", "properties"]),
        ("chyves bob get uefi_vnc_r", ["uefi_vnc_res"]),
        ("chyves bob set templ", ["template="]),
        ("chyves bob set loader=u", ["loader=uefi"]),
        ("chyves global get consol", ["console_start_offset", "consolidate_bhyve_pci_devices"]),
        ("chyves bob snapshot rollback @o", ["@one"]),
        ("chyves network br", ["bridge0"]),
    ],
)
def test_completes(
    shell: str,
    arguments: tuple[str, ...],
    program: str,
    typed: str,
    wanted: list[str],
    host: dict[str, str],
) -> None:
    text = program.format(script=_script(shell), words=typed)
    done = run(need(shell), *arguments, text, env=host)
    if shell == "bash":  # replaces only what is behind the last = or :
        wanted = [re.sub(r".*[:=](?=.)", "", word) for word in wanted]
    assert sorted(done.stdout.split()) == wanted, done.stderr


def test_tcsh_is_made_of_the_same_tables() -> None:
    assert documents.tcsh() == _script("tcsh").read_text(), "make docs writes it again"


@pytest.fixture
def tcsh(host: dict[str, str], tmp_path: Path) -> Iterator[int]:
    """A tcsh on a terminal, with the completion loaded."""
    program = need("tcsh")
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(tmp_path)
        os.mkdir("somewhere")
        os.execve(program, ["tcsh", "-f"], {**host, "TERM": "xterm"})
    try:
        os.write(terminal, f"set prompt='ready> '; source {_script('tcsh')}\n".encode())
        yield terminal
    finally:
        os.close(terminal)
        os.waitpid(pid, 0)


def _read_until(terminal: int, wanted: str) -> str:
    seen, deadline = "", time.monotonic() + 20
    while wanted not in seen:
        ready, _, _ = select.select([terminal], [], [], max(0.0, deadline - time.monotonic()))
        assert ready, f"no {wanted!r} in {seen!r}"
        seen += os.read(terminal, 4096).decode(errors="replace")
    return seen


@pytest.mark.parametrize(
    ("typed", "wanted"),
    [
        ("chyves ver\t\r", "guest version: "),
        ("chyves bo\t get serial\r", "nmdm51"),
        ("chyves bob ge\t serial\r", "nmdm51"),
        ("chyves :te\t get serial\r", "nmdm51"),
        ("chyves bob start nul\t", "null.iso "),
        ("chyves --simulate somew\t", "somewhere/"),
    ],
)
def test_tcsh_completes(tcsh: int, typed: str, wanted: str) -> None:
    _read_until(tcsh, "\nready> ")
    os.write(tcsh, typed.encode())
    _read_until(tcsh, wanted)


def test_tcsh_is_told_nothing_where_there_are_no_guests(tcsh: int) -> None:
    _read_until(tcsh, "\nready> ")
    os.write(tcsh, f"setenv CHYVES_SIMULATE {_script('tcsh')}\rchyves bo\t".encode())
    seen = _read_until(tcsh, "\a")
    assert "chyves:" not in seen
