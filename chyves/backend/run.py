# SPDX-License-Identifier: BSD-2-Clause
"""The one door to other programs."""

import os
import shlex
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from typing import IO, NamedTuple, NoReturn, Protocol

from chyves.errors import HostError, Precondition

ENVIRONMENT: Mapping[str, str] = {
    "PATH": "/sbin:/bin:/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin",
    "LC_ALL": "C.UTF-8",
    "HOME": "/",
}
"""All that a child sees of the environment, unless a person works with it."""

PASSED = ("TERM", "DISPLAY", "WAYLAND_DISPLAY", "XAUTHORITY", "XDG_RUNTIME_DIR")
"""What a program that a person works with needs of the environment to reach the terminal or the
screen."""

MISSING = 127
"""Exit code for a program that is not there, as a shell has it."""

PIPE = subprocess.PIPE
Child = subprocess.Popen[bytes]
TooSlow = subprocess.TimeoutExpired
Stream = int | IO[bytes] | None
Progress = Callable[[int], None]

CHUNK = 1 << 20


class Result(NamedTuple):
    """How a program ended. ``code`` is negative for a signal, as in ``subprocess``."""

    argv: tuple[str, ...]
    code: int
    stdout: str
    stderr: str

    def complaint(self) -> str:
        """Return what the program said of its failure, in one line."""
        said = (self.stderr or self.stdout).strip()
        if said:
            return "; ".join(line.strip() for line in said.splitlines())
        if self.code < 0:
            return f"ended by {signal.Signals(-self.code).name}"
        return f"exit code {self.code}"

    def check(self, *codes: int) -> "Result":
        """Return itself, or raise HostError unless the exit code is 0 or one of ``codes``."""
        if self.code == MISSING:
            raise HostError(
                f"{self.argv[0]}: not found",
                hint="chyves works on FreeBSD; without it: chyves --simulate <folder> ...",
            )
        if self.code != 0 and self.code not in codes:
            raise HostError(f"{shlex.join(self.argv)}: {self.complaint()}")
        return self


class Runner(Protocol):
    """How programs are started: for real, or by the simulated host."""

    def run(self, argv: Sequence[str], *, timeout: float | None = None) -> Result:
        """Run to the end with stdin closed and the output captured as text."""

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
        """Start and go on; the caller reaps."""

    def pipe(
        self, source: Sequence[str], sink: Sequence[str], progress: Progress
    ) -> tuple[Result, Result]:
        """Let the output of one program be the input of another, and return how both ended;
        ``progress`` is told the number of bytes as they pass."""

    def attach(self, argv: Sequence[str], passing: Sequence[str] = ()) -> NoReturn:
        """Become the program, with the caller's terminal and these variables of its environment:
        whoever kills this process kills that. Raises Precondition if it is not there."""


class RealRunner:
    """Programs of this machine: argv lists, a pinned environment, never a shell."""

    def run(self, argv: Sequence[str], *, timeout: float | None = None) -> Result:
        try:
            done = subprocess.run(
                argv,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                env=dict(ENVIRONMENT),
                timeout=timeout,
                check=False,
            )
        except FileNotFoundError:
            return Result(tuple(argv), MISSING, "", f"{argv[0]}: not found")
        except subprocess.TimeoutExpired:
            return Result(tuple(argv), 124, "", f"{argv[0]}: no answer within {timeout} seconds")
        return Result(
            tuple(argv),
            done.returncode,
            done.stdout.decode(errors="surrogateescape"),
            done.stderr.decode(errors="surrogateescape"),
        )

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
        try:
            return subprocess.Popen(
                argv,
                stdin=stdin,
                stdout=stdout,
                stderr=stderr,
                env=dict(ENVIRONMENT),
                cwd="/",
                pass_fds=pass_fds,
                start_new_session=new_session,
            )
        except FileNotFoundError as error:
            raise HostError(f"{argv[0]}: not found") from error

    def pipe(
        self, source: Sequence[str], sink: Sequence[str], progress: Progress
    ) -> tuple[Result, Result]:
        with ExitStack() as stack:
            said = [stack.enter_context(tempfile.TemporaryFile()) for _ in (source, sink)]
            sender = self.spawn(source, stdout=PIPE, stderr=said[0])
            stack.callback(_end, sender)
            receiver = self.spawn(sink, stdin=PIPE, stderr=said[1])
            stack.callback(_end, receiver)
            _pump(sender, receiver, progress)
            results = []
            for argv, child, file in ((source, sender, said[0]), (sink, receiver, said[1])):
                code = child.wait()
                file.seek(0)
                text = file.read().decode(errors="surrogateescape")
                results.append(Result(tuple(argv), code, "", text))
            return results[0], results[1]

    def attach(self, argv: Sequence[str], passing: Sequence[str] = ()) -> NoReturn:
        become(argv[0], argv, {**ENVIRONMENT, **person(passing)})


def person(passing: Sequence[str] = ()) -> dict[str, str]:
    """Return what a program sees of the environment that a person works with: who that is by the
    password file, and what leads to the terminal or the screen."""
    import pwd

    names = [name for name in (*PASSED, *passing) if name in os.environ]
    found = {name: os.environ[name] for name in names}
    with suppress(KeyError):
        own = pwd.getpwuid(os.getuid())
        found |= {"HOME": own.pw_dir, "USER": own.pw_name, "LOGNAME": own.pw_name}
        found |= {"SHELL": own.pw_shell} if own.pw_shell else {}
    return found


def become(file: str, argv: Sequence[str], environment: Mapping[str, str]) -> NoReturn:
    """Replace this process by a program, which is found as a shell finds it. Raises Precondition if
    it is not there."""
    sys.stdout.flush()
    sys.stderr.flush()
    own = signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    try:
        os.execvpe(file, list(argv), dict(environment))  # noqa: S606
    except (FileNotFoundError, PermissionError, NotADirectoryError) as error:
        signal.signal(signal.SIGPIPE, own)
        raise cannot_become(argv[0], str(error.strerror)) from error


def leave_behind(act: Callable[[], None]) -> None:
    """Do something in a process of its own, for which nobody waits and which has no terminal.
    Whatever goes wrong with it is told to nobody."""
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        return
    with suppress(BaseException):
        if os.fork() == 0:  # whoever started us reaps the one between, and init this one
            os.setsid()
            nothing = os.open(os.devnull, os.O_RDWR)
            for descriptor in range(3):
                os.dup2(nothing, descriptor)
            act()
    os._exit(0)


def cannot_become(program: str, why: str) -> Precondition:
    return Precondition(f"{program}: {why}", hint=f"pkg search {program} finds what to install")


def _pump(sender: Child, receiver: Child, progress: Progress) -> None:
    """Move all bytes from one to the other, and close both ends; a receiver that ends early is no
    reason to go on."""
    assert sender.stdout
    assert receiver.stdin
    # Closing writes what is left in the buffer, and breaks then as well.
    with suppress(BrokenPipeError), sender.stdout as coming, receiver.stdin as going:
        while data := os.read(coming.fileno(), CHUNK):
            going.write(data)
            going.flush()
            progress(len(data))


def _end(child: Child) -> None:
    """End a child that still runs because something went wrong."""
    if child.poll() is None:
        child.kill()
    with child:
        pass
