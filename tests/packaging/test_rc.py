# SPDX-License-Identifier: BSD-2-Clause
"""rc.d/chyves as service(8) of a simulated host runs it, with this machine's sh."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chyves.backend.run import Result
from chyves.simulator.host import open_simulated_host
from tests.guests import scripted_iso
from tests.tools import CHECKOUT, run

CHYVES = (sys.executable, "-m", "chyves")
SCRIPT = CHECKOUT / "rc.d/chyves"
FAKE = """#!/bin/sh
echo "$*" >> {log}
case "$*" in
*'list rcboot')
    cat {boots}
    exit {code}
esac
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
        self.boots()

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

    def boots(self, *lines: str, code: int = 0) -> None:
        """Let ``chyves list rcboot`` print ``lines`` and exit with ``code``."""
        boots = self.directory / "boots"
        boots.write_text("".join(f"{line}\n" for line in lines))
        log = self.directory / "calls"
        self.install("sbin/chyves", FAKE.format(log=log, boots=boots, code=code))

    def __call__(self, word: str) -> Result:
        (self.directory / "calls").write_text("")
        return self.host.try_ask("service", "chyves", word)

    def called(self) -> list[str]:
        return (self.directory / "calls").read_text().splitlines()


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    service = Service(tmp_path)
    yield service
    if service.host.processes():
        run(*CHYVES, "all", "stop", "force", env={"CHYVES_SIMULATE": str(tmp_path / "host")})


def test_boot_starts_the_highest_first_and_equals_by_name(service: Service) -> None:
    service.boots("zoo\t2", "off\t0", "db\t10", "web-2\t1", "ant\t2", "web\t1", "none\t-", "no\tno")
    done = service("start")
    assert (done.code, done.stdout, done.stderr) == (0, "", "")
    assert service.called() == ["-q -H list rcboot", "db,ant,zoo,web,web-2 start"]


@pytest.mark.parametrize("lines", [(), ("off\t0", "none\t-")])
def test_nothing_to_start_is_a_quiet_success(service: Service, lines: tuple[str, ...]) -> None:
    service.boots(*lines)
    done = service("start")
    assert (done.code, done.stdout, done.stderr) == (0, "", "")
    assert service.called() == ["-q -H list rcboot"]


def test_a_list_that_fails_is_a_failed_start(service: Service) -> None:
    service.boots("web\t1", code=6)
    assert service("start").code == 1
    assert service.called() == ["-q -H list rcboot"]


def test_shutdown_stops_all(service: Service) -> None:
    assert service("stop").code == 0
    assert service.called() == ["all stop"]


def test_status_lists(service: Service) -> None:
    assert service("status").code == 0
    assert service.called() == ["list"]


@pytest.mark.parametrize("conf", ["", 'chyves_enable="NO"'])
def test_disabled_unless_rc_conf_enables_it(service: Service, conf: str) -> None:
    service.conf(conf)
    service.boots("web\t1")
    for word in ("start", "stop"):
        assert "Set chyves_enable to YES" in service(word).stdout
        assert service.called() == []
    assert service("onestart").code == 0
    assert service.called() == ["-q -H list rcboot", "web start"]


def test_a_host_boots_and_shuts_down(service: Service) -> None:
    """The real chyves: what rcboot names runs after start, and nothing after stop."""

    def chyves(*words: str) -> Any:
        env = {"CHYVES_SIMULATE": str(service.directory / "host")}
        done = run(*CHYVES, "--json", *words, env=env)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)["data"]

    def phases() -> dict[str, str]:
        return {guest["name"]: guest["phase"] for guest in chyves("list")}

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

    started = service("start")
    assert started.code == 0, started.stderr
    assert [line.split(":")[0] for line in started.stdout.splitlines()] == ["db", "web"]
    assert phases() == {"db": "running", "off": "stopped", "web": "running"}
    assert "web" in service("status").stdout
    assert service("stop").code == 0
    assert set(phases().values()) == {"stopped"}


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
        'run_rc_command "$1"',
    ]
    positions = [lines.index(line) for line in order]
    assert positions == sorted(positions)
    assert lines[-1] == order[-1]
    assert SCRIPT.stat().st_mode & 0o111 == 0o111
    assert not [line for line in lines if line.startswith("    ")]
