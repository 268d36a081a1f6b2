# SPDX-License-Identifier: BSD-2-Clause
"""Programs that start often at little cost: loaded once, and forked for each start (warm.c). Under
emulation that takes a tenth of the time."""

import os
import shutil
import signal
import socket
import struct
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from chyves.backend.run import ENVIRONMENT

LIBRARY = Path("/opt/lab/warm.so")
SOCKETS = Path("/run/warm")

SECONDS = 600.0
BOOT_SECONDS = 30.0
LARGEST_ANSWER = 16

_servers: "list[subprocess.Popen[bytes]]" = []
"""They stay until the machine ends."""


def run(
    argv: Sequence[str], stdin: bytes = b"", seconds: float = SECONDS
) -> tuple[int, bytes, bytes]:
    """Run a program to its end; return its exit code, standard output and error. Raises
    TimeoutError once it was killed for taking longer than ``seconds``, another OSError if it could
    not be started, as for words that are longer than 128 KiB together."""
    streams = [os.memfd_create(name) for name in ("stdin", "stdout", "stderr")]
    try:
        os.write(streams[0], stdin)
        os.lseek(streams[0], 0, os.SEEK_SET)
        with _connected(argv[0]) as server:
            request = b"".join(os.fsencode(word) + b"\0" for word in argv)
            socket.send_fds(server, [request], streams)
            code = _ended(server, argv[0], seconds)
        return code, _content(streams[1]), _content(streams[2])
    finally:
        for stream in streams:
            os.close(stream)


def _ended(server: socket.socket, program: str, seconds: float) -> int:
    begun = server.recv(LARGEST_ANSWER)
    if not begun:
        raise ChildProcessError(f"{program} ended before it began")
    (pid,) = struct.unpack("i", begun)
    if pid < 0:
        raise OSError(-pid, os.strerror(-pid), program)
    server.settimeout(seconds)
    try:
        answer = server.recv(LARGEST_ANSWER)
    except TimeoutError:
        os.kill(pid, signal.SIGKILL)
        raise
    return answer[0] if answer else -signal.SIGABRT


def _content(stream: int) -> bytes:
    os.lseek(stream, 0, os.SEEK_SET)
    with open(stream, "rb", closefd=False) as file:
        return file.read()


def _connected(program: str) -> socket.socket:
    path = SOCKETS / program
    server = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    if not _reaches(server, path):
        _load(program, path)
        deadline = time.monotonic() + BOOT_SECONDS
        while not _reaches(server, path):
            assert time.monotonic() < deadline, f"{program} does not get ready"
            time.sleep(0.01)
    return server


def _reaches(server: socket.socket, path: Path) -> bool:
    try:
        server.connect(str(path))
    except OSError:
        return False
    return True


def _load(program: str, path: Path) -> None:
    SOCKETS.mkdir(exist_ok=True)
    path.unlink(missing_ok=True)
    binary = shutil.which(program, path="/usr/sbin:/sbin:/usr/bin:/bin")
    assert binary
    environment = {**ENVIRONMENT, "LD_PRELOAD": str(LIBRARY), "WARM": str(path)}
    _servers.append(subprocess.Popen([binary], stdin=subprocess.DEVNULL, env=environment))
