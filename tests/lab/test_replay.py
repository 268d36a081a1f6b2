# SPDX-License-Identifier: BSD-2-Clause
"""Which histories are played how far, with a zfs that answers as it is told."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.lab import replay, warm
from tests.lab.contract.session import Step
from tests.lab.histories import ANOTHER_PROCESS, gather, read

OPENED = [
    "cannot destroy 'tank/web/disk0': dataset is busy\n",
    "cannot destroy 'tank/a': dataset is busy\ncannot destroy 'tank': dataset already exists\n",
    "cannot unmount '/tank/a': pool or dataset is busy\n",
    "cannot export 'tank': pool is busy\n",
]

NOT_OPENED = [
    "cannot destroy snapshot tank/web/disk0@a: dataset is busy\n",
    "cannot destroy 'tank/v@three': dataset is busy\n",
    "cannot create snapshot 'tank/copy@own': dataset is busy\n",
    "cannot mount 'tank/a': mountpoint or dataset is busy\n",
]


def history(directory: Path, name: str, *steps: tuple[str, str], cut: str = "") -> None:
    """Write a history of commands and complaints."""
    lines: list[object] = [{"tank": 1 << 30}]
    for command, complaint in steps:
        lines.append((command.split(), Step(command, bool(complaint), "", complaint)))
    lines += [cut] if cut else []
    (directory / name).write_text("".join(json.dumps(line) + "\n" for line in lines))


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, str]:
    """What zfs complains of, by command."""
    complaints: dict[str, str] = {}

    def run(argv: Sequence[str], stdin: bytes = b"") -> tuple[int, bytes, bytes]:
        complaint = complaints.get(" ".join(argv), "").encode()
        return int(bool(complaint)), b"", complaint

    monkeypatch.setattr(warm, "run", run)
    monkeypatch.setattr(replay, "POOLS", tmp_path / "pools")
    return complaints


def played(directory: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    histories = directory / "histories.jsonl"
    gather(directory / "seen", histories)
    return replay.main(str(histories), "14.3"), capsys.readouterr().out.splitlines()[-1]


@pytest.fixture
def seen(tmp_path: Path) -> Path:
    (tmp_path / "seen").mkdir()
    return tmp_path / "seen"


@pytest.mark.parametrize("complaint", OPENED)
def test_a_history_ends_where_something_is_open(
    complaint: str, seen: Path, said: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    history(seen, "a", ("zfs destroy tank/a", complaint))
    code, summary = played(seen.parent, capsys)
    assert code == 0
    assert summary.startswith("1 histories were played: 1 until something was open; 0 disagree")


@pytest.mark.parametrize("complaint", NOT_OPENED)
def test_a_history_goes_on_where_zfs_itself_is_busy(
    complaint: str, seen: Path, said: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    history(seen, "a", ("zfs destroy tank/a@b", complaint))
    code, summary = played(seen.parent, capsys)
    assert code == 1
    assert summary.startswith("1 histories were played: 1 until zfs disagreed; 1 disagree")
    said["zfs destroy tank/a@b"] = complaint
    code, summary = played(seen.parent, capsys)
    assert code == 0
    assert summary.startswith("1 histories were played: 1 to the end; 0 disagree")


def test_what_another_process_cut_is_counted(
    seen: Path, said: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    history(seen, "a", ("zfs create tank/a", ""), cut=ANOTHER_PROCESS)
    history(seen, "b", ("zfs create tank/b", ""), ("zfs list", ""))
    code, summary = played(seen.parent, capsys)
    assert code == 0
    assert f"1 until {ANOTHER_PROCESS}" in summary
    assert "1 to the end" in summary
    assert "the tables of 1 not compared" in summary


def test_that_nothing_was_played_is_a_failure(
    seen: Path, said: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    code, summary = played(seen.parent, capsys)
    assert code == 1
    assert summary.startswith("0 histories were played: none")


def test_a_history_is_read_as_it_was_written(seen: Path) -> None:
    history(seen, "a", ("zfs create tank/a", ""), cut="x")
    first = read((seen / "a").read_text())
    assert first.cut == "x"
    assert read(json.dumps(first)) == first
