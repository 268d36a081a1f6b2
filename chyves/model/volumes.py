# SPDX-License-Identifier: BSD-2-Clause
"""What a volume takes of its pool."""

_INDIRECT_BLOCK = 128 << 10
_POINTERS_PER_INDIRECT = 1024
_METADATA_COPIES = 2


def reservation(size: int, block: int) -> int:
    """Return the bytes that ZFS reserves for a thick volume of ``size`` bytes in blocks of
    ``block``: its data, and every indirect block there may ever be, twice (lib/libzfs,
    zvol_volsize_to_reservation; RAID-Z takes more)."""
    blocks = size // block
    indirect = 7
    while blocks > 1:
        blocks = -(-blocks // _POINTERS_PER_INDIRECT)
        indirect += blocks
    return size + indirect * _METADATA_COPIES * _INDIRECT_BLOCK
