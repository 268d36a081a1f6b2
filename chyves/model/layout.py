# SPDX-License-Identifier: BSD-2-Clause
"""Where everything is: datasets, volumes, mountpoints, files, devices. Names only, nothing is
looked at."""

import re
from collections.abc import Iterable, Sequence
from enum import StrEnum

DATASET_VERSION = "0005"
"""Version of the datasets of a pool, as its ``dataset_version`` has it."""

GUEST_VERSION = "0300"
"""Version of a guest, as its ``chyves_guest_version`` has it: two digits major, two minor."""

POOLS = "/chyves"
"""The folder in which each pool is mounted."""

RUN = "/var/run/chyves"
HOOKS = "/usr/local/etc/chyves/hooks"
HOST_LOCK = f"{RUN}/host.lock"
BOOT_LOCK = f"{RUN}/boot.lock"
LOG_LOCK = f"{RUN}/log.lock"
UPGRADE_LOCK = f"{RUN}/upgrade.lock"

DATASET_LENGTH = 255
"""Characters that the name of a dataset or snapshot may have (``ZFS_MAX_DATASET_NAME_LEN``)."""

KEEPNET = "keepnet"
"""Ends the stamp of a deleted guest whose taps are to stay."""

AWAY = "chyves_offline"

UNINSTALLED = "chyves_uninstalled"

ORIGIN = "@chyves-clone-process-"
"""Begins the name of a snapshot that ZFS clones depend on."""

TRANSFER = "@chyves-transfer-"
"""Begins the name of a snapshot that is needed only as long as a copy or a clone is made of it."""

PROMOTED_OVER = "promoted_over"
"""Property of a primary pool while its promotion is under way: the pool that was primary before."""

ISO = "ISO"
FIRMWARE = "Firmware"


class PoolRole(StrEnum):
    """What a pool is to chyves, as its ``dataset_role`` has it."""

    PRIMARY = "primary"
    """Keeps global properties, defaults, media and firmware besides guests."""
    SECONDARY = "secondary"
    """Keeps guests only."""
    OFFLINE = "offline"
    """Keeps guests that no command sees; its dataset is called ``chyves_offline``."""


def is_version(text: str) -> bool:
    """Tell whether a text is a version of a dataset or a guest: four digits, of which the greater
    is the newer."""
    return len(text) == 4 and text.isascii() and text.isdigit()


def version_key(text: str) -> tuple[tuple[str, int], ...]:
    """Return a sort key by which numbers in names count as numbers: web2 before web10."""
    parts = re.split(r"([0-9]+)", text)
    numbers = [int(digits) for digits in parts[1::2]] + [-1]
    return (*zip(parts[::2], numbers, strict=True), (text, 0))


def root_dataset(pool: str) -> str:
    return f"{pool}/chyves"


def root_mountpoint(pool: str) -> str:
    return f"/chyves/{pool}"


def away_dataset(pool: str) -> str:
    """Return what ``<pool>/chyves`` is called while the pool is offline."""
    return f"{pool}/{AWAY}"


def uninstalled_dataset(pool: str) -> str:
    """Return what ``<pool>/chyves`` is called before it is destroyed as a whole."""
    return f"{pool}/{UNINSTALLED}"


def away_mountpoint(pool: str) -> str:
    """Return where a pool is mounted while it is offline."""
    return f"/chyves/.offline/{pool}"


def config_dataset(pool: str) -> str:
    """Return the dataset of the pool's own property files."""
    return f"{pool}/chyves/.config"


def newest_label(labels: Sequence[str]) -> str:
    """Return the newest of a guest's snapshots, given from the oldest on, that is not just there
    for clones; empty if there is none."""
    own = [label for label in labels if not label.startswith((ORIGIN, TRANSFER))]
    return own[-1] if own else ""


def pool_config(pool: str) -> str:
    return f"/chyves/{pool}/.config/pool.cfg"


def kept_in(file: str) -> str:
    """Return where a property file is in snapshots, as part of a hint."""
    folder = file.rpartition("/")[0]
    return f"snapshots have it in {folder}/.zfs/snapshot"


def global_config(pool: str) -> str:
    """Return the file of the global properties; only a primary pool has it."""
    return f"/chyves/{pool}/.config/global.cfg"


def defaults_config(pool: str) -> str:
    """Return the file of the defaults of guests; only a primary pool has it."""
    return f"/chyves/{pool}/guests/.defaults"


def logs_dataset(pool: str) -> str:
    return f"{pool}/chyves/logs"


def host_logs(pool: str) -> str:
    """Return the folder of the host's log files."""
    return f"/chyves/{pool}/logs"


def resource_dataset(pool: str, kind: str, name: str = "") -> str:
    """Return the dataset of an ISO or a firmware (``kind`` is ISO or FIRMWARE), or of all."""
    return f"{pool}/chyves/{kind}/{name}" if name else f"{pool}/chyves/{kind}"


def resource_folder(pool: str, kind: str) -> str:
    """Return the folder that has a folder for each ISO or firmware."""
    return f"/chyves/{pool}/{kind}"


def resource_file(pool: str, kind: str, name: str) -> str:
    """Return the one file of an ISO or a firmware; it has the name of its dataset."""
    return f"/chyves/{pool}/{kind}/{name}/{name}"


def guests_dataset(pool: str) -> str:
    return f"{pool}/chyves/guests"


