# SPDX-License-Identifier: BSD-2-Clause
"""Installation media and firmware: where one is imported from, what it is called then, how it is
unpacked, and what proves it."""

import re
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from chyves.errors import Invalid
from chyves.model import kinds

REMOTE = ("http", "https", "ftp")
"""What can be fetched from."""

PACKINGS = ("gz", "xz", "zst")
"""Ends of the names of files that are unpacked on import."""

ALGORITHMS = {"md5": 32, "sha1": 40, "sha256": 64, "sha512": 128}
"""The checksums that are known, by hashlib's names, with the number of their hexadecimal digits."""


class Source(NamedTuple):
    """A file to import. ``scheme`` is empty for a local one, else one of REMOTE; ``shown`` is what
    may be printed, without a user, a password or a query; ``packing`` is one of PACKINGS or
    empty."""

    text: str
    shown: str
    scheme: str
    file: str
    packing: str

    @property
    def name(self) -> str:
        """What the resource is called: as the file, without the end that says how it is packed."""
        return self.file.removesuffix(f".{self.packing}")


class Checksum(NamedTuple):
    """What a file is to be: ``algorithm`` is one of ALGORITHMS, ``digits`` are hexadecimal and in
    lower case."""

    algorithm: str
    digits: str

    def __str__(self) -> str:
        return f"{self.algorithm}:{self.digits}"


def source(text: str) -> Source:
    """Return what a path or an URL names. Raises Invalid for an URL that cannot be fetched, and
    for a name that no resource can have, as one that would leave its folder."""
    scheme, separator, _ = text.partition("://")
    if not separator:
        return _named(text, text, "", text.rstrip("/").rpartition("/")[2])
    if not re.fullmatch(r"[!-~]+", text):
        raise Invalid("not an URL: it has blanks or other letters", hint="write them as %20 and so")
    if scheme.lower() not in REMOTE:
        raise Invalid(
            f"chyves cannot fetch from {scheme}://", hint=f"it can from {', '.join(REMOTE)}"
        )
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError:
        raise Invalid("not an URL", hint="https://<host>/<path>/<file>") from None
    if not parts.hostname:
        raise Invalid("the URL names no host", hint="https://<host>/<path>/<file>")
    shown = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
    file = unquote(parts.path.rpartition("/")[2], errors="replace")
    if not file:
        raise Invalid(f"{shown} names no file", hint="https://<host>/<path>/<file>")
    return _named(text, shown, parts.scheme, file)


def _named(text: str, shown: str, scheme: str, file: str) -> Source:
    packing = next((end for end in PACKINGS if file.endswith(f".{end}")), "")
    found = Source(text, shown, scheme, kinds.component(file), packing)
    kinds.component(found.name)
    return found


def checksum(text: str) -> Checksum:
    """Return a checksum: its digits, ``sha256:`` and its digits, or the line of a file of
    checksums, as sha256(1) of FreeBSD writes it (``SHA256 (file) = digits``) or as GNU does
    (``digits  file``). Which one it is the number of digits tells. Raises Invalid."""
    forms = (
        r"(?:(?P<algorithm>\w+):)?(?P<digits>[0-9A-Fa-f]+)(?:\s+\S+)?",
        r"(?P<algorithm>\w+) \(.*\) = (?P<digits>[0-9A-Fa-f]+)",
    )
    found = next((match for form in forms if (match := re.fullmatch(form, text.strip()))), None)
    digits = found["digits"].lower() if found else ""
    algorithm = next((name for name, length in ALGORITHMS.items() if length == len(digits)), "")
    named = (found["algorithm"] or algorithm).lower() if found else ""
    if not algorithm or named != algorithm:
        raise Invalid(
            f"not a checksum: {text!r}",
            hint="the hexadecimal digits of an MD5 (32), SHA1 (40), SHA256 (64) or SHA512 (128)",
        )
    return Checksum(algorithm, digits)
