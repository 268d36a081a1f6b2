# SPDX-License-Identifier: BSD-2-Clause
"""How a program of bhyve's family ends, and how FreeBSD calls its errors."""

import os

from chyves.simulator.programs import Io

EPERM, ENOENT, ENXIO, EACCES, EBUSY, EEXIST, EINVAL, ENOTTY = 1, 2, 6, 13, 16, 17, 22, 25
EALREADY, EADDRINUSE, EADDRNOTAVAIL = 37, 48, 49

_TEXTS = {
    ENXIO: "Device not configured",
    EBUSY: "Device busy",
    EALREADY: "Operation already in progress",
    EADDRINUSE: "Address already in use",
    EADDRNOTAVAIL: "Can't assign requested address",
}


def strerror(number: int) -> str:
    """Return FreeBSD's text for FreeBSD's error number (the numbers up to 34 are everybody's)."""
    return _TEXTS.get(number) or os.strerror(number)


class Stop(Exception):
    """The program ends here with ``code``, having said ``stderr`` and ``stdout`` (whole lines,
    without the last newline)."""

    def __init__(self, code: int, stderr: str = "", *, stdout: str = "") -> None:
        super().__init__(code, stderr, stdout)
        self.code = code
        self.stderr = stderr
        self.stdout = stdout

    def tell(self, io: Io) -> int:
        """Say it; return the exit code."""
        if self.stdout:
            io.out(self.stdout)
        if self.stderr:
            io.err(self.stderr)
        return self.code


class Abort(Exception):
    """The program calls abort(3) after it has said ``stderr``."""

    def __init__(self, stderr: str) -> None:
        super().__init__(stderr)
        self.stderr = stderr


class VmmError(Exception):
    """The kernel refuses; ``errno`` is FreeBSD's."""

    def __init__(self, errno: int) -> None:
        super().__init__(strerror(errno))
        self.errno = errno
