# SPDX-License-Identifier: BSD-2-Clause
"""A guest in QEMU: its disks are the volumes, its serial port is com1, its network the bridge."""

import array
import contextlib
import json
import os
import re
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from typing import Any

from chyves.simulator.bhyve.accelerator import accelerator
from chyves.simulator.bhyve.exits import Stop
from chyves.simulator.bhyve.guest import Ending, Say, Vm
from chyves.simulator.bhyve.orphans import die_with_parent
from chyves.simulator.bhyve.qemu_argv import PROGRAM, command_line
from chyves.simulator.world import World

_PATIENCE = 10.0  # seconds for an answer of the monitor
_PM1_CONTROL = 0x604
_SCI_ENABLED = 1
_NO_DEVICE = 0xFFFF
"""What is read of a port before the firmware has put the register there."""

_REASONS = {"guest-shutdown": Ending.POWEROFF, "guest-reset": Ending.RESET}


class Qemu:
    """One QEMU process, which does not outlive this one."""

    def __init__(self, world: World, vm: Vm, say: Say) -> None:
        self.ending: Ending | None = None
        self._world = world
        self._vm = vm
        self._say = say
        self._partial = b""
        self._log = tempfile.TemporaryFile()  # noqa: SIM115
        self._serial, serial = socket.socketpair()
        self._monitor, monitor = socket.socketpair()
        argv = command_line(world, vm, accelerator(world), serial.fileno(), monitor.fileno())
        with serial, monitor:
            self._process = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=self._log,
                stderr=self._log,
                pass_fds=(serial.fileno(), monitor.fileno()),
                preexec_fn=die_with_parent(),
            )
        self._serial.setblocking(False)
        self._monitor.settimeout(_PATIENCE)
        self.descriptors: tuple[int, ...] = (self._serial.fileno(), self._monitor.fileno())

    def start(self) -> None:
        self._ask("qmp_capabilities")
        screen = self._vm.parts.screen
        if screen and screen.password:
            self._ask("set_password", protocol="vnc", password=screen.password)

    def feed(self, data: bytes) -> None:
        with contextlib.suppress(BlockingIOError, BrokenPipeError):
            self._serial.send(data)

    def attend(self) -> None:
        with contextlib.suppress(BlockingIOError, ConnectionResetError):
            while data := self._serial.recv(65536):
                self._say(data)
        self._monitor.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            for message in self._messages():
                self._note(message)
        self._monitor.settimeout(_PATIENCE)

    def has_acpi(self) -> bool:
        answer = self._ask("human-monitor-command", **{"command-line": f"i /h {_PM1_CONTROL:#x}"})
        match = re.search(r"= (0x[0-9a-f]+)", str(answer))
        value = int(match[1], 16) if match else _NO_DEVICE
        return value != _NO_DEVICE and bool(value & _SCI_ENABLED)

    def press_button(self) -> None:
        self._ask("system_powerdown")

    def show(self, client: int) -> None:
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [client]))]
        self._ask("getfd", rights, fdname="viewer")
        os.close(client)
        self._ask("add_client", protocol="vnc", fdname="viewer")

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()
        for end in (self._serial, self._monitor, self._log):
            end.close()

    def _ask(self, command: str, rights: Any = (), **arguments: Any) -> Any:
        """Have the monitor do something and return its answer; nothing once QEMU is gone."""
        request = json.dumps({"execute": command, "arguments": arguments}).encode()
        try:
            self._monitor.sendmsg([request], rights)
            for message in self._messages():
                if "return" in message:
                    return message["return"]
                if "error" in message:
                    return None
                self._note(message)
        except (BrokenPipeError, TimeoutError):
            return None
        return None

    def _messages(self) -> Iterator[dict[str, Any]]:
        while True:
            while b"\n" in self._partial:
                line, _, self._partial = self._partial.partition(b"\n")
                yield json.loads(line)
            data = self._monitor.recv(65536)
            if not data:
                self._is_gone()
                return
            self._partial += data

    def _note(self, message: dict[str, Any]) -> None:
        if message.get("event") == "SHUTDOWN":
            self.ending = _REASONS.get(message["data"]["reason"])
            if self.ending is Ending.RESET and b"Triple fault" in self._said():
                self.ending = Ending.TRIPLE_FAULT

    def _is_gone(self) -> None:
        """QEMU has ended: as announced, or by an error of its own."""
        if self.ending is None:
            text = self._said()[-2000:].decode(errors="replace").strip()
            raise Stop(4, f"{PROGRAM}: {text or 'ended'}")

    def _said(self) -> bytes:
        self._log.seek(0)
        return self._log.read()
