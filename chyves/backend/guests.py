# SPDX-License-Identifier: BSD-2-Clause
"""What a guest is doing: asked of the kernel, not of a file."""

import json
import os
import select
import signal
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, suppress
from typing import Any, NamedTuple

from chyves.backend import locks, vmm, zfs
from chyves.backend.adoption import kept_state
from chyves.backend.host import Host
from chyves.backend.processes import Work, bhyve_pids, work_on_vms
from chyves.backend.run import PIPE
from chyves.backend.supervisor import FORCE
from chyves.errors import Busy, ChyvesError, HostError, Precondition
from chyves.model import layout
from chyves.model.holding import Holding, kept_holding

FAILING_SECONDS = 0.5
"""How long bhyve may take to find that it cannot have its VNC port."""


LEAST_SECONDS = 1.0
"""How long start listens to each guest, however long it has waited for others before."""

SUPERVISOR = "chyves.supervise"
"""The module that is a supervisor's program."""


class Status(NamedTuple):
    """What a guest is doing.

    ``phase`` is ``stopped``, ``failed``, ``starting`` (bhyve may be opening its devices),
    ``loading``, ``running``, ``restarting``, ``ending`` (nothing of it runs but its supervisor,
    which runs hooks), ``unsupervised`` (its supervisor was killed; bhyve runs, or still loads) or
    ``left`` (only the VM is left in the kernel). ``supervisor`` and ``bhyve`` are pids or 0;
    ``reason`` says how it last ended, ``holding`` what it has while it runs.
    """

    phase: str
    has_vm: bool
    supervisor: int = 0
    bhyve: int = 0
    reason: str = ""
    exits: Sequence[Mapping[str, Any]] = ()
    holding: Holding = Holding()

    @property
    def is_down(self) -> bool:
        """Tell whether nothing of the guest runs; its VM may be left in the kernel."""
        return not self.supervisor and not self.bhyve

    @property
    def is_coming(self) -> bool:
        """Tell whether the guest is to run and does not yet."""
        return self.phase in ("starting", "loading", "restarting")

    @property
    def is_live(self) -> bool:
        """Tell whether the guest itself runs, or is about to, and may write to its disks."""
        return not self.is_down and self.phase != "ending"


def statuses(host: Host, names: Sequence[str]) -> dict[str, Status]:
    """Return what each guest is doing. Starts no program; looks once at the process table, and
    only if there is a VM at all. Supervisors come first: one that ends meanwhile leaves no VM."""
    kept = {name: kept_state(host, name) for name in names}
    supervisors = {name: _supervisor(host, name, kept[name]) for name in names}
    vms = set(vmm.vms(host))
    ours = vms & {layout.vm_name(name) for name in names}
    work = work_on_vms(host) if ours else {}
    return {
        name: _status(
            kept[name],
            supervisors[name],
            layout.vm_name(name) in vms,
            work.get(layout.vm_name(name)),
        )
        for name in names
    }


def status(host: Host, name: str) -> Status:
    return statuses(host, [name])[name]


def _status(kept: Mapping[str, Any], supervisor: int, has_vm: bool, work: Work | None) -> Status:
    bhyve = work.pid if work and (work.runs or not supervisor or _waits(kept, work)) else 0
    if supervisor:
        phase = kept["phase"] if kept.get("supervisor") == supervisor else "starting"
        phase = "ending" if phase in ("stopped", "failed") else phase
        phase = "starting" if phase == "running" and not bhyve else phase
    elif bhyve:
        phase = "unsupervised"
    elif has_vm:
        phase = "left"
    else:
        phase = "failed" if kept.get("phase") == "failed" else "stopped"
    reason, exits = kept.get("reason", ""), kept.get("exits", ())
    has = kept_holding(kept) if supervisor or bhyve else Holding()
    return Status(phase, has_vm, supervisor, bhyve, reason, exits, has)


def _waits(kept: Mapping[str, Any], work: Work) -> bool:
    """Tell whether a bhyve that has not opened all its devices waits for a VNC client to come."""
    running = kept.get("phase") == "running" and kept.get("pid") == work.pid
    return running and bool(kept.get("waits_for_client"))


def held(host: Host, names: Sequence[str]) -> dict[str, Holding]:
    """Return what those of the guests have that run. Starts no program, and looks
    at the process table only for those whose VM nobody supervises."""
    vms = set(vmm.vms(host))
    found, doubtful = {}, []
    for name in names:
        kept = kept_state(host, name)
        if _supervisor(host, name, kept):
            found[name] = kept_holding(kept)
        elif layout.vm_name(name) in vms:
            doubtful.append(name)
    seen = statuses(host, doubtful) if doubtful else {}
    return found | {name: now.holding for name, now in seen.items() if not now.is_down}


