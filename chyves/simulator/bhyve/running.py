# SPDX-License-Identifier: BSD-2-Clause
"""The life of a started VM: its console, its signals, what the kernel is told about it, its end."""

import os
import selectors
import signal
import socket
import sys

from chyves.simulator.bhyve import vmm
from chyves.simulator.bhyve.exits import ENXIO, Abort, Stop, VmmError
from chyves.simulator.bhyve.guest import Ending, Guest, Vm, choose
from chyves.simulator.ends import leave_end
from chyves.simulator.world import World

_CODES = {Ending.RESET: 0, Ending.POWEROFF: 1, Ending.HALT: 2, Ending.TRIPLE_FAULT: 3}


def run(world: World, vm: Vm, *, destroys: bool) -> int:
    """Run the guest of an activated VM to its end and return bhyve's exit code.

    ``destroys``: the VM goes when the guest powers off. Raises Stop when the VM was destroyed
    meanwhile, Abort when the guest did what bhyve cannot handle.
    """
    life = _Life(world, vm)
    try:
        ending = life.live()
    finally:
        life.close()
    if destroys and ending is Ending.POWEROFF:
        vmm.destroy(world, vm.name)
    return _CODES[ending]


class _Life:
    def __init__(self, world: World, vm: Vm) -> None:
        self.world = world
        self.vm = vm
        self.console = vm.parts.consoles.get("com1")
        self.selector = selectors.PollSelector()
        self.signals, alarm = socket.socketpair()
        for end in (self.signals, alarm):
            end.setblocking(False)
        self.alarm = alarm
        signal.set_wakeup_fd(alarm.fileno(), warn_on_full_buffer=False)
        for number in (signal.SIGUSR1, signal.SIGTERM):
            signal.signal(number, lambda *_: None)
        self.guest: Guest = choose(world, vm, self.say)

    def say(self, data: bytes) -> None:
        if self.console:
            self.console.write(data)

    def live(self) -> Ending:
        """Run until the guest or somebody else ends it."""
        self._look_at_record()
        if self.guest.ending is None:
            self.guest.start()
        for viewer in self.vm.parts.screen.viewers if self.vm.parts.screen else ():
            self.guest.show(viewer.detach())
        self._watch()
        while self.guest.ending is None:
            for key, _ in self.selector.select():
                key.data()
        ending = self.guest.ending
        if ending is Ending.ABORT:
            from chyves.simulator.bhyve.bhyve import exit_report

            raise Abort(exit_report(self.world))
        self._tell_kernel(ending)
        return ending

    def close(self) -> None:
        self.guest.stop()
        for console in self.vm.parts.consoles.values():
            console.close()
        sys.stdout.flush()

    def _watch(self) -> None:
        watch = self.selector.register
        watch(self.signals, selectors.EVENT_READ, self._on_signal)
        for descriptor in self.guest.descriptors:
            watch(descriptor, selectors.EVENT_READ, self.guest.attend)
        for name, console in self.vm.parts.consoles.items():
            feed = self._on_typed if name == "com1" else console.read
            watch(console.descriptor, selectors.EVENT_READ, feed)
        if self.vm.parts.screen:
            watch(self.vm.parts.screen.listener, selectors.EVENT_READ, self._on_viewer)

    def _on_typed(self) -> None:
        if not self.console:
            return
        before = self.console.descriptor
        data = self.console.read()
        if self.console.descriptor != before or (not data and before == 0):
            self.selector.unregister(before)
            if before != 0:
                self.selector.register(
                    self.console.descriptor, selectors.EVENT_READ, self._on_typed
                )
        self.guest.feed(data)

    def _on_viewer(self) -> None:
        screen = self.vm.parts.screen
        if screen:
            client, _ = screen.listener.accept()
            self.guest.show(client.detach())

    def _on_signal(self) -> None:
        numbers = self.signals.recv(64)
        if signal.SIGTERM in numbers:
            if self.guest.has_acpi():
                self.guest.press_button()
            else:
                self._die()
        if signal.SIGUSR1 in numbers:
            self._look_at_record()

    def _die(self) -> None:
        """SIGTERM without ACPI is like for any program."""
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        self.close()
        leave_end(self.world, -signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)

    def _look_at_record(self) -> None:
        try:
            record = vmm.find(self.world, self.vm.name)
            if record["generation"] != self.vm.generation:
                raise VmmError(ENXIO)
        except VmmError:
            raise Stop(1, "vm_run error -1, errno 6") from None
        if record["suspend"]:
            self.guest.ending = Ending(record["suspend"])

    def _tell_kernel(self, ending: Ending) -> None:
        try:
            vmm.update(
                self.world, self.vm.name, self.vm.generation, suspend=str(ending), suspended=True
            )
        except VmmError:
            raise Stop(1, "vm_run error -1, errno 6") from None
