# SPDX-License-Identifier: BSD-2-Clause
"""A person at the console of a guest."""

import subprocess

from tests.e2e.conftest import CHYVES, Shell
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
    other = shell.session("web console")
    other.expect(f"cu -l /dev/nmdm50B -s 9600 is at the console of web (pid {console.pid})")
    other.expect("chyves web console reset")
    assert other.wait() == 5
    assert "is at the console of web" in shell("web console -n", code=5).stderr
    console.type("root\r")
    console.expect("# ")


def test_a_console_needs_a_terminal(shell: Shell) -> None:
    told = shell("web console", code=6).stderr
    assert "chyves: a console needs a terminal\n" in told
    assert "cu -l /dev/nmdm50B -s 9600\n" in told
    assert shell("all console tmux", code=6).stdout == ""


def test_nothing_is_left_with_the_line_of_one_that_was_killed(shell: Shell) -> None:
    shell("web start")
    console = shell.session("web console")
    console.expect("login: ")
    console.kill()
    assert not [p for p in shell.world.processes() if p.title.startswith("cu ")]
    again = shell.session("web console")
    again.expect("Connected")
    again.type("\rroot\r")
    again.expect("# ")


def test_reset_ends_who_is_at_the_console_and_no_other(shell: Shell) -> None:
    shell("web,db start")
    web, db = (shell.session(f"{name} console") for name in ("web", "db"))
    web.expect("login: ")
    db.expect("login: ")
    assert shell("web console reset --dry-run").stdout.startswith("web: ended cu -l /dev/nmdm50B")
    done = shell("web,db console reset --dry-run")
    assert f"# end cu -l /dev/nmdm51B -s 9600 (pid {db.pid})" in done.stdout
    done = shell("web console reset")
    assert done.stdout == f"web: ended cu -l /dev/nmdm50B -s 9600 (pid {web.pid})\n"
    assert web.wait() != 0
    assert shell("web console reset").stdout == "web: nobody is at its console\n"
    db.type("root\r")
    db.expect("# ")
    shell.session("web console").expect("Connected")


def test_a_window_for_each_guest(shell: Shell) -> None:
    at_web = shell.session("web console")
    at_web.expect("Connected")
    session = shell.session("web,db console tmux")
    session.expect("db %")
    session.type("\r")
    session.expect("[detached (from session chyves)]")
    assert session.wait() == 0
    typed = f"chyves --simulate {shell.directory}"
    assert panes(shell) == [
        ("@0", "web", f"{typed} web start "),
        ("@0", "web", f"{typed} web console"),
        ("@1", "db", f"{typed} db start "),
        ("@1", "db", f"{typed} db console\n"),
    ]
    shell("web rename web.x --yes")
    again = shell.session("db,web.x console tmux")
    again.expect("web.x %")
    again.type("\r")
    assert again.wait() == 0
    assert [(window, name) for window, name, _ in panes(shell)][4:] == [("@2", "web.x")] * 2


def panes(shell: Shell) -> list[tuple[str, str, str]]:
    """Return the panes of tmux: their windows, the names of those, and what was typed."""
    with shell.world.reading():
        records = [record["pane"] for _, record in shell.world.table("tmux").items()]
    return [(window, name, typed) for window, _, name, typed in records]


def test_without_tmux(shell: Shell) -> None:
    (shell.world.bin / "tmux").unlink()
    session = shell.session("web console tmux")
    assert session.wait() == 6
    assert "chyves: tmux: No such file or directory" in session.said


CLIENT = """#!/bin/sh
printf '<%s>' "$0" "$@"
"""


def test_a_client_shows_the_screen(shell: Shell) -> None:
    shell("web set loader=uefi uefi_console_output=vnc uefi_vnc_client=freerdp uefi_vnc_ip=0.0.0.0")
    told = shell("web console vnc", code=6).stderr
    assert "xfreerdp: No such file or directory" in told
    for name in ("xfreerdp", "vncviewer"):
        (shell.world.bin / name).write_text(CLIENT)
        (shell.world.bin / name).chmod(0o755)
    done = shell("web console vnc")
    shown = "</v:127.0.0.1></port:5900></size:800x600>"
    assert done.stdout == f"<{shell.world.bin}/xfreerdp>{shown}"
    assert "web does not run" in done.stderr
    shell("web set uefi_vnc_client=custom")
    assert "is not set" in shell("web console vnc", code=6).stderr
    custom = "uefi_vnc_client_custom_cmd=vncviewer -x 'a b; $HOME' %h::%p %g %r 100%%"
    subprocess.run([CHYVES, "web", "set", custom], env=shell.env, check=True, capture_output=True)
    assert shell("web console vnc").stdout == (
        f"<{shell.world.bin}/vncviewer><-x><a b; $HOME><127.0.0.1::5900><web><800x600><100%>"
    )


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