def _supervisor(host: Host, name: str, kept: Mapping[str, Any]) -> int:
    """Return the pid of a guest's supervisor, or 0. The lock knows; who may not ask that has to
    go by the process table."""
    try:
        return locks.held_by(host, layout.run_lock(name))
    except PermissionError:
        pid: int = kept.get("supervisor", 0)
        lives = any(p.pid == pid and SUPERVISOR in p.title for p in host.processes())
        return pid if lives else 0


def require_down(host: Host, name: str, verb: str) -> None:
    """Raise Busy if the guest runs, or its VM is still in the kernel."""
    now = status(host, name)
    if not now.is_down:
        pid = now.bhyve or now.supervisor
        raise Busy(f"cannot {verb} while it runs (pid {pid})", hint=f"chyves {name} stop")
    if now.has_vm:
        raise Busy(f"cannot {verb}: its VM is left in the kernel", hint=f"chyves {name} reclaim")


def require_whole(name: str, dataset: zfs.Dataset | None) -> None:
    """Raise Precondition if a rollback of the guest was not finished: its disks are of different
    times."""
    label = dataset.half_rolled_back if dataset else ""
    if label:
        raise Precondition(
            f"its rollback to {label} was not finished",
            hint=f"chyves {name} snapshot rollback {label}",
        )


class Ended(HostError):
    """A guest that was started has ended already."""


class Underway:
    """A guest that another command is starting."""

    def __init__(self, host: Host, guest: str) -> None:
        self._host = host
        self._guest = guest

    def close(self) -> None:
        """The guest goes on."""

    def wait(self, seconds: float) -> int:
        """Wait until the guest runs and return the pid of bhyve, so many seconds at most. Should
        its supervisor be killed meanwhile, it gets another one.

        Raises Precondition if its loader waits at a prompt, Ended if it ended, with why.
        """
        deadline = time.monotonic() + seconds
        running_since = float("inf")
        name = layout.vm_name(self._guest)
        while True:
            now = adopt(self._host, self._guest, status(self._host, self._guest))
            pid = bhyve_pids(self._host).get(name)
            if pid and now.phase in ("running", "unsupervised"):
                return pid
            if now.phase == "running":
                running_since = min(running_since, time.monotonic())
                is_stable = time.monotonic() - running_since > FAILING_SECONDS
                if is_stable and vmm.exists(self._host, name):
                    return now.bhyve
            if not now.is_live:
                raise Ended(
                    f"did not stay up: {now.reason}", hint=f"see {layout.bhyve_log(self._guest)}"
                )
            if time.monotonic() >= deadline:
                raise not_up(self._guest, now.phase, seconds, now.reason)
            time.sleep(0.1)


def not_up(guest: str, phase: str, seconds: float, reason: str = "") -> ChyvesError:
    """Return why a guest that was started does not run after so many seconds."""
    if phase == "loading":
        return Precondition(
            "its loader waits at a prompt: nothing to boot?",
            hint=f"look with 'chyves {guest} console', or end it with 'chyves {guest} stop'",
        )
    return HostError(
        f"not running after {seconds:.0f} seconds (phase {phase}{reason and f': {reason}'})",
        hint=f"see 'chyves {guest} console' and {layout.bhyve_log(guest)}",
    )


