# SPDX-License-Identifier: BSD-2-Clause
"""One guest, and where each of its values comes from."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from chyves.errors import Invalid, Precondition
from chyves.model.config import ConfigFile
from chyves.model.kinds import NOTHING, size_bytes
from chyves.model.layout import GUEST_VERSION, is_version, version_key
from chyves.model.properties import Scope, find
from chyves.model.selector import group_names


class Loader(StrEnum):
    """What boots a guest."""

    BHYVELOAD = "bhyveload"
    GRUB = "grub-bhyve"
    UEFI = "uefi"


class Origin(StrEnum):
    """Where a value comes from."""

    GUEST = "guest"
    DEFAULTS = "defaults"
    GLOBAL = "global"
    BUILT_IN = "built-in"


class Disk(NamedTuple):
    """A disk of a guest. ``path`` is what bhyve opens: a zvol (``volume``) or a file.

    ``name`` is that of the volume below the guest's dataset, or the path of the file below ``img``;
    no two disks of a guest have the same. ``dataset`` is the volume or where the file lies,
    ``origin`` the snapshot that is cloned from. ``used_bytes`` is known of files only.
    """

    name: str
    path: str
    size_bytes: int
    volume: bool
    dataset: str = ""
    origin: str = ""
    used_bytes: int = 0


def named_apart(disks: Iterable[Disk]) -> list[Disk]:
    """Return the disks with a name for each: a file that is called as a disk before it has ``img/``
    in front."""
    found: dict[str, Disk] = {}
    for disk in disks:
        name = disk.name
        while name in found:
            name = f"img/{name}"
        found[name] = disk._replace(name=name)
    return list(found.values())


CURES = {
    "net_ifaces": "chyves network {} remove <interface>",
    "uefi_vnc_port": "chyves {} set uefi_console_output=vnc chooses one that is free",
}
"""What mends values that are better not set by hand."""


@dataclass(frozen=True)
class Guest:
    """A guest as its files have it. ``config`` is its own; ``defaults`` and ``globals`` stand in
    where that has nothing."""

    name: str
    pool: str
    config: ConfigFile
    defaults: Mapping[str, str]
    globals: Mapping[str, str]

    def value(self, name: str) -> str:
        """Return a property as it is in force; empty if the guest has nothing of that name."""
        return self._look_up(name)[0]

    def origin(self, name: str) -> Origin:
        """Return where ``value`` comes from."""
        return self._look_up(name)[1]

    def _look_up(self, name: str) -> tuple[str, Origin]:
        own = self.config.get(name)
        if own is not None:
            return own, Origin.GUEST
        row = find(name, Scope.GUEST)
        scopes = row.initial if row else {}
        if Scope.DEFAULTS in scopes and name in self.defaults:
            return self.defaults[name], Origin.DEFAULTS
        if Scope.GLOBAL in scopes and name in self.globals:
            return self.globals[name], Origin.GLOBAL
        built_in = scopes.get(Scope.DEFAULTS) or scopes.get(Scope.GLOBAL) or ""
        return built_in, Origin.BUILT_IN

    def checked(self, name: str) -> str:
        """Return a property as it would be written today.

        Raises Invalid if it is not valid: files are edited by hand, and chyves 0.2.0 stored
        whatever it was given.
        """
        value = self.value(name)
        row = find(name, Scope.GUEST)
        if row is None:
            return value
        try:
            return row.kind.parse(value)
        except Invalid as error:
            cure = CURES.get(name, f"chyves {{}} set {name}=<value>").format(self.name)
            raise Invalid(
                f"{name} of {self.name}: {error.message}", hint=f"{error.hint}; {cure}"
            ) from None

    @property
    def cpu(self) -> int:
        """Number of virtual CPUs. Raises Invalid."""
        return int(self.checked("cpu"))

    @property
    def ram_bytes(self) -> int:
        """Memory. Raises Invalid."""
        return size_bytes(self.checked("ram"))

    @property
    def loader(self) -> Loader:
        """What boots the guest. Raises Invalid."""
        return Loader(self.checked("loader"))

    @property
    def serial(self) -> str:
        """The null-modem pair of the console, ``nmdm50``. Raises Invalid."""
        return self.checked("serial")

    @property
    def rcboot(self) -> int:
        """Its turn at boot, highest first; 0 is none. What is no number counts as 1: somebody has
        written it for the guest to start, and lists show that it does."""
        try:
            return int(self.checked("rcboot"))
        except Invalid:
            return 0 if self.value("rcboot") in ("", NOTHING) else 1

    @property
    def groups(self) -> tuple[str, ...]:
        """The groups it is in."""
        return group_names(self.value("groups"))

    @property
    def eject_after(self) -> int:
        """The reboot at which the installation medium is taken out; 0 is never. Raises Invalid."""
        return int(self.checked("eject_iso_on_n_reboot"))

    @property
    def is_template(self) -> bool:
        return self.value("template") == "yes"

    @property
    def has_vnc(self) -> bool:
        """Whether the guest has a screen: UEFI and its console on VNC. Raises Invalid."""
        return self.loader is Loader.UEFI and self.checked("uefi_console_output") == "vnc"

    @property
    def firmware(self) -> str:
        """Name of the UEFI firmware, empty if none is chosen. Raises Invalid."""
        name = self.checked("uefi_firmware")
        return "" if name == NOTHING else name

    def net_ifaces(self) -> tuple[str, ...]:
        """Return its interfaces in its order, taps and VALE ports."""
        names = self.value("net_ifaces").split(",")
        return tuple(name for name in names if name not in ("", NOTHING))

    def taps(self) -> tuple[str, ...]:
        return tuple(name for name in self.net_ifaces() if name.startswith("tap"))

    def mac(self, interface: str) -> str:
        """Return the MAC address set for an interface, empty if bhyve is to choose. Raises
        Invalid."""
        name = f"{interface}_mac"
        return self.checked(name) if self.value(name) else ""

    def version_problem(self) -> Precondition | None:
        """Return why this chyves cannot start a guest of such a version; None if it can."""
        version = self.value("chyves_guest_version")
        if not is_version(version):
            return Precondition(
                f"{self.name} has no chyves_guest_version",
                hint="its property file is damaged, or it was not made by chyves",
            )
        if version[:2] < GUEST_VERSION[:2]:
            return Precondition(
                f"{self.name} is of version {version}, older than {GUEST_VERSION}",
                hint=f"chyves {self.name} upgrade",
            )
        if version > GUEST_VERSION:
            return Precondition(
                f"{self.name} is of version {version}, newer than {GUEST_VERSION}",
                hint="it was made by a newer chyves: upgrade this one",
            )
        return None


def members(guests: Iterable[Guest]) -> dict[str, list[str]]:
    """Return the names of the guests of each group, by groups in the order people expect."""
    found: dict[str, list[str]] = {}
    for guest in guests:
        for group in guest.groups:
            found.setdefault(group, []).append(guest.name)
    return {group: found[group] for group in sorted(found, key=version_key)}


def boot_order(guests: Iterable[Guest]) -> list[str]:
    """Return the names of the guests that start with the host: the highest ``rcboot`` first, those
    that have the same by name."""
    starting = [guest for guest in guests if guest.rcboot]
    starting.sort(key=lambda guest: (-guest.rcboot, version_key(guest.name)))
    return [guest.name for guest in starting]


def named_twice(guests: Iterable[Guest]) -> dict[str, list[str]]:
    """Return the names that more than one guest has, each with the pools that these are on."""
    pools: dict[str, list[str]] = {}
    for guest in guests:
        pools.setdefault(guest.name, []).append(guest.pool)
    return {name: found for name, found in pools.items() if len(found) > 1}
