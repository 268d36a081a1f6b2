# SPDX-License-Identifier: BSD-2-Clause
"""What there is to be, as a plain dictionary; and how it is compared with what chyves says."""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant

from chyves.errors import Exit
from chyves.simulator.world import Machine, World
from tests import prepared
from tests.faults import harness
from tests.faults.harness import Chyves, Ended
from tests.forms import form_of

NAMES = ("web", "web-1", "web.1", "db")
POOLS = ("tank", "pool2")
MIB = 1 << 20
UNIQUE = ("serial", "uefi_vnc_port", "uuid")
"""Properties of which no two guests have the same value; nor of any ``tap{n}_mac``."""

Properties = dict[str, str]


@dataclass
class Disk:
    """A disk; ``sizes`` has what it had in each snapshot that it is part of."""

    size: int
    sizes: dict[str, int] = field(default_factory=dict)


@dataclass
class Guest:
    """``taken`` has the properties at each snapshot, oldest first, and None for one that is only
    there for clones; ``origin`` is the guest and the snapshot that its datasets are ZFS clones of,
    ``linked`` the disks that still are."""

    pool: str
    properties: Properties
    disks: dict[str, Disk]
    taken: dict[str, Properties | None] = field(default_factory=dict)
    origin: tuple[str, str] | None = None
    linked: set[str] = field(default_factory=set)

    @property
    def is_template(self) -> bool:
        return self.properties.get("template") == "yes"

    @property
    def interfaces(self) -> list[str]:
        return [one for one in self.properties["net_ifaces"].split(",") if one != "-"]

    @property
    def snapshots(self) -> dict[str, Properties]:
        return {label: then for label, then in self.taken.items() if then is not None}

    def take(self, label: str) -> None:
        self.taken[label] = dict(self.properties)
        for disk in self.disks.values():
            disk.sizes[label] = disk.size


@contextmanager
def simulated() -> Iterator[Chyves]:
    """A simulated host with two pools and two network cards."""
    folder = Path(tempfile.mkdtemp(prefix="chyves-machine-"))
    try:
        machine = Machine(pools=dict.fromkeys(POOLS, 4 << 30), nics=("em0", "em1"))
        World.make(folder / "host", machine)
        yield Chyves(folder / "host")
    finally:
        prepared.lay_aside(folder / "host")
        shutil.rmtree(folder)


