# SPDX-License-Identifier: BSD-2-Clause
"""Images that the simulator's scripted guest boots from."""

from pathlib import Path

_SIZE = 65536
_ISO_DESCRIPTOR = 32768


def scripted_iso(path: Path, *commands: str) -> Path:
    """Write a bootable-looking ISO of 64 KiB to ``path``; the guest runs ``commands`` when it is up
    (``noacpi`` as the first keeps it from enabling ACPI)."""
    image = bytearray(_SIZE)
    script = "\n".join(["CHYVES-SCRIPTED-GUEST", *commands]).encode()
    image[: len(script)] = script
    image[510:512] = b"\x55\xaa"
    image[_ISO_DESCRIPTOR : _ISO_DESCRIPTOR + 6] = b"\x01CD001"
    path.write_bytes(image)
    return path