def guests_folder(pool: str) -> str:
    return f"/chyves/{pool}/guests"


def guest_dataset(pool: str, guest: str) -> str:
    return f"{pool}/chyves/guests/{guest}"


def guest_mountpoint(pool: str, guest: str) -> str:
    return f"/chyves/{pool}/guests/{guest}"


def guest_config(pool: str, guest: str) -> str:
    """Return the file of a guest's properties."""
    return f"{guest_mountpoint(pool, guest)}/.config/.cfg"


def kept_config(pool: str, guest: str) -> str:
    """Return where the properties of a guest are kept while it is rolled back: where no rollback of
    it takes them away."""
    return f"/chyves/{pool}/.config/.before-rollback-{guest}"


def snapshot_config(pool: str, guest: str, label: str) -> str:
    """Return the file of a guest's properties as a snapshot (``@name``) has it."""
    folder = f"{guest_mountpoint(pool, guest)}/.config"
    return f"{folder}/.zfs/snapshot/{label.removeprefix('@')}/.cfg"


def guest_logs(pool: str, guest: str) -> str:
    """Return the folder of a guest's log files."""
    return f"{guest_mountpoint(pool, guest)}/logs"


def guest_images(pool: str, guest: str) -> str:
    """Return the folder of a guest's disks that are files."""
    return f"{guest_mountpoint(pool, guest)}/img"


def uefi_variables(pool: str, guest: str) -> str:
    """Return the file in which a guest's firmware keeps its variables."""
    return f"{guest_mountpoint(pool, guest)}/uefi-vars.fd"


def log_file(folder: str, month: str) -> str:
    """Return the log file of a month (``YYYYMM``) in a folder of logs."""
    return f"{folder}/{month}.log"


def volume_device(dataset: str) -> str:
    """Return the device node of a volume."""
    return f"/dev/zvol/{dataset}"


def deleted_dataset(pool: str, guest: str, stamp: str) -> str:
    """Return where a guest is put out of sight before it is destroyed; ``stamp`` has no ``-``."""
    return f"{pool}/chyves/.deleted-{guest}-{stamp}"


def longest_label(pool: str, guest: str, datasets: Iterable[str]) -> int:
    """Return how many characters a snapshot of all ``datasets`` of a guest may have behind the
    ``@``, so that the guest can still be deleted."""
    hidden = deleted_dataset(pool, guest, "YYYYmmddHHMMSS" + KEEPNET)
    grows = len(hidden) - len(guest_dataset(pool, guest))
    return DATASET_LENGTH - len("@") - grows - max(map(len, datasets))


def staged_dataset(pool: str, guest: str, stamp: str) -> str:
    """Return where a guest is put together before it comes in sight; ``stamp`` has no ``-``."""
    return f"{pool}/chyves/.new-{guest}-{stamp}"


def staged_mountpoint(pool: str, guest: str, stamp: str) -> str:
    return f"/chyves/{pool}/.new-{guest}-{stamp}"


def vm_name(guest: str) -> str:
    """Return the name by which bhyve and the kernel know a guest."""
    return f"chy-{guest}"


def loader_console(serial: str) -> str:
    """Return the side of a null-modem pair (``nmdm50``) that loader and bhyve open."""
    return f"/dev/{serial}A"


def console_device(serial: str) -> str:
    """Return the side of a null-modem pair that people talk to."""
    return f"/dev/{serial}B"


def run_folder(guest: str) -> str:
    """Return the folder of what is known about a guest until the next boot of the host."""
    return f"{RUN}/guests/{guest}"


def guest_lock(guest: str) -> str:
    """Return the lock of whoever changes a guest."""
    return f"{run_folder(guest)}/lock"


def resource_lock(kind: str, name: str) -> str:
    """Return the lock of whoever changes an ISO or a firmware."""
    return f"{RUN}/{kind}/{name.replace('/', '_')[:200]}.lock"


def run_lock(guest: str) -> str:
    """Return the lock that is held for as long as a guest runs."""
    return f"{run_folder(guest)}/run.lock"


def state_file(guest: str) -> str:
    """Return the file in which the supervisor keeps how its guest is."""
    return f"{run_folder(guest)}/state.json"


def wanted_file(guest: str) -> str:
    """Return the file that tells whether a guest is to be on or off."""
    return f"{run_folder(guest)}/wanted"


def hooks(pool: str, guest: str, event: str) -> tuple[str, str]:
    """Return where the programs are that are run at an event: that for all guests, and its own."""
    return f"{HOOKS}/{event}", f"{guest_mountpoint(pool, guest)}/hooks/{event}"


def order_file(guest: str) -> str:
    """Return the file in which the supervisor keeps how its guest is run."""
    return f"{run_folder(guest)}/order.json"


def bhyve_log(guest: str) -> str:
    """Return the file that has what loader and bhyve said in the last run."""
    return f"{run_folder(guest)}/bhyve.log"


def grub_folder(guest: str, *, with_media: bool) -> str:
    """Return the folder of what is written for grub-bhyve to boot a guest."""
    return f"{run_folder(guest)}/{'grub-install' if with_media else 'grub'}"


def bhyve_settings(guest: str) -> str:
    """Return bhyve's configuration file, with what must be in no argv."""
    return f"{run_folder(guest)}/bhyve.conf"


def console_socket(guest: str, port: str) -> str:
    """Return the socket of a virtio console."""
    return f"{run_folder(guest)}/{port}.sock"
