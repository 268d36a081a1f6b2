# SPDX-License-Identifier: BSD-2-Clause
"""How chyves answers who does not know what to type."""

import json
from pathlib import Path

import pytest

from chyves.cli import run
from chyves.commands.table import GUEST_VERBS, TOP_COMMANDS
from chyves.errors import Exit
from tests.cli.conftest import Chyves


@pytest.mark.parametrize("word", [*TOP_COMMANDS, *GUEST_VERBS])
def test_help_of_a_command_begins_with_its_forms(word: str, bare: Chyves) -> None:
    entry = TOP_COMMANDS.get(word) or GUEST_VERBS[word]
    text = " ".join(bare(f"help {word}").out.split())
    assert text.startswith("Usage: chyves ")
    assert all(f"chyves {form} [options]" in text for form in entry.synopsis)
    assert " --json Report as JSON." in text
    if word not in ("help", *TOP_COMMANDS.keys() & GUEST_VERBS.keys()):
        assert " ".join(bare(f"{word} --help").out.split()) == text


@pytest.mark.parametrize("word", ["-h", "--help"])
def test_help_may_be_asked_for_behind_options(word: str, bare: Chyves) -> None:
    assert bare(word).out == bare(f"-q {word}").out == bare("help").out
    assert bare(f"--json {word}").out == bare("--json help").out
    assert bare(f"-q list {word}").out == bare("help list").out


def test_help_of_one_command_as_json(bare: Chyves) -> None:
    (command,) = bare.json("help start")["commands"]
    assert command["word"] == "start"
    assert command["synopsis"] == list(GUEST_VERBS["start"].synopsis)


def test_no_word_at_all_is_a_question_for_help(bare: Chyves) -> None:
    """As where a variable of a script is not set; 0.2.0 did so."""
    assert bare("", "").out == bare("help").out


def test_help_of_no_command(bare: Chyves) -> None:
    why = bare.refused("help strat", code=Exit.USAGE)
    assert why == "no such command: strat\nhint: did you mean start?"


@pytest.mark.parametrize(
    ("line", "why", "hint"),
    [
        ("iso delete", "<name> is missing behind 'iso delete'", "chyves iso delete <name>"),
        (
            "firmware rename a.img",
            "<new> is missing behind 'firmware rename a.img'",
            "chyves firmware rename <name> <new>",
        ),
        (
            "web disk",
            "list, add, delete, resize, disk{n} is missing behind 'disk'",
            "chyves help disk",
        ),
        (
            "web disk resize disk0",
            "<size> is missing behind 'disk resize disk0'",
            "chyves <guest> disk resize disk{n} <size>",
        ),
        (
            "web disk disk0 notes",
            "<text> is missing behind 'disk disk0 notes'",
            "chyves <guest> disk disk{n} description|notes <text>",
        ),
        (
            "network bridge0 attach",
            "<interface> is missing behind 'network bridge0 attach'",
            "chyves network bridge{n} attach <interface>",
        ),
        ("network bridge0 prviate", "no such network command: bridge0 prviate", "did you mean "),
        ("iso list a.img", "iso list takes no more words: a.img", "chyves iso list"),
        ("web get", "Missing argument 'PROPERTY|all'", "chyves <guest>[,...]|all|defaults|global"),
        ("web start --tomorrow", "No such option '--tomorrow'", "chyves <guest>[,...]|all start"),
        ("start", "start of which guest?", "chyves <guest>[,...]|all start [<iso>]"),
    ],
)
def test_what_is_missing_is_said(line: str, why: str, hint: str, guests: Chyves) -> None:
    complaint, advice = guests.refused(line, code=Exit.USAGE).splitlines()
    assert complaint.startswith(why)
    assert advice.startswith(f"hint: {hint}")


@pytest.mark.parametrize(
    "line", ["web list --json", "web start --json --tomorrow", "lsit --json", "list -x --json"]
)
def test_a_line_that_is_not_understood_is_reported_as_json(line: str, guests: Chyves) -> None:
    envelope = json.loads(guests(line, code=Exit.USAGE).out)
    assert [error["code"] for error in envelope["errors"]] == ["usage"]


def test_json_behind_two_dashes_is_no_option(guests: Chyves) -> None:
    assert guests("web disk -- frobnicate --json", code=Exit.USAGE).out == ""


def test_nothing_is_no_simulated_host(capsys: pytest.CaptureFixture[str]) -> None:
    """As from a script whose variable is not set."""
    assert run(["--simulate", "", "list"]) == Exit.USAGE
    said = capsys.readouterr().err
    assert said.startswith("chyves: Invalid value for '--simulate': no directory is named\n")


def test_a_simulated_host_needs_a_folder_that_can_be_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    below = tmp_path / "file" / "host"
    assert run(["--simulate", str(below), "list"]) == Exit.USAGE
    assert capsys.readouterr().err == (
        f"chyves: no host can be simulated in {below}: Not a directory\n"
        "hint: name a folder that is empty or can be made\n"
    )
