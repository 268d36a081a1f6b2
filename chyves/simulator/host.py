# SPDX-License-Identifier: BSD-2-Clause
"""The seam: a Host whose programs, files and processes are simulated."""

import io
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from chyves.backend.host import Host, Process
from chyves.backend.run import ENVIRONMENT, Child, Progress, Result, Stream, become
from chyves.backend.watch import Watch
from chyves.errors import Invalid
from chyves.simulator.programs import PROGRAMS, execute_captured, execute_streaming, is_installed
from chyves.simulator.world import World


def open_simulated_host(directory: Path) -> Host:
    """Return the host in ``directory``, made with the defaults if there is none yet. Raises
    Invalid."""
    wanted = os.environ.get("CHYVES_SIMULATE_GUEST", "")
    if wanted not in ("", "qemu", "scripted"):
        raise Invalid(
            f"CHYVES_SIMULATE_GUEST has no kind of guest: {wanted}", hint="valid: qemu, scripted"
        )
    if not (directory / "machine.json").exists():
        World.make(directory)
    return SimulatedHost(World(directory))


class SimulatedRunner:
    """Runs the programs of a simulated host: short ones here, lasting ones as processes."""

    def __init__(self, world: World) -> None:
        self.world = world

    def run(self, argv: Sequence[str], *, timeout: float | None = None) -> Result:
        program = PROGRAMS.get(os.path.basename(argv[0]))
        if program and program.stays:
            return self._run_as_process(argv, timeout)
        code, out, err = execute_captured(self.world, argv)
        return Result(
            tuple(argv),
            code,
            out.decode(errors="surrogateescape"),
            err.decode(errors="surrogateescape"),
        )

    def _run_as_process(self, argv: Sequence[str], timeout: float | None) -> Result:
        child = self.spawn(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        try:
            out, err = child.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            child.kill()
            with child:  # what it has left behind may hold the pipes for long
                pass
            return Result(tuple(argv), 124, "", f"{argv[0]}: no answer within {timeout} seconds")
        return Result(tuple(argv), child.returncode, out.decode(), err.decode())

    def spawn(
        self,
        argv: Sequence[str],
        *,
        stdin: Stream = subprocess.DEVNULL,
        stdout: Stream = subprocess.DEVNULL,
        stderr: Stream = subprocess.DEVNULL,
        pass_fds: Sequence[int] = (),
        new_session: bool = False,
    ) -> Child:
        return subprocess.Popen(
            self._command(argv),
            env=self._environment(argv),
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            pass_fds=pass_fds,
            start_new_session=new_session,
        )

    def pipe(
        self, source: Sequence[str], sink: Sequence[str], progress: Progress
    ) -> tuple[Result, Result]:
        with tempfile.TemporaryFile() as stream:
            code, complaint = execute_streaming(self.world, source, io.BytesIO(), stream)
            progress(stream.tell())
            stream.seek(0)
            sent = Result(tuple(source), code, "", complaint)
            code, complaint = execute_streaming(self.world, sink, stream, io.BytesIO())
            return sent, Result(tuple(sink), code, "", complaint)

    def attach(self, argv: Sequence[str], passing: Sequence[str] = ()) -> NoReturn:
        own = self.world.bin / os.path.basename(argv[0])
        become(str(own), argv, os.environ)

    def _environment(self, argv: Sequence[str]) -> dict[str, str] | None:
        """Return what env(1) passes on to what is started by it: nothing of the caller's. The
        other programs know by variables of this process how they are to be simulated."""
        if os.path.basename(argv[0]) != "env":
            return None
        path = f"{self.world.bin}:{ENVIRONMENT['PATH']}"
        return {**ENVIRONMENT, "PATH": path, "CHYVES_SIMULATE": str(self.world.directory)}

    def _command(self, argv: Sequence[str]) -> list[str]:
        if os.path.basename(argv[0]) not in PROGRAMS:
            return list(argv)
        return [sys.executable, "-I", "-m", "chyves.simulator", str(self.world.directory), *argv]


class SimulatedHost(Host):
    """A FreeBSD host in a directory."""

    has_this_zfs = False

    def __init__(self, world: World) -> None:
        super().__init__(SimulatedRunner(world), world.root)
        self.world = world
        self.simulated = world.directory

    def path(self, absolute: str) -> Path:
        if "/.zfs/snapshot/" in absolute:
            from chyves.simulator.zfs.mounts import within_snapshot

            return within_snapshot(self.world, absolute)
        return super().path(absolute)

    def system(self) -> str:
        return f"FreeBSD {self.world.release.name}"

    def is_root(self) -> bool:
        return os.environ.get("CHYVES_SIMULATE_USER", "root") == "root"

    def processes(self) -> list[Process]:
        return self.world.processes()

    def watch(self, pid: int) -> Watch:
        if not hasattr(os, "pidfd_open"):
            return super().watch(pid)
        from chyves.simulator.ends import EndWatch

        return EndWatch(self.world, pid)

    def absolute(self, path: str) -> str:
        found = Path(super().absolute(path))
        root = self.world.root
        return f"/{found.relative_to(root)}" if found.is_relative_to(root) else str(found)

    def has_program(self, name: str) -> bool:
        return is_installed(self.world, name)

    def may_write(self, path: str) -> None:
        from chyves.simulator.zfs.writing import check

        check(self.world, path)
