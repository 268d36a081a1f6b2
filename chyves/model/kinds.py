# SPDX-License-Identifier: BSD-2-Clause
"""Kinds of values: what is accepted, and how it is written.

A kind has ``parse``, which returns the text as it is kept or raises Invalid with the reason and
what would be valid; ``describe``, a few words for help; and ``choices`` for completion.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from chyves.errors import Invalid

NOTHING = "-"
"""How a property says that it has no value."""

MANY = 99999


class Kind(Protocol):
    """What every kind offers."""

    @property
    def choices(self) -> tuple[str, ...]: ...

    def parse(self, text: str) -> str: ...

    def describe(self) -> str: ...


@dataclass(frozen=True)
class Text:
    """Any line of text, with or without blanks; it may be empty."""

    what: str = "text"
    choices: tuple[str, ...] = ()

    def parse(self, text: str) -> str:
        return text

    def describe(self) -> str:
        return self.what


@dataclass(frozen=True)
class Choice:
    """One of some words. ``also`` are other spellings that are understood."""

    choices: tuple[str, ...]
    also: Mapping[str, str] = field(default_factory=dict)

    def parse(self, text: str) -> str:
        text = self.also.get(text, text)
        if text not in self.choices:
            raise Invalid(f"{text!r} is none of its values", hint=f"valid: {self.describe()}")
        return text

    def describe(self) -> str:
        return f"one of {', '.join(choice or 'nothing' for choice in self.choices)}"


@dataclass(frozen=True)
class Integer:
    """A whole number in decimal. ``also`` are words that are understood."""

    low: int
    high: int
    also: Mapping[str, str] = field(default_factory=dict)
    choices: tuple[str, ...] = ()

    def parse(self, text: str) -> str:
        text = self.also.get(text.lower(), text)
        if not re.fullmatch(r"[0-9]+", text):
            raise Invalid(f"not a number: {text!r}", hint=f"valid: {self.describe()}")
        digits = text.lstrip("0") or "0"
        if len(digits) > 9 or not self.low <= int(digits) <= self.high:
            raise Invalid(f"{text} is out of range", hint=f"valid: {self.describe()}")
        return digits

    def describe(self) -> str:
        return f"{self.low}..{self.high}"


@dataclass(frozen=True)
class Checked:
    """What a function accepts. ``choices`` are values worth offering, or that mean something of
    their own and are accepted as they are."""

    function: Callable[[str], str]
    what: str
    choices: tuple[str, ...] = ()

    def parse(self, text: str) -> str:
        return text if text in self.choices else self.function(text)

    def describe(self) -> str:
        return ", ".join([self.what, *(choice or "nothing" for choice in self.choices)])


@dataclass(frozen=True)
class Pattern:
    """What a regular expression matches as a whole, or one of the ``choices``."""

    regex: str
    what: str
    choices: tuple[str, ...] = ()

    def parse(self, text: str) -> str:
        if text not in self.choices and not re.fullmatch(self.regex, text):
            raise Invalid(f"not acceptable: {text!r}", hint=f"valid: {self.describe()}")
        return text

    def describe(self) -> str:
        return ", ".join([self.what, *(choice or "nothing" for choice in self.choices)])


def words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


def one_of(text: str) -> Choice:
    """Return the kind of one of these words."""
    return Choice(words(text))


YES_NO = Choice(("yes", "no"), {"on": "yes", "off": "no"})
ON_OFF = Choice(("on", "off"), {"yes": "on", "no": "off"})

SIZE_HINT = "valid: a number with K, M, G or T; without one it is megabytes: 512M, 8G"

_UNITS = "BKMGTPE"
_SIZE = re.compile(r"([0-9]{1,15})(?:\.([0-9]{1,15}))?(?:([kmgt])b?)?", re.IGNORECASE | re.ASCII)


def size_bytes(text: str) -> int:
    """Return the bytes of ``8G``, ``1.5g``, ``512MB``; a number alone is megabytes.

    Raises Invalid, also for nothing at all and for parts of a kilobyte.
    """
    match = _SIZE.fullmatch(text)
    if not match:
        raise Invalid(f"not a size: {text!r}", hint=SIZE_HINT)
    whole, fraction, unit = match[1], match[2] or "", match[3] or "M"
    scaled = int(whole + fraction) << 10 * _UNITS.index(unit.upper())
    size, rest = divmod(scaled, int("1" + "0" * len(fraction)))
    if rest or size % 1024:
        raise Invalid(f"{text} is not a whole number of kilobytes", hint=SIZE_HINT)
    if size == 0:
        raise Invalid("a size of 0 is nothing", hint=SIZE_HINT)
    return size


def normal_size(text: str) -> str:
    """Return a size in the largest unit that holds it exactly: ``2048m`` is ``2G``."""
    size, unit = size_bytes(text) >> 10, 1
    while size % 1024 == 0 and _UNITS[unit] != "T":
        size, unit = size >> 10, unit + 1
    return f"{size}{_UNITS[unit]}"


def format_bytes(size: int, *, exact: bool = False) -> str:
    """Return bytes as zfs(8) shows them: ``0B``, ``98.5K``, ``1.50G``; with ``exact`` as digits."""
    if exact:
        return str(size)
    unit = min((max(size.bit_length(), 1) - 1) // 10, len(_UNITS) - 1)
    scale = 1 << 10 * unit
    if size % scale == 0:
        return f"{size // scale}{_UNITS[unit]}"
    candidates = (f"{size / scale:.{places}f}{_UNITS[unit]}" for places in (2, 1))
    return next(
        (text for text in candidates if len(text) <= 5), f"{size / scale:.0f}{_UNITS[unit]}"
    )


def block_size(text: str) -> str:
    """Return the bytes of a volume's blocks: a power of two from 512 to 128K (zfsprops(7))."""
    match = re.fullmatch(r"([0-9]{1,6})(k?)", text, re.IGNORECASE | re.ASCII)
    size = int(match[1]) << (10 if match[2] else 0) if match else 0
    if not 512 <= size <= 131072 or size & (size - 1):
        raise Invalid(
            f"{text!r} is no block size", hint="valid: a power of two from 512 to 128K, or inherit"
        )
    return str(size)


