# SPDX-License-Identifier: BSD-2-Clause
"""What a guest needs on the host before it starts: looked at, and made ready."""

import errno
import os
import shutil
import socket
import stat
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from chyves.backend import store, zfs
from chyves.backend.host import Host
from chyves.model import layout
from chyves.model.bhyve import (
    VARIABLES_SINCE,
    LaunchPlan,
    Media,
    Problem,
    firmware_file,
    needed_files,
    vnc,
)
from chyves.model.facts import HostFacts
from chyves.model.grub import File
from chyves.model.guest import Disk, Guest, Loader
from chyves.model.preconditions import Look

INSTALLED_FIRMWARE = "/usr/local/share/uefi-firmware"
"""Where edk2-bhyve puts its files."""

LONGEST_PASSWORD = 8
"""VNC's authentication takes no more (DES: usr.sbin/bhyve/rfb.c)."""

_LABEL = 32808, 32
"""Offset and length of the volume label in an ISO 9660 image."""


def medium(host: Host, path: str) -> Media:
    """Return a medium with the label that it bears, if it has one."""
    with suppress(OSError), host.path(path).open("rb") as image:
        image.seek(_LABEL[0] - 39)
        if image.read(5) == b"CD001":
            image.seek(_LABEL[0])
            return Media(path, image.read(_LABEL[1]).decode("ascii", "replace").rstrip(" \0"))
    return Media(path)


def look(
    host: Host,
    guest: Guest,
    facts: HostFacts,
    disks: Sequence[Disk],
    datasets: Mapping[str, zfs.Dataset],
    *,
    primary: str,
    media: Media | None,
) -> Look:
    """Look at all that a guest needs; its properties are known to be valid. Starts no program."""
    files = needed_files(guest, disks, primary=primary, media=media)
    found = {path: host.path(path) for path in files}
    password, problem = _password(host, guest)
    return Look(
        missing=[path for path, file in found.items() if not file.exists()],
        sizes={path: file.stat().st_size for path, file in found.items() if file.is_file()},
        unwritable=_unwritable(host, disks, datasets),
        port_error=_port_error(guest),
        variables=_variables_size(host, guest, facts, primary),
        password=password,
        password_problem=problem,
        loader_missing=guest.loader is Loader.GRUB and not host.has_program(guest.loader),
    )


def make_ready(host: Host, guest: Guest, plan: LaunchPlan, primary: str) -> None:
    """Write the files that loader and bhyve read, and keep where the devices are. The caller holds
    the guest's lock."""
    for file in dict.fromkeys(file for launch in plan.launches for file in launch.files):
        _write(host, file, 0o644)
    if plan.settings:
        text = "".join(f"{line}\n" for line in plan.settings)
        _write(host, File(layout.bhyve_settings(guest.name), text), 0o600)
    variables = layout.uefi_variables(guest.pool, guest.name)
    if any(f",{variables}" in word for launch in plan.launches for word in launch.bhyve):
        _copy_variables(host, guest, primary, variables)
    if guest.value("pci_slots") != plan.pci_slots:
        path = layout.guest_config(guest.pool, guest.name)
        store.set_values(host, path, {"pci_slots": plan.pci_slots})


