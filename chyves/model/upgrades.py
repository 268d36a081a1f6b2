# SPDX-License-Identifier: BSD-2-Clause
"""What pools and guests of older versions lack: one step for each version there has been.

A value that is there stays, whatever chyves 0.2.0 would have put in its place.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, TypeVar

from chyves.errors import Precondition
from chyves.model import layout

WIRED_SINCE = 1003000
"""osreldate from which bhyve has memory to wire (``-S``): FreeBSD 10.3."""

UNWIRED, WIRED = "-A -H -P", "-A -H -P -S"


class PoolStep(NamedTuple):
    """What a version of the datasets added. Defaults and global properties are on the primary
    pool; on a secondary one a step only changes the version."""

    old: str
    new: str
    defaults: Mapping[str, str] = {}
    globals: Mapping[str, str] = {}
    wires_memory: bool = False


class GuestStep(NamedTuple):
    """What a version of guests added: the names of properties that are taken from the defaults."""

    old: str
    new: str
    names: Sequence[str] = ()
    wires_memory: bool = False
    shows_snapshots: bool = False


POOL_STEPS = (
    PoolStep("0001", "0002", defaults={"bhyve_net_type": "virtio-net"}),
    PoolStep(
        "0002",
        "0003",
        defaults={"revert_to_snapshot": "", "revert_to_snapshot_method": "off"},
        wires_memory=True,
    ),
    PoolStep("0003", "0004", globals={"eject_iso_on_n_reboot": "1"}),
    PoolStep("0004", "0005", defaults={"bhyveload_flags": "", "bhyve_disk_type": "ahci-hd"}),
)

GUEST_STEPS = (
    GuestStep("0100", "0101", names=["bhyve_net_type"]),
    GuestStep(
        "0101",
        "0102",
        names=["revert_to_snapshot", "revert_to_snapshot_method"],
        wires_memory=True,
    ),
    GuestStep("0102", "0200", shows_snapshots=True),
    GuestStep("0200", "0201"),
    GuestStep("0201", "0202", names=["bhyveload_flags"]),
    GuestStep("0202", "0300", names=["bhyve_disk_type"]),
)

_BUILT_IN = {name: value for step in POOL_STEPS for name, value in step.defaults.items()}


class PoolUpgrade(NamedTuple):
    """What is to be written for a pool before its version; ``notes`` are worth telling."""

    defaults: dict[str, str]
    globals: dict[str, str]
    notes: tuple[str, ...]


class GuestUpgrade(NamedTuple):
    """What is to be written into a guest's file, its version last; and whether its snapshots are
    to be seen in its folder (``snapdir=visible``)."""

    values: dict[str, str]
    shows_snapshots: bool


def upgrade_primary(
    version: str, defaults: Mapping[str, str], globals_: Mapping[str, str], osreldate: int
) -> PoolUpgrade:
    """Return what brings the files of a primary pool up to date.

    Raises Precondition for a version that is unknown or newer.
    """
    steps = pool_steps(version)
    added = {name: value for step in steps for name, value in step.defaults.items()}
    added = {name: value for name, value in added.items() if _lacks(defaults, name)}
    notes = []
    if osreldate >= WIRED_SINCE and any(step.wires_memory for step in steps):
        if defaults.get("bargs", "").strip() == UNWIRED:
            added["bargs"] = WIRED
            notes.append(f"bargs of the defaults is {WIRED} now, was {UNWIRED}")
        elif "-S" not in defaults.get("bargs", "").split():
            notes.append("passthru needs -S in bargs, which the defaults do not have")
    wanted = {name: value for step in steps for name, value in step.globals.items()}
    missing = {name: value for name, value in wanted.items() if name not in globals_}
    return PoolUpgrade(added, missing, tuple(notes))


def upgrade_guest(config: Mapping[str, str], defaults: Mapping[str, str]) -> GuestUpgrade:
    """Return what brings a guest up to date, nothing if it is; ``defaults`` are up to date.

    Raises Precondition for a version that is unknown or newer.
    """
    steps = guest_steps(config.get("chyves_guest_version", ""))
    names = [name for step in steps for name in step.names if _lacks(config, name)]
    values = {name: defaults.get(name) or _BUILT_IN[name] for name in names}
    if any(step.wires_memory for step in steps) and config.get("bargs", "").strip() == UNWIRED:
        wanted = defaults.get("bargs") or UNWIRED
        if wanted != config["bargs"]:
            values["bargs"] = wanted
    if steps:
        values["chyves_guest_version"] = steps[-1].new
    return GuestUpgrade(values, any(step.shows_snapshots for step in steps))


def pool_steps(version: str) -> Sequence[PoolStep]:
    """Return the steps from a version of the datasets to the newest. Raises Precondition."""
    return _steps(POOL_STEPS, version, layout.DATASET_VERSION)


def guest_steps(version: str) -> Sequence[GuestStep]:
    """Return the steps from a version of guests to the newest. Raises Precondition."""
    return _steps(GUEST_STEPS, version, layout.GUEST_VERSION)


Step = TypeVar("Step", PoolStep, GuestStep)


def _steps(chain: Sequence[Step], version: str, newest: str) -> Sequence[Step]:
    if version == newest:
        return ()
    for index, step in enumerate(chain):
        if step.old == version:
            return chain[index:]
    if layout.is_version(version) and version > newest:
        raise Precondition(
            f"it is of version {version}, newer than {newest}",
            hint="it was made by a newer chyves: upgrade this one",
        )
    raise Precondition(
        f"there has never been a version {version}" if version else "it has no version",
        hint=f"versions: {', '.join([*(step.old for step in chain), newest])}; "
        "its property file is damaged, or it was not made by chyves",
    )


def _lacks(values: Mapping[str, str], name: str) -> bool:
    """Tell whether a property is missing, or empty where that means nothing: chyves 0.2.0 left
    ``bhyve_net_type=`` in guests that it upgraded."""
    return name not in values or (values[name] == "" and _BUILT_IN[name] != "")