def mac_address(text: str) -> str:
    """Return a MAC address in lower case; it has to be of one network card, not of a group."""
    if not re.fullmatch(r"[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5}", text):
        raise Invalid(
            f"not a MAC address: {text!r}", hint="valid: six pairs of hex digits, 58:9c:fc:00:00:01"
        )
    first = int(text[:2], 16)
    if first & 1:
        raise Invalid(
            f"{text} is a multicast address", hint="valid: an even first pair, 58:9c:fc:00:00:01"
        )
    if not text.strip("0:"):
        raise Invalid(f"{text} is no address of a card", hint="valid: 58:9c:fc:00:00:01")
    return text.lower()


def uuid(text: str) -> str:
    """Return a UUID in lower case; all zeros is none."""
    digits = r"[0-9a-fA-F]"
    if not re.fullmatch(rf"{digits}{{8}}(-{digits}{{4}}){{3}}-{digits}{{12}}", text):
        raise Invalid(
            f"not a UUID: {text!r}", hint="valid: what uuidgen prints: 8-4-4-4-12 hex digits"
        )
    if not text.strip("0-"):
        raise Invalid("a UUID of zeros is none", hint="valid: what uuidgen prints")
    return text.lower()


def ip_address(text: str) -> str:
    """Return an IPv4 or IPv6 address, without the brackets that the latter may have."""
    import ipaddress  # needed when an address is set only

    bare = text[1:-1] if re.fullmatch(r"\[.*:.*\]", text) else text
    try:
        return str(ipaddress.ip_address(bare))
    except ValueError:
        raise Invalid(
            f"not an IP address: {text!r}",
            hint="valid: IPv4, four numbers from 0 to 255, such as 127.0.0.1, or IPv6 such as ::1",
        ) from None