class Launch:
    """A supervisor that was started, and what it reports."""

    def __init__(self, host: Host, order: Mapping[str, Any]) -> None:
        reading, writing = os.pipe()
        self._host = host
        self._guest: str = order["guest"]
        self._began = time.monotonic()
        self._reports = os.fdopen(reading, "rb", buffering=0)
        self._unread = b""
        self._pending: list[dict[str, Any]] = []
        self.waits_for_client: bool = order["waits_for_client"]
        argv = [sys.executable, "-I", "-m", SUPERVISOR, str(writing)]
        try:
            child = host.runner.spawn(argv, stdin=PIPE, pass_fds=(writing,), new_session=True)
        finally:
            os.close(writing)
        child.communicate(json.dumps(dict(order)).encode())

    def close(self) -> None:
        """Listen no longer; the guest goes on."""
        self._reports.close()

    def wait_for_supervisor(self) -> None:
        """Wait until the supervisor holds the guest's run lock. Raises Busy, HostError."""
        event = next(self._events(30), None)
        if event is None:
            raise HostError("its supervisor does not answer")
        if event["phase"] == "refused":
            raise Busy(event["reason"])

    def wait(self, seconds: float) -> int:
        """Wait until bhyve runs and return its pid, so many seconds at most from the launch on.

        bhyve runs once its process calls itself ``bhyve: NAME``: its devices are all open then.
        One that waits for a VNC client does not come so far: it is given a moment to fail instead.
        Raises Precondition if its loader waits at a prompt, Ended if it ended, with why.
        """
        phase, reason = "starting", ""
        deadline = max(self._began + seconds, time.monotonic() + LEAST_SECONDS)
        while time.monotonic() < deadline:
            for event in self._events(0.02 if phase == "running" else 1.0):
                phase, pid, since = event["phase"], event["pid"], time.monotonic()
                reason = event.get("reason") or reason
                if phase in ("failed", "stopped"):
                    raise Ended(
                        f"did not stay up: {event['reason']}",
                        hint=f"see {layout.bhyve_log(self._guest)}",
                    )
            if phase == "running" and self._is_up(pid, time.monotonic() - since):
                return int(pid)
        raise not_up(self._guest, phase, seconds, reason)

    def _is_up(self, pid: int, seconds: float) -> bool:
        if self.waits_for_client and seconds > FAILING_SECONDS:
            return vmm.exists(self._host, layout.vm_name(self._guest))
        return bhyve_pids(self._host).get(layout.vm_name(self._guest)) == pid

    def _events(self, seconds: float) -> Iterator[dict[str, Any]]:
        """Yield what has been reported, waiting at most so long for something."""
        if not self._pending:
            self._read(seconds)
        while self._pending:
            yield self._pending.pop(0)

    def _read(self, seconds: float) -> None:
        ready, _, _ = select.select([self._reports], [], [], seconds)
        if not ready:
            return
        data = self._reports.read(65536)
        if not data:
            raise HostError("its supervisor ended without a word", hint="see dmesg")
        *lines, self._unread = (self._unread + data).split(b"\n")
        self._pending += [json.loads(line) for line in lines]


def adopt(host: Host, name: str, now: Status) -> Status:
    """Give a guest a new supervisor if its own was killed, and return what it is doing then.

    Where that cannot be, because nothing is known about its start or the host does not tell how a
    process ends, it stays as it is.
    """
    if now.phase != "unsupervised" or host.plan is not None:
        return now
    if not host.path(layout.order_file(name)).exists():
        return now
    order = {
        "simulated": str(host.simulated or ""),
        "guest": name,
        "adopts": now.bhyve,
        "waits_for_client": False,
    }
    with closing(Launch(host, order)) as launch, suppress(Busy, HostError):
        launch.wait_for_supervisor()
    return status(host, name)


def ask_to_stop(host: Host, name: str, now: Status, *, force: bool) -> None:
    """Press the guest's power button, or with ``force`` take its power away.

    The supervisor does it, in whatever phase the guest is; where it was killed, bhyve is asked
    itself (SIGTERM is the power button: bhyve(8)). What does not run yet, or was powered off
    before and did not end, is killed.
    """
    vm = layout.vm_name(name)
    if now.supervisor:
        _signal(now.supervisor, FORCE if force else signal.SIGTERM)
    elif not force:
        _signal(now.bhyve, signal.SIGTERM)
    elif vm not in bhyve_pids(host) or not vmm.force_poweroff(host, vm):
        _signal(now.bhyve, signal.SIGKILL)


def wait_for_supervisor_to_end(host: Host, name: str) -> None:
    """Wait as long as a guest has a supervisor, without looking again and again."""
    descriptor = locks.open_lock(host, layout.run_lock(name))
    try:
        locks.wait_until_free(descriptor)
    finally:
        os.close(descriptor)


def _signal(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def wait_until_down(host: Host, names: Sequence[str], seconds: float) -> Iterator[str]:
    """Yield each guest's name as it has ended; those that have not after so long are missing."""
    left = list(names)
    deadline = time.monotonic() + seconds
    while left:
        now = statuses(host, left)
        for name in [name for name in left if now[name].is_down]:
            left.remove(name)
            yield name
        if time.monotonic() > deadline:
            return
        time.sleep(0.05)


def settled(host: Host, name: str) -> Status:
    """Return what a guest is doing, once hooks of its end are over. Raises Busy if they go on for
    longer than a minute, or it is one of them that asks."""
    now = status(host, name)
    if now.phase != "ending":
        return now
    locks.require_no_ancestor(now.supervisor, f"guest {name}")
    next(wait_until_down(host, [name], locks.PATIENCE), None)
    now = status(host, name)
    if now.phase == "ending":
        raise Busy(
            f"a hook of its end still runs (supervisor {now.supervisor})",
            hint=f"chyves {name} wait --for stopped",
        )
    return now
