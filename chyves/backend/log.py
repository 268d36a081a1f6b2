# SPDX-License-Identifier: BSD-2-Clause
"""The logs of a host and of its guests: a file for each month, as chyves 0.2.0 keeps them.

Where is logged is in property files, which are read without a program's help.
"""

import errno
import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from chyves.backend.host import Host
from chyves.backend.locks import open_lock
from chyves.model import layout
from chyves.model.config import ConfigFile
from chyves.model.host_properties import in_force
from chyves.model.selector import is_guest_name
from chyves.model.visible import visible

PATIENCE = 2.0
"""Seconds to wait for others who write a line; then it is written all the same."""


class Settings(NamedTuple):
    """Where is logged: ``primary`` is the pool with the host's log, empty if there is none;
    ``mode`` is ``host``, ``guest``, ``dual`` or ``off``."""

    primary: str
    mode: str


def settings(host: Host) -> Settings:
    """Return what log_mode and log_to_file have now."""
    primaries = []
    for pool in _pools(host):
        config = _read(host, layout.pool_config(pool))
        if config.get("dataset_role") == layout.PoolRole.PRIMARY:
            primaries.append((layout.PROMOTED_OVER in config, pool))
    if not primaries:
        return Settings("", "off")
    primary = max(primaries)[1]
    globals_ = _read(host, layout.global_config(primary))
    is_kept = in_force(globals_, "log_to_file") == "yes"
    return Settings(primary, in_force(globals_, "log_mode") if is_kept else "off")


def host_folder(host: Host, now: Settings) -> str:
    """Return the folder of the host's log, empty if nothing is logged there."""
    return layout.host_logs(now.primary) if now.mode in ("host", "dual") else ""


def guest_folder(host: Host, now: Settings, guest: str) -> str:
    """Return the folder of a guest's log, empty if nothing is logged there, or there is no such
    guest."""
    if now.mode not in ("guest", "dual") or not is_guest_name(guest):
        return ""
    folders = (layout.guest_logs(pool, guest) for pool in _pools(host))
    return next((folder for folder in folders if host.path(folder).is_dir()), "")


def write(host: Host, level: int, message: str, guest: str) -> None:
    """Log what happened to a guest, as the settings are now. A log that cannot be written is no
    reason to fail."""
    now = settings(host)
    for folder in (host_folder(host, now), guest_folder(host, now, guest)):
        if folder:
            append(host, folder, level, message)


def append(host: Host, folder: str, level: int, message: str) -> OSError | None:
    """Append a line to this month's log in ``folder`` (``/chyves/tank/logs``): time in UTC, level
    1 to 4, message, in which control characters are written out. It comes whole or not at all, and
    lines never mix. Returns why it could not be written; a folder that is not there is no log."""
    path = folder
    try:
        with _turn(host):
            moment = time.gmtime()
            path = layout.log_file(folder, time.strftime("%Y%m", moment))
            stamp = time.strftime("%Y-%m-%dT%H:%M:%S+0000", moment)
            line = f"{stamp} - [{level}] - {visible(message)}\n".encode(errors="surrogateescape")
            _append(host, path, line)
    except FileNotFoundError:
        return None
    except OSError as error:
        return OSError(error.errno, error.strerror, path)
    return None


def _append(host: Host, path: str, line: bytes) -> None:
    """Write a whole line; what a full disk has cut off is taken back. Raises OSError."""
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    file = host.path(path)
    host.may_write(path)
    descriptor = os.open(file, flags, 0o644)
    try:
        before = os.fstat(descriptor).st_size
        if os.write(descriptor, line) != len(line):
            os.ftruncate(descriptor, before)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    finally:
        os.close(descriptor)


@contextmanager
def _turn(host: Host) -> Iterator[None]:
    """Hold the lock of whoever writes a line. The logs themselves are for all to read, and whoever
    can open a file can lock it."""
    descriptor = open_lock(host, layout.LOG_LOCK)
    try:
        deadline = time.monotonic() + PATIENCE
        while not _is_taken(descriptor) and time.monotonic() < deadline:
            time.sleep(0.001)
        yield
    finally:
        os.close(descriptor)


def _is_taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _pools(host: Host) -> list[str]:
    try:
        names = os.listdir(host.path(layout.POOLS))
    except OSError:
        return []
    return sorted(name for name in names if not name.startswith("."))


def _read(host: Host, path: str) -> ConfigFile:
    try:
        text = host.path(path).read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return ConfigFile()
    return ConfigFile.parse(text)
