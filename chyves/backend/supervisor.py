# SPDX-License-Identifier: BSD-2-Clause
"""The small process that stays with a running guest.

It holds the guest's run lock for as long as it lives, runs the loader and bhyve, keeps how each
run ended, and puts the kernel in order when the guest is done. It imports little: its memory is
spent once for every running guest.
"""

import json
import os
import select
import signal
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from chyves.backend import locks, log, vmm
from chyves.backend.host import Host
from chyves.backend.run import Child
from chyves.errors import ChyvesError
from chyves.model import layout, lifecycle

FORCE = signal.SIGUSR1
"""Asks the supervisor to end the guest at once. SIGTERM asks it to end the guest gracefully."""

KILL_SECONDS = 5.0
"""How long a forced power-off may take before bhyve is killed."""

SAID_BYTES = 8192


class Supervisor:
    """One guest's life.

    ``order`` is what start hands over: ``guest``; ``launches``, a list of ``{"loader": argv or
    None, "bhyve": argv}`` of which the first has the installation medium and the second has not;
    ``eject_after``, the reboot that takes it out (0: never); ``taps``; ``logs``, the folders to
    log in. ``report`` is a descriptor on which each event is told as a line of JSON.
    """

    def __init__(self, host: Host, order: Mapping[str, Any], report: int) -> None:
        self._host = host
        self._guest: str = order["guest"]
        self._vm = layout.vm_name(self._guest)
        self._launches: Sequence[Mapping[str, Any]] = order["launches"]
        self._taps: Sequence[str] = order["taps"]
        self._logs: Sequence[str] = order["logs"]
        self._history = lifecycle.History(eject_after=order["eject_after"])
        self._report = report
        os.set_blocking(report, False)
        self._state: dict[str, Any] = {
            "guest": self._guest,
            "supervisor": os.getpid(),
            "started": time.time(),
            "reboots": 0,
            "exits": [],
        }
        self._presses = 0
        self._force_wanted = False
        self._wakeup = -1

    def run(self) -> int:
        """Live until the guest has ended for good; return 0 if it ended well, else 1."""
        self._wakeup = _signals_as_bytes()
        lock = locks.open_lock(self._host, layout.run_lock(self._guest))
        if not _take_patiently(lock):
            self._tell("refused", f"already running (pid {locks.holder(lock)})")
            return 1
        self._keep("starting")
        try:
            ended = self._live()
        except (ChyvesError, OSError) as error:
            ended = lifecycle.failed(str(error))
        try:
            self._clean()
        except ChyvesError as error:
            ended = lifecycle.failed(f"{ended.reason}; {error.message}")
        phase = "failed" if ended.failed else "stopped"
        self._log(1, ended.reason)
        self._keep(phase, reason=ended.reason)
        return int(ended.failed)

    def _live(self) -> lifecycle.Next:
        while True:
            outcome = self._run_once(self._launches[self._history.launch])
            self._history, step = lifecycle.after(self._history, outcome, self._stop_wanted)
            self._note_exit(outcome, step)
            if not step.restart:
                return step
            self._clean()
            self._keep("restarting", reason=step.reason)
            self._log(2, f"{step.reason}; starting again")
            self._pause(step.pause)
            if self._stop_wanted:
                return lifecycle.stopped("stopped before it started again")

    def _run_once(self, launch: Mapping[str, Any]) -> lifecycle.Outcome:
        """Run the loader, if there is one, and bhyve; return how the last of them ended."""
        if launch["loader"]:
            outcome = self._run_program("loading", launch["loader"])
            if outcome.code != 0 or self._stop_wanted:
                return outcome._replace(loader=True)
        for tap in self._taps:
            self._host.try_change("ifconfig", tap, "up")
        return self._run_program("running", launch["bhyve"])

    def _run_program(self, phase: str, argv: Sequence[str]) -> lifecycle.Outcome:
        began = time.monotonic()
        with self._host.path(layout.bhyve_log(self._guest)).open("wb+") as said:
            self._log(3, " ".join(argv))
            child = self._host.runner.spawn(argv, stdout=said, stderr=said)
            self._keep(phase, pid=child.pid)
            self._wait_for_end(child, phase)
            said.seek(max(0, said.seek(0, os.SEEK_END) - SAID_BYTES))
            text = said.read().decode(errors="replace")
        return lifecycle.Outcome(child.returncode, time.monotonic() - began, said=text)

    def _wait_for_end(self, child: Child, phase: str) -> None:
        """Wait for the program's end; meanwhile pass on what people ask of the guest."""
        pressed, forced = 0, False
        kill_at = float("inf")
        while child.poll() is None:
            if self._force_wanted and not forced:
                forced = True
                kill_at = time.monotonic() + KILL_SECONDS
                if phase == "loading" or not vmm.force_poweroff(self._host, self._vm):
                    child.kill()
            elif self._presses > pressed:
                pressed = self._presses
                child.terminate()
            if time.monotonic() > kill_at:
                child.kill()
            self._wait_for_signals(KILL_SECONDS if forced else None)

    def _pause(self, seconds: float) -> None:
        """Wait so long, or until the guest is to stop. Signals of other children end no pause."""
        deadline = time.monotonic() + seconds
        while not self._stop_wanted and (left := deadline - time.monotonic()) > 0:
            self._wait_for_signals(left)

    def _wait_for_signals(self, seconds: float | None) -> None:
        """Sleep until a signal comes, at most so long; a child's end is a signal too."""
        ready, _, _ = select.select([self._wakeup], [], [], seconds)
        if not ready:
            return
        for number in os.read(self._wakeup, 512):
            if number in (signal.SIGTERM, signal.SIGINT):
                self._presses += 1
            elif number == FORCE:
                self._force_wanted = True

    @property
    def _stop_wanted(self) -> bool:
        return self._presses > 0 or self._force_wanted

    def _clean(self) -> None:
        """Take the VM out of the kernel: bhyve leaves it there however it ended."""
        if vmm.exists(self._host, self._vm):
            vmm.destroy(self._host, self._vm)

    def _note_exit(self, outcome: lifecycle.Outcome, step: lifecycle.Next) -> None:
        entry = {
            "time": time.time(),
            "code": outcome.code,
            "seconds": round(outcome.seconds, 3),
            "reason": step.reason,
        }
        self._state["exits"] = [*self._state["exits"], entry][-20:]
        self._state["reboots"] = self._history.reboots

    def _keep(self, phase: str, *, pid: int = 0, reason: str = "") -> None:
        """Keep the state where every chyves finds it, and tell start. That it cannot be written
        is no reason to give up the guest."""
        self._state |= {"phase": phase, "pid": pid, "since": time.time(), "reason": reason}
        path = self._host.path(layout.state_file(self._guest))
        fresh = path.with_suffix(".new")
        with suppress(OSError):
            fresh.write_text(json.dumps(self._state))
            fresh.replace(path)
        self._tell(phase, reason, pid)

    def _tell(self, phase: str, reason: str = "", pid: int = 0) -> None:
        if self._report < 0:
            return
        line = json.dumps({"phase": phase, "reason": reason, "pid": pid})
        try:
            os.write(self._report, line.encode() + b"\n")
        except OSError:  # start has ended, or does not listen
            os.close(self._report)
            self._report = -1

    def _log(self, level: int, message: str) -> None:
        for folder in self._logs:
            log.append(self._host, folder, level, f"{self._guest}: {message}")


def _take_patiently(lock: int) -> bool:
    """Take the run lock; somebody who only looks may hold it for a moment."""
    deadline = time.monotonic() + 1
    while not locks.take(lock):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def _signals_as_bytes() -> int:
    """Turn signals into bytes on a pipe, which a select can wait for; return its reading end.

    Nothing is ignored or blocked (but SIGPIPE, which subprocess takes care of), because bhyve would
    inherit that.
    """
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, FORCE):
        signal.signal(number, lambda *_: None)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    return reading
