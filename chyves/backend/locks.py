# SPDX-License-Identifier: BSD-2-Clause
"""flock(2) locks: held by a file descriptor, so death of the holder releases them."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from chyves.backend.host import Host
from chyves.errors import Busy
from chyves.model import layout

PATIENCE = 60.0
"""Seconds to wait for another chyves to finish its change."""


@contextmanager
def host_lock(host: Host) -> Iterator[None]:
    """Hold the lock on what must be unique on the host: taps, serials, ports, property files of
    the pool. Raises Busy if another chyves holds it for longer than a minute."""
    with _lock(host, layout.HOST_LOCK, "the host's shared numbers"):
        yield


@contextmanager
def free_host_lock(host: Host) -> Iterator[bool]:
    """Hold the lock on what must be unique on the host if nobody else does, and tell so."""
    with _free(host, layout.HOST_LOCK) as free:
        yield free


@contextmanager
def upgrade_lock(host: Host) -> Iterator[None]:
    """Hold the lock on chyves itself. Raises Busy after a minute."""
    with _lock(host, layout.UPGRADE_LOCK, "chyves itself"):
        yield


@contextmanager
def guest_lock(host: Host, guest: str) -> Iterator[None]:
    """Hold the lock on one guest, for one verb. Raises Busy after a minute."""
    with _lock(host, layout.guest_lock(guest), f"guest {guest}"):
        yield


@contextmanager
def boot_lock(host: Host) -> Iterator[None]:
    """Hold the lock of the start of guests at boot. Raises Busy after a minute."""
    with _lock(host, layout.BOOT_LOCK, "the start at boot"):
        yield


@contextmanager
def free_guest_lock(host: Host, guest: str) -> Iterator[bool]:
    """Hold the lock on one guest if nobody else does, and tell so."""
    with _free(host, layout.guest_lock(guest)) as free:
        yield free


@contextmanager
def _free(host: Host, path: str) -> Iterator[bool]:
    if host.plan is not None:
        yield not is_held(host, path)
        return
    descriptor = open_lock(host, path)
    try:
        yield take(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def resource_lock(host: Host, kind: str, name: str) -> Iterator[None]:
    """Hold the lock on one ISO or firmware. Raises Busy after a minute."""
    with _lock(host, layout.resource_lock(kind, name), f"{kind} resource {name}"):
        yield


@contextmanager
def _lock(host: Host, path: str, what: str) -> Iterator[None]:
    if host.plan is not None:
        yield
        return
    descriptor = open_lock(host, path)
    try:
        deadline = time.monotonic() + PATIENCE
        while not take(descriptor):
            require_no_ancestor(holder(descriptor), what)
            if time.monotonic() > deadline:
                raise Busy(
                    f"{what}: another chyves (pid {holder(descriptor)}) is at work on it",
                    hint="wait for it to end and try again",
                )
            time.sleep(0.02)
        yield
    finally:
        os.close(descriptor)


def require_no_ancestor(pid: int, what: str) -> None:
    """Raise Busy if a process that this one waits for, waits for this one: a hook of its."""
    import psutil  # 20 ms that only those pay who wait

    with suppress(psutil.Error):
        if pid and any(parent.pid == pid for parent in psutil.Process().parents()):
            raise Busy(
                f"{what}: process {pid} is at work on it, and waits for this hook",
                hint="see HOOKS in chyves(8)",
            )


def open_lock(host: Host, path: str) -> int:
    """Open a lock file, without taking the lock. Only root may, for whoever can open a file can
    lock it; its folder is for others to read too, whatever root's umask is."""
    file = host.path(path)
    umask = os.umask(0o022)
    try:
        file.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        return os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    finally:
        os.umask(umask)


def take(descriptor: int) -> bool:
    """Take the lock if it is free, and leave the own pid in it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    return True


def wait_until_free(descriptor: int) -> None:
    """Wait until nobody holds the lock; it is held for a moment then."""
    fcntl.flock(descriptor, fcntl.LOCK_SH)


def holder(descriptor: int) -> int:
    """Return the pid that the holder of the lock has left in it; 0 if it has not yet."""
    text = os.pread(descriptor, 20, 0).strip()
    return int(text) if text.isdigit() else 0


def held_by(host: Host, path: str) -> int:
    """Return the pid of the process that holds the lock now, or 0. Raises PermissionError unless
    root asks."""
    try:
        descriptor = os.open(host.path(path), os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return 0
    try:
        while not _is_free(descriptor):
            if pid := holder(descriptor):
                return pid
            time.sleep(0.001)  # for the pid of one who has just taken it
        return 0
    finally:
        os.close(descriptor)


def is_held(host: Host, path: str) -> bool:
    """Tell whether somebody holds the lock; who may not ask is told no."""
    try:
        return bool(held_by(host, path))
    except PermissionError:
        return False


def _is_free(descriptor: int) -> bool:
    """Tell whether nobody holds the lock; it is held for a moment to find that out."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
