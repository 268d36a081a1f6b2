# SPDX-License-Identifier: BSD-2-Clause
"""Disks of a guest that go back to a snapshot whenever it starts or reboots."""

from collections.abc import Sequence
from typing import NamedTuple

from chyves.backend import snapshots
from chyves.backend.host import Host
from chyves.errors import NotFound


class Reversion(NamedTuple):
    """What the disks of a guest go back to: the ``label`` of a snapshot, and those of the disks."""

    label: str
    targets: Sequence[str]


def revert(host: Host, pool: str, guest: str, label: str) -> str:
    """Take the disks of a guest back to the snapshot ``label``, or to its newest if that is empty;
    return which it was. Nothing runs on them. Raises NotFound, Conflict as ``look``."""
    return carry_out(host, look(host, pool, guest, label))


def carry_out(host: Host, reversion: Reversion) -> str:
    """Take disks back; return to which snapshot. Raises Conflict if there are newer ones by now,
    Busy, NotFound."""
    for target in reversion.targets:
        snapshots.go_back(host, target)
    return reversion.label


def look(host: Host, pool: str, guest: str, label: str) -> Reversion:
    """Return to what the disks of a guest can go back: the snapshot ``label``, or its newest if
    that is empty.

    Raises NotFound if there is no such snapshot, Conflict if newer ones would be lost.
    """
    history = snapshots.history(host, pool, guest)
    if not (history.labels if label else history.newest):
        raise NotFound(
            f"{guest} has no snapshot to go back to",
            hint=f"chyves {guest} snapshot, or: chyves {guest} set revert_to_snapshot_method=off",
        )
    label = label or history.newest
    if label not in history.labels:
        raise NotFound(
            f"no such snapshot: {guest}{label}",
            hint=f"chyves {guest} set revert_to_snapshot=@<name>; chyves {guest} snapshot list",
        )
    return Reversion(label, history.reversion(label))
