# SPDX-License-Identifier: BSD-2-Clause
"""A child that dies with its parent, however the parent dies."""

import ctypes
import signal
import sys
from collections.abc import Callable

_LINUX_PR_SET_PDEATHSIG = 1
_FREEBSD_PROC_PDEATHSIG_CTL = 11


def die_with_parent() -> Callable[[], None]:
    """Return what the child calls before exec (prctl(2) on Linux, procctl(2) on FreeBSD)."""
    libc = ctypes.CDLL(None)
    death = ctypes.c_int(signal.SIGKILL)

    def on_linux() -> None:
        libc.prctl(_LINUX_PR_SET_PDEATHSIG, death)

    def on_freebsd() -> None:
        libc.procctl(0, 0, _FREEBSD_PROC_PDEATHSIG_CTL, ctypes.byref(death))

    return on_linux if sys.platform == "linux" else on_freebsd
