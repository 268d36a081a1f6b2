# SPDX-License-Identifier: BSD-2-Clause
"""Whether this machine's KVM works: /dev/kvm may be there and every guest hang in it."""

import os
import subprocess
import tempfile

from chyves.simulator.world import World

_PATIENCE = 3.0  # seconds
_ANSWER = 42
_BOOT_SECTOR = (
    b"\xba\x01\x05"  # mov dx, 0x501
    + b"\xb0"
    + bytes([_ANSWER])  # mov al, 42
    + b"\xee\xf4"  # out dx, al; hlt
).ljust(510, b"\0") + b"\x55\xaa"


def accelerator(world: World) -> str:
    """Return ``kvm`` if a guest ran in it on this machine, otherwise ``tcg``; tried once a host."""
    verdict = world.directory / "accelerator"
    try:
        return verdict.read_text()
    except FileNotFoundError:
        name = "kvm" if os.access("/dev/kvm", os.R_OK | os.W_OK) and boots("kvm") else "tcg"
        verdict.write_text(name)
        return name


def boots(accel: str) -> bool:
    """Tell whether a boot sector that leaves a number behind does so within the time."""
    with tempfile.NamedTemporaryFile() as disk:
        disk.write(_BOOT_SECTOR)
        disk.flush()
        argv = ["qemu-system-x86_64", "-accel", accel, "-m", "16"]
        argv += ["-display", "none", "-nodefaults"]
        argv += ["-device", "isa-debug-exit,iobase=0x501,iosize=2"]
        argv += ["-drive", f"if=floppy,format=raw,file={disk.name}"]
        try:
            done = subprocess.run(
                argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=_PATIENCE, check=False
            )
        except subprocess.TimeoutExpired:
            return False
    return done.returncode == (_ANSWER << 1) | 1
