# SPDX-License-Identifier: BSD-2-Clause
"""What the device models of bhyve do when they start: they open things, or say why they cannot."""

import errno
import hashlib
import os
import re
import socket
import stat
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from chyves.simulator.bhyve.config import Config, Slot
from chyves.simulator.bhyve.exits import (
    EADDRINUSE,
    EADDRNOTAVAIL,
    EBUSY,
    EINVAL,
    ENOENT,
    ENOTTY,
    ENXIO,
    Abort,
    Stop,
    strerror,
)
from chyves.simulator.bhyve.lpc import Console, LpcError, start_lpc
from chyves.simulator.opened import open_device
from chyves.simulator.world import World


@dataclass(frozen=True)
class Disk:
    """A disk or CD: the host's path, the file that stands for it, and how the guest sees it
    (``virtio-blk``, ``ahci-hd``, ``ahci-cd`` or ``nvme``)."""

    path: str
    file: str
    kind: str
    read_only: bool


@dataclass(frozen=True)
class Nic:
    """A network card: ``kind`` is virtio-net or e1000, ``backend`` like ``tap50``."""

    kind: str
    backend: str
    mac: str


@dataclass(frozen=True)
class Screen:
    """A frame buffer and where it is served; ``listener`` has the port until a guest takes it."""

    address: str
    port: int
    password: str
    listener: socket.socket
    viewers: tuple[socket.socket, ...] = ()
    """Who connected while bhyve waited for somebody."""


@dataclass
class Parts:
    """What the models have opened."""

    vm: str
    wired: bool
    disks: list[Disk] = field(default_factory=list)
    nics: list[Nic] = field(default_factory=list)
    screen: Screen | None = None
    consoles: dict[str, Console] = field(default_factory=dict)
    has_lpc: bool = False
    said: list[str] = field(default_factory=list)
    """What bhyve prints on standard output on the way."""


class Refused(Exception):
    """A model does not start: FreeBSD's error number, and what the model says of it."""

    def __init__(self, number: int, stderr: str = "", *, stdout: str = "") -> None:
        super().__init__(number, stderr, stdout)
        self.number = number
        self.stderr = stderr
        self.stdout = stdout


def start_devices(world: World, config: Config, vm: str) -> Parts:
    """Start the models in the order of their slots. Raises Stop or Abort at the first failure."""
    parts = Parts(vm, config.is_true("memory.wired"))
    for slot in config.slots():
        try:
            _start(world, config, parts, slot)
        except Refused as refusal:
            said = "\n".join(filter(None, [*parts.said, refusal.stdout]))
            raise Stop(4, _with_init_error(world, refusal), stdout=said) from None
    return parts


def _with_init_error(world: World, refusal: Refused) -> str:
    start = "D" if world.release.major >= 15 else "d"
    last = f"{start}evice emulation initialization error: {strerror(refusal.number)}"
    return f"{refusal.stderr}\n{last}" if refusal.stderr else last


def _start(world: World, config: Config, parts: Parts, slot: Slot) -> None:
    place = f"pci slot {slot.bus}:{slot.slot}:{slot.function}"
    if "device" not in slot.values:
        raise Refused(EINVAL, f'{place}: missing "device" value')
    if slot.device == "lpc":
        _lpc(world, config, parts, slot)
        return
    model = _MODELS.get(slot.device)
    if model is None:
        raise Refused(EINVAL, f'{place}: unknown device "{slot.device}"')
    model(world, parts, slot)


def _lpc(world: World, config: Config, parts: Parts, slot: Slot) -> None:
    if parts.has_lpc:
        raise Refused(ENOENT, "Only one LPC bridge is allowed.")
    if slot.bus:
        raise Refused(ENOENT, "LPC bridge can be present only on bus 0.")
    parts.has_lpc = True
    try:
        parts.consoles = start_lpc(world, config)
    except LpcError as error:
        raise Refused(error.number, error.stderr) from None


def _nothing(_world: World, _parts: Parts, _slot: Slot) -> None:
    """A model that opens nothing."""


def _open_disk(world: World, values: dict[str, str], kind: str) -> Disk:
    """Open a backing file as block_if.c does: read-only in silence if it cannot be written."""
    from chyves.simulator.zfs.mounts import is_read_only

    path = values.get("path", "")
    if not path:
        raise Refused(ENOENT, 'Missing "path" for block device.')
    if path in ("/dev/null", "/dev/zero"):
        raise Refused(ENOTTY, f"Could not fetch dev blk/sector size: {strerror(ENOTTY)}")
    file = world.path(path)
    try:
        mode = file.stat().st_mode
    except OSError as error:
        number = error.errno or ENOENT
        raise Refused(
            number, f"bhyve: Could not open backing file: {path}: {strerror(number)}"
        ) from None
    _check_sectors(values)
    open_device(world, path, os.getpid())
    asked = kind == "ahci-cd" or values.get("ro") == "true"
    read_only = asked or not mode & 0o222 or is_read_only(world, path)
    return Disk(path, str(file), kind, read_only)


