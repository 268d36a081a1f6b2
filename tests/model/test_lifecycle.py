# SPDX-License-Identifier: BSD-2-Clause
"""What follows an exit of bhyve. Exit codes and texts are those of bhyve on FreeBSD 13.2."""

import pytest

from chyves.model.lifecycle import (
    FORCED,
    NO_ACPI,
    UNSEEN,
    Asked,
    History,
    Next,
    Outcome,
    after,
)

LONG = 3600.0


def next_after(outcome: Outcome, asked: Asked = Asked.NOTHING) -> Next:
    return after(History(), outcome, asked)[1]


def test_a_guest_that_reboots_comes_back_at_once() -> None:
    assert next_after(Outcome(0, LONG)) == Next(True, False, "reset", 0.0)


@pytest.mark.parametrize(("code", "reason"), [(1, "powered off"), (2, "halted")])
def test_a_guest_that_ends_itself_stays_off(code: int, reason: str) -> None:
    assert next_after(Outcome(code, LONG)) == Next(False, False, reason)


@pytest.mark.parametrize(
    ("code", "said", "reason"),
    [
        (3, "", "crashed: triple fault"),
        (
            4,
            "bhyve: Could not open backing file: /x: No such file or directory\n"
            "Could not open backing file: No such file or directory\n"
            "device emulation initialization error: No such file or directory\n",
            "bhyve failed with exit code 4: "
            "bhyve: Could not open backing file: /x: No such file or directory; "
            "Could not open backing file: No such file or directory; "
            "device emulation initialization error: No such file or directory",
        ),
        (
            71,
            "bhyve: could not activate CPU 0: Device busy\n",
            "bhyve failed with exit code 71: bhyve: could not activate CPU 0: Device busy",
        ),
        (64, "", "bhyve failed with exit code 64"),
        (100, "", "bhyve failed with exit code 100"),
        (-9, "", "bhyve was ended by SIGKILL"),
        (-15, "", "bhyve was ended by SIGTERM"),
        (UNSEEN, "", "bhyve ended while nobody watched it"),
        (-33, "", "bhyve was ended by signal 33"),
        (
            -6,
            "Assertion failed: (be != NULL), function netbe_get_cap, line 1061.\n",
            "bhyve was ended by SIGABRT: "
            "Assertion failed: (be != NULL), function netbe_get_cap, line 1061.",
        ),
    ],
)
def test_a_guest_that_fails_stays_off_and_says_why(code: int, said: str, reason: str) -> None:
    assert next_after(Outcome(code, LONG, said=said)) == Next(False, True, reason)


@pytest.mark.parametrize(
    "outcome",
    [
        Outcome(1, 0.02, said="bhyve: illegal option -- z\nUsage: bhyve [-aehuwxACDHIPSWY]\n"),
        Outcome(1, 0.02, said="bhyve: option requires an argument -- m\nUsage: bhyve\n"),
        Outcome(1, 0.02, said="bhyve: gdb address resolution: Name does not resolve\n"),
    ],
)
def test_a_refused_argv_is_no_power_off(outcome: Outcome) -> None:
    step = next_after(outcome)
    assert step.failed
    assert step.reason == f"bhyve refused its arguments: {outcome.said.splitlines()[0]}"


@pytest.mark.parametrize(
    "outcome",
    [
        Outcome(1, 0.5),
        Outcome(1, 0.5, said="bhyve: lpc.bootrom is deprecated, use '-o bootrom' instead\n"),
        Outcome(1, LONG, said="bhyve: vcpu 3 complained of something long ago\n"),
    ],
)
def test_chatter_of_bhyve_does_not_hide_a_power_off(outcome: Outcome) -> None:
    assert next_after(outcome) == Next(False, False, "powered off")


def test_destruction_from_outside_is_told_from_a_power_off() -> None:
    step = next_after(Outcome(1, LONG, said="vm_run error -1, errno 6\n"))
    assert step == Next(False, True, "its VM was destroyed from outside")


def test_a_loader_that_fails_is_the_end() -> None:
    said = "bhyveload: Could not open '/nosuch.img'\n"
    step = next_after(Outcome(64, 0.1, loader=True, said=said))
    assert step == Next(
        False, True, "the loader failed with exit code 64: bhyveload: Could not open '/nosuch.img'"
    )
    assert next_after(Outcome(-15, 0.1, loader=True)).failed


@pytest.mark.parametrize(
    "outcome",
    [
        Outcome(0, LONG),
        Outcome(1, LONG),
        Outcome(3, LONG),
        Outcome(-9, LONG),
        Outcome(-15, 1.0),
        Outcome(-15, 1.0, loader=True),
        Outcome(0, 1.0, loader=True),
        Outcome(1, LONG, said="vm_run error -1, errno 6\n"),
    ],
)
def test_who_was_to_stop_has_stopped(outcome: Outcome) -> None:
    step = next_after(outcome, Asked.BUTTON)
    assert not step.restart
    assert not step.failed


