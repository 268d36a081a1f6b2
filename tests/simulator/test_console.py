# SPDX-License-Identifier: BSD-2-Clause
"""nmdm(4) and cu(1): consoles that survive reboots and lose only what nobody reads (transcripts
nmdm.txt, nmdm2.txt)."""

import os
import pty
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from chyves.simulator.bhyve.nmdm import is_nmdm
from chyves.simulator.opened import holders
from chyves.simulator.world import Machine, World
from tests.guests import scripted_iso
from tests.simulator.vms import ISO, Terminal, Vms, catches_sigterm, make_world, wait_for


@pytest.fixture
def host(tmp_path: Path) -> World:
    world = make_world(tmp_path / "host", Machine(release="13.2", pools={}))
    scripted_iso(world.path(ISO))
    return world


@pytest.fixture
def vms(host: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Vms]:
    monkeypatch.setenv("CHYVES_SIMULATE_GUEST", "scripted")
    vms = Vms(host)
    yield vms
    vms.close()


def cu(vms: Vms, *argv: str) -> tuple[subprocess.Popen[bytes], Terminal]:
    """Start cu on a terminal of its own."""
    own, its = pty.openpty()
    child = subprocess.Popen([str(vms.world.bin / "cu"), *argv], stdin=its, stdout=its, stderr=its)
    os.close(its)
    vms.children.append(child)  # type: ignore[arg-type]
    terminal = Terminal(own)
    vms.terminals.append(terminal)
    return child, terminal


@pytest.mark.parametrize(
    ("path", "is_one"),
    [
        ("/dev/nmdm50A", True),
        ("/dev/nmdmvm-1.1B", True),
        ("/dev/nmdm", False),
        ("/dev/nmdmA", False),
        ("/dev/nmdm1", False),
        ("/dev/nmdm1C", False),
    ],
)
def test_names(path: str, is_one: bool) -> None:
    assert is_nmdm(path) == is_one


def test_a_conversation_over_cu(vms: Vms) -> None:
    vms.boot("web")
    child, terminal = cu(vms, "-s", "9600", "-l", "/dev/nmdmwebB")
    terminal.expect("Connected\r\n")
    terminal.expect("login: ")
    terminal.type("root\r")
    terminal.expect("# ")
    terminal.type("echo ~tilde\r")
    terminal.expect("\n~tilde")
    terminal.type("\r~.")
    terminal.expect("\r\n[EOT]\r\n")
    assert child.wait(10) == 0


def test_the_lock_of_a_line(vms: Vms) -> None:
    child, terminal = cu(vms, "-l", "/dev/nmdmwebB")
    terminal.expect("Connected")
    lock = vms.world.path("/var/spool/lock/LCK..nmdmwebB")
    assert lock.read_text() == f"{child.pid:10d}\n"
    with vms.world.reading():
        assert holders(vms.world, "/dev/nmdmwebB") == [child.pid]
    for name in ("/dev/nmdmwebB", "nmdmwebB"):
        done = vms.run("cu", "-s", "115200", "-l", name)
        assert (done.returncode, done.stdout, done.stderr) == (3, "all ports busy\n", "")
    child.kill()
    child.wait()
    assert lock.exists()
    _, other = cu(vms, "-l", "nmdmwebB")
    other.expect(f"Stale lock on nmdmwebB PID={child.pid}... overriding.")
    other.expect("Connected")
    other.type("~.")
    other.expect("[EOT]")
    wait_for(lambda: not lock.exists(), "the lock is gone")


@pytest.mark.parametrize(
    ("argv", "code", "stdout", "stderr"),
    [
        ((), 8, "", "usage: cu [-ehot] [-a acu] [-l line] [-s speed | -speed] [phone-number]\n"),
        (
            ("-l",),
            8,
            "",
            "cu: option requires an argument -- l\n"
            "usage: cu [-ehot] [-a acu] [-l line] [-s speed | -speed] [phone-number]\n",
        ),
        (("-h",), 3, "", "cu: unknown host cu9600\n"),
        (
            ("-l", "/dev/nosuch"),
            3,
            "link down\n",
            "/dev/nosuch: No such file or directory\n",
        ),
        (("-l", "/dev/null"), 3, "", "cu: unsupported speed 9600\n"),
    ],
)
def test_what_cu_refuses(
    vms: Vms, argv: tuple[str, ...], code: int, stdout: str, stderr: str
) -> None:
    done = vms.run("cu", *argv)
    assert (done.returncode, done.stdout, done.stderr) == (code, stdout, stderr)


def test_cu_waits_for_the_guest_and_stays_over_its_reboot(vms: Vms) -> None:
    _, terminal = cu(vms, "-l", "/dev/nmdmwebB")
    terminal.expect("Connected")
    child = vms.boot("web")
    terminal.expect("Booting [/boot/kernel/kernel]")
    terminal.expect("login: ")
    terminal.type("root\r")
    terminal.expect("# ")
    terminal.type("reboot\r")
    terminal.expect("going down for reboot")
    assert child.wait(10) == 0
    vms.boot("web")
    terminal.expect("login: ")


