# SPDX-License-Identifier: BSD-2-Clause
"""A command line that is killed, or fails, at a chosen step; and what a user sees afterwards."""

import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, NamedTuple

from chyves.backend.run import Progress, Result
from chyves.cli import run
from chyves.model import places
from chyves.simulator import faults
from chyves.simulator.host import SimulatedRunner, open_simulated_host
from chyves.simulator.programs import execute_captured
from chyves.simulator.world import World

FILE_STEPS = ("fsync", "link", "mkdir", "rename", "replace", "rmdir", "sendfile", "unlink")
"""Functions of os between which chyves itself can be killed while it handles files."""

Arm = Callable[[], None]


class Ended(NamedTuple):
    """How a command line ended: its exit code (negative for a signal) and what it said."""

    code: int
    out: str
    err: str

    @property
    def was_killed(self) -> bool:
        return self.code == -signal.SIGKILL

    @property
    def errors(self) -> list[str]:
        """The lines that tell of a failure, without hints and remarks."""
        return [line for line in self.err.splitlines() if line.startswith("chyves: ")][1:]


class Chyves:
    """Types command lines on a simulated host."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    @property
    def world(self) -> World:
        return World(self.directory)

    def copy(self, name: str) -> "Chyves":
        """Return a copy of the whole host beside this one."""
        target = self.directory.with_name(name)
        if target.exists():
            shutil.rmtree(target)
        shutil.copytree(self.directory, target, symlinks=True)
        return Chyves(target)

    def ends(self, line: str, *more: str) -> Ended:
        """Run a line in this process, however it ends."""
        words = ["--simulate", str(self.directory), "--yes", *line.split(), *more]
        out, err = io.StringIO(), io.StringIO()
        with redirect_stdout(out), redirect_stderr(err):
            code = run(words)
        return Ended(code, out.getvalue(), err.getvalue())

    def __call__(self, line: str, *more: str) -> Ended:
        """Run a line that has to succeed."""
        ended = self.ends(line, *more)
        assert ended.code == 0, f"chyves {line}: {ended}"
        return ended

    def data(self, line: str) -> Any:
        return json.loads(self(f"{line} --json").out)["data"]

    def ends_under(self, arm: Arm, line: str) -> Ended:
        """Run a line in a process of its own, after ``arm`` has prepared its end there."""
        reading, writing = os.pipe()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            child = os.fork()
        if not child:
            arm()
            ended = self.ends(line)
            with os.fdopen(writing, "w") as report:
                json.dump(ended, report)
            os._exit(0)
        os.close(writing)
        with os.fdopen(reading) as report:
            told = report.read()
        _, status = os.waitpid(child, 0)
        if os.WIFSIGNALED(status):
            return Ended(-os.WTERMSIG(status), "", "")
        return Ended(*json.loads(told))

    def starts(self, line: str) -> "subprocess.Popen[str]":
        """Start the installed program as a process of its own."""
        words = [sys.executable, "-m", "chyves", "--simulate", str(self.directory), "--yes"]
        return subprocess.Popen(
            [*words, *line.split()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def together(self, lines: Sequence[str]) -> list[Ended]:
        """Run lines at the same time, each as a process; return how they ended, in order."""
        running = [self.starts(line) for line in lines]
        ended = []
        for process in running:
            out, err = process.communicate(timeout=110)
            ended.append(Ended(process.returncode, out, err))
        return ended

    def commands(self) -> list[list[str]]:
        log = self.directory / "commands.log"
        return [json.loads(line) for line in log.read_text().splitlines()]

    def program(self, *argv: str) -> str:
        """Run a program of the host and return what it prints."""
        code, out, err = execute_captured(self.world, argv)
        assert code == 0, err
        return out.decode()

    def interfaces(self) -> dict[str, Any]:
        from chyves.backend import net

        return dict(net.interfaces(open_simulated_host(self.directory)))


def on_program(chyves: Chyves, act: str, number: int) -> Arm:
    """Let the ``number``-th program that is started fail, or kill its caller."""
    return lambda: faults.order(chyves.world, act, number)


def kill_at_file_step(number: int) -> Arm:
    """Kill the process before the ``number``-th of its own FILE_STEPS."""
    state = {"left": number, "in a program": 0}

    def counted(real: Callable[..., Any]) -> Callable[..., Any]:
        def step(*arguments: Any, **named: Any) -> Any:
            if not state["in a program"]:
                state["left"] -= 1
                if state["left"] == 0:
                    os.kill(os.getpid(), signal.SIGKILL)
            return real(*arguments, **named)

        return step

    def arm() -> None:
        real_run = SimulatedRunner.run

        def run_apart(
            self: SimulatedRunner, argv: Sequence[str], *, timeout: float | None = None
        ) -> Result:
            state["in a program"] += 1
            try:
                return real_run(self, argv, timeout=timeout)
            finally:
                state["in a program"] -= 1

        real_pipe = SimulatedRunner.pipe

        def pipe_apart(
            self: SimulatedRunner, source: Sequence[str], sink: Sequence[str], progress: Progress
        ) -> tuple[Result, Result]:
            state["in a program"] += 1
            try:
                return real_pipe(self, source, sink, progress)
            finally:
                state["in a program"] -= 1

        SimulatedRunner.run = run_apart  # type: ignore[method-assign]
        SimulatedRunner.pipe = pipe_apart  # type: ignore[method-assign]
        for name in FILE_STEPS:
            setattr(os, name, counted(getattr(os, name)))

    return arm


def sights(chyves: Chyves) -> dict[str, Any]:
    """Return what all reading verbs say, without what no two runs have in common: times, random
    identities, space used."""
    guests = chyves.data("list")
    pools = chyves.data("list pools")
    iso = chyves.data("iso list")
    snapshots = chyves.data("list snapshots") if guests else []
    idle = _idle_transfers(chyves)
    shared: dict[str, Any] = {"global": {}, "defaults": {}, "bridges": []}
    if any(pool["role"] == "primary" for pool in pools):
        shared = {
            "global": chyves.data("global get all")["global"],
            "defaults": chyves.data("list defaults"),
            "bridges": chyves.data("list bridges"),
        }
    return {
        "guests": {guest["name"]: _guest(guest) for guest in guests},
        "pools": pools,
        "iso": [(one["name"], one["size"]) for one in iso],
        "snapshots": sorted(
            _snapshot(one) for one in snapshots if one["dataset"] + one["name"] not in idle
        ),
        "global": _without(shared["global"], "_unique_id", "_tap_members"),
        "defaults": shared["defaults"],
        "bridges": {
            one["name"]: (one["uplink"], sorted((t["name"], t["guest"]) for t in one["taps"]))
            for one in shared["bridges"]
        },
    }


def _snapshot(one: dict[str, Any]) -> tuple[str, str, str]:
    return one["guest"], one["dataset"], _without_uuid(one["name"])


def _idle_transfers(chyves: Chyves) -> set[str]:
    """Return the snapshots that were there to be copied or cloned, and that no clone is on."""
    listing = chyves.program("zfs", "list", "-H", "-t", "snapshot", "-o", "name,clones")
    rows = [line.split("\t") for line in listing.splitlines() if "@chyves-transfer-" in line]
    return {name for name, clones in rows if clones in ("", "-")}


def _without_uuid(snapshot: str) -> str:
    """Leave out what tells the snapshots from each other that clones depend on."""
    return re.sub("@chyves-(transfer|clone-process)-.*", "@chyves-clone-process", snapshot)


def _without(values: dict[str, str], *ends: str) -> dict[str, str]:
    return {key: value for key, value in values.items() if not key.endswith(ends)}


def _guest(guest: dict[str, Any]) -> dict[str, Any]:
    disks = [(d["name"], d["size"], _without_uuid(d["origin"] or "")) for d in guest["disks"]]
    properties = _without(guest["properties"], "creation", "uuid")
    return {"pool": guest["pool"], "phase": guest["phase"], "disks": disks, **properties}


def only_owned(seen: dict[str, Any]) -> dict[str, Any]:
    """Return the sights with those taps on bridges only that a guest has."""
    bridges = {
        name: (uplink, [tap for tap in taps if tap[1]])
        for name, (uplink, taps) in seen["bridges"].items()
    }
    return {**seen, "bridges": {n: b for n, b in bridges.items() if b != (None, [])}}


def facts(seen: dict[str, Any]) -> set[str]:
    """Return the sights in small pieces: each guest, each property, each tap of a bridge."""
    found = set()
    for part, values in seen.items():
        items = values.items() if isinstance(values, dict) else enumerate(values)
        for key, value in items:
            name = key if isinstance(values, dict) else ""
            if part == "bridges":
                uplink, taps = value
                found |= {json.dumps([part, name, uplink])}
                found |= {json.dumps([part, name, *tap]) for tap in taps}
            else:
                found.add(json.dumps([part, name, value]))
    return found


def unowned(chyves: Chyves, kept: Sequence[str] = ()) -> list[str]:
    """Return a sentence for all that is there and belongs to nothing a user knows of; taps that
    are ``kept`` on purpose do not count."""
    return [
        *_unowned_datasets(chyves),
        *_unowned_files(chyves),
        *_unowned_taps(chyves, kept),
    ]


def _unowned_datasets(chyves: Chyves) -> Iterator[str]:
    roles = {pool["name"]: pool["role"] for pool in chyves.data("list pools")}
    pools = {name for name, role in roles.items() if role != "offline"}
    guests = {(guest["pool"], guest["name"]) for guest in chyves.data("list")}
    media = {one["name"] for kind in ("iso", "firmware") for one in chyves.data(f"{kind} list")}
    for name in chyves.program("zfs", "list", "-H", "-o", "name").splitlines():
        place = places.classify(name)
        match place:
            case places.Root(pool) | places.Part(pool):
                fine = pool in pools
            case places.GuestRoot(pool, guest) | places.GuestPart(pool, guest):
                fine = (pool, guest) in guests
            case places.Resource(_, _, resource):
                fine = resource in media
            case _:
                pool, _, rest = name.partition("/")
                fine = not rest or (
                    rest.split("/")[0] == "chyves_offline" and roles.get(pool) == "offline"
                )
        if not fine:
            yield f"dataset {name}"
    for name in _idle_transfers(chyves):
        yield f"snapshot {name}"
    marks = chyves.program("zfs", "get", "-H", "-o", "name", "-s", "local", "chyves:unfinished")
    for name in marks.splitlines():
        yield f"mark on {name}"


def _unowned_files(chyves: Chyves) -> Iterator[str]:
    root = chyves.world.root / "chyves"
    known = (".cfg", ".defaults", "pool.cfg", "global.cfg")
    for folder, _, files in os.walk(root):
        for file in files:
            is_log = os.path.basename(folder) == "logs" and file.endswith(".log")
            if file not in known and file != os.path.basename(folder) and not is_log:
                yield f"file {folder}/{file}"


def _unowned_taps(chyves: Chyves, kept: Sequence[str]) -> Iterator[str]:
    """Compare guests, lists of bridges and the host."""
    owners: dict[str, str] = {}
    for guest in chyves.data("list"):
        for name in guest["properties"]["net_ifaces"].split(","):
            if name.startswith("tap"):
                assert name not in owners, f"{name} has two guests"
                owners[name] = guest["name"]
    listed: dict[str, str] = {}
    uplinks = {}
    if chyves.data("list pools"):
        for bridge in chyves.data("list bridges"):
            uplinks[bridge["name"]] = bridge["uplink"]
            for tap in bridge["taps"]:
                assert tap["name"] not in listed, f"{tap['name']} is on two bridges"
                listed[tap["name"]] = bridge["name"]
    for name in sorted(listed.keys() ^ owners.keys()):
        if name not in kept:
            yield f"{name} of {owners.get(name)} on {listed.get(name)}"
    actual = chyves.interfaces()
    for name, one in actual.items():
        if name.startswith("tap") and name not in listed:
            yield f"interface {name}"
        for member in one.members:
            if listed.get(member, name) != name or (
                member not in listed and member != uplinks.get(name)
            ):
                yield f"{member} is a member of {name}"