def _check_sectors(values: dict[str, str]) -> None:
    if "sectorsize" not in values:
        return
    match = re.fullmatch(r"(\d+)(?:/(\d+))?", values["sectorsize"])
    if not match:
        raise Refused(ENOENT, f'Invalid sector size "{values["sectorsize"]}"')
    logical = int(match[1])
    physical = int(match[2] or logical)
    if logical < 512 or logical & (logical - 1) or physical & (physical - 1) or logical > physical:
        raise Refused(ENOENT, f"Invalid sector size {logical}/{physical}")


def _virtio_blk(world: World, parts: Parts, slot: Slot) -> None:
    _add_disk(world, parts, slot.values, "virtio-blk", "Could not open backing file: ")


def _nvme(world: World, parts: Parts, slot: Slot) -> None:
    if slot.values.get("path", "").startswith("ram="):
        return
    _add_disk(world, parts, slot.values, "nvme", "nvme: Could not open backing file: ")


def _ahci(world: World, parts: Parts, slot: Slot) -> None:
    for port in sorted({int(name.split(".")[1]) for name in slot.values if name[:5] == "port."}):
        start = f"port.{port}."
        values = {k.removeprefix(start): v for k, v in slot.values.items() if k.startswith(start)}
        _add_disk(world, parts, values, f"ahci-{values.get('type', 'hd')}", "")


def _add_disk(world: World, parts: Parts, values: dict[str, str], kind: str, says: str) -> None:
    try:
        parts.disks.append(_open_disk(world, values, kind))
    except Refused as refusal:
        if not says:
            raise
        also = f"{says}{strerror(refusal.number)}"
        raise Refused(refusal.number, f"{refusal.stderr}\n{also}") from None


def _network(world: World, parts: Parts, slot: Slot) -> None:
    mac = slot.values.get("mac") or default_mac(slot, parts.vm)
    if not _is_unicast(mac):
        raise Refused(ENOENT, f"Invalid MAC {mac}")
    mtu = slot.values.get("mtu")
    if mtu is not None and not (mtu.isdigit() and 68 <= int(mtu) <= 65535):
        raise Refused(EINVAL)
    backend = slot.values.get("backend", "")
    if not backend:
        if slot.device == "e1000":
            return
        raise Abort(
            "Assertion failed: (be != NULL), function netbe_get_cap,"
            " file /usr/src/usr.sbin/bhyve/net_backends.c, line 1061."
        )
    _open_backend(world, backend, slot.values.get("type", backend))
    parts.nics.append(Nic(slot.device, backend, mac.lower()))


def _open_backend(world: World, backend: str, kind: str) -> None:
    from chyves.simulator.net import interfaces

    newer = ("slirp",) if world.release.major >= 15 else ()
    if kind.startswith(("tap", "vmnet")):
        number = interfaces.open_tap(world, backend, os.getpid())
        if number:
            raise Refused(number, stdout=f"open of tap device /dev/{backend} failed")
    elif kind.startswith("netmap:"):
        name = backend.removeprefix("netmap:")
        with world.reading():
            is_there = interfaces.find(world, name) is not None
        if not is_there:
            _no_netmap(f"netmap:{name}")
    elif kind.startswith("vale"):
        if ":" not in backend:
            _no_netmap(backend, EINVAL, "missing ':' in vale name")
    elif not kind.startswith(("netgraph", *newer)):
        raise Refused(ENOENT)


def _no_netmap(name: str, number: int = ENXIO, why: str = "") -> None:
    """Refuse a port that netmap cannot open (sys/net/netmap_user.h, nm_open)."""
    reason = strerror(number)
    raise Refused(
        number,
        f"{time.time() % 1000:010.6f} nm_open [944] {why or f'NIOCREGIF failed: {reason}'} {name}",
        stdout=f"Unable to nm_open(): interface '{name}', errno ({reason})",
    )


def default_mac(slot: Slot, vm: str) -> str:
    """Return the address bhyve gives a card (usr.sbin/bhyve/net_utils.c, net_genmac)."""
    digest = hashlib.md5(
        f"{slot.slot}-{slot.function}-{vm}".encode(), usedforsecurity=False
    ).digest()
    return f"00:a0:98:{digest[0]:02x}:{digest[1]:02x}:{digest[2]:02x}"


def _is_unicast(mac: str) -> bool:
    parts = mac.split(":")
    if len(parts) != 6 or not all(re.fullmatch(r"[0-9a-fA-F]{1,2}", part) for part in parts):
        return False
    octets = [int(part, 16) for part in parts]
    return any(octets) and not octets[0] & 1


