# SPDX-License-Identifier: BSD-2-Clause
"""The property files: read, and written atomically."""

import os
from collections.abc import Callable, Mapping

from chyves.backend.host import Host
from chyves.errors import NotFound, Precondition
from chyves.model import layout
from chyves.model.config import ConfigFile
from chyves.model.guest import Guest


def read_config(host: Host, path: str) -> ConfigFile:
    """Read a property file, unless it is the one that was read before; bytes that are no UTF-8
    survive. Raises OSError."""
    if path in host.planned:
        return ConfigFile.parse(host.planned[path])
    where = host.path(path)
    there = os.stat(where)
    mark = (there.st_dev, there.st_ino, there.st_size, there.st_mtime_ns, there.st_ctime_ns)
    if path not in host.configs or host.configs[path][0] != mark:
        with where.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
            host.configs[path] = mark, ConfigFile.parse(file.read())
    return host.configs[path][1]


def require_config(host: Host, path: str) -> ConfigFile:
    """Read a property file that is to be changed. Raises Precondition if it is lost."""
    try:
        return read_config(host, path)
    except OSError as error:
        raise Precondition(
            f"{path}: {error.strerror}",
            hint="put it back, from a snapshot or a backup; an empty file stands for what chyves "
            "has by itself",
        ) from error


def current(host: Host, guest: Guest) -> Guest:
    """Return the guest as its file has it now; whoever holds its lock sees what others have
    written since. Raises NotFound if it is gone."""
    try:
        config = read_config(host, layout.guest_config(guest.pool, guest.name))
    except FileNotFoundError:
        raise NotFound(
            f"no such guest any more: {guest.name}", hint="chyves list shows all"
        ) from None
    return Guest(guest.name, guest.pool, config, guest.defaults, guest.globals)


def require_restorable(host: Host, guest: Guest, label: str) -> None:
    """Raise Precondition if a snapshot that has a guest's dataset of properties is seen to have
    none: who goes back to it has a guest that is none any more."""
    path = host.path(layout.snapshot_config(guest.pool, guest.name, label))
    try:
        names = os.listdir(path.parent)
    except OSError:  # nobody can look into it
        return
    if path.name not in names:
        raise Precondition(
            f"{label} has no properties of {guest.name}", hint=f"chyves {guest.name} snapshot list"
        )


def plan_restored(host: Host, guest: Guest, label: str) -> None:
    """Let a dry run read the properties as a rollback to ``label`` would bring them back."""
    old = read_config(host, layout.snapshot_config(guest.pool, guest.name, label))
    host.planned[layout.guest_config(guest.pool, guest.name)] = old.text


def kept_for_rollback(host: Host, guest: Guest) -> ConfigFile:
    """Return the properties that a guest had before its rollback that was killed; those it has if
    that did not come so far."""
    try:
        return read_config(host, layout.kept_config(guest.pool, guest.name))
    except FileNotFoundError:
        return guest.config


def keep_for_rollback(host: Host, guest: Guest, config: ConfigFile) -> None:
    """Keep the properties of a guest until its rollback is at its end."""
    if host.plan is None:
        write_file(host, layout.kept_config(guest.pool, guest.name), config.text)


def forget_rollback(host: Host, guest: Guest) -> None:
    """Let go of what was kept of a guest for a rollback, if anything was."""
    if host.plan is None:
        host.path(layout.kept_config(guest.pool, guest.name)).unlink(missing_ok=True)


def change_config(
    host: Host, path: str, change: Callable[[ConfigFile], ConfigFile], *, what: str
) -> None:
    """Change a property file; the caller holds the lock that guards it. ``what`` is said by a dry
    run. A reader sees the old file or the new one."""
    old = require_config(host, path)
    new = change(old)
    if new.text != old.text:
        _put(host, path, new.text, what)


def _put(host: Host, path: str, text: str, what: str) -> None:
    """Write a property file. A dry run notes it, and reads it from now on as it would be."""
    if host.plan is not None:
        host.planned[path] = text
    host.note(f"{what} in {path}", lambda: write_file(host, path, text))


def set_values(host: Host, path: str, values: Mapping[str, str]) -> None:
    """Set properties in a file; the caller holds the lock that guards it."""
    said = " ".join(f"{key}={value}" for key, value in values.items())
    change_config(host, path, lambda config: config.set(values), what=said)


def write_file(host: Host, path: str, text: str) -> None:
    """Write a file as a whole: a temporary file, fsync, rename, fsync of its folder.

    Raises Precondition if the file system refuses.
    """
    try:
        host.may_write(path)
        _replace(host, path, text)
    except OSError as error:
        raise Precondition(
            f"cannot write {path}: {error.strerror}", hint="see zfs get readonly,available,mounted"
        ) from error


def _replace(host: Host, path: str, text: str) -> None:
    file = host.path(path)
    fresh = file.with_name(f"{file.name}.new")
    mode = os.stat(file).st_mode & 0o777 if file.exists() else 0o644
    descriptor = os.open(
        fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, mode
    )
    with open(descriptor, "w", encoding="utf-8", errors="surrogateescape", newline="") as new:
        new.write(text)
        new.flush()
        os.fsync(new.fileno())
    fresh.replace(file)
    folder = os.open(file.parent, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def create_config(host: Host, path: str, values: Mapping[str, str]) -> None:
    """Write a new property file with these values in this order."""
    text = ConfigFile.parse("").set(values).text
    _put(host, path, text, f"{len(values)} properties")
