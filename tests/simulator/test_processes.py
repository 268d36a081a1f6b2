# SPDX-License-Identifier: BSD-2-Clause
"""ps, pgrep and uuidgen see the processes of the simulated host, and only those."""

import json
import uuid
from collections.abc import Callable

import pytest

from chyves.simulator.world import World
from tests.simulator.conftest import Type, run
from tests.simulator.living import living


def test_running_vm_as_ps_and_pgrep_show_it(world: World, shell: Type) -> None:
    with living(world, "bhyve: inner") as pid:
        assert shell("ps -axo pid,command").stdout.splitlines()[-1] == f"{pid} bhyve: inner (bhyve)"
        assert shell("pgrep -fl 'bhyve: inner'").stdout == f"{pid} bhyve: inner\n"
        assert shell("pgrep -fl bhyve").stdout == f"{pid} bhyve: inner\n"
        assert shell("pgrep -xf 'bhyve: inner'").stdout == f"{pid}\n"
        assert shell("pgrep -l bhyve").stdout == f"{pid} bhyve\n"
        quiet = shell("pgrep -fxq 'bhyve: inner'")
        assert (quiet.code, quiet.stdout) == (0, "")
    assert shell("pgrep -fx 'bhyve: inner'").code == 1


def test_pgrep_takes_the_whole_only_when_told(world: World, shell: Type) -> None:
    with living(world, "bhyve: web") as web, living(world, "bhyve: web-2") as second:
        assert set(shell("pgrep -f 'bhyve: web'").stdout.split()) == {str(web), str(second)}
        assert shell("pgrep -fx 'bhyve: web'").stdout == f"{web}\n"
        assert shell("pgrep -n bhyve").stdout == f"{second}\n"
        assert shell("pgrep -o bhyve").stdout == f"{web}\n"
        assert shell("pgrep -d , -x bhyve").stdout.rstrip(",").count(",") == 1


@pytest.mark.parametrize(
    ("line", "code", "said"),
    [
        ("pgrep", 2, "usage: pgrep [-LSfilnoqvx] [-d delim] [-F pidfile]"),
        ("pgrep -z x", 2, "pgrep: illegal option -- z\nusage: pgrep "),
        ("pgrep -no x", 3, "pgrep: Options -n and -o are mutually exclusive"),
        ("pgrep '('", 2, "pgrep: Cannot compile regular expression `('"),
        ("ps -o", 1, "ps: option requires an argument -- o\nusage: ps "),
        ("ps -axo nosuch", 1, "ps: nosuch: keyword not found\n"),
        ("uuidgen -n 0", 1, "usage: uuidgen "),
        ("uuidgen -c", 1, "uuidgen: illegal option -- c\n"),
    ],
)
def test_refusals(shell: Type, line: str, code: int, said: str) -> None:
    refused = shell(line)
    assert (refused.code, refused.stdout) == (code, "")
    assert refused.stderr.startswith(said)


def test_ps_aligns_as_the_recorded_one(world: World, shell: Type) -> None:
    assert shell("ps -ax -o pid,command").stdout == "PID COMMAND\n  0 [kernel]\n  1 /sbin/init\n"
    nobody = shell("ps -p 99999")
    assert (nobody.code, nobody.stdout) == (1, "PID TT  STAT TIME COMMAND\n")
    assert shell("ps -o pid= -o command= -p 1").stdout == "1 /sbin/init\n"
    with living(world, "bhyve: run1") as pid:
        row = shell(f"ps -axww -o pid,comm,command -p {pid}").stdout.splitlines()[1]
        assert row.split(None, 1)[1] == "bhyve   bhyve: run1 (bhyve)"
        assert shell(f"ps -o args= -p {pid}").stdout == "bhyve: run1 (bhyve)\n"


def test_ps_as_json(shell: Type) -> None:
    text = shell("ps --libxo json -ax -o pid,command").stdout
    assert text.startswith(
        '{"process-information": {"process": [{"pid":"0","command":"[kernel]"}, '
    )
    assert len(json.loads(text)["process-information"]["process"]) == 2


def test_uuidgen(shell: Type, make_world: Callable[..., World]) -> None:
    first, second = shell("uuidgen -n 2").stdout.split()
    assert uuid.UUID(first).version == 1
    assert uuid.UUID(second).time_low - uuid.UUID(first).time_low == 1
    assert uuid.UUID(shell("uuidgen -r").stdout.strip()).version == 4
    compact = run(make_world("14.3"), "uuidgen", "-rc").stdout.strip()
    assert len(compact) == 32
