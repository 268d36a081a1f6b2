# SPDX-License-Identifier: BSD-2-Clause
"""Guests outlive who started them."""

import os
import signal
import subprocess

import psutil

from tests.e2e.conftest import CHYVES, Shell
from tests.simulator.vms import catches_sigterm, wait_for


def test_a_guest_outlives_the_terminal_it_was_started_on(shell: Shell) -> None:
    session = shell.session("web start")
    session.expect("web: running (pid ")
    pid = int(session.expect(")").rstrip(")"))
    session.hang_up()
    guest = shell.guest("web")
    assert (guest["phase"], guest["pid"]) == ("running", pid)
    assert psutil.Process(guest["supervisor"]).terminal() is None
    wait_for(lambda: catches_sigterm(pid), "it has ACPI")
    shell("web stop")
    assert shell.guest("web")["last_end"] == "powered off"


def test_a_guest_outlives_a_start_that_is_interrupted(shell: Shell) -> None:
    """Ctrl-C while start waits for the loader: the loader goes on, and can be stopped."""
    shell("db create 1M", code=4)
    shell("mail create 1M -q")
    session = shell.session("mail start")
    wait_for(lambda: shell.guest("mail")["phase"] == "loading", "it loads")
    session.type("\x03")
    assert session.wait() == 130
    assert "chyves: interrupted" in session.said
    assert shell.guest("mail")["phase"] == "loading"
    assert shell("mail stop").stdout == "mail: stopped\n"


def test_start_keeps_no_descriptor_of_its_caller(shell: Shell) -> None:
    """A caller that waits for the end of the output, as ssh(1) does, waits for start only."""
    done = subprocess.run(
        [CHYVES, "web", "start"], capture_output=True, text=True, env=shell.env, timeout=30
    )
    assert done.stdout.startswith("web: running")


def test_a_terminal_signal_to_all_of_a_session_does_not_reach_guests(shell: Shell) -> None:
    session = shell.session("web start")
    session.expect("web: running")
    group = os.getpgid(shell.guest("web")["supervisor"])
    assert group != session.pid
    assert session.wait() == 0


def test_a_supervisor_survives_sighup(shell: Shell) -> None:
    shell("web start")
    before = shell.guest("web")
    os.kill(before["supervisor"], signal.SIGHUP)
    shell("db start")
    assert shell.guest("web") == before
    shell("all stop")


def test_the_command_line_as_a_script_sees_it(shell: Shell) -> None:
    done = shell("web start -q")
    assert done.stderr == ""
    assert done.stdout.startswith("web: running (pid ")
    done = shell("web,db stop -q")
    assert sorted(done.stdout.splitlines()) == ["db: not running", "web: stopped"]
    assert done.stderr == ""
