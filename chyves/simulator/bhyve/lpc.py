# SPDX-License-Identifier: BSD-2-Clause
"""The LPC bridge: boot ROM and serial ports."""

import errno
import os
import stat
import sys
from typing import Protocol

from chyves.simulator.bhyve.config import Config
from chyves.simulator.bhyve.exits import EBUSY, EINVAL, ENOENT, ENOTTY, Abort, strerror
from chyves.simulator.bhyve.nmdm import Line, is_nmdm
from chyves.simulator.opened import holders
from chyves.simulator.world import World

_PAGE = 4096
_LARGEST = 16 << 20
PORTS = ("com1", "com2", "com3", "com4")
_NO_EVENTS = (
    "Assertion failed: (sc->mev != NULL), function uart_opentty,"
    " file /usr/src/usr.sbin/bhyve/uart_emul.c, line 290."
)


class Console(Protocol):
    """What a serial port is connected to; nothing here blocks."""

    descriptor: int

    def read(self) -> bytes: ...

    def write(self, data: bytes) -> None: ...

    def close(self) -> None: ...


class Stdio:
    """The terminal bhyve was started on."""

    descriptor = 0

    def read(self) -> bytes:
        return os.read(0, 4096)

    def write(self, data: bytes) -> None:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()

    def close(self) -> None:
        """Leave the terminal to whoever it belongs to."""


class LpcError(Exception):
    """The bridge does not start: FreeBSD's error number and what bhyve says."""

    def __init__(self, number: int, stderr: str) -> None:
        super().__init__(number, stderr)
        self.number = number
        self.stderr = stderr


def start_lpc(world: World, config: Config) -> dict[str, Console]:
    """Load the boot ROM and open the serial ports. Raises LpcError or Abort."""
    if bootrom(config):
        _check_rom(world, bootrom(config), config.get("lpc.bootvars") or config.get("bootvars"))
    tpm = config.get("tpm.path")
    if tpm and not world.path(tpm).exists():
        kind = config.get("tpm.type")
        raise LpcError(ENOENT, f'bhyve: tpm_{kind}_init: unable to open tpm device "{tpm}"')
    ports: dict[str, Console] = {}
    for port in PORTS:
        name = f"lpc.{port}.path"
        if not config.has(name):
            continue
        _check_given_once(config, name)
        try:
            ports[port] = open_console(world, config.get(name))
        except OSError as error:
            number = error.errno or ENOENT
            path = config.get(name)
            raise LpcError(
                number, f"Unable to initialize backend '{path}' for LPC device {port}"
            ) from None
    return ports


def bootrom(config: Config) -> str:
    """Return the path of the boot ROM, or an empty string."""
    return config.get("lpc.bootrom") or config.get("bootrom")


def _check_given_once(config: Config, name: str) -> None:
    if not config.get(name):
        raise Abort(
            "Assertion failed: (nvl->nvl_error == 0), function nvlist_find,"
            " file /usr/src/sys/contrib/libnv/nvlist.c, line 388."
        )
    if name in config.given_twice:
        raise Abort(_NO_EVENTS)


def open_console(world: World, path: str) -> Console:
    """Open what a serial port is connected to. Raises OSError as FreeBSD's open(2) fails."""
    if path == "stdio":
        if stat.S_ISCHR(os.fstat(0).st_mode) and not os.isatty(0):
            raise Abort(_NO_EVENTS)  # kqueue(2) cannot watch /dev/null
        return Stdio()
    if is_nmdm(path):
        if is_exclusive(world, path):
            raise OSError(EBUSY, strerror(EBUSY))
        try:
            return Line(world, path)
        except FileNotFoundError:
            raise OSError(ENOENT, strerror(ENOENT)) from None
    if not world.path(path).exists():
        raise OSError(ENOENT, strerror(ENOENT))
    raise OSError(ENOTTY, strerror(ENOTTY))


def is_exclusive(world: World, path: str) -> bool:
    """Tell whether a cu has this side (it sets TIOCEXCL)."""
    with world.reading():
        pids = set(holders(world, path))
    return any(p.pid in pids and p.title.startswith("cu ") for p in world.processes())


def _check_rom(world: World, rom: str, variables: str) -> None:
    size = _size(world, rom, os.R_OK, "bootrom")
    if not _PAGE <= size <= _LARGEST:
        raise LpcError(ENOENT, f"Invalid bootrom size {size}")
    extra = 0
    if variables:
        extra = _size(world, variables, os.W_OK, "bootrom variable file")
        if not _PAGE <= extra <= _LARGEST:
            raise LpcError(ENOENT, f"Invalid bootrom variable size {extra}")
    if size + extra > _LARGEST:
        raise LpcError(ENOENT, f"Invalid bootrom and variable aggregate size {size + extra}")
    for part in (size, extra):
        if part % _PAGE:
            raise LpcError(ENOENT, f"bhyve: ROM size {part} is not a multiple of the page size")


def _size(world: World, path: str, mode: int, what: str) -> int:
    file = world.path(path)
    number = ENOENT if not file.exists() else 0 if os.access(file, mode) else errno.EACCES
    if not number and file.is_dir():
        number = EINVAL
    if number:
        raise LpcError(number, f'Error opening {what} "{path}": {strerror(number)}')
    return file.stat().st_size
