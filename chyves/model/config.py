# SPDX-License-Identifier: BSD-2-Clause
"""Property files: one ``key=value`` on each line, without quoting, sections or comments."""

import re
from collections.abc import Iterable, Iterator, Mapping

from chyves.errors import Invalid

_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NO_VALUE = re.compile(r"[\n\r\0]")


def require_key(key: str) -> str:
    """Return the key. Raises Invalid unless it may be written: chyves 0.2.0 loads keys as names of
    shell variables."""
    if not _KEY.fullmatch(key):
        raise Invalid(
            f"not a property name: {key!r}",
            hint="a name is made of letters, digits and _, and does not begin with a digit",
        )
    return key


def require_value(key: str, value: str) -> str:
    """Return the value. Raises Invalid if it does not fit into one line of the file."""
    if _NO_VALUE.search(value):
        raise Invalid(f"{key} contains a line break or NUL", hint="a value is one line of text")
    return value


class ConfigFile(Mapping[str, str]):
    """The properties in the text of a file. It never changes; ``set`` and ``unset`` return another.

    Of a key that occurs more than once the first line counts. Lines that are no ``key=value`` are
    no properties, but are kept. A value is everything behind the first ``=``.
    """

    __slots__ = ("_text", "_values")

    def __init__(self, text: str = "") -> None:
        values: dict[str, str] = {}
        for line in text.split("\n"):
            key, equals, value = line.partition("=")
            if equals and key and key not in values:
                values[key] = value.removesuffix("\r")
        self._text = text
        self._values = values

    @classmethod
    def parse(cls, text: str) -> "ConfigFile":
        """Read the text of a file, decoded with ``surrogateescape`` and no newline translation."""
        return cls(text)

    @property
    def text(self) -> str:
        """What the file contains, to the byte."""
        return self._text

    def __getitem__(self, key: str) -> str:
        return self._values[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"ConfigFile({self._text!r})"

    def set(self, values: Mapping[str, str]) -> "ConfigFile":
        """Return the file with these properties: a key that is there keeps its place, new ones
        come last in the order given. Later lines of a key that is set go away.

        Raises Invalid for a key or value that cannot be written.
        """
        for name, value in values.items():
            require_value(require_key(name), value)
        left = dict(values)
        lines = []
        for line in _lines(self._text):
            key = _key(line)
            if key is not None and key in left:
                lines.append(_changed(line, key, left.pop(key)))
            elif key not in values:
                lines.append(line)
        if left and lines and not lines[-1].endswith("\n"):
            lines[-1] += "\n"
        lines += [f"{name}={value}\n" for name, value in left.items()]
        return ConfigFile("".join(lines))

    def unset(self, keys: Iterable[str]) -> "ConfigFile":
        """Return the file without any line of these keys."""
        gone = set(keys)
        return ConfigFile("".join(line for line in _lines(self._text) if _key(line) not in gone))


def _lines(text: str) -> list[str]:
    """Split the text into lines that keep their ends. Only a newline ends a line."""
    return [line for line in re.split(r"(?<=\n)", text) if line]


def _key(line: str) -> str | None:
    key, equals, _ = line.partition("=")
    return key if equals and key else None


def _changed(line: str, key: str, value: str) -> str:
    """Return the line with another value, the very same line if it has that value."""
    if line.rstrip("\r\n") == f"{key}={value}":
        return line
    return f"{key}={value}" + ("\r\n" if line.endswith("\r\n") else "\n")