def date(text: str) -> str:
    """Return a day of the calendar, ``YYYYMMDD``."""
    import datetime  # needed when a date is set only

    try:
        if not re.fullmatch(r"[0-9]{8}", text):
            raise ValueError
        datetime.date(int(text[:4]), int(text[4:6]), int(text[6:]))
    except ValueError:
        raise Invalid(f"not a date: {text!r}", hint="valid: YYYYMMDD") from None
    return text


def snapshot_label(text: str) -> str:
    """Return the name of a snapshot with its ``@``: ``@before-upgrade``."""
    if not re.fullmatch(r"@[-0-9a-zA-Z._]+", text) or text in ("@.", "@.."):
        raise Invalid(
            f"not a snapshot: {text!r}", hint="valid: @ and letters, digits, -, . or _: @before"
        )
    return text


def snapshot_name(text: str) -> str:
    """Return the name of a snapshot with its ``@``, which may be left out."""
    return snapshot_label(text if text.startswith("@") else f"@{text}")


def command(text: str) -> str:
    """Return the command line of a program that is run without a shell, quotes in pairs."""
    import shlex  # for this alone

    try:
        shlex.split(text)
    except ValueError as error:
        raise Invalid(f"not a command: {error}", hint="valid: vncviewer %h::%p") from None
    return text


COMPONENT_LENGTH = 100
"""How long the name of an ISO or a firmware may be: it is part of the name of a dataset."""


def component(text: str) -> str:
    """Return a name that can be a dataset and a file: that of an ISO or a firmware."""
    if len(text) > COMPONENT_LENGTH:
        raise Invalid(
            f"the name has {len(text)} characters, at most {COMPONENT_LENGTH} are possible: {text}",
            hint="give the file a shorter name",
        )
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.:-]*", text):
        raise Invalid(
            f"not a name: {text!r}",
            hint="valid: letters, digits, _ . : or -, not beginning with . : or -",
        )
    return text


DEVICES = frozenset(
    words(
        "ahci ahci-cd ahci-hd e1000 fbuf hda lpc nvme passthru uart virtio-9p virtio-blk "
        "virtio-console virtio-input virtio-net virtio-rnd virtio-scsi xhci"
    )
)
"""PCI devices that bhyve(8) knows by name, besides the bridges."""


def pci_device(text: str) -> str:
    """Return a PCI device as bhyve takes it behind the slot: ``virtio-rnd``, ``passthru,2/0/0``.

    Options may follow. The numbers of passthru are decimal: bus, slot and function.
    """
    device, *options = text.split(",")
    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]*", device) or re.search(r"\s", text) or "" in options:
        raise Invalid(
            f"not a PCI device: {text!r}",
            hint="valid: passthru,<bus>/<slot>/<function>, virtio-rnd, or <device>[,<option>...]",
        )
    if device == "passthru":
        _require_pci_address(options[0] if options else "")
    return text


def _require_pci_address(text: str) -> None:
    match = re.fullmatch(r"([0-9]{1,3})/([0-9]{1,3})/([0-9]{1,3})", text)
    limits = (255, 31, 7)
    if not match or any(int(n) > high for n, high in zip(match.groups(), limits, strict=True)):
        raise Invalid(
            f"no address of a PCI device: {text!r}",
            hint="valid: passthru,<bus 0-255>/<slot 0-31>/<function 0-7>, decimal, "
            "as pptdevs in loader.conf",
        )


def flags(letters: str, what: str) -> Checked:
    """Return the kind of a word of flags: ``-skdp`` out of some letters, or nothing."""

    def parse(text: str) -> str:
        found = text.removeprefix("-")
        wrong = sorted(set(found) - set(letters))
        if wrong or not found:
            problem = f"no flag is called {wrong[0]!r}" if wrong else f"no flags: {text!r}"
            raise Invalid(problem, hint=f"valid: - and letters out of {letters}")
        return f"-{found}"

    return Checked(parse, what, ("",))
