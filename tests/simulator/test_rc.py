# SPDX-License-Identifier: BSD-2-Clause
"""service and sysrc, along a recorded session with the script ``dummyvm``."""

import pytest

from chyves.simulator.world import World
from tests.simulator.conftest import Type, run
from tests.simulator.sessions import answer

DUMMY = """#!/bin/sh
# PROVIDE: dummyvm
# REQUIRE: NETWORKING zfs
# KEYWORD: shutdown
. /etc/rc.subr
name="dummyvm"
rcvar="${name}_enable"
desc="dummy"
start_cmd="${name}_start"
stop_cmd="echo stopping dummyvm"
status_cmd="echo status dummyvm; return 3"
dummyvm_start() { echo "start dummyvm args=[$*] list=${dummyvm_list}"; }
load_rc_config $name
: ${dummyvm_enable:="NO"}
: ${dummyvm_list:=""}
extra_commands="status"
run_rc_command "$@"
"""

SESSION = """\
$ service dummyvm start
Cannot 'start' dummyvm. Set dummyvm_enable to YES in /etc/rc.conf or use 'onestart' instead of 'start'.
[exit 0]

$ service dummyvm onestart a b
start dummyvm args=[a b] list=
[exit 0]

$ service dummyvm enable
dummyvm enabled in /etc/rc.conf
[exit 0]

$ service dummyvm enabled
[exit 0]

$ sysrc dummyvm_list='vm1 vm2'; sysrc -n dummyvm_list; sysrc dummyvm_list+=vm3; sysrc dummyvm_list-=vm1
dummyvm_list:  -> vm1 vm2
vm1 vm2
dummyvm_list: vm1 vm2 -> vm1 vm2 vm3
dummyvm_list: vm1 vm2 vm3 -> vm2 vm3
[exit 0]

$ service dummyvm start
start dummyvm args=[] list=vm2 vm3
[exit 0]

$ service dummyvm status
status dummyvm
[exit 1]

$ service dummyvm stop
stopping dummyvm
[exit 0]

$ service dummyvm nosuch
[stderr] /etc/rc.d/dummyvm: unknown directive 'nosuch'.
[stderr] Usage: /etc/rc.d/dummyvm [fast|force|one|quiet](start|stop|restart|rcvar|enable|disable|delete|enabled|describe|extracommands|status)
[exit 1]

$ service nosuch start
nosuch does not exist in /etc/rc.d or the local startup
directories (/usr/local/etc/rc.d), or is not executable
[exit 1]

$ sysrc -n nosuchvar; sysrc -c nosuchvar=1; sysrc -x nosuchvar; sysrc -a; sysrc -x dummyvm_list
dummyvm_enable: YES
dummyvm_list: vm2 vm3
[stderr] sysrc: unknown variable 'nosuchvar'
[stderr] sysrc: unknown variable 'nosuchvar'
[exit 0]

$ sysrc cloned_interfaces='bridge0 tap0'; sysrc -f /boot/loader.conf vmm_load=YES; sysrc -x cloned_interfaces
cloned_interfaces:  -> bridge0 tap0
vmm_load:  -> YES
[exit 0]
"""  # noqa: E501


@pytest.fixture
def dummyvm(world: World) -> World:
    script = world.path("/etc/rc.d/dummyvm")
    script.parent.mkdir(parents=True)
    script.write_text(DUMMY)
    script.chmod(0o755)
    return world


def test_recorded_session(dummyvm: World, monkeypatch: pytest.MonkeyPatch) -> None:
    steps = SESSION.removeprefix("$ ").split("\n$ ")
    for step in steps:
        line, _, expected = step.partition("\n")
        assert answer(dummyvm, line, monkeypatch) == expected.strip(), f"$ {line}"
    assert dummyvm.path("/etc/rc.conf").read_text() == 'dummyvm_enable="YES"\n'
    assert dummyvm.path("/boot/loader.conf").read_text() == 'vmm_load="YES"\n'


def test_lists(dummyvm: World, shell: Type) -> None:
    assert shell("service -l").stdout == "dummyvm\n"
    assert shell("service -e").stdout == ""
    shell("sysrc dummyvm_enable=YES")
    assert shell("service -e").stdout == "/etc/rc.d/dummyvm\n"


def test_usage(shell: Type) -> None:
    refused = shell("service")
    assert refused.code == 1
    assert refused.stdout.startswith("\nUsage:\nservice [-j <jail name or id>] [-v] -e\n")
    refused = shell("sysrc")
    assert refused.code == 1
    assert refused.stderr.startswith("Usage: sysrc [OPTIONS] {name[[+|-]=value] ... | -a")


def test_sysrc_keeps_the_rest_of_the_file(world: World, shell: Type) -> None:
    world.path("/etc").mkdir()
    path = world.path("/etc/rc.conf")
    path.write_text('# mine\nhostname="h"  # name\nzfs_enable="YES"\n')
    shell("sysrc hostname=other")
    assert path.read_text() == '# mine\nhostname="other"\nzfs_enable="YES"\n'
    shell("sysrc -x hostname")
    assert path.read_text() == '# mine\nzfs_enable="YES"\n'


def test_only_root_writes(shell: Type, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHYVES_SIMULATE_USER", "nobody")
    refused = shell("sysrc x=1")
    assert (refused.code, refused.stderr) == (
        1,
        "/usr/sbin/sysrc: cannot create /etc/rc.conf: Permission denied\n",
    )


def test_logger(world: World, shell: Type) -> None:
    assert shell("logger -t web -p daemon.warn it is cold").code == 0
    assert run(world, "logger", "-p", "err", stdin=b"one\ntwo\n").code == 0
    assert shell("logger -p daemon.info nobody reads this").code == 0
    told = world.path("/var/log/messages").read_text().splitlines()
    assert [line.partition(" host ")[2] for line in told] == [
        "web: it is cold",
        "root: one",
        "root: two",
    ]


def test_logger_of_no_priority(shell: Type) -> None:
    assert shell("logger -p deamon.err x").stderr == "logger: unknown facility name: deamon\n"
    assert shell("logger -p daemon.bad x").stderr == "logger: unknown priority name: bad\n"
    assert shell("logger -z").code == 1
