# SPDX-License-Identifier: BSD-2-Clause
"""The manual page and the README say what the program does."""

import json
import re
import shlex
import sys
from pathlib import Path

import pytest

from chyves.app import App
from chyves.commands.table import GUEST_VERBS, TOP_COMMANDS
from chyves.errors import Exit
from tests import documents
from tests.guests import scripted_iso
from tests.tools import CHECKOUT, need, run

PAGE = documents.PAGE.read_text()
README = (CHECKOUT / "README.md").read_text()


@pytest.fixture(scope="module")
def rendered() -> str:
    done = run(need("mandoc"), "-T", "utf8", "-O", "width=200", documents.PAGE)
    assert done.returncode == 0, done.stderr
    return re.sub(".\b", "", done.stdout)


def section(name: str) -> str:
    """Return the source of one section of the page."""
    found = re.search(rf"^\.Sh {name}\n(.*?)(?=^\.Sh |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert found, name
    return found[1]


def test_generated_parts_are_up_to_date() -> None:
    assert documents.page() == PAGE, "make docs writes them again"


def test_mandoc_has_nothing_to_say() -> None:
    done = run(need("mandoc"), "-T", "lint", "-W", "warning", documents.PAGE)
    assert (done.returncode, done.stdout) == (0, "")


def test_sections_are_there_in_order() -> None:
    wanted = (
        "NAME SYNOPSIS DESCRIPTION COMMANDS PROPERTIES HOOKS ENVIRONMENT FILES LOGS JSON"
        " EXIT_STATUS"
        " SIMULATED_HOST EXAMPLES DIAGNOSTICS COMPATIBILITY SEE_ALSO HISTORY AUTHORS"
    )
    assert [s.replace(" ", "_") for s in re.findall(r"^\.Sh (.*)$", PAGE, re.M)] == wanted.split()


@pytest.mark.parametrize("synopsis", documents.synopses())
def test_every_form_of_every_command_can_be_read(synopsis: str, rendered: str) -> None:
    lines = {line.strip() for line in rendered.splitlines()}
    assert "chyves " + re.sub("[<>{}]", "", synopsis) in lines


@pytest.mark.parametrize("word", [*TOP_COMMANDS, *GUEST_VERBS])
def test_every_command_is_described(word: str) -> None:
    assert re.search(rf"^\.It Ic {word}\b", section("COMMANDS"), re.MULTILINE)


@pytest.mark.parametrize("exit_code", Exit)
def test_every_exit_status_is_explained(exit_code: Exit) -> None:
    assert f".It {exit_code.value}\n.Em {exit_code.name} :\n" in section("EXIT STATUS")


def test_every_variable_that_is_read_is_listed() -> None:
    sources = "".join(path.read_text() for path in CHECKOUT.glob("chyves/**/*.py"))
    read = set(re.findall(r"\"(CHYVES_[A-Z_]+)\"", sources))
    assert read == set(re.findall(r"^\.It Ev (\w+)", section("ENVIRONMENT"), re.MULTILINE))


def test_every_member_of_the_json_envelope_is_described(capsys: pytest.CaptureFixture[str]) -> None:
    app = App()
    app.output.json = True
    app.report.finish("list", None)
    members = set(json.loads(capsys.readouterr().out))
    assert members == set(re.findall(r"^\.It Cm (\w+)", section("JSON"), re.MULTILINE))


def _examples(text: str) -> list[str]:
    return re.findall(r"^\s*(?:\.venv/bin/)?chyves (\S.*?)(?:  .*)?$", text, re.MULTILINE)


@pytest.mark.parametrize(
    "line",
    [*_examples(section("EXAMPLES")), *_examples("".join(README.split("```")[1::2]))],
)
def test_examples_use_words_that_exist(line: str) -> None:
    words = [word for word in shlex.split(line) if not word.startswith("-")]
    assert words[0] in TOP_COMMANDS or words[1] in GUEST_VERBS


def test_examples_of_the_manual_run_as_written(tmp_path: Path) -> None:
    env = {"CHYVES_SIMULATE": str(tmp_path / "host"), "CHYVES_SIMULATE_GUEST": "scripted"}
    lines = _examples(section("EXAMPLES"))
    assert lines.pop() == lines[0], "the last is for another host"
    lines.remove("web console")
    lines.insert(1, "db create 1G")
    for line in lines:
        words = shlex.split(line.replace("/tmp/", f"{tmp_path}/"))
        if "import" in words:
            scripted_iso(Path(words[-1]))
        done = run(sys.executable, "-m", "chyves", "--yes", *words, env=env)
        assert done.returncode == 0, f"{line}: {done.stderr}"


def test_the_readme_opens_with_the_two_commands() -> None:
    top = README.split("##")[0]
    assert "`make demo`" in top
    assert "`make test`" in top


def test_links_lead_somewhere() -> None:
    for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md"):
        text = (CHECKOUT / name).read_text()
        for target in re.findall(r"\]\(([^)#:]+)\)", text):
            assert (CHECKOUT / target).exists(), f"{name}: {target}"
        for anchor in re.findall(r"\]\(#([^)]+)\)", text):
            headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
            assert anchor in {heading.lower().replace(" ", "-") for heading in headings}
