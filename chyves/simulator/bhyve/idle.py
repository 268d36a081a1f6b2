# SPDX-License-Identifier: BSD-2-Clause
"""A VM in which nothing runs: firmware that found nothing to boot, or no code at all."""

import os

from chyves.simulator.bhyve.guest import Ending, Say, Vm

_SHELL = b"""\
BdsDxe: No bootable option or device was found.\r
UEFI Interactive Shell v2.2\r
EDK II\r
UEFI v2.70 (BHYVE, 0x00010000)\r
Shell> """


class Idle:
    """With a boot ROM the firmware's shell, which knows no commands; otherwise a processor that
    spins in silence. Neither enables ACPI."""

    descriptors: tuple[int, ...] = ()

    def __init__(self, vm: Vm, say: Say) -> None:
        self.ending: Ending | None = None
        self._says = _SHELL if vm.uses_rom else b""
        self._say = say

    def start(self) -> None:
        self._say(self._says)

    def feed(self, data: bytes) -> None:
        if self._says:
            self._say(data.replace(b"\r", b"\r\nShell> "))

    def attend(self) -> None:
        pass

    def has_acpi(self) -> bool:
        return False

    def press_button(self) -> None:
        pass

    def show(self, client: int) -> None:
        os.close(client)

    def stop(self) -> None:
        pass