def test_quick_reboots_are_slowed_down_and_then_given_up() -> None:
    history, pauses = History(), []
    for _ in range(10):
        history, step = after(history, Outcome(0, 2.0))
        assert step.restart
        pauses.append(step.pause)
    assert pauses == [0, 0, 0, 0, 0, 1, 2, 4, 8, 16]
    history, step = after(history, Outcome(0, 2.0))
    assert step.failed
    assert step.reason == "given up: it reset 11 times in a row, each time within 10 seconds"


def test_one_long_run_restores_patience() -> None:
    history = History(quick=10)
    history, step = after(history, Outcome(0, LONG))
    assert (history.quick, step.pause) == (0, 0.0)


def test_the_medium_is_taken_out_at_the_chosen_reboot() -> None:
    history, launches = History(eject_after=2), []
    for _ in range(4):
        launches.append(history.launch)
        history, _step = after(history, Outcome(0, LONG))
    assert launches == [0, 0, 1, 1]


def test_without_a_count_the_medium_stays() -> None:
    history = History(eject_after=0)
    for _ in range(3):
        history, _step = after(history, Outcome(0, LONG))
        assert history.launch == 0


@pytest.mark.parametrize(
    ("asked", "code", "reason"),
    [
        (Asked.BUTTON, 1, "powered off"),
        (Asked.BUTTON, -15, NO_ACPI),
        (Asked.FORCE, 1, FORCED),
        (Asked.FORCE, -9, FORCED),
        (Asked.FORCE, 3, "crashed: triple fault"),
    ],
)
def test_an_end_that_was_asked_for_is_called_what_it_was(
    asked: Asked, code: int, reason: str
) -> None:
    assert next_after(Outcome(code, LONG), asked) == Next(False, False, reason)


CRASHES = [Outcome(3, 2.0), Outcome(4, 2.0), Outcome(71, 2.0), Outcome(-6, 2.0), Outcome(-9, 2.0)]


@pytest.mark.parametrize("crash", CRASHES)
def test_a_crash_is_the_end_unless_on_crash_is_restart(crash: Outcome) -> None:
    assert next_after(crash).failed
    history, step = after(History(restarts=True), crash)
    assert (step.restart, step.failed, step.pause) == (True, False, 1.0)
    assert (history.reboots, history.crashes) == (0, 1), "a crash is no reboot"


@pytest.mark.parametrize(
    "outcome",
    [
        Outcome(1, LONG),
        Outcome(2, LONG),
        Outcome(64, 0.1),
        Outcome(1, 0.02, said="Usage: bhyve [-aehuwxACDHIPSWY]\n"),
        Outcome(1, LONG, said="vm_run error -1, errno 6\n"),
        Outcome(-15, LONG),
        Outcome(UNSEEN, LONG),
        Outcome(1, 0.1, loader=True),
        Outcome(-9, 0.1, loader=True),
    ],
)
def test_what_is_no_crash_is_not_started_again(outcome: Outcome) -> None:
    _, step = after(History(restarts=True), outcome)
    assert not step.restart


@pytest.mark.parametrize("code", [4, 71])
def test_a_bhyve_that_fails_at_once_on_its_first_run_is_no_crash(code: int) -> None:
    _, step = after(History(restarts=True), Outcome(code, 0.2, said="bind: in use"))
    assert (step.restart, step.failed) == (False, True)
    for lived in (History(restarts=True, reboots=1), History(restarts=True, crashes=1)):
        assert after(lived, Outcome(code, 0.2))[1].restart
    for crash in (Outcome(3, 0.2), Outcome(-6, 0.2)):
        assert after(History(restarts=True), crash)[1].restart


def test_a_row_of_crashes_is_slowed_down_and_then_given_up() -> None:
    history, pauses = History(restarts=True), []
    for _ in range(5):
        history, step = after(history, Outcome(3, 2.0))
        pauses.append(step.pause)
    assert pauses == [1, 2, 4, 8, 16]
    _, step = after(history, Outcome(3, 2.0))
    assert step == Next(
        False,
        True,
        "given up after 6 crashes in a row, each within 10 minutes: crashed: triple fault",
    )


@pytest.mark.parametrize("between", [Outcome(0, LONG), Outcome(3, LONG)])
def test_one_long_run_ends_a_row_of_crashes(between: Outcome) -> None:
    history, _ = after(History(restarts=True, crashes=5), between)
    history, step = after(history, Outcome(3, 2.0))
    assert step.restart
    assert step.pause <= 2


def test_a_crash_between_quick_resets_does_not_hide_a_row_of_crashes() -> None:
    history = History(restarts=True)
    for _ in range(5):
        history, _ = after(history, Outcome(3, 2.0))
        history, _ = after(history, Outcome(0, 2.0))
    assert after(history, Outcome(3, 2.0))[1].failed
