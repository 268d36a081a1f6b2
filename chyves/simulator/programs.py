# SPDX-License-Identifier: BSD-2-Clause
"""The programs of the simulated host and how one of them is run."""

import importlib
import io
import json
import os
import sys
from collections.abc import Callable, Sequence
from typing import BinaryIO, NamedTuple

from chyves.simulator import faults
from chyves.simulator.ends import leave_end
from chyves.simulator.world import World


class Io:
    """Standard streams of a simulated program. Text is UTF-8; ``stdout`` and ``stdin`` are there
    for programs that move bytes (zfs send and receive)."""

    def __init__(self, stdin: BinaryIO, stdout: BinaryIO, stderr: BinaryIO) -> None:
        self.stdin = stdin
        self.stdout = stdout
        self.stderr = stderr

    def out(self, text: str) -> None:
        """Write ``text`` and a newline to standard output."""
        self.stdout.write(text.encode(errors="surrogateescape") + b"\n")

    def err(self, text: str) -> None:
        """Write ``text`` and a newline to standard error."""
        self.stderr.write(text.encode(errors="surrogateescape") + b"\n")


Main = Callable[[World, list[str], Io], int]
"""A program: its world, its arguments (without its name), its streams; returns the exit code."""


class Program(NamedTuple):
    """Where a program is. One that ``stays`` is always a process of its own."""

    module: str
    function: str
    stays: bool = False


PROGRAMS = {
    "acpidump": Program("chyves.simulator.hardware", "acpidump"),
    "bhyve": Program("chyves.simulator.bhyve.bhyve", "bhyve", stays=True),
    "bhyvectl": Program("chyves.simulator.bhyve.bhyvectl", "bhyvectl"),
    "bhyveload": Program("chyves.simulator.bhyve.bhyveload", "bhyveload", stays=True),
    "cu": Program("chyves.simulator.bhyve.cu", "cu", stays=True),
    "dmesg": Program("chyves.simulator.hardware", "dmesg"),
    "env": Program("chyves.simulator.env", "env", stays=True),
    "grub-bhyve": Program("chyves.simulator.bhyve.grub", "grub_bhyve", stays=True),
    "ifconfig": Program("chyves.simulator.net.ifconfig", "ifconfig"),
    "kldload": Program("chyves.simulator.kernel", "kldload"),
    "kldstat": Program("chyves.simulator.kernel", "kldstat"),
    "kldunload": Program("chyves.simulator.kernel", "kldunload"),
    "logger": Program("chyves.simulator.syslog", "logger"),
    "pciconf": Program("chyves.simulator.hardware", "pciconf"),
    "pgrep": Program("chyves.simulator.processes", "pgrep"),
    "pkg": Program("chyves.simulator.packages", "pkg"),
    "ps": Program("chyves.simulator.processes", "ps"),
    "service": Program("chyves.simulator.rc", "service"),
    "sysctl": Program("chyves.simulator.sysctl", "sysctl"),
    "tmux": Program("chyves.simulator.tmux", "tmux"),
    "sysrc": Program("chyves.simulator.rc", "sysrc"),
    "uname": Program("chyves.simulator.hardware", "uname"),
    "uuidgen": Program("chyves.simulator.processes", "uuidgen"),
    "zfs": Program("chyves.simulator.zfs.zfs", "zfs"),
    "zpool": Program("chyves.simulator.zfs.zpool", "zpool"),
}


PACKAGED = {"grub-bhyve": "/usr/local/sbin/grub-bhyve"}
"""Programs that come from packages: without this file of the host they are not there."""


def is_installed(world: World, name: str) -> bool:
    """Tell whether the host has a program: one that is simulated, or that somebody has put beside
    those."""
    if name not in PROGRAMS:
        return os.access(world.bin / os.path.basename(name), os.X_OK)
    return name not in PACKAGED or world.path(PACKAGED[name]).exists()


def execute(world: World, argv: Sequence[str], streams: Io) -> int:
    """Run a program in this process and return its exit code."""
    program = PROGRAMS[os.path.basename(argv[0])]
    main: Main = getattr(importlib.import_module(program.module), program.function)
    return main(world, list(argv[1:]), streams)


def execute_captured(world: World, argv: Sequence[str]) -> tuple[int, bytes, bytes]:
    """Run a short program here; return its exit code, standard output and standard error."""
    out = io.BytesIO()
    code, complaint = execute_streaming(world, argv, io.BytesIO(), out)
    return code, out.getvalue(), complaint.encode(errors="surrogateescape")


def execute_streaming(
    world: World, argv: Sequence[str], stdin: BinaryIO, stdout: BinaryIO
) -> tuple[int, str]:
    """Run a short program here on these streams; return its exit code and what it complained."""
    note(world, argv)
    if not is_installed(world, os.path.basename(argv[0])):
        return 127, f"{argv[0]}: not found"
    with faults.around(world, argv, os.getpid()) as failure:
        if failure:
            return 1, failure
        err = io.BytesIO()
        code = execute(world, argv, Io(stdin, stdout, err))
    return code, err.getvalue().decode(errors="surrogateescape")


def note(world: World, argv: Sequence[str]) -> None:
    """Keep the command line in ``commands.log`` of the host, one JSON array a line."""
    with (world.directory / "commands.log").open("a") as log:
        log.write(json.dumps(list(argv)) + "\n")


def as_process(world: World, argv: Sequence[str]) -> int:
    """Be the program: this process's own streams, arguments and pid."""
    note(world, argv)
    if not is_installed(world, os.path.basename(argv[0])):
        sys.stderr.write(f"{argv[0]}: not found\n")
        return 127
    with faults.around(world, argv, os.getppid()) as failure:
        if failure:
            sys.stderr.write(f"{failure}\n")
            return 1
        streams = Io(sys.stdin.buffer, sys.stdout.buffer, sys.stderr.buffer)
        try:
            code = execute(world, argv, streams)
            leave_end(world, code)
            return code
        finally:
            sys.stdout.flush()
