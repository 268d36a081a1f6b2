# SPDX-License-Identifier: BSD-2-Clause
"""Many guests at once: what each of them costs, and what is left of them after the worst."""

import os
import signal
from collections.abc import Iterable, Iterator

import pytest

from chyves.backend import net
from chyves.backend.guests import Status, statuses
from tests.bench.memory import private_memory
from tests.cli.conftest import Chyves
from tests.cli.runs import Runs, run_on
from tests.guests import scripted_iso
from tests.simulator.vms import catches_sigterm, wait_for

GUESTS = 50
NAMES = [f"g{number}" for number in range(GUESTS)]
MOST_MEMORY = 12.0
"""MiB that a supervisor may have for itself."""

FEW = NAMES[:10]


@pytest.fixture
def runs(chyves: Chyves) -> Iterator[Runs]:
    with run_on(chyves) as runs:
        runs.chyves("network bridge0 private")
        yield runs


def install(runs: Runs, names: list[str]) -> None:
    """Create guests with a system on the disk of each."""
    runs.create(",".join(names))
    system = scripted_iso(runs.chyves.directory / "image").read_bytes()
    for name in names:
        disk = runs.host.path(f"/dev/zvol/tank/chyves/guests/{name}/disk0")
        with disk.open("r+b") as file:
            file.write(system)


def test_all_of_fifty(runs: Runs) -> None:
    install(runs, NAMES)
    started = programs_by_guest(runs, "all start")
    assert started["g0"] == ["bhyveload", "ifconfig", "bhyve"]
    assert all(programs == started["g0"] for programs in started.values())
    before = seen(runs)
    assert {one.phase for one in before.values()} == {"running"}
    assert len(runs.programs()) == len(runs.vms()) == GUESTS
    assert max(private_memory(one.supervisor) for one in before.values()) <= MOST_MEMORY

    kill(one.supervisor for one in before.values())
    wait_for(lambda: phases(runs) == {"unsupervised"}, "all supervisors are gone")
    assert runs.chyves("all start").out.count(", taken over\n") == GUESTS
    after = seen(runs)
    assert {one.phase for one in after.values()} == {"running"}
    assert [one.bhyve for one in after.values()] == [one.bhyve for one in before.values()]

    wait_for(lambda: all(catches_sigterm(one.bhyve) for one in after.values()), "all have ACPI")
    ended = programs_by_guest(runs, "all stop")
    assert all(programs == ["bhyvectl"] for programs in ended.values())
    assert_nothing_left(runs, NAMES)


def test_every_bhyve_is_killed_and_then_every_supervisor_too(runs: Runs) -> None:
    install(runs, FEW)
    names = ",".join(FEW)
    runs.chyves(f"{names} start")
    kill(one.bhyve for one in seen(runs, FEW).values())
    wait_for(lambda: phases(runs, FEW) == {"failed"}, "all have ended")
    assert_nothing_left(runs, FEW)

    runs.chyves(f"{names} start")
    now = seen(runs, FEW)
    kill(one.supervisor for one in now.values())
    kill(one.bhyve for one in now.values())
    wait_for(lambda: phases(runs, FEW) == {"left"}, "their VMs are left")
    runs.chyves(f"{names} start")
    assert phases(runs, FEW) == {"running"}
    runs.chyves("all stop force")
    assert_nothing_left(runs, FEW)


def seen(runs: Runs, names: list[str] = NAMES) -> dict[str, Status]:
    return statuses(runs.host, names)


def phases(runs: Runs, names: list[str] = NAMES) -> set[str]:
    return {one.phase for one in seen(runs, names).values()}


def kill(pids: Iterable[int]) -> None:
    for pid in pids:
        os.kill(pid, signal.SIGKILL)


def programs_by_guest(runs: Runs, line: str) -> dict[str, list[str]]:
    """Run a line and return the programs that it has started for one guest each."""
    taps = {guest["name"]: guest["properties"]["net_ifaces"] for guest in runs.chyves.json("list")}
    before = len(runs.chyves.commands())
    runs.chyves(line)
    argvs = runs.chyves.commands()[before:]
    own = {name: {f"chy-{name}", f"--vm=chy-{name}", taps[name]} for name in NAMES}
    return {name: [argv[0] for argv in argvs if own[name] & set(argv)] for name in NAMES}


def assert_nothing_left(runs: Runs, names: list[str]) -> None:
    """Of the guests their taps are left, down and on their bridge, with nobody at them."""
    runs.assert_nothing_left()
    actual = net.interfaces(runs.host)
    taps = {actual[f"tap{50 + NAMES.index(name)}"] for name in names}
    assert not any(tap.up or tap.opened_by for tap in taps)
    assert {tap.name for tap in taps} <= set(actual["bridge0"].members)