def test_input_from_a_pipe_reaches_a_guest_that_comes_later(vms: Vms) -> None:
    assert vms.run("bhyveload", "-d", ISO, "web").returncode == 0
    child = vms.spawn("cu", "-l", "/dev/nmdmwebB", stdin=subprocess.PIPE)
    assert child.stdin
    assert child.stdout
    child.stdin.write("root\recho from the pipe\r")
    child.stdin.flush()
    vms.bhyve("web", "-s", f"3,ahci-cd,{ISO}")
    Terminal(child.stdout.fileno()).expect("\nfrom the pipe")
    child.stdin.write("~.")
    child.stdin.flush()
    assert child.wait(10) == 0


def test_a_guest_does_not_wait_for_a_reader(vms: Vms) -> None:
    child = vms.boot("web", commands=("help",) * 500)
    wait_for(lambda: catches_sigterm(child.pid), "web has its power button")
    child.terminate()
    assert child.wait(10) == 1


def test_a_reader_gets_all(vms: Vms) -> None:
    vms.boot("web")
    shell = vms.shell("web")
    for _ in range(20):
        shell.type("help\r" * 10)
        for _ in range(10):
            shell.expect("write FILE TEXT\r\n")


def test_a_line_is_gone_with_its_guest(vms: Vms) -> None:
    child = vms.boot("web")
    link = vms.world.path("/dev/nmdmwebB")
    vms.terminal("web").expect("login: ")
    assert os.readlink(link).startswith("/dev/pts/")
    child.terminate()
    child.wait(10)
    assert not link.is_symlink()


def test_the_module_is_needed(tmp_path: Path) -> None:
    world = make_world(tmp_path / "host", Machine(release="13.2", pools={}), "vmm")
    scripted_iso(world.path(ISO))
    vms = Vms(world)
    done = vms.run("cu", "-l", "/dev/nmdm0B")
    assert (done.returncode, done.stderr) == (3, "/dev/nmdm0B: No such file or directory\n")
    done = vms.run("bhyveload", "-c", "/dev/nmdm0A", "-d", ISO, "web")
    assert (done.returncode, done.stderr) == (64, "bhyveload: Could not open '/dev/nmdm0A'\n")
    vms.run("bhyveload", "-d", ISO, "web")
    done = vms.run("bhyve", "-s", "31,lpc", "-l", "com1,/dev/nmdm0A", "web")
    assert done.stderr == (
        "Unable to initialize backend '/dev/nmdm0A' for LPC device com1\n"
        "device emulation initialization error: No such file or directory\n"
    )


def test_two_guests_back_to_back(vms: Vms) -> None:
    """com1 of one VM on side A, of the other on side B."""
    vms.boot("web")
    vms.load("other")
    done = vms.spawn(
        *("bhyve", "-m", "256M", "-s", "0,hostbridge", "-s", "31,lpc"),
        *("-l", "com1,/dev/nmdmwebB", "other"),
    )
    wait_for(lambda: vms.is_running("other"), "the other runs")
    assert done.poll() is None


def test_a_cu_on_the_side_of_bhyve_is_exclusive(vms: Vms) -> None:
    vms.load("web")
    _, terminal = cu(vms, "-l", "/dev/nmdmwebA")
    terminal.expect("Connected")
    done = vms.run("bhyve", "-m", "256M", "-s", "31,lpc", "-l", "com1,/dev/nmdmwebA", "web")
    assert (done.returncode, done.stderr.split("\n")[1]) == (
        4,
        "device emulation initialization error: Device busy",
    )


def test_the_console_of_a_killed_guest_is_swept_away(vms: Vms) -> None:
    child = vms.boot("web")
    vms.terminal("web").expect("login: ")
    child.kill()
    child.wait()
    link = vms.world.path("/dev/nmdmwebB")
    assert link.is_symlink()
    _, terminal = cu(vms, "-l", "/dev/nmdmwebB")
    terminal.expect("Connected")
    wait_for(lambda: not link.is_symlink(), "the dead line is gone")


def test_a_console_on_standard_input_and_output(vms: Vms) -> None:
    vms.run("bhyveload", "-d", ISO, "web")
    child = vms.spawn(
        *("bhyve", "-m", "256M", "-s", f"3,ahci-cd,{ISO}", "-s", "31,lpc"),
        *("-l", "com1,stdio", "web"),
        stdin=subprocess.PIPE,
    )
    assert child.stdin
    assert child.stdout
    Terminal(child.stdout.fileno()).expect("login: ")
    child.stdin.write("root\rpoweroff\r")
    child.stdin.flush()
    assert child.wait(10) == 1
