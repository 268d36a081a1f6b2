# SPDX-License-Identifier: BSD-2-Clause
"""A person at the console of a guest."""

from tests.e2e.conftest import Shell
from tests.simulator.vms import wait_for


def test_a_session(shell: Shell) -> None:
    shell("web start")
    console = shell.session("web console")
    console.expect("Type ~. behind Enter to leave")
    console.expect("login: ")
    console.type("root\r")
    console.expect("# ")
    console.type("echo hello there\r")
    console.expect("\r\nhello there\r\n# ")
    console.type("\r~.")
    assert console.wait() == 0
    assert shell.guest("web")["phase"] == "running"

    again = shell.session("web console")
    again.expect("Connected")
    again.type("\rhostname\r")
    again.expect("guest-")
    again.type("\r~.")
    assert again.wait() == 0


def test_the_session_goes_on_through_a_reboot(shell: Shell) -> None:
    shell("web start")
    console = shell.session("web console")
    console.expect("login: ")
    console.type("root\rreboot\r")
    console.expect("going down for reboot")
    console.expect("FreeBSD/amd64 User boot lua")
    console.expect("login: ")
    console.type("root\recho still here\r")
    console.expect("\r\nstill here\r\n")
    console.type("\r~.")
    assert console.wait() == 0


def test_the_console_of_a_guest_that_is_down_waits_for_it(shell: Shell) -> None:
    console = shell.session("web console")
    console.expect("web does not run yet: its console stays silent until it does")
    shell("web start")
    console.expect("login: ")
    console.type("\r~.")
    assert console.wait() == 0


def test_one_console_at_a_time(shell: Shell) -> None:
    shell("web start")
    console = shell.session("web console")
    console.expect("login: ")
    other = shell("web console", code=5)
    assert "all ports busy" in other.stdout
    assert "chyves: its console is in use or does not answer" in other.stderr
    console.type("root\r")
    console.expect("# ")


def test_a_console_needs_one_guest(shell: Shell) -> None:
    assert shell("web,db console", code=2).stderr.count("chyves: ") == 2


def test_what_was_said_while_nobody_listened_is_there(shell: Shell) -> None:
    shell("web start")
    wait_for(lambda: shell.guest("web")["pid"], "it runs")
    console = shell.session("web console")
    console.expect("Scripted guest, booted from /dev/zvol/tank/chyves/guests/web/disk0")


def test_stop_is_seen_at_the_console(shell: Shell) -> None:
    shell("web start")
    console = shell.session("web console")
    console.expect("login: ")
    shell("web stop")
    console.expect("going down for power-off")
    console.type("\r~.")
    assert console.wait() == 0
