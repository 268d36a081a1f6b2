# SPDX-License-Identifier: BSD-2-Clause
"""The guest that needs no emulator: a small system with a login, a shell and a disk."""

import json
import os
from typing import Any

from chyves.simulator.bhyve import media, network
from chyves.simulator.bhyve.devices import Disk
from chyves.simulator.bhyve.guest import Ending, Say, Vm
from chyves.simulator.world import World

FILES_OFFSET = 65536
"""Where on its first disk the guest keeps its files: magic, length (8 digits), JSON."""

_FILES_MAGIC = b"CHYVES-FILES"

_NO_SCREEN = b"RFB 003.008\n\0\0\0\0\x15a guest without screen"

_HELP = (
    "cat FILE, crash, echo TEXT, exit, free, halt, hang, help, hostname [NAME],"
    " ifconfig [eth0 ADDR], install, ip addr [add ADDR dev eth0], ls, nproc, panic,"
    " ping ADDR, poweroff, reboot, rm FILE, sync, uname, write FILE TEXT"
)


class Scripted:
    """It boots at once, enables ACPI (unless the first line of its script is ``noacpi``), lets
    root in without a password, and powers off when the button is pressed."""

    descriptors: tuple[int, ...] = ()

    def __init__(self, world: World, vm: Vm, say: Say) -> None:
        self.ending: Ending | None = None
        self._world = world
        self._vm = vm
        self._say = say
        self._line = ""
        self._after_return = False
        self._state = "login"
        self._acpi = False
        self._script = (media.script(vm.medium.file) if vm.medium else None) or []
        addresses = network.addresses(world, vm.name)
        self._hostname = network.host_name(addresses[0][1]) if addresses else "guest"

    def start(self) -> None:
        vm = self._vm
        medium = vm.medium.path if vm.medium else ""
        cores = vm.cpus[0] * vm.cpus[1] * vm.cpus[2]
        self._print("")
        self._print(f"Scripted guest, booted from {medium}")
        self._print(f"{cores} vCPU, {vm.memory >> 20} MiB, {len(vm.parts.disks)} disks")
        if self._script[:1] != ["noacpi"]:
            self._acpi = True
            self._print("ACPI: enabled")
        self._prompt()
        for command in self._script:
            if command and self.ending is None:
                self._run(command)

    def feed(self, data: bytes) -> None:
        for char in data.decode(errors="replace"):
            if self.ending or self._state == "hung":
                return
            newline = char == "\r" or (char == "\n" and not self._after_return)
            self._after_return = char == "\r"
            if newline:
                self._print("")
                line, self._line = self._line, ""
                self._enter(line)
            elif char in "\x7f\b":
                if self._line:
                    self._line = self._line[:-1]
                    self._say(b"\b \b")
            elif char >= " ":
                self._line += char
                self._say(char.encode())

    def attend(self) -> None:
        pass

    def has_acpi(self) -> bool:
        return self._acpi

    def press_button(self) -> None:
        if self._state != "hung":
            self._power_off([])

    def show(self, client: int) -> None:
        os.write(client, _NO_SCREEN)
        os.close(client)

    def stop(self) -> None:
        pass

    def _print(self, text: str) -> None:
        self._say(text.replace("\n", "\r\n").encode() + b"\r\n")

    def _prompt(self) -> None:
        prompts = {
            "login": f"\r\n{self._hostname} login: ",
            "shell": "# ",
            "password": "Password: ",
        }
        self._say(prompts.get(self._state, "").encode())

    def _enter(self, line: str) -> None:
        if self._state == "shell":
            self._run(line)
        elif self._state == "password":
            self._print("Login incorrect")
            self._state = "login"
        elif line.strip():
            self._state = "shell" if line.strip() == "root" else "password"
        if self.ending is None:
            self._prompt()

    def _run(self, line: str) -> None:
        words = line.split()
        if not words:
            return
        command = _COMMANDS.get(words[0])
        if command is None:
            self._print(f"sh: {words[0]}: not found")
        else:
            command(self, words[1:])

    def _echo(self, words: list[str]) -> None:
        self._print(" ".join(words))

    def _help(self, _words: list[str]) -> None:
        self._print(_HELP)

    def _no_acpi(self, _words: list[str]) -> None:
        self._acpi = False

    def _exit(self, _words: list[str]) -> None:
        self._state = "login"

    def _uname(self, words: list[str]) -> None:
        self._print(f"Scripted {self._hostname} 1.0 amd64" if "-a" in words else "Scripted")

    def _host_name(self, words: list[str]) -> None:
        if words:
            self._hostname = words[0]
        else:
            self._print(self._hostname)

    def _nproc(self, _words: list[str]) -> None:
        sockets, cores, threads = self._vm.cpus
        self._print(str(sockets * cores * threads))

    def _free(self, _words: list[str]) -> None:
        self._print(f"Mem: {self._vm.memory >> 20} MiB")

    def _sync(self, _words: list[str]) -> None:
        """Every write is on the disk at once."""

    def _reboot(self, _words: list[str]) -> None:
        self._print("The system is going down for reboot.")
        self.ending = Ending.RESET

    def _power_off(self, _words: list[str]) -> None:
        self._print("The system is going down for power-off.")
        self.ending = Ending.POWEROFF

    def _halt(self, _words: list[str]) -> None:
        self._print("The system is halted.")
        self.ending = Ending.HALT

    def _panic(self, _words: list[str]) -> None:
        self._print("panic: triple fault")
        self.ending = Ending.TRIPLE_FAULT

    def _crash(self, _words: list[str]) -> None:
        self.ending = Ending.ABORT

    def _hang(self, _words: list[str]) -> None:
        self._state = "hung"

    def _ifconfig(self, words: list[str]) -> None:
        if len(words) >= 2:
            self._set_address(words[1])
            return
        for number, (_, address) in enumerate(network.addresses(self._world, self._vm.name)):
            self._print(f"eth{number}: inet {address} netmask 255.0.0.0")

    def _ip(self, words: list[str]) -> None:
        self._ifconfig(["eth0", words[2]] if words[1:2] == ["add"] and len(words) > 2 else [])

    def _set_address(self, address: str) -> None:
        if not network.set_address(self._world, self._vm.name, address.partition("/")[0]):
            self._print("eth0: no such device")

    def _ping(self, words: list[str]) -> None:
        address = words[-1] if words else ""
        self._print(f"PING {address}: 56 data bytes")
        if network.answers(self._world, self._vm.name, address):
            self._print(f"64 bytes from {address}: seq=0 ttl=64 time=0.1 ms")
            self._print("1 packets transmitted, 1 packets received, 0% packet loss")
        else:
            self._print("1 packets transmitted, 0 packets received, 100% packet loss")

    def _disk(self) -> Disk | None:
        return next((disk for disk in self._vm.parts.disks if disk.kind != "ahci-cd"), None)

    def _files(self) -> dict[str, Any]:
        disk = self._disk()
        if disk is None:
            return {}
        with open(disk.file, "rb") as image:
            image.seek(FILES_OFFSET)
            if image.read(len(_FILES_MAGIC)) != _FILES_MAGIC:
                return {}
            return dict(json.loads(image.read(int(image.read(8)))))

    def _save(self, files: dict[str, Any]) -> None:
        disk = self._disk()
        text = json.dumps(files).encode()
        block = _FILES_MAGIC + b"%8d" % len(text) + text
        if self._can_write(disk, FILES_OFFSET + len(block)) and disk:
            _write_at(disk.file, FILES_OFFSET, block)

    def _can_write(self, disk: Disk | None, end: int) -> bool:
        if disk is None:
            self._print("no disk")
        elif disk.read_only:
            self._print("Read-only file system")
        elif os.stat(disk.file).st_size < end:
            self._print("No space left on device")
        else:
            return True
        return False

    def _write(self, words: list[str]) -> None:
        if words:
            self._save({**self._files(), words[0]: " ".join(words[1:])})

    def _cat(self, words: list[str]) -> None:
        name = words[0] if words else ""
        text = self._files().get(name)
        self._print(f"cat: {name}: No such file or directory" if text is None else text)

    def _remove(self, words: list[str]) -> None:
        self._save({name: text for name, text in self._files().items() if name not in words})

    def _list(self, _words: list[str]) -> None:
        for name in sorted(self._files()):
            self._print(name)

    def _install(self, _words: list[str]) -> None:
        disk = self._disk()
        block = media.MARKER.ljust(510, b"\0") + b"\x55\xaa"
        if self._can_write(disk, len(block)) and disk:
            _write_at(disk.file, 0, block)
            self._print(f"Installed on {disk.path}")


def _write_at(file: str, offset: int, data: bytes) -> None:
    descriptor = os.open(file, os.O_WRONLY)
    try:
        os.pwrite(descriptor, data, offset)
    finally:
        os.close(descriptor)


_COMMANDS = {
    "cat": Scripted._cat,
    "crash": Scripted._crash,
    "echo": Scripted._echo,
    "exit": Scripted._exit,
    "free": Scripted._free,
    "halt": Scripted._halt,
    "hang": Scripted._hang,
    "help": Scripted._help,
    "hostname": Scripted._host_name,
    "ifconfig": Scripted._ifconfig,
    "install": Scripted._install,
    "ip": Scripted._ip,
    "ls": Scripted._list,
    "noacpi": Scripted._no_acpi,
    "nproc": Scripted._nproc,
    "panic": Scripted._panic,
    "ping": Scripted._ping,
    "poweroff": Scripted._power_off,
    "reboot": Scripted._reboot,
    "rm": Scripted._remove,
    "sync": Scripted._sync,
    "uname": Scripted._uname,
    "write": Scripted._write,
}
