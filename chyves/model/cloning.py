# SPDX-License-Identifier: BSD-2-Clause
"""How guests are cloned, and what a clone has of its own."""

import re
from collections.abc import Mapping
from dataclasses import replace
from enum import StrEnum
from typing import NamedTuple

from chyves.errors import Invalid
from chyves.model import numbers
from chyves.model.config import ConfigFile
from chyves.model.host_properties import offset
from chyves.model.network import join_interfaces, split_interfaces
from chyves.model.numbers import Taken


class Way(StrEnum):
    """How a guest is cloned: c on ZFS clones of its disks or i independent of them; e with exactly
    its properties or u with numbers of its own."""

    LINKED_EXACT = "-ce"
    LINKED_UNIQUE = "-cu"
    SENT_EXACT = "-ie"
    SENT_UNIQUE = "-iu"

    @property
    def is_linked(self) -> bool:
        return self in (Way.LINKED_EXACT, Way.LINKED_UNIQUE)

    @property
    def is_unique(self) -> bool:
        return self in (Way.LINKED_UNIQUE, Way.SENT_UNIQUE)


class Copy(NamedTuple):
    """The properties of a clone; ``taps`` are its new ones, each with the one it stands for."""

    config: ConfigFile
    taps: Mapping[str, str]


def way(flag: str) -> Way:
    """Return the way that a flag means. Raises Invalid."""
    try:
        return Way(flag)
    except ValueError:
        raise Invalid(
            f"no such way to clone: {flag}", hint=f"one of {', '.join(Way)}; see default_clone_flag"
        ) from None


def unique(config: ConfigFile, taken: Taken, globals_: Mapping[str, str], uuid: str) -> Copy:
    """Return the properties with numbers that nobody has.

    A MAC address belongs to the tap that stays behind, a port of a VALE switch to the other guest.
    The clone is no template, does not start with the host, and goes back to no snapshot: it has
    none.
    """
    taps: dict[str, str] = {}
    interfaces = []
    for name in dict.fromkeys(split_interfaces(config.get("net_ifaces") or "")):
        if name.startswith("tap"):
            fresh = numbers.next_tap(taken, offset(globals_, "tap_start_offset"))
            taken = replace(taken, elsewhere=taken.elsewhere | {fresh})
            taps[fresh] = name
            interfaces.append(fresh)
        else:
            switch = name.partition(":")[0]
            port = numbers.next_vale_port((*taken.interfaces, *interfaces), switch)
            interfaces.append(port if switch in interfaces else switch)
    values = {
        "net_ifaces": join_interfaces(interfaces),
        "serial": numbers.next_serial(taken, offset(globals_, "console_start_offset")),
        "uuid": uuid,
    }
    if config.get("uefi_vnc_port"):
        first = offset(globals_, "uefi_vnc_port_start_offset")
        values["uefi_vnc_port"] = numbers.next_port(taken, first)
    afresh = {"template": "no", "rcboot": "0", "revert_to_snapshot": ""}
    afresh["revert_to_snapshot_method"] = "off"
    values |= {name: value for name, value in afresh.items() if name in config}
    for fresh, old in taps.items():
        if mtu := config.get(f"{old}_mtu"):
            values[f"{fresh}_mtu"] = mtu
    gone = [name for name in config if re.fullmatch(r"tap[0-9]+_(mac|mtu)", name)]
    return Copy(config.unset(gone).set(values), taps)