def says(*lines: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Note the forms that a rule says, by lines that are of them."""

    def note(rule: Callable[..., None]) -> Callable[..., None]:
        FORMS.update(form_of(line) for line in lines)
        return rule

    return note


FORMS: set[str] = set()
"""The forms of all commands that rules say."""


class Base(RuleBasedStateMachine):
    """``pools`` has the roles; ``uplinks`` where bridges lead; ``kept`` are taps that were left on
    their bridges on purpose. ``host`` makes what this works on: another one may be put there."""

    @staticmethod
    def host() -> AbstractContextManager[Chyves]:
        return simulated()

    def __init__(self) -> None:
        super().__init__()
        self.ended = ExitStack()
        self.chyves = self.ended.enter_context(self.host())
        self.chyves("dataset tank install")
        self.pools = {"tank": "primary"}
        self.guests: dict[str, Guest] = {}
        self.uplinks: dict[str, str | None] = {}
        self.default_bridge = "bridge0"
        self.defaults: Properties = self.chyves.data("list defaults")
        self.media: dict[str, dict[str, int]] = {"iso": {"null.iso": 0}, "firmware": {}}
        self.kept: set[str] = set()

    def teardown(self) -> None:
        self.ended.close()

    # -- saying -------------------------------------------------------------------------------

    def does(self, line: str, *more: str, fine: bool = True) -> bool:
        """Say a line; it succeeds if it is ``fine``, or is refused in words."""
        ended: Ended = self.chyves.ends(line, *more)
        assert (ended.code == 0) == fine, (line, more, ended)
        assert ended.code != Exit.BUG
        assert fine or ended.errors
        return fine

    def properties(self, name: str) -> Properties:
        """Return what the reading verbs say that a guest has."""
        found: Properties = self.chyves.data(f"{name} get all")[name]
        return found

    # -- what there is ------------------------------------------------------------------------

    def is_seen(self, name: str) -> bool:
        """Tell whether there is such a guest, and not on a pool that is offline."""
        return name in self.guests and self.has_pool(self.guests[name].pool)

    def has_pool(self, pool: str) -> bool:
        return self.pools.get(pool, "offline") != "offline"

    @property
    def seen(self) -> dict[str, Guest]:
        return {name: guest for name, guest in self.guests.items() if self.is_seen(name)}

    def may_be_called(self, name: str) -> bool:
        return name not in self.seen

    def children(self, name: str) -> list[str]:
        """Return the guests that are ZFS clones of this one."""
        return [n for n, guest in self.guests.items() if guest.origin and guest.origin[0] == name]

    def owned(self, *, but: str = "") -> set[str]:
        """Return the interfaces that guests have."""
        return {one for n, guest in self.guests.items() if n != but for one in guest.interfaces}

    def listed(self) -> dict[str, str]:
        """Return the taps on the lists of bridges."""
        return {
            tap["name"]: bridge["name"]
            for bridge in self.chyves.data("list bridges")
            for tap in bridge["taps"]
        }

    # -- choosing -----------------------------------------------------------------------------

    def some_guest(self, data: st.DataObject) -> str:
        return data.draw(st.sampled_from([*sorted(self.guests), "nobody"]))

    def some_new_name(self, data: st.DataObject) -> str:
        """Return a name, but none that a guest out of sight has."""
        return data.draw(
            st.sampled_from([n for n in NAMES if n in self.seen or n not in self.guests])
        )

    def some_snapshot(self, data: st.DataObject) -> tuple[str, str]:
        taken = [(name, label) for name, guest in self.guests.items() for label in guest.snapshots]
        return data.draw(st.sampled_from(taken))

    # -- comparing ----------------------------------------------------------------------------

    @invariant()
    def what_is_said_is_what_was_done(self) -> None:
        told: list[dict[str, Any]] = self.chyves.data("list")
        assert {one["name"]: one["properties"] for one in told} == {
            name: guest.properties for name, guest in self.seen.items()
        }
        assert {
            one["name"]: (one["pool"], {disk["name"]: disk["size"] for disk in one["disks"]})
            for one in told
        } == {
            name: (guest.pool, {disk: has.size for disk, has in guest.disks.items()})
            for name, guest in self.seen.items()
        }
        assert {one["name"]: one["role"] for one in self.chyves.data("list pools")} == self.pools
        uplinks = {one["name"]: one["uplink"] for one in self.chyves.data("list bridges")}
        assert {name: uplink for name, uplink in uplinks.items() if uplink} == self.uplinks
        assert self.chyves.data("list defaults") == self.defaults
        for kind, known in self.media.items():
            found = {one["name"]: one["size"] for one in self.chyves.data(f"{kind} list")}
            assert found == known

    @invariant()
    def snapshots_are_those_that_were_taken(self) -> None:
        if not self.seen:
            return
        taken: dict[str, list[str]] = {name: [] for name in self.seen}
        for one in self.chyves.data("list snapshots"):
            taken[one["guest"]].append(one["name"])
        assert taken == {name: list(guest.snapshots) for name, guest in self.seen.items()}

    @invariant()
    def clones_are_of_what_they_were_cloned_from(self) -> None:
        for one in self.chyves.data("list"):
            guest = self.guests[one["name"]]
            for disk in one["disks"]:
                if disk["name"] not in guest.linked or guest.origin is None:
                    assert disk["origin"] is None
                else:
                    parent, label = guest.origin
                    assert f"/{parent}/{disk['name']}{label}" in disk["origin"]

    @invariant()
    def no_number_has_two_owners(self) -> None:
        macs = {n for guest in self.guests.values() for n in guest.properties if n.endswith("_mac")}
        for key in (*UNIQUE, *macs):
            values = [guest.properties.get(key, "-") for guest in self.guests.values()]
            given = [value for value in values if value != "-"]
            assert len(given) == len(set(given)), (key, given)

    @invariant()
    def nothing_is_without_an_owner(self) -> None:
        away = {
            one
            for n, guest in self.guests.items()
            if n not in self.seen
            for one in guest.interfaces
        }
        assert harness.unowned(self.chyves, sorted(self.kept | away)) == []
