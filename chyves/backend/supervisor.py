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

from chyves.backend import adoption, locks, log, vmm, wanted
from chyves.backend.adoption import Adopted
from chyves.backend.hooks import run_hooks
from chyves.backend.host import Host
from chyves.backend.run import Child
from chyves.errors import Busy, ChyvesError
from chyves.model import layout, lifecycle

FORCE = signal.SIGUSR1
"""Asks the supervisor to end the guest at once. SIGTERM asks it to end the guest gracefully."""

KILL_SECONDS = 5.0
"""How long a forced power-off may take before bhyve is killed."""

SAID_BYTES = 8192

SAID_LINES = 10
"""How much of what a program said is kept with its end."""


class Supervisor:
    """One guest's life.

    ``order`` is what start hands over: ``guest``; ``launches``, a list of ``{"loader": argv or
    None, "bhyve": argv}`` of which the first has the installation medium and the second has not;
    ``eject_after``, the reboot that takes it out (0: never); ``restarts``, whether it is started
    again after a crash; ``revert``, the snapshot its disks go back to at each restart, empty for
    the newest and None for none; ``pool``; ``taps``; ``sockets``, which bhyve makes and would not
    find free the next time; ``waits_for_client``, whether bhyve waits for somebody to look at the
    screen; ``holding``, what the guest has, for others to see. ``report`` is a
    descriptor on which each event is told as a line of JSON.

    ``adopts`` is given to the supervisor that follows one that was killed: ``{"pid": pid}`` of the
    loader or bhyve that goes on. It finds the order, and how the guest has lived, where the other
    has left them.
    """

    def __init__(self, host: Host, order: Mapping[str, Any], report: int) -> None:
        self._host = host
        self._guest: str = order["guest"]
        self._vm = layout.vm_name(self._guest)
        self._adopted: Adopted | None = None
        self._adopts: int = order.get("adopts", 0)
        self._order = adoption.kept_order(host, self._guest) if self._adopts else order
        self._launches: Sequence[Mapping[str, Any]] = self._order["launches"]
        self._taps: Sequence[str] = self._order["taps"]
        self._sockets: Sequence[str] = self._order["sockets"]
        self._history = lifecycle.History(
            eject_after=self._order["eject_after"], restarts=self._order["restarts"]
        )
        self._report = report
        os.set_blocking(report, False)
        self._state: dict[str, Any] = {
            "guest": self._guest,
            "supervisor": os.getpid(),
            "started": time.time(),
            "reboots": 0,
            "exits": [],
            "waits_for_client": self._order["waits_for_client"],
            "holding": self._order["holding"],
        }
        self._presses = 0
        self._forces = 0
        self._wakeup = -1

    def run(self) -> int:
        """Live until the guest has ended for good; return 0 if it ended well, else 1."""
        self._wakeup = _signals_as_bytes()
        lock = locks.open_lock(self._host, layout.run_lock(self._guest))
        if not _take_patiently(lock):
            self._tell("refused", f"already running (pid {locks.holder(lock)})")
            return 1
        try:
            self._begin()
        except (ChyvesError, OSError) as error:
            os.close(lock)
            self._tell("refused", str(error))
            return 1
        try:
            ended = self._live()
        except (ChyvesError, OSError) as error:
            ended = lifecycle.failed(str(error))
        try:
            self._clean()
        except ChyvesError as error:
            ended = lifecycle.failed(f"{ended.reason}; {error.message}")
        self._log(1, ended.reason)
        self._keep("failed" if ended.failed else "stopped", reason=ended.reason)
        self._run_hooks(ended.reason)
        return int(ended.failed)

    def _begin(self) -> None:
        """Keep the order for a supervisor that may have to follow, or follow one. Raises OSError,
        HostError, Busy: nothing has been touched then. Whoever wants the guest off from now on
        finds that it has a supervisor, and asks that."""
        if not self._adopts:
            if wanted.wanted(self._host, self._guest) == wanted.OFF:
                raise Busy("was stopped before it ran")
            wanted.want(self._host, [self._guest], wanted.ON)
            adoption.keep_order(self._host, self._guest, self._order)
            self._keep("starting")
            return
        kept = adoption.kept_state(self._host, self._guest)
        self._adopted = Adopted(self._host, self._guest, self._adopts, kept)
        self._history = self._history._replace(**kept.get("history", {}))
        self._state |= {name: kept[name] for name in ("started", "exits") if name in kept}
        self._log(2, f"its supervisor was gone; a new one watches process {self._adopts}")

    def _live(self) -> lifecycle.Next:
        while True:
            outcome = self._run_once(self._launches[self._history.launch])
            self._history, step = lifecycle.after(self._history, outcome, self._asked)
            self._note_exit(outcome, step)
            if not step.restart:
                return step
            self._clean()
            self._keep("restarting", reason=step.reason)
            self._log(2, f"{step.reason}; starting again")
            self._pause(step.pause)
            if self._asked:
                return lifecycle.stopped("stopped before it started again")
            self._revert()

    def _run_once(self, launch: Mapping[str, Any]) -> lifecycle.Outcome:
        """Run the loader, if there is one, and bhyve; return how the last of them ended."""
        if launch["loader"] and not (self._adopted and self._adopted.runs):
            outcome = self._run_program("loading", launch["loader"])
            if outcome.code != 0 or self._asked:
                return outcome._replace(loader=True)
        for tap in self._taps if not self._adopted else ():
            self._host.try_change("ifconfig", tap, "up")
        for socket in self._sockets if not self._adopted else ():
            self._host.path(socket).unlink(missing_ok=True)
        return self._run_program("running", launch["bhyve"])

    def _run_program(self, phase: str, argv: Sequence[str]) -> lifecycle.Outcome:
        adopted, self._adopted = self._adopted, None
        mode = "rb" if adopted else "wb+"
        with self._host.path(layout.bhyve_log(self._guest)).open(mode) as said:
            program: Child | Adopted
            if adopted:
                program, began = adopted, adopted.began
            else:
                began = time.monotonic()
                self._log(3, " ".join(argv))
                program = self._host.runner.spawn(argv, stdout=said, stderr=said)
            self._keep(phase, pid=program.pid)
            self._wait_for_end(program, phase)
            said.seek(max(0, said.seek(0, os.SEEK_END) - SAID_BYTES))
            text = said.read().decode(errors="replace")
        return lifecycle.Outcome(program.returncode, time.monotonic() - began, said=text)

    def _wait_for_end(self, program: Child | Adopted, phase: str) -> None:
        """Wait for the program's end; meanwhile pass on what people ask of the guest. Who asks for
        force a second time has it killed."""
        pressed, forced = 0, 0
        kill_at = float("inf")
        while program.poll() is None:
            if self._forces > forced:
                again, forced = forced > 0, self._forces
                kill_at = time.monotonic() + KILL_SECONDS
                if again or phase == "loading" or not vmm.force_poweroff(self._host, self._vm):
                    program.kill()
            elif self._presses > pressed:
                pressed = self._presses
                program.terminate()
            if time.monotonic() > kill_at:
                program.kill()
            watched = [program.fileno()] if isinstance(program, Adopted) else []
            self._wait_for_signals(KILL_SECONDS if forced else None, watched)

    def _pause(self, seconds: float) -> None:
        """Wait so long, or until the guest is to stop. Signals of other children end no pause."""
        deadline = time.monotonic() + seconds
        while not self._asked and (left := deadline - time.monotonic()) > 0:
            self._wait_for_signals(left)

    def _wait_for_signals(self, seconds: float | None, watched: Sequence[int] = ()) -> None:
        """Sleep until a signal comes, at most so long; a child's end is a signal too. That of a
        program that is no child can be read from what is ``watched``."""
        ready, _, _ = select.select([self._wakeup, *watched], [], [], seconds)
        if self._wakeup not in ready:
            return
        for number in os.read(self._wakeup, 512):
            if number in (signal.SIGTERM, signal.SIGINT):
                self._presses += 1
            elif number == FORCE:
                self._forces += 1

    @property
    def _asked(self) -> lifecycle.Asked:
        if self._forces:
            return lifecycle.Asked.FORCE
        return lifecycle.Asked.BUTTON if self._presses else lifecycle.Asked.NOTHING

    def _clean(self) -> None:
        """Take the VM out of the kernel: bhyve leaves it there however it ended."""
        if vmm.exists(self._host, self._vm):
            vmm.destroy(self._host, self._vm)

    def _revert(self) -> None:
        """Take the disks back to a snapshot if that is wanted. Raises ChyvesError."""
        label = self._order["revert"]
        if label is None:
            return
        from chyves.backend.reverting import revert  # its memory is for guests that need it

        label = revert(self._host, self._order["pool"], self._guest, label)
        self._log(2, f"its disks went back to {label}")

    def _run_hooks(self, reason: str) -> None:
        """Run the hooks of the end. A failure is logged: the guest has ended all the same."""
        try:
            run_hooks(self._host, "poststop", self._order["pool"], self._guest, reason)
        except ChyvesError as error:
            self._log(1, error.message)

    def _note_exit(self, outcome: lifecycle.Outcome, step: lifecycle.Next) -> None:
        entry = {
            "time": time.time(),
            "code": outcome.code,
            "seconds": round(outcome.seconds, 3),
            "reason": step.reason,
            "said": outcome.said.splitlines()[-SAID_LINES:],
        }
        self._state["exits"] = [*self._state["exits"], entry][-20:]
        self._state["reboots"] = self._history.reboots
        self._state["history"] = self._history.lived()

    def _keep(self, phase: str, *, pid: int = 0, reason: str = "") -> None:
        """Keep the state where every chyves finds it, and tell start. That it cannot be written
        is no reason to give up the guest."""
        self._state |= {"phase": phase, "pid": pid, "since": time.time(), "reason": reason}
        self._state["ejected"] = self._history.is_ejected
        with suppress(OSError):
            adoption.keep(self._host, layout.state_file(self._guest), self._state)
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
        log.write(self._host, level, f"{self._guest}: {message}", self._guest)


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