def _fbuf(world: World, parts: Parts, slot: Slot) -> None:
    if parts.screen:
        raise Refused(ENOENT, "Only one frame buffer device is allowed.")
    widest, highest = (1920, 1200) if world.release.major < 14 else (3840, 2160)
    for name, short, most in (("width", "w", widest), ("height", "h", highest)):
        text = slot.values.get(short, "")
        if text.isdigit() and int(text) > most:
            raise Refused(ENOENT, f"fbuf: {name} {text} too large")
    place = slot.values.get("rfb") or slot.values.get("tcp") or "127.0.0.1:5900"
    address, port = _place(place)
    parts.said.append("fbuf frame buffer base: 0xdc151e00000 [sz 16777216]")
    listener = _listen(address, port)
    port = listener.getsockname()[1]
    viewers = (listener.accept()[0],) if slot.values.get("wait") == "true" else ()
    password = slot.values.get("password", "")
    parts.screen = Screen(address, port, password, listener, viewers)


def _place(text: str) -> tuple[str, int]:
    """Read ``[address:]port``; a port that is no number is 0, any free one (rfb_parse, atoi)."""
    address, _, port = text.rpartition(":")
    number = int(port) if port.isdigit() else 0
    return address.strip("[]") or "127.0.0.1", number


def _listen(address: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((address, port))
    except (OSError, OverflowError) as error:
        listener.close()
        raise _cannot_listen(error) from None
    listener.listen()
    return listener


def _cannot_listen(error: OSError | OverflowError) -> Refused:
    if isinstance(error, OverflowError):
        return Refused(ENOENT, "getaddrinfo: Service was not recognized for socket type")
    if isinstance(error, socket.gaierror):
        return Refused(ENOENT, "getaddrinfo: Name does not resolve")
    number = {errno.EADDRINUSE: EADDRINUSE, errno.EADDRNOTAVAIL: EADDRNOTAVAIL}.get(
        error.errno or 0, error.errno or 0
    )
    return Refused(number, f"bind: {strerror(number)}")


def _xhci(_world: World, _parts: Parts, slot: Slot) -> None:
    for name, value in slot.values.items():
        if name.endswith(".device") and value != "tablet":
            raise Refused(ENOENT, f'pci_xhci: unknown device model "{value}"')


def _virtio_9p(world: World, _parts: Parts, slot: Slot) -> None:
    path = slot.values.get("path", "")
    if not path:
        raise Refused(ENOENT, "virtio-9p: path required")
    if not world.path(path).is_dir():
        raise Refused(ENOENT, f"virtio-9p: failed to open '{path}': {strerror(ENOENT)}")


def _virtio_console(world: World, _parts: Parts, slot: Slot) -> None:
    ports = [value for name, value in slot.values.items() if name.endswith(".path")]
    for number, path in enumerate(ports):
        try:
            os.mknod(world.path(path), 0o755 | stat.S_IFSOCK)
        except OSError as error:
            code = EADDRINUSE if error.errno == errno.EEXIST else error.errno or ENOENT
            raise Refused(code, f"cannot create port {number}: {strerror(code)}") from None


def _hda(world: World, _parts: Parts, slot: Slot) -> None:
    for path in (slot.values.get("play"), slot.values.get("rec")):
        if path and not world.path(path).exists():
            raise Abort(
                "Assertion failed: (!err), function hda_init,"
                " file /usr/src/usr.sbin/bhyve/pci_hda.c, line 355."
            )


def _passthru(world: World, parts: Parts, slot: Slot) -> None:
    if not parts.wired:
        raise Refused(ENOENT, "bhyve: passthru requires guest memory to be wired")
    if "bus" not in slot.values:
        if "invalid" in slot.values:
            raise Refused(EINVAL, f'passthru: invalid options "{slot.values["invalid"]}"')
        raise Refused(EINVAL, "passthru: missing required bus setting")
    place = f"{slot.values['bus']}/{slot.values.get('slot')}/{slot.values.get('func')}"
    from chyves.simulator import hardware

    if place not in hardware.passthrough_devices(world):
        driver = "ppt(4)" if world.release.major < 14 else "ppt"
        raise Refused(ENOENT, f"bhyve: PCI device at {place} is not using the {driver} driver")
    if not world.machine.iommu:
        raise Refused(ENXIO)
    holder = _holder(world, f"/dev/ppt/{place}")
    if holder:
        raise Refused(EBUSY)
    open_device(world, f"/dev/ppt/{place}", os.getpid())


def _holder(world: World, path: str) -> bool:
    from chyves.simulator.opened import holders

    with world.reading():
        return bool(holders(world, path))


_Model = Callable[[World, Parts, Slot], None]
_MODELS: dict[str, _Model] = {
    "ahci": _ahci,
    "dummy": _nothing,
    "e1000": _network,
    "fbuf": _fbuf,
    "hda": _hda,
    "hostbridge": _nothing,
    "nvme": _nvme,
    "passthru": _passthru,
    "uart": _nothing,
    "virtio-9p": _virtio_9p,
    "virtio-blk": _virtio_blk,
    "virtio-console": _virtio_console,
    "virtio-input": _nothing,
    "virtio-net": _network,
    "virtio-rnd": _nothing,
    "virtio-scsi": _nothing,
    "xhci": _xhci,
}
