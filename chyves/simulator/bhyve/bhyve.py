# SPDX-License-Identifier: BSD-2-Clause
"""bhyve(8): it lives as long as its guest runs, and its exit code says how that ended.

The order of the steps is that of main() in usr.sbin/bhyve/bhyverun.c: whoever is refused has passed
everything before.
"""

import os
import re
import resource
import shlex
import signal
import sys
from typing import Any

from chyves.simulator.bhyve import network, vmm
from chyves.simulator.bhyve.config import Config, parse
from chyves.simulator.bhyve.devices import Parts, start_devices
from chyves.simulator.bhyve.exits import EEXIST, ENOENT, Abort, Stop, VmmError, strerror
from chyves.simulator.bhyve.guest import Vm, boot_medium
from chyves.simulator.bhyve.lpc import bootrom
from chyves.simulator.bhyve.running import run
from chyves.simulator.bhyve.sizes import memory_size, topology
from chyves.simulator.ends import leave_end
from chyves.simulator.programs import Io
from chyves.simulator.world import RunningProcess, World

_UUID = r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
_TABLES_NEED = 2 << 20


def bhyve(world: World, arguments: list[str], io: Io) -> int:
    """bhyve(8)."""
    try:
        with world.process(shlex.join(["bhyve", *arguments])) as process:
            return _Bhyve(world, process).main(arguments)
    except Stop as stop:
        return stop.tell(io)
    except Abort as abort:
        io.err(abort.stderr)
        sys.stdout.flush()
        sys.stderr.flush()
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        signal.signal(signal.SIGABRT, signal.SIG_DFL)
        leave_end(world, -signal.SIGABRT)
        os.abort()


