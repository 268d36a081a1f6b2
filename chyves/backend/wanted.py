# SPDX-License-Identifier: BSD-2-Clause
"""What guests are wanted to be, for a start that is under way to see that they are to stay off.

The supervisor imports this for every running guest, so it imports next to nothing.
"""

import os
from collections.abc import Iterable

from chyves.backend import locks
from chyves.backend.host import Host
from chyves.model import layout

ON = "+"
OFF = "-"
AGAIN = "~"
"""Off, and then on again: a reload is under way, or was killed."""


def want(host: Host, names: Iterable[str], what: str) -> None:
    """Note what guests are wanted to be, until the next boot of the host; of one that has had no
    start since the last there is none to be stopped."""
    if host.plan is not None:
        return
    for name in names:
        if what == OFF and not host.path(layout.run_folder(name)).exists():
            continue
        descriptor = locks.open_lock(host, layout.wanted_file(name))
        try:
            os.pwrite(descriptor, what.encode(), 0)  # one byte: nobody reads half of it
        finally:
            os.close(descriptor)


def wanted(host: Host, name: str) -> str:
    """Return what a guest is wanted to be, empty if nobody has said."""
    try:
        return host.path(layout.wanted_file(name)).read_text()
    except FileNotFoundError:
        return ""
