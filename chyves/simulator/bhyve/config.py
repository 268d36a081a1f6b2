# SPDX-License-Identifier: BSD-2-Clause
"""bhyve's configuration: a tree of names and values, filled by options and files in their order.

The tree is flat here: ``{"pci.0.3.0.device": "virtio-blk", "lpc.com1.path": "/dev/nmdm50A"}``
(bhyve_config(5)).
"""

import re
from typing import NamedTuple

from chyves.simulator.bhyve.exits import Stop, strerror
from chyves.simulator.bhyve.usage import options, usage
from chyves.simulator.world import World

MODELS = (
    "ahci",
    "ahci-hd",
    "ahci-cd",
    "e1000",
    "dummy",
    "hda",
    "fbuf",
    "amd_hostbridge",
    "hostbridge",
    "lpc",
    "nvme",
    "passthru",
    "virtio-9p",
    "virtio-blk",
    "virtio-console",
    "virtio-input",
    "virtio-net",
    "virtio-rnd",
    "virtio-scsi",
    "uart",
    "xhci",
)
"""As ``bhyve -s help`` of 13.2 lists them."""

_FLAGS = {
    "A": ("acpi_tables", "true"),
    "a": ("x86.x2apic", "false"),
    "C": ("memory.guest_in_core", "true"),
    "D": ("destroy_on_poweroff", "true"),
    "e": ("x86.strictio", "true"),
    "H": ("x86.vmexit_on_hlt", "true"),
    "P": ("x86.vmexit_on_pause", "true"),
    "S": ("memory.wired", "true"),
    "u": ("rtc.use_localtime", "false"),
    "W": ("virtio_msix", "false"),
    "w": ("x86.strictmsr", "false"),
    "x": ("x86.x2apic", "true"),
    "Y": ("x86.mptable", "false"),
}

_VALUES = {"G": "gdb.port", "K": "keyboard.layout", "m": "memory.size", "U": "uuid"}


class Slot(NamedTuple):
    """A PCI function and its variables, e.g. ``{"device": "virtio-net", "backend": "tap50"}``."""

    bus: int
    slot: int
    function: int
    values: dict[str, str]

    @property
    def device(self) -> str:
        return self.values["device"]


class Config:
    """The tree of one bhyve."""

    def __init__(self) -> None:
        self._values: dict[str, str] = {"memory.size": "256M"}
        self.given_twice: set[str] = set()

    def set(self, name: str, value: str) -> None:
        if name in self._values:
            self.given_twice.add(name)
        self._values[name] = value

    def get(self, name: str, default: str = "") -> str:
        """Return a value with its ``%(name)`` replaced and ``%%`` made ``%``."""
        return self._expand(self._values.get(name, default))

    def has(self, name: str) -> bool:
        return name in self._values

    def has_below(self, node: str) -> bool:
        """Tell whether a node exists, be it from a configuration file alone."""
        return any(name.startswith(f"{node}.") for name in self._values)

    def is_true(self, name: str) -> bool:
        return self.get(name).lower() in ("true", "on", "yes", "1")

    def slots(self) -> list[Slot]:
        """Return the PCI functions by bus, slot and function."""
        found: dict[tuple[int, int, int], dict[str, str]] = {}
        for name in self._values:
            match = re.fullmatch(r"pci\.(\d+)\.(\d+)\.(\d+)\.(.+)", name)
            if match:
                where = (int(match[1]), int(match[2]), int(match[3]))
                found.setdefault(where, {})[match[4]] = self.get(name)
        return [Slot(*where, values) for where, values in sorted(found.items())]

    def dump(self) -> str:
        """Return what ``-o config.dump=1`` prints."""
        return "\n".join(f"{name}={value}" for name, value in self._values.items())

    def _expand(self, value: str) -> str:
        def replacement(match: re.Match[str]) -> str:
            return self._values.get(match[1], "") if match[1] is not None else "%"

        return re.sub(r"%\(([^)]*)\)|%%", replacement, value)


