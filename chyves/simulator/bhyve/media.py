# SPDX-License-Identifier: BSD-2-Clause
"""What is on a disk or CD: can it boot, and does it ask for the scripted guest."""

from pathlib import Path

MARKER = b"CHYVES-SCRIPTED-GUEST"
"""Within the first 64 KiB of an image that the scripted guest boots from. Lines behind it, up to a
zero byte, are commands that the guest runs once it is up."""

_READ = 65536
_ISO_MAGIC = 32769


def is_bootable(file: Path | str) -> bool:
    """Tell whether an image has a boot sector, is an ISO 9660 image, or has the marker."""
    head = _head(file)
    return head[510:512] == b"\x55\xaa" or head[_ISO_MAGIC:][:5] == b"CD001" or MARKER in head


def script(file: Path | str) -> list[str] | None:
    """Return the commands behind the marker, or None for an image without it."""
    _, found, rest = _head(file).partition(MARKER)
    if not found:
        return None
    return rest.partition(b"\0")[0].decode(errors="replace").split("\n")[1:]


def _head(file: Path | str) -> bytes:
    try:
        with open(file, "rb") as image:
            return image.read(_READ)
    except OSError:
        return b""