class _Bhyve:
    """One bhyve process on its way from the command line to its guest."""

    def __init__(self, world: World, process: RunningProcess) -> None:
        self.world = world
        self.process = process
        self.is_15 = world.release.major >= 15

    def main(self, arguments: list[str]) -> int:
        config = parse(self.world, arguments)
        cpus = topology(config)
        memory = memory_size(config.get("memory.size"))
        if memory is None:
            raise Stop(64, f"bhyve: invalid memsize '{config.get('memory.size')}'")
        name = config.get("name")
        record = self._open(name, uses_rom=bool(bootrom(config)))
        self._set_topology(cpus)
        self._set_memory(name, memory, wired=config.is_true("memory.wired"))
        parts = start_devices(self.world, config, name)
        self._check_debugger(config)
        self._check_rom(config)
        self._build_tables(config, memory)
        self.process.set_title(f"bhyve: {name}")
        vm = self._activate(config, record, cpus, memory, parts)
        self._pin(config, cpus)
        if bootrom(config) and not parts.has_lpc:
            raise Abort(exit_report(self.world))
        if parts.said:
            sys.stdout.write("\n".join(parts.said) + "\n")
        return run(self.world, vm, destroys=config.is_true("destroy_on_poweroff") and self.is_15)

    def _open(self, name: str, *, uses_rom: bool) -> dict[str, Any]:
        """Create, reinitialise or take the VM as the loader left it."""
        if self.is_15:
            self._open_15(name, uses_rom=uses_rom)
        else:
            self._open_13(name, uses_rom=uses_rom)
        return vmm.find(self.world, name)

    def _open_13(self, name: str, *, uses_rom: bool) -> None:
        try:
            vmm.create(self.world, name)
        except VmmError as error:
            if error.errno != EEXIST:
                raise Stop(4, f"vm_create: {error}") from None
            if uses_rom:
                self._reinit(name, "vm_reinit: {}")
            return
        if not uses_rom:
            raise Stop(4, "virtual machine cannot be booted")

    def _open_15(self, name: str, *, uses_rom: bool) -> None:
        with self.world.reading():
            exists = name in self.world.table("vmm")
        if not exists and not uses_rom:
            raise Stop(4, "bhyve: no bootrom was configured")
        try:
            with self.world.reading():
                vmm.may_create(self.world)
            if not exists:
                vmm.create(self.world, name)
        except VmmError as error:
            raise Stop(4, f"bhyve: vm_openf: {error}") from None
        if exists and uses_rom:
            self._reinit(name, "bhyve: vm_openf: {}")

    def _reinit(self, name: str, says: str) -> None:
        try:
            vmm.reinit(self.world, name)
        except VmmError as error:
            raise Stop(4, says.format(error)) from None

    def _set_topology(self, cpus: tuple[int, int, int]) -> None:
        count = cpus[0] * cpus[1] * cpus[2]
        if count > vmm.most_vcpus(self.world):
            raise Stop(71, "bhyve: vm_set_topology")
        if count > 1 and not vmm.has_unrestricted_guest(self.world):
            raise Stop(4, f"{count} vCPUs requested but only 1 available")

    def _set_memory(self, name: str, memory: int, *, wired: bool) -> None:
        try:
            vmm.set_up_memory(self.world, name, memory, wired=wired)
        except VmmError as error:
            raise Stop(4, f"Unable to setup memory ({error.errno})") from None

    def _check_debugger(self, config: Config) -> None:
        port = config.get("gdb.port").rpartition(":")[2].removeprefix("w")
        if port and not port.isdigit():
            raise Stop(1, "bhyve: gdb address resolution: Name does not resolve")

    def _check_rom(self, config: Config) -> None:
        if bootrom(config) and not vmm.has_unrestricted_guest(self.world):
            says = "ROM boot failed: unrestricted guest capability not available"
            raise Stop(4, f"bhyve: {says}: {strerror(ENOENT)}" if self.is_15 else says)

    def _build_tables(self, config: Config, memory: int) -> None:
        if memory < _TABLES_NEED:
            failed = "error to build the guest tables: No such file or directory"
            raise Stop(4, f"mptable requires mapped mem\n{failed}")
        if config.has("uuid") and not re.fullmatch(_UUID, config.get("uuid")):
            raise Stop(4, "Invalid UUID")

    def _activate(
        self,
        config: Config,
        record: dict[str, Any],
        cpus: tuple[int, int, int],
        memory: int,
        parts: Parts,
    ) -> Vm:
        uses_rom = bool(bootrom(config))
        medium = boot_medium(self.world, parts, record["boot"], uses_rom=uses_rom)
        vm = Vm(config.get("name"), record["generation"], memory, cpus, parts, uses_rom, medium)
        facts = {"cpus": list(cpus), "links": network.links(parts.nics)}
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)  # bhyvectl may knock from now on
        try:
            vmm.activate(self.world, vm.name, vm.generation, **facts)
        except VmmError as error:
            raise Stop(71, f"bhyve: could not activate CPU 0: {error}") from None
        return vm

    def _pin(self, config: Config, cpus: tuple[int, int, int]) -> None:
        """Pinning a vCPU to a processor the host does not have fails an assertion."""
        for vcpu in range(cpus[0] * cpus[1] * cpus[2]):
            wanted = config.get(f"vcpu.{vcpu}.cpuset")
            if wanted and min(map(int, wanted.split(","))) >= self.world.machine.cores:
                raise Abort(
                    "Assertion failed: (error == 0), function fbsdrun_start_thread,"
                    " file /usr/src/usr.sbin/bhyve/bhyverun.c, line 539."
                )


def exit_report(world: World) -> str:
    """Return what bhyve prints of an exit it cannot handle (vmexit_svm, vmexit_vmx)."""
    if world.machine.cpu == "amd":
        return (
            "vm exit[0]\n\treason\t\tSVM\n\trip\t\t0x000000000000fff0\n\tinst_length\t0\n"
            "\texitcode\t0x400\n\texitinfo1\t0x100000014\n\texitinfo2\t0xfffffff0"
        )
    return (
        "vm exit[0]\n\treason\t\tVMX\n\trip\t\t0x000000000000fff0\n\tinst_length\t0\n"
        "\tstatus\t\t0\n\texit_reason\t48 (EPT violation)\n\tqualification\t0x0000000000000184\n"
        "\tinst_type\t\t0\n\tinst_error\t\t0"
    )
