# SPDX-License-Identifier: BSD-2-Clause
"""Reading what is to be set: ``property=value`` words, checked as OpenZFS checks them."""

from collections.abc import Mapping

from chyves.simulator.zfs import properties
from chyves.simulator.zfs.errors import RefusedError
from chyves.simulator.zfs.names import SNAPSHOT, VOLUME
from chyves.simulator.zfs.properties import Kind, Property
from chyves.simulator.zfs.sizes import nice_bytes, parse_number

AUTO = "auto"

_LONGEST_NAME = 256
_LONGEST_VALUE = 8192
_LARGEST_BLOCK = {13: 1 << 20, 14: 16 << 20, 15: 16 << 20}
_NO_QUOTA = "use 'none' to disable quota/refquota"
_SAME = {
    ("volmode", "geom"): "full",
    ("xattr", "dir"): "on",
    ("version", "current"): "5",
    ("acltype", "disabled"): "off",
    ("acltype", "noacl"): "off",
    ("acltype", "posixacl"): "posix",
    ("aclinherit", "secure"): "restricted",
    ("compression", "gzip-6"): "gzip",
    ("compression", "zstd-3"): "zstd",
    ("compression", "zstd-fast-1"): "zstd-fast",
}


def parse_word(found: dict[str, str], word: str) -> None:
    """Add a ``property=value`` word to ``found``. Raises RefusedError if it is none, or the
    property is there already."""
    name, given, value = word.partition("=")
    if not given:
        raise RefusedError("missing '=' for property=value argument")
    if name in found:
        raise RefusedError(f"property '{name}' specified multiple times")
    found[name] = value


class Checker:
    """Checks settings for an object of one ``kind``; ``action`` begins each complaint.

    ``volblocksize`` (in bytes) is that of an existing volume, 0 for anything new.
    """

    def __init__(
        self, major: int, kind: str, action: str, *, new: bool = False, volblocksize: int = 0
    ) -> None:
        self._major = major
        self._kind = kind
        self._action = action
        self._new = new
        self._volblocksize = volblocksize

    def check(self, given: Mapping[str, str]) -> dict[str, str]:
        """Return the settings by proper name, as ``zfs get -p`` will print them.
        Raises RefusedError."""
        checked = {}
        for word, value in given.items():
            prop = properties.find(self._major, word)
            if prop:
                checked[prop.name] = self._native(prop, word, value)
            else:
                checked[word] = self._user(word, value)
        return checked

    def _refuse(self, reason: str) -> RefusedError:
        return RefusedError(f"{self._action}: {reason}")

    def _user(self, word: str, value: str) -> str:
        if not properties.is_user_property(word):
            if self._kind == SNAPSHOT:
                raise self._refuse("this property can not be modified for snapshots")
            if properties.is_written_property(word):
                raise self._refuse(f"'{word}' is readonly")
            raise self._refuse(f"invalid property '{word}'")
        if len(word.encode()) >= _LONGEST_NAME:
            raise self._refuse(f"property name '{word}' is too long")
        if len(value.encode()) >= _LONGEST_VALUE:
            raise self._refuse("property value too long")
        return value

    def _native(self, prop: Property, word: str, value: str) -> str:
        if self._kind == SNAPSHOT:
            raise self._refuse("this property can not be modified for snapshots")
        if not prop.applies_to(self._kind):
            raise self._refuse(f"'{word}' does not apply to datasets of this type")
        if prop.is_readonly and not (self._new and prop.is_settable_at_creation):
            raise self._refuse(f"'{word}' is readonly")
        if prop.kind is Kind.NUMBER:
            return self._number(prop, value)
        if prop.kind is Kind.INDEX:
            if value not in prop.words:
                raise self._refuse(f"'{prop.name}' must be one of '{prop.values}'")
            return _SAME.get((prop.name, value), value)
        return self._text(prop, value)

    def _text(self, prop: Property, value: str) -> str:
        if len(value.encode()) >= _LONGEST_VALUE:
            raise self._refuse(f"'{prop.name}' is too long")
        if prop.name == "mountpoint" and value not in ("none", "legacy"):
            if not value.startswith("/"):
                raise self._refuse("'mountpoint' must be an absolute path, 'none', or 'legacy'")
            if any(len(part.encode()) > 255 for part in value.split("/")):
                raise self._refuse("component of 'mountpoint' is too long")
            return value.rstrip("/") or "/"
        return value

    def _number(self, prop: Property, value: str) -> str:
        if value == AUTO:
            if prop.name in ("quota", "refquota"):
                raise self._refuse(_NO_QUOTA)
            if prop.name != "refreservation":
                raise self._refuse(f"'auto' is invalid value for '{prop.name}'")
            if self._kind != VOLUME:
                raise self._refuse("'refreservation=auto' only allowed on volumes")
            return AUTO
        if value == "none" and prop.name != "volsize":
            return properties.UNLIMITED if prop.name.endswith("_limit") else "0"
        try:
            number = 0 if value == "none" else parse_number(value)
        except ValueError as error:
            raise self._refuse(str(error)) from None
        if number == 0 and prop.name in ("quota", "refquota"):
            raise self._refuse(_NO_QUOTA)
        self._check_size(prop.name, number)
        return str(number)

    def _check_size(self, name: str, number: int) -> None:
        if name in ("volblocksize", "recordsize"):
            largest = _LARGEST_BLOCK[self._major]
            if not 512 <= number <= largest or number & (number - 1):
                raise self._refuse(
                    f"'{name}' must be power of 2 from 512B to {nice_bytes(largest)}"
                )
        if name == "volsize" and self._volblocksize:
            if number % self._volblocksize:
                block = nice_bytes(self._volblocksize)
                raise self._refuse(f"'volsize' must be a multiple of volume block size ({block})")
            if number == 0:
                raise self._refuse("'volsize' cannot be zero")
