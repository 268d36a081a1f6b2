# SPDX-License-Identifier: BSD-2-Clause
"""rc.d/chyves as service(8) of a simulated host runs it, with this machine's sh."""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chyves.backend.run import Result
from chyves.simulator.host import open_simulated_host
from tests.guests import scripted_iso
from tests.simulator.vms import wait_for
from tests.tools import CHECKOUT, run

CHYVES = (sys.executable, "-m", "chyves")
SCRIPT = CHECKOUT / "rc.d/chyves"
FAKE = """#!/bin/sh
echo "$*" >> {log}
exit {code}
"""
REAL = """#!/bin/sh
export CHYVES_SIMULATE_GUEST=scripted PYTHONPATH={checkout}
exec {python} -m chyves "$@"
"""


class Service:
    """``service chyves`` on a fresh host, with a chyves that only writes down its arguments."""

    def __init__(self, directory: Path) -> None:
        self.host = open_simulated_host(directory / "host")
        self.directory = directory
        self.install("etc/rc.d/chyves", SCRIPT.read_text())
        self.conf('chyves_enable="YES"')
        self.fake()

    def install(self, name: str, text: str) -> None:
        file = self.host.path(f"/usr/local/{name}")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(0o755)

    def conf(self, *lines: str) -> None:
        """Write rc.conf."""
        file = self.host.path("/etc/rc.conf")
        file.parent.mkdir(exist_ok=True)
        file.write_text("".join(f"{line}\n" for line in lines))

    def fake(self, code: int = 0) -> None:
        """Let ``chyves`` write down what it is asked, and exit with ``code``."""
        self.install("sbin/chyves", FAKE.format(log=self.directory / "calls", code=code))

    def __call__(self, *words: str) -> Result:
        (self.directory / "calls").write_text("")
        return self.host.try_ask("service", "chyves", *words)

    def called(self) -> list[str]:
        return (self.directory / "calls").read_text().splitlines()


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    service = Service(tmp_path)
    yield service
    if service.host.processes():
        run(*CHYVES, "all", "stop", "force", env={"CHYVES_SIMULATE": str(tmp_path / "host")})


def test_the_boot_does_not_wait_for_guests(service: Service) -> None:
    service.install("sbin/chyves", f"#!/bin/sh\nsleep 1\necho $* >>{service.directory}/calls\n")
    done = service("start")
    assert (done.code, done.stderr) == (0, "")
    assert done.stdout == "Starting chyves guests in the background.\n"
    assert service.called() == []
    wait_for(lambda: service.called() == ["-q rcboot start"], "they are started", seconds=20)


def test_what_goes_wrong_at_boot_is_in_the_system_log(service: Service) -> None:
    """Without its primary pool chyves has no log of its own."""
    service.install("sbin/chyves", "#!/bin/sh\necho web: running; echo chyves: no pool >&2\n")
    done = service("start")
    assert (done.stdout.count("\n"), done.stderr) == (1, "")
    messages = service.host.path("/var/log/messages")
    wait_for(lambda: messages.exists() and messages.read_text(), "it is told", seconds=20)
    assert re.fullmatch(
        r"\w{3} [ \d]\d [\d:]{8} host chyves: chyves: no pool\n", messages.read_text()
    )


def test_shutdown_stops_all_in_less_time_than_it_has(service: Service) -> None:
    assert service("stop").code == 0
    assert service.called() == ["all stop --within 75"]
    service.conf('chyves_enable="YES"', 'chyves_stop_seconds="30"')
    service("stop")
    assert service.called() == ["all stop --within 30"]


def test_status_lists(service: Service) -> None:
    assert service("status").code == 0
    assert service.called() == ["list"]


@pytest.mark.parametrize(
    ("word", "line"),
    [
        ("start", "web,db start"),
        ("stop", "web,db stop --within 75"),
        ("status", "web,db wait --for running --timeout 0"),
    ],
)
def test_some_guests_only(service: Service, word: str, line: str) -> None:
    assert service(word, "web", "db").code == 0
    assert service.called() == [line]
    service.fake(code=5)
    assert service(word, "web").code == 1
    assert service.called() == [line.replace("web,db", "web")]


@pytest.mark.parametrize("conf", ["", 'chyves_enable="NO"'])
def test_disabled_unless_rc_conf_enables_it(service: Service, conf: str) -> None:
    service.conf(conf)
    for word in ("start", "stop"):
        assert "Set chyves_enable to YES" in service(word).stdout
        assert service.called() == []
    assert service("onestop").code == 0
    assert service.called() == ["all stop --within 75"]


def test_a_host_boots_and_shuts_down(service: Service) -> None:
    """The real chyves: what rcboot names runs after start, and nothing after stop."""

    def chyves(*words: str) -> Any:
        env = {"CHYVES_SIMULATE": str(service.directory / "host")}
        done = run(*CHYVES, "--json", *words, env=env)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)["data"]

    def phases() -> dict[str, str]:
        return {guest["name"]: guest["phase"] for guest in chyves("list")}

    def booted() -> list[str]:
        logs = service.host.path("/chyves/tank/logs").glob("*.log")
        lines = [line for log in logs for line in log.read_text().splitlines()]
        told = (re.search(r" - \[1\] - \(\d+\) (\w+): running ", line) for line in lines)
        return [found[1] for found in told if found]

    chyves("dataset", "tank", "install")
    chyves("network", "bridge0", "private")
    chyves("web,db,off", "create", "1M")
    chyves("web", "set", "rcboot=1", "db", "rcboot=2")
    system = scripted_iso(service.directory / "system").read_bytes()
    for guest in ("web", "db"):
        disk = service.host.path(f"/dev/zvol/tank/chyves/guests/{guest}/disk0")
        with disk.open("r+b") as file:
            file.write(system)
    service.install("sbin/chyves", REAL.format(python=sys.executable, checkout=CHECKOUT))

    before = service.host.path("/chyves/tank/.config/global.cfg").read_text()
    assert service("start").code == 0
    running = {"db": "running", "off": "stopped", "web": "running"}
    wait_for(lambda: phases() == running, "the guests run", seconds=60)
    wait_for(lambda: len(booted()) == 2, "the host's log knows", seconds=20)
    assert booted() == ["db", "web"]
    assert "web" in service("status").stdout
    assert service("status", "web").stdout == "web: running\n"
    assert service("status", "off").code == 1
    assert service("stop", "db").code == 0
    assert phases() == {"db": "stopped", "off": "stopped", "web": "running"}
    assert service("stop").code == 0
    assert set(phases().values()) == {"stopped"}
    assert service.host.path("/chyves/tank/.config/global.cfg").read_text() == before


def test_the_script_is_laid_out_as_rc_scripts_are() -> None:
    """The order that FreeBSD's rclint(1) asks for."""
    lines = SCRIPT.read_text().splitlines()
    order = [
        "#!/bin/sh",
        "# PROVIDE: chyves",
        "# REQUIRE: LOGIN zfs NETWORKING",
        "# KEYWORD: nojail shutdown",
        ". /etc/rc.subr",
        'name="chyves"',
        'rcvar="chyves_enable"',
        'load_rc_config "${name}"',
        ': "${chyves_enable:=NO}"',
        'start_cmd="chyves_start"',
        "chyves_start()",
        'run_rc_command "$@"',
    ]
    positions = [lines.index(line) for line in order]
    assert positions == sorted(positions)
    assert lines[-1] == order[-1]
    assert SCRIPT.stat().st_mode & 0o111 == 0o111
    assert not [line for line in lines if line.startswith("    ")]
