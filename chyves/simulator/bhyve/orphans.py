# SPDX-License-Identifier: BSD-2-Clause
"""A child that dies with its parent, however the parent dies."""

import ctypes
import os
import signal
import sys
from collections.abc import Callable

_LINUX_PR_SET_PDEATHSIG = 1
_FREEBSD_PROC_PDEATHSIG_CTL = 11


def die_with_parent() -> Callable[[], None]:
    """Return what the child calls before exec (prctl(2) on Linux, procctl(2) on FreeBSD)."""
    libc = ctypes.CDLL(None)
    death = ctypes.c_int(signal.SIGKILL)
    parent = os.getpid()

    def in_child() -> None:
        if sys.platform == "linux":
            libc.prctl(_LINUX_PR_SET_PDEATHSIG, death)
        else:
            libc.procctl(0, 0, _FREEBSD_PROC_PDEATHSIG_CTL, ctypes.byref(death))
        if os.getppid() != parent:  # it died before it could be asked for
            os._exit(1)

    return in_child
