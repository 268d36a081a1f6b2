# SPDX-License-Identifier: BSD-2-Clause
"""A guest in QEMU, on real volumes, lives through a rollback."""

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

from chyves.backend import snapshots, zfs
from chyves.backend.host import Host
from chyves.backend.run import RealRunner
from tests.lab.contract.realsession import RealSession

SECONDS = 300.0


class Guest:
    """A guest that boots from one volume and keeps what it writes on another."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self._process = process
        self._said = b""
        self._listener = Thread(target=self._listen)
        self._listener.start()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        while said := os.read(self._process.stdout.fileno(), 4096):
            self._said += said

    def kill(self) -> None:
        self._process.kill()
        self._listener.join()

    def hears(self, text: str) -> None:
        """Type a line on the serial console."""
        assert self._process.stdin is not None
        self._process.stdin.write(text.encode() + b"\n")
        self._process.stdin.flush()

    def says(self, text: str) -> None:
        """Wait until a text appears on the console, and forget what came before it."""
        deadline = time.monotonic() + SECONDS
        while text.encode() not in self._said:
            assert self._process.poll() is None, self._said.decode(errors="replace")
            assert time.monotonic() < deadline, self._said.decode(errors="replace")
            time.sleep(0.1)
        self._said = self._said.partition(text.encode())[2]


@contextmanager
def running(boot: str, data: str) -> Iterator[Guest]:
    """Run a guest until the end of the block, and log in."""
    drives = []
    for number, volume in ((1, data), (0, boot)):
        drives += ["-drive", f"if=none,id=d{number},format=raw,file=/dev/zvol/{volume}"]
        drives += ["-device", f"virtio-blk-pci,drive=d{number},bootindex={number}"]
    command = ["qemu-system-x86_64", "-accel", "kvm", "-accel", "tcg", "-m", "256"]
    command += ["-nodefaults", "-no-user-config", "-display", "none", "-serial", "stdio", *drives]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        guest = Guest(process)
        try:
            guest.says("login:")
            guest.hears("root")
            guest.says("# ")
            yield guest
        finally:
            guest.kill()


def test_a_guest_finds_its_old_bytes_after_a_rollback(session: RealSession) -> None:
    subprocess.run(["modprobe", "kvm_amd"], check=False)
    host = Host(RealRunner())
    zfs.create_filesystem(host, "tank/web")
    for disk in ("boot", "data"):
        zfs.create_volume(host, f"tank/web/{disk}", 64 << 20, {}, sparse=True)
    image = Path(os.environ["CHYVES_LAB_GUEST"]).read_bytes()
    with Path("/dev/zvol/tank/web/boot").open("r+b") as device:
        device.write(image)
    with running("tank/web/boot", "tank/web/data") as guest:
        guest.hears("write file old bytes; cat file")
        guest.says("\nold bytes")
        snapshots.take(host, ["tank/web@one"])
        guest.hears("write file new ones; cat file")
        guest.says("\nnew ones")
    snapshots.rollback(host, "tank/web/data@one")
    with running("tank/web/boot", "tank/web/data") as guest:
        guest.hears("cat file")
        guest.says("\nold bytes")
