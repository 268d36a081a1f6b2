# SPDX-License-Identifier: BSD-2-Clause
"""Two real programs, one feeding the other."""

import shlex
import sys

import pytest

from chyves.backend.host import Host
from chyves.backend.run import RealRunner
from chyves.errors import HostError

MEBIBYTES = 5 << 20


def program(text: str) -> tuple[str, ...]:
    return sys.executable, "-I", "-c", f"import sys; {text}"


SENDER = program(f"sys.stdout.buffer.write(bytes({MEBIBYTES}))")
DRIPPER = program(
    """import time
while True:
    print(flush=True)
    time.sleep(0.01)
"""
)
COUNTER = program(f"sys.exit(len(sys.stdin.buffer.read()) != {MEBIBYTES})")


def test_all_bytes_arrive_and_are_told() -> None:
    told: list[int] = []
    done = Host(RealRunner()).pipe(SENDER, COUNTER, told.append)
    assert (done.code, sum(told)) == (0, MEBIBYTES)


@pytest.mark.parametrize(
    ("source", "sink"),
    [
        (program("sys.exit('the reason')"), program("sys.stdin.read(); sys.exit('cut off')")),
        (SENDER, program("sys.exit('the reason')")),
        (DRIPPER, program("sys.exit('the reason')")),
        (program("sys.exit('the reason')"), program("sys.stdin.read()")),
    ],
    ids=["source", "sink", "sink of little", "source only"],
)
def test_the_failure_that_came_first_is_told(
    source: tuple[str, ...], sink: tuple[str, ...]
) -> None:
    done = Host(RealRunner()).pipe(source, sink, lambda _: None)
    assert done.complaint() == "the reason"
    with pytest.raises(HostError, match="the reason"):
        done.check()


def test_a_program_that_is_not_there() -> None:
    with pytest.raises(HostError, match="not found"):
        Host(RealRunner()).pipe(SENDER, ["no-such-program"], lambda _: None)


def test_a_dry_run_shows_the_pipe() -> None:
    host = Host(RealRunner())
    host.plan = []
    assert host.pipe(["zfs", "send", "a@b"], ["zfs", "receive", "c d"], lambda _: None).code == 0
    assert host.plan == [f"zfs send a@b | {shlex.join(['zfs', 'receive', 'c d'])}"]