def parse(world: World, arguments: list[str]) -> Config:
    """Return what the command line says. Raises Stop as bhyve's main() ends on a bad one."""
    release = world.release.major
    config = Config()
    found, operands = options(release, arguments)
    for letter, value in found:
        _option(world, config, letter, value)
    if len(operands) > 1:
        raise Stop(1, usage(release))
    if operands:
        config.set("name", operands[0])
    if not config.get("name"):
        raise Stop(1, usage(release))
    if config.is_true("config.dump"):
        raise Stop(1, stdout=config.dump())
    return config


def _option(world: World, config: Config, letter: str, value: str) -> None:
    if letter in _FLAGS:
        config.set(*_FLAGS[letter])
    elif letter in _VALUES:
        config.set(_VALUES[letter], value)
    elif letter == "c":
        _topology(config, value)
    elif letter == "h":
        raise Stop(0, usage(world.release.major))
    elif letter == "k":
        _file(world, config, value)
    elif letter == "l":
        _lpc(world, config, value)
    elif letter == "o":
        _variable(config, value)
    elif letter == "p":
        _pin(config, value)
    elif letter == "s":
        _pci(config, value)


def _topology(config: Config, text: str) -> None:
    for item in filter(None, text.split(",")):
        name, equals, value = item.rpartition("=")
        if (name or "cpus") not in ("cpus", "sockets", "cores", "threads") or (equals and not name):
            raise Stop(64, f"bhyve: invalid cpu topology '{text}'")
        config.set(name or "cpus", value)


def _file(world: World, config: Config, path: str) -> None:
    try:
        lines = world.path(path).read_text(errors="surrogateescape").split("\n")
    except OSError as error:
        reason = strerror(error.errno or 0)
        raise Stop(4, f"bhyve: Failed to open configuration file {path}: {reason}") from None
    for number, line in enumerate(lines, 1):
        if not line or line.startswith("#"):
            continue
        name, _, value = line.partition("=")
        if not name or not value:
            raise Stop(4, f"bhyve: {path} line {number}: invalid config option '{line}'")
        config.set(name, value)


def _variable(config: Config, text: str) -> None:
    name, _, value = text.partition("=")
    if not name or not value:
        raise Stop(64, f"bhyve: invalid configuration option '{text}'")
    config.set(name, value)


def _pin(config: Config, text: str) -> None:
    match = re.match(r"\s*(-?\d+):(-?\d+)", text)
    complaint = f"bhyve: invalid vcpu pinning configuration '{text}'"
    if not match:
        raise Stop(64, f"invalid format: {text}\n{complaint}")
    vcpu, hostcpu = int(match[1]), int(match[2])
    if vcpu < 0:
        raise Stop(64, f"invalid vcpu '{vcpu}'\n{complaint}")
    if not 0 <= hostcpu < 1024:
        raise Stop(64, f"hostcpu '{hostcpu}' outside valid range from 0 to 1023\n{complaint}")
    name = f"vcpu.{vcpu}.cpuset"
    config.set(name, f"{config.get(name)},{hostcpu}".lstrip(","))


def _lpc(world: World, config: Config, text: str) -> None:
    newer = ["tpm"] if world.release.major >= 14 else []
    if "help".startswith(text):
        names = ["bootrom", "com1", "com2", "com3", "com4", *newer, "pc-testdev"]
        raise Stop(0, stdout="\n".join(names))
    word, comma, rest = text.partition(",")
    device = word.lower()
    if device == "bootrom":
        rom, _, variables = rest.partition(",")
        if not rom:
            raise Stop(4, f'bhyve: invalid bootrom option "{text}"')
        config.set("lpc.bootrom", rom)
        if variables:
            config.set("lpc.bootvars", variables)
    elif device in ("com1", "com2", "com3", "com4"):
        config.set(f"lpc.{device}.path", rest if comma else "")
    elif device == "tpm" and newer:
        kind, _, path = rest.partition(",")
        if kind != "passthru" and (kind != "swtpm" or world.release.major < 15):
            raise Stop(4, f'bhyve: invalid tpm type "{kind or text}"')
        if not path:
            raise Stop(4, f'bhyve: invalid tpm path "{path}"')
        config.set("tpm.type", kind)
        config.set("tpm.path", path)
    elif device == "fwcfg" and world.release.major >= 14 and rest:
        config.set("lpc.fwcfg", rest)
    elif device == "pc-testdev":
        config.set("lpc.pc-testdev", "true")
    else:
        raise Stop(64, f"bhyve: invalid lpc device configuration '{text}'")


