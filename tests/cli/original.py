# SPDX-License-Identifier: BSD-2-Clause
"""Pools as chyves 0.2.0 and the versions before it left them."""

from pathlib import Path

from chyves.model.upgrades import GUEST_STEPS, POOL_STEPS
from tests.cli.conftest import Chyves

DATA = Path(__file__).parents[1] / "data/chyves-0.2.0"
GUEST = (DATA / "g4.cfg").read_text()
POOL = (DATA / "pool2-pool.cfg").read_text()
DEFAULTS = (DATA / "defaults").read_text()
GLOBAL = (DATA / "global.cfg").read_text()


def make_pool(chyves: Chyves, pool: str, role: str, version: str = "0005") -> None:
    """Make a pool as chyves 0.2.0 did, as of an older version if so asked."""
    run = chyves.run
    root = f"{pool}/chyves"
    run("zfs", "create", "-o", f"mountpoint=/chyves/{pool}", root)
    run("zfs", "create", f"{root}/.config")
    run("zfs", "create", f"{root}/guests")
    text = POOL.replace("secondary", role).replace(
        "dataset_version=0005", f"dataset_version={version}"
    )
    write(chyves, f"/chyves/{pool}/.config/pool.cfg", text)
    if role == "secondary":
        return
    run("zfs", "create", "-o", "compression=on", f"{root}/logs")
    run("zfs", "create", f"{root}/Firmware")
    run("zfs", "create", f"{root}/ISO")
    steps = [step for step in POOL_STEPS if step.old >= version]
    defaults = without(DEFAULTS, *(name for step in steps for name in step.defaults))
    if version < "0003":
        defaults = defaults.replace("bargs=-A -H -P -S\n", "bargs=-A -H -P\n")
    write(chyves, f"/chyves/{pool}/guests/.defaults", defaults)
    globals_ = without(GLOBAL, *(name for step in steps for name in step.globals))
    write(chyves, f"/chyves/{pool}/.config/global.cfg", globals_)
    label = "20261123-chyves-install-inital-settings-version-0.2.0"
    run("zfs", "snapshot", f"{root}/.config@{label}")
    run("zfs", "create", f"{root}/ISO/null.iso")
    write(chyves, f"/chyves/{pool}/ISO/null.iso/null.iso", "")


def make_guest(chyves: Chyves, pool: str, name: str, number: int, version: str = "0300") -> None:
    """Make a guest as chyves 0.2.0 did, as of an older version if so asked."""
    run = chyves.run
    root = f"{pool}/chyves/guests/{name}"
    run("zfs", "create", root)
    shows = ["-o", "snapdir=visible"] if version >= "0200" else []
    run("zfs", "create", *shows, f"{root}/.config")
    run("zfs", "create", "-o", "compression=on", f"{root}/logs")
    run("zfs", "create", f"{root}/img")
    run("zfs", "create", "-V", "1M", "-o", "volmode=dev", f"{root}/disk0")
    run("zfs", "rename", f"{root}/disk0", f"{root}/disk")  # the node comes with the next import,
    run("zfs", "rename", f"{root}/disk", f"{root}/disk0")  # or with this
    steps = [step for step in GUEST_STEPS if step.old >= version]
    text = without(GUEST, *(name for step in steps for name in step.names))
    if version < "0102":
        text = text.replace("bargs=-A -H -P -S\n", "bargs=-A -H -P\n")
    for old, new in (
        ("chyves_guest_version=0300", f"chyves_guest_version={version}"),
        ("tap53", f"tap{number}"),
        ("nmdm53", f"nmdm{number}"),
        ("d649e44c", f"d649e4{number}"),
    ):
        text = text.replace(old, new)
    write(chyves, config(pool, name), text)


def config(pool: str, guest: str) -> str:
    return f"/chyves/{pool}/guests/{guest}/.config/.cfg"


def write(chyves: Chyves, path: str, text: str) -> None:
    chyves.host.path(path).write_text(text)


def without(text: str, *names: str) -> str:
    """Return a property file without some of its lines."""
    return "".join(
        line for line in text.splitlines(keepends=True) if line.partition("=")[0] not in names
    )