def _write(host: Host, file: File, mode: int) -> None:
    """Write a file below the guest's run folder as a whole, for nobody to read before its mode
    allows."""
    if host.plan is not None:
        lines = file.text.splitlines() if mode & 0o004 else ["(for root alone)"]
        host.plan += [f"# {file.path}: {line}" for line in lines]
        return
    path = host.path(file.path)
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    fresh = path.with_name(f"{path.name}.new")
    fresh.unlink(missing_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
    with open(os.open(fresh, flags, mode), "w", encoding="utf-8") as new:
        new.write(file.text)
    fresh.replace(path)


def _copy_variables(host: Host, guest: Guest, primary: str, target: str) -> None:
    """Give the guest a copy of its firmware's variables, if it has none yet."""
    file = host.path(target)
    source = _template(host, guest, primary)
    if file.exists() or not source:
        return

    def act() -> None:
        host.may_write(target)
        fresh = file.with_name(f"{file.name}.new")
        shutil.copyfile(source, fresh)
        fresh.chmod(0o600)
        fresh.replace(file)

    host.note(f"{target}: a copy of {_absolute(host, source)}", act)


def _variables_size(host: Host, guest: Guest, facts: HostFacts, primary: str) -> int:
    """Return the size that the guest's file of UEFI variables has or will have; 0 without one."""
    if guest.loader is not Loader.UEFI or facts.osreldate < VARIABLES_SINCE:
        return 0
    file = host.path(layout.uefi_variables(guest.pool, guest.name))
    source = file if file.exists() else _template(host, guest, primary)
    return source.stat().st_size if source else 0


def _template(host: Host, guest: Guest, primary: str) -> Path | None:
    """Return the file with the first variables of the guest's firmware.

    It is imported as firmware too, or it lies where edk2-bhyve was installed, if that is what the
    firmware is: BHYVE_UEFI_VARS.fd belongs to BHYVE_UEFI.fd and BHYVE_UEFI_CODE.fd.
    """
    if not guest.firmware.endswith(".fd"):
        return None
    stem = guest.firmware.removesuffix(".fd").removesuffix("_CODE")
    name = f"{stem}_VARS.fd"
    imported = host.path(layout.resource_file(primary, layout.FIRMWARE, name))
    if imported.is_file():
        return imported
    installed = host.path(f"{INSTALLED_FIRMWARE}/{name}")
    origin = host.path(f"{INSTALLED_FIRMWARE}/{guest.firmware}")
    used = host.path(firmware_file(guest, primary))
    with suppress(OSError):
        if installed.is_file() and origin.read_bytes() == used.read_bytes():
            return installed
    return None


def _unwritable(
    host: Host, disks: Sequence[Disk], datasets: Mapping[str, zfs.Dataset]
) -> dict[str, str]:
    """Return the disks that bhyve could not open for writing, and why."""
    found = {}
    for disk in disks:
        file = host.path(disk.path)
        dataset = datasets.get(disk.dataset)
        if dataset and dataset.is_read_only:
            found[disk.path] = f"{dataset.name} has readonly=on"
            continue
        try:
            os.close(os.open(file, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC))
        except FileNotFoundError:
            continue
        except OSError as error:
            found[disk.path] = error.strerror or str(error)
    return found


def _port_error(guest: Guest) -> int:
    """Return why bhyve could not listen where its VNC console shall be, an errno, by trying it as
    bhyve does; 0 if it could, or for another reason than its port and address."""
    screen = vnc(guest)
    if not screen:
        return 0
    family = socket.AF_INET6 if ":" in screen.address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((screen.address, screen.port))
        except OSError as error:
            known = error.errno in (errno.EADDRINUSE, errno.EADDRNOTAVAIL)
            return int(error.errno or 0) if known else 0
    return 0


def _password(host: Host, guest: Guest) -> tuple[str, Problem | None]:
    """Return the password of the guest's screen, or why it cannot be had."""
    name = guest.value("uefi_vnc_password_file") if guest.has_vnc else ""
    if not name:
        return "", None
    path = os.path.join(layout.guest_mountpoint(guest.pool, guest.name), name)
    hint = f"write it for root alone: (umask 077; cat > {path})"
    try:
        with open(os.open(host.path(path), os.O_RDONLY | os.O_CLOEXEC), encoding="utf-8") as file:
            status = os.fstat(file.fileno())
            text = file.read(256).removesuffix("\n")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no text"
        return "", Problem(f"the VNC password cannot be read from {path}: {why}", hint)
    if status.st_uid != os.geteuid() or stat.S_IMODE(status.st_mode) & 0o077:
        return "", Problem(
            f"others than root may read or write {path}, which has the VNC password",
            f"chown root {path} && chmod 600 {path}",
        )
    if not 0 < len(text) <= LONGEST_PASSWORD or not text.isascii() or not text.isprintable():
        return "", Problem(
            f"what {path} has is no VNC password: one line of 1 to {LONGEST_PASSWORD} characters",
            hint,
        )
    return text, None


def _absolute(host: Host, path: Path) -> str:
    """Return how the host calls a file."""
    return f"/{path.relative_to(host.root)}"
