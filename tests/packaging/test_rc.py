# SPDX-License-Identifier: BSD-2-Clause
"""rc.d/chyves under Debian's sh: what it makes of rcboot, and the order rc(8) expects."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.tools import CHECKOUT, need, run

SCRIPT = CHECKOUT / "rc.d/chyves"
FAKE = """#!/bin/sh
printf '%s\\n' "$*" >> {log}
case "$*" in
*'list rcboot')
    printf '{listed}'
    exit {code}
esac
"""


class Service:
    """The rc.d script with a stub rc.subr and a chyves that only writes down its arguments."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.calls = directory / "calls"
        self.conf = directory / "rc.conf"
        self.conf.write_text("chyves_enable=YES\n")
        self.boots()
        text = SCRIPT.read_text()
        for path, stand_in in (
            ("/etc/rc.subr", CHECKOUT / "tests/packaging/rc.subr"),
            ("/usr/local/sbin/chyves", directory / "chyves"),
        ):
            assert path in text
            text = text.replace(path, str(stand_in))
        (directory / "script").write_text(text)

    def boots(self, *lines: str, code: int = 0) -> None:
        """Let ``chyves list rcboot`` print ``lines`` and exit with ``code``."""
        listed = "".join(json.dumps(line)[1:-1] + "\\n" for line in lines)
        fake = self.directory / "chyves"
        fake.write_text(FAKE.format(log=self.calls, listed=listed, code=code))
        fake.chmod(0o755)

    def __call__(self, word: str) -> subprocess.CompletedProcess[str]:
        self.calls.write_text("")
        return run(need("dash"), self.directory / "script", word, env={"RC_CONF": str(self.conf)})

    def called(self) -> list[str]:
        return self.calls.read_text().splitlines()


@pytest.fixture
def service(tmp_path: Path) -> Service:
    return Service(tmp_path)


def test_boot_starts_the_highest_first_and_equals_by_name(service: Service) -> None:
    service.boots("zoo\t2", "off\t0", "db\t10", "web-2\t1", "ant\t2", "web\t1", "none\t-", "no\tno")
    done = service("start")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert service.called() == ["-q -H list rcboot", "db,ant,zoo,web,web-2 start"]


@pytest.mark.parametrize("lines", [(), ("off\t0", "none\t-")])
def test_nothing_to_start_is_a_quiet_success(service: Service, lines: tuple[str, ...]) -> None:
    service.boots(*lines)
    done = service("start")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert service.called() == ["-q -H list rcboot"]


def test_a_list_that_fails_is_a_failed_start(service: Service) -> None:
    service.boots("web\t1", code=6)
    assert service("start").returncode == 1
    assert service.called() == ["-q -H list rcboot"]


def test_shutdown_stops_all(service: Service) -> None:
    assert service("stop").returncode == 0
    assert service.called() == ["all stop"]


def test_status_lists(service: Service) -> None:
    assert service("status").returncode == 0
    assert service.called() == ["list"]


@pytest.mark.parametrize("conf", ["", "chyves_enable=NO\n"])
def test_disabled_unless_rc_conf_enables_it(service: Service, conf: str) -> None:
    service.conf.write_text(conf)
    service.boots("web\t1")
    for word in ("start", "stop"):
        assert "Set chyves_enable to YES" in service(word).stdout
        assert service.called() == []
    assert service("onestart").returncode == 0
    assert service.called() == ["-q -H list rcboot", "web start"]


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
