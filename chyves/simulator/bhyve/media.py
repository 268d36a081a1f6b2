# SPDX-License-Identifier: BSD-2-Clause
"""What is on a disk or CD: can it boot, and does it ask for the scripted guest."""

from pathlib import Path

MARKER = b"CHYVES-SCRIPTED-GUEST"
"""Within the first 64 KiB of an image that the scripted guest boots from. Lines behind it, up to a
zero byte, are commands that the guest runs once it is up."""

_READ = 65536
_ISO_MAGIC = 32769
_BOOT_RECORD = 17 * 2048
_EFI_PARTITION = bytes.fromhex("28732ac11ff8d211ba4b00a0c93ec93b")


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


def boots_with_efi(file: Path | str) -> bool:
    """Tell whether an image has an EFI system partition, or an El Torito entry for EFI."""
    with open(file, "rb") as image:
        head = image.read(_READ)
        partition_types = head[450:510:16]
        if _EFI_PARTITION in head or 0xEF in partition_types:
            return True
        record = head[_BOOT_RECORD:][:2048]
        if record[1:6] != b"CD001" or not record[7:].startswith(b"EL TORITO"):
            return False
        image.seek(2048 * int.from_bytes(record[0x47:0x4B], "little"))
        catalog = image.read(2048)
    entries = [catalog[at : at + 32] for at in range(0, 2048, 32)]
    return any(entry[0] in (0x90, 0x91) and entry[1] == 0xEF for entry in entries) or (
        entries[0][1] == 0xEF
    )


def _head(file: Path | str) -> bytes:
    try:
        with open(file, "rb") as image:
            return image.read(_READ)
    except OSError:
        return b""
