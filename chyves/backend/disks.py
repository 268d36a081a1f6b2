# SPDX-License-Identifier: BSD-2-Clause
"""The disks of guests: volumes, and files below ``img``."""

import os
import stat
from collections.abc import Iterable
from contextlib import suppress

from chyves.backend import zfs
from chyves.backend.host import Host
from chyves.backend.inventory import Inventory
from chyves.model import layout
from chyves.model.guest import Disk, Guest, named_apart


def disks_of(
    host: Host, inventory: Inventory, guests: Iterable[Guest]
) -> dict[tuple[str, str], list[Disk]]:
    """Return the disks of guests, by pool and guest: the volumes, then the files below ``img``.
    Starts no program."""
    volumes = inventory.disks_by_guest()
    found = {}
    for guest in guests:
        place = guest.pool, guest.name
        disks = [_volume(guest, volume) for volume in volumes.get(place, [])]
        found[place] = named_apart([*disks, *_images(host, inventory, guest)])
    return found


def _volume(guest: Guest, volume: zfs.Dataset) -> Disk:
    name = volume.name.removeprefix(f"{layout.guest_dataset(guest.pool, guest.name)}/")
    path = layout.volume_device(volume.name)
    return Disk(name, path, volume.volsize, True, volume.name, volume.origin)


def _images(host: Host, inventory: Inventory, guest: Guest) -> list[Disk]:
    """Return the regular files in the folder of images and below, in the datasets there too."""
    top = layout.guest_images(guest.pool, guest.name)
    root = host.path(top)
    found = []
    for folder, folders, names in os.walk(root):
        folders[:] = [name for name in folders if name != ".zfs"]
        for name in names:
            file = os.path.join(folder, name)
            with suppress(FileNotFoundError):
                status = os.lstat(file)
                if stat.S_ISREG(status.st_mode):
                    below = os.path.relpath(file, root)
                    home = _home(inventory, guest, below)
                    size, used = status.st_size, status.st_blocks * 512
                    origin = inventory.datasets[home].origin if home else ""
                    found.append(Disk(below, f"{top}/{below}", size, False, home, origin, used))
    return sorted(found, key=lambda disk: layout.version_key(disk.name))


def _home(inventory: Inventory, guest: Guest, below: str) -> str:
    """Return the dataset in which a file below ``img`` lies."""
    name = f"{layout.guest_dataset(guest.pool, guest.name)}/img/{below}"
    while name and name not in inventory.datasets:
        name = name.rpartition("/")[0]
    return name
