# SPDX-License-Identifier: BSD-2-Clause
"""Numbers as zfs(8) reads and prints them, and what a thick volume reserves."""

import re

_UNITS = ("", "K", "M", "G", "T", "P", "E")
_SUFFIX = re.compile(r"([BKMGTPEZ])(I?B)?", re.IGNORECASE)
_MAXIMUM = (1 << 64) - 1


def nice_number(number: int) -> str:
    """Return ``number`` in at most five characters: ``512``, ``1.50G``, ``20.4M``, ``770M``."""
    index = max(0, (number.bit_length() - 1) // 10)
    if index == 0 or number % (1 << 10 * index) == 0:
        return f"{number >> 10 * index}{_UNITS[index]}"
    value = number / (1 << 10 * index)
    for digits in (2, 1, 0):
        text = f"{value:.{digits}f}{_UNITS[index]}"
        if len(text) <= 5:
            break
    return text


def nice_bytes(number: int) -> str:
    """Return a number of bytes in at most five characters: like nice_number, but ``512B``."""
    return f"{number}B" if number < 1024 else nice_number(number)


def parse_number(text: str) -> int:
    """Read ``10``, ``1.5G``, ``64KiB``. Raises ValueError with the words zfs(8) has for it."""
    if not text or not (text[0].isdigit() or text[0] == "."):
        raise ValueError(f"bad numeric value '{text}'")
    digits = re.match(r"\d*(\.\d*)?", text)
    figure = digits.group() if digits else ""
    shift = _shift(text[len(figure) :])
    number = int(float(figure) * (1 << shift)) if "." in figure else int(figure) << shift
    if number > _MAXIMUM:
        raise ValueError("numeric value is too large")
    return number


def _shift(suffix: str) -> int:
    if not suffix:
        return 0
    match = _SUFFIX.fullmatch(suffix)
    if not match or (match[1].upper() == "B" and match[2]):
        raise ValueError(f"invalid numeric suffix '{suffix}'")
    return 10 * "BKMGTPEZ".index(match[1].upper())
