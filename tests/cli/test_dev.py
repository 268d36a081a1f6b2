# SPDX-License-Identifier: BSD-2-Clause
"""Functions of the backend, called by their names."""

import json
from pathlib import Path

import pytest

from chyves import backend
from chyves.commands.dev import functions
from chyves.errors import Exit
from tests.cli.conftest import Chyves


@pytest.fixture
def allowed(guests: Chyves) -> Chyves:
    guests("global set dev_mode=on -q")
    return guests


def test_it_prints_what_the_function_returns(allowed: Chyves) -> None:
    done = allowed("dev zfs.top_datasets")
    assert json.loads(done.out) == ["pool2", "tank", "tank/chyves"]
    assert allowed.json("dev zfs.available tank/chyves") > 1 << 30
    assert allowed.json("dev guests.status web")["phase"] == "stopped"
    assert allowed.json("dev net.interfaces")["em0"]["name"] == "em0"
    assert allowed("dev zfs.exists tank/nothing").out == "false\n"


def test_it_changes_the_host(allowed: Chyves) -> None:
    plan = allowed("dev zfs.set_property tank/chyves chyves:test 1 --dry-run").out
    assert plan == "null\nzfs set chyves:test=1 tank/chyves\n"
    assert allowed.zfs("chyves:test", "tank/chyves") == "-"
    assert allowed("dev zfs.set_property tank/chyves chyves:test 1").out == "null\n"
    assert allowed.zfs("chyves:test", "tank/chyves") == "1"


def test_flags_of_dev_mode(allowed: Chyves) -> None:
    line = "dev zfs.set_property tank/chyves chyves:test 1"
    allowed("global set dev_mode=-x -q")
    assert allowed(line).said == ["+ zfs set chyves:test=1 tank/chyves"]
    allowed("global set dev_mode=-v -q")
    assert allowed(line).said == ["zfs set chyves:test=1 tank/chyves"]
    allowed("global set dev_mode=-n -q")
    assert allowed(line.replace(" 1", " 2")).out.endswith("zfs set chyves:test=2 tank/chyves\n")
    assert allowed.zfs("chyves:test", "tank/chyves") == "1"


def test_off_is_off(guests: Chyves) -> None:
    why = guests.refused("dev zfs.top_datasets", code=Exit.NOT_PERMITTED)
    assert why == "dev_mode is off\nhint: chyves global set dev_mode=on"


def test_only_root(allowed: Chyves, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHYVES_SIMULATE_USER", "nobody")
    allowed.refused("dev zfs.top_datasets", code=Exit.NOT_PERMITTED)


@pytest.mark.parametrize(
    ("line", "code", "hint"),
    [
        ("dev zfs.top_dataset", Exit.NOT_FOUND, "did you mean zfs.top_datasets"),
        ("dev zsf.top_datasets", Exit.NOT_FOUND, "modules: "),
        ("dev top_datasets", Exit.NOT_FOUND, "modules: "),
        ("dev os.system", Exit.NOT_FOUND, "modules: "),
        ("dev zfs._change", Exit.NOT_FOUND, ""),
        ("dev zfs.shlex", Exit.NOT_FOUND, ""),
        ("dev locks.host_lock", Exit.NOT_FOUND, ""),
        ("dev zfs.available", Exit.USAGE, "chyves dev zfs.available <dataset>"),
        ("dev zfs.top_datasets x", Exit.USAGE, "chyves dev zfs.top_datasets"),
        ("dev", Exit.USAGE, ""),
    ],
)
def test_what_cannot_be_called(line: str, code: Exit, hint: str, allowed: Chyves) -> None:
    assert f"\nhint: {hint}" in allowed.refused(line, code=code)


def test_a_failure_is_told(allowed: Chyves) -> None:
    why = allowed("dev zfs.destroy tank/nothing", code=Exit.NOT_FOUND).said[0]
    assert "dataset does not exist" in why


def test_there_is_something_to_call() -> None:
    found = {
        f"{path.stem}.{name}"
        for path in Path(backend.__path__[0]).glob("[a-z]*.py")
        for name in functions(path.stem)
    }
    assert {"zfs.top_datasets", "net.interfaces", "guests.status", "vmm.vms"} <= found
    assert not [name for name in found if name.partition(".")[0] == "run"]
