# SPDX-License-Identifier: BSD-2-Clause
"""What the tests leave out: each form of each command, each kind of error and each program of the
simulated host has to be somewhere, so that a new one is not forgotten."""

import ast
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from chyves.errors import ChyvesError
from chyves.simulator.programs import PROGRAMS
from tests.cli import test_dataset_plans, test_dry_run, test_exits, test_synopsis
from tests.cli.lines import ALONE, CHANGING, READING
from tests.documents import synopses
from tests.faults import test_steps
from tests.forms import changing_forms, form_of, forms_of
from tests.machine import base, test_machine
from tests.tools import CHECKOUT

TESTS = CHECKOUT / "tests"

RUN = {form for form in synopses() if set(form.split()) & test_synopsis.RUN_VERBS}
"""Forms by which guests run; they have tests of their own, in which guests do run."""

FILES = {
    "run": sorted(TESTS.glob("cli/test_run*.py")),
    "offline": [TESTS / "faults/test_kill_offline.py"],
    "upgrade": [TESTS / "faults/test_kill_upgrade.py"],
}

KILLED_ELSEWHERE = {
    "dataset <pool> offline|online": "offline",
    "dataset <pool>|primary upgrade": "upgrade",
    "<guest>[,...]|all upgrade": "upgrade",
}
"""Forms whose kills have tests of their own."""

CHANGES = sorted(changing_forms(READING) - forms_of(ALONE))


MACHINE = test_machine.Verbs
"""Its rules have noted their forms in ``base.FORMS``."""


def words_of(text: str) -> list[str]:
    return [word for word in text.replace("|", " ").split() if word.isalpha()]


def literals(path: Path) -> Iterator[str]:
    """Yield the texts in a file; what is put into one is an ``x``."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
        elif isinstance(node, ast.JoinedStr):
            yield "".join(
                str(part.value) if isinstance(part, ast.Constant) else "x" for part in node.values
            )


def typed_in(files: list[Path]) -> set[str]:
    """Return the forms of the lines in some files."""
    found = set()
    for text in (text for path in files for text in literals(path)):
        with suppress(LookupError):
            found.add(form_of(text))
    return found


def test_every_form_is_typed_by_who_may_not_and_without_a_pool() -> None:
    typed = forms_of([*CHANGING, *READING, *ALONE, *(line for _, line in test_dataset_plans.LINES)])
    assert set(synopses()) - typed == set()


@pytest.mark.parametrize("form", [form for form in CHANGES if form not in RUN])
def test_the_plan_of_every_change_is_held_to_what_is_run(form: str) -> None:
    lines = [*test_dry_run.LINES, *(line for _, line in test_dataset_plans.LINES)]
    assert form in forms_of(lines)


@pytest.mark.parametrize("form", [form for form in CHANGES if form not in RUN])
def test_every_change_is_killed_and_fails_at_each_step(form: str) -> None:
    if form in KILLED_ELSEWHERE:
        (path,) = FILES[KILLED_ELSEWHERE[form]]
        assert any(word in text for text in literals(path) for word in words_of(form))
        return
    lines = [one.line.format(media="/media", web="/web") for one in test_steps.SCENARIOS]
    assert form.replace("firmware", "iso") in forms_of(lines)


@pytest.mark.parametrize("form", [form for form in CHANGES if form not in RUN])
def test_every_change_is_a_rule_of_the_machine(form: str) -> None:
    assert form in base.FORMS


@pytest.mark.parametrize("form", sorted(RUN))
def test_every_form_by_which_guests_run_is_typed_where_they_do(form: str) -> None:
    assert form in typed_in([*FILES["run"], *sorted(TESTS.glob("e2e/test_*.py"))])


@pytest.mark.parametrize("kind", ChyvesError.__subclasses__())
def test_every_kind_of_error_is_met_on_the_command_line(kind: type[ChyvesError]) -> None:
    assert kind.code in test_exits.ENDINGS


@pytest.mark.parametrize("program", sorted(PROGRAMS))
def test_every_program_of_the_simulated_host_is_run_by_a_test(program: str) -> None:
    texts = (text for path in TESTS.rglob("*.py") for text in literals(path))
    assert any(text.split()[:1] == [program] for text in texts)