def _pci(config: Config, text: str) -> None:
    if "help".startswith(text):
        raise Stop(0, stdout="\n".join(MODELS))
    place, comma, rest = text.partition(",")
    where = _place(place)
    if not comma or where is None:
        raise Stop(4, f'Invalid PCI slot info field "{text}"')
    bus, slot, function = where
    model, _, details = rest.partition(",")
    node = f"pci.{bus}.{slot}.{function}"
    if model not in MODELS:
        raise Stop(4, f'pci slot {bus}:{slot}:{function}: unknown device "{model}"')
    if config.has_below(node):
        raise Stop(4, f"pci slot {bus}:{slot}:{function} already occupied!")
    config.set(f"{node}.device", _ALIASES.get(model, model))
    for name, value in _details(model, details):
        config.set(f"{node}.{name}", value)


_ALIASES = {"ahci-hd": "ahci", "ahci-cd": "ahci", "amd_hostbridge": "hostbridge"}


def _place(text: str) -> tuple[int, int, int] | None:
    """Read ``slot``, ``slot:function`` or ``bus:slot:function`` as sscanf(3) does: what follows
    the numbers does not matter."""
    numbers = []
    for part in text.split(":", 2):
        match = re.match(r"\s*[+-]?\d+", part)
        if not match:
            break
        numbers.append(int(match[0]))
        if match.end() != len(part):
            break
    if not numbers:
        return None
    bus, slot, function = {1: [0, *numbers, 0], 2: [0, *numbers], 3: numbers}[len(numbers)]
    fits = 0 <= bus <= 255 and 0 <= slot <= 31 and 0 <= function <= 7
    return (bus, slot, function) if fits else None


def _details(model: str, text: str) -> list[tuple[str, str]]:
    """Return the variables that the part behind the model stands for."""
    words = text.split(",") if text else []
    if model in ("ahci-hd", "ahci-cd"):
        port = "port.0"
        kind = [(f"{port}.type", model[5:])]
        return kind + [(f"{port}.{name}", value) for name, value in _path_first("path", words)]
    if model == "ahci":
        return _ahci_ports(words)
    if model in ("virtio-blk", "nvme", "virtio-scsi", "virtio-input", "uart"):
        first = "dev" if model == "virtio-scsi" else "path"
        return _path_first(first, words)
    if model in ("virtio-net", "e1000"):
        return _path_first("backend", words)
    if model == "xhci":
        return [(f"slot.{n}.device", word) for n, word in enumerate(words, 1)]
    if model == "passthru":
        return _passthru(words)
    if model == "virtio-9p" and words:
        name, _, path = words[0].partition("=")
        return [("sharename", name), *([("path", path)] if path else []), *_pairs(words[1:])]
    if model == "virtio-console":
        return [
            (f"port.{n}.{key}", value)
            for n, port in enumerate(_pairs(words))
            for key, value in zip(("name", "path"), port, strict=True)
        ]
    if model == "amd_hostbridge":
        return [("vendor", "0x1022"), ("devid", "0x7432")]
    return _pairs(words)


def _pairs(words: list[str]) -> list[tuple[str, str]]:
    return [
        (name, value if equals else "true")
        for name, equals, value in (w.partition("=") for w in words)
    ]


def _path_first(name: str, words: list[str]) -> list[tuple[str, str]]:
    if not words or not words[0]:
        return _pairs(words[1:])
    return [(name, words[0]), *_pairs(words[1:])]


def _ahci_ports(words: list[str]) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    port = -1
    for word in words:
        kind, colon, path = word.partition(":")
        if colon and kind in ("hd", "cd"):
            port += 1
            found += [(f"port.{port}.type", kind), (f"port.{port}.path", path)]
        elif port >= 0:
            found += [(f"port.{port}.{name}", value) for name, value in _pairs([word])]
    return found


def _passthru(words: list[str]) -> list[tuple[str, str]]:
    match = re.fullmatch(r"(\d+)/(\d+)/(\d+)", words[0]) if words else None
    if not match:
        return [("invalid", words[0] if words else ""), *_pairs(words[1:])]
    place = [("bus", match[1]), ("slot", match[2]), ("func", match[3])]
    return place + _pairs(words[1:])
