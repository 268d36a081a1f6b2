# SPDX-License-Identifier: BSD-2-Clause
"""Random sequences of verbs on two pools, compared after each step with a plain dictionary."""

import shutil
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from chyves.errors import Exit
from chyves.simulator.world import Machine, World
from tests.faults import harness
from tests.faults.harness import Chyves, Ended

NAMES = ("web", "web-1", "web.1", "db")
POOLS = ("tank", "pool2")
BRIDGES = ("bridge0", "bridge1")
UUIDS = tuple(f"8d0f5d5e-3b4a-4c0e-9a1d-5f2f6a7b8c{n:02}" for n in range(2))
SETTINGS = (
    *(f"ram={size}" for size in ("512M", "1G")),
    *(f"serial=nmdm{number}" for number in (50, 51, 60)),
    *(f"uefi_vnc_port={number}" for number in (5900, 5901)),
    *(f"tap50_mac=58:9c:fc:00:00:0{number}" for number in (1, 2)),
    *(f"uuid={uuid}" for uuid in UUIDS),
    "description=a = b",
    "disk0_notes=  two  blanks",
    "ram=0",
    "cpu=many",
    "no_such=1",
)
UNIQUE = ("serial", "uefi_vnc_port", "uuid")

bridges = st.sampled_from(BRIDGES)
taps = st.sampled_from(("tap", "tap50", "tap51", "tap52", "vale1"))
labels = st.sampled_from(("@one", "@two"))

Properties = dict[str, str]


class Verbs(RuleBasedStateMachine):
    """``guests`` has what each guest is to have, ``snapshots`` what it had when each was taken,
    oldest first; ``uplinks`` where bridges lead."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="chyves-machine-"))
        machine = Machine(pools=dict.fromkeys(POOLS, 4 << 30), nics=("em0", "em1"))
        World.make(self.folder / "host", machine)
        self.chyves = Chyves(self.folder / "host")
        self.chyves("dataset tank install")
        self.pools = {"tank": "primary"}
        self.guests: dict[str, Properties] = {}
        self.homes: dict[str, str] = {}
        self.snapshots: dict[str, dict[str, Properties]] = {}
        self.uplinks: dict[str, str | None] = {}
        self.kept: set[str] = set()
        for name in NAMES[:2]:
            self.create(name, "tank")

    def teardown(self) -> None:
        shutil.rmtree(self.folder)

    def properties(self, name: str) -> Properties:
        """Return what the reading verbs say that a guest has."""
        found: Properties = self.chyves.data(f"{name} get all")[name]
        path = self.chyves.world.path(f"/chyves/{self.homes[name]}/guests/{name}/.config/.cfg")
        lines = dict(line.split("=", 1) for line in path.read_text().splitlines())
        assert lines == found
        return found

    def does(self, line: str, *more: str, fine: bool = True) -> bool:
        """Say a line; it succeeds if it is ``fine``, or is refused in one line."""
        ended: Ended = self.chyves.ends(line, *more)
        assert (ended.code == 0) == fine, (line, more, ended)
        assert ended.code != Exit.BUG
        return fine

    @rule(name=st.sampled_from(NAMES), pool=st.sampled_from(POOLS))
    def create(self, name: str, pool: str) -> None:
        if self.does(
            f"{name} create 1M {pool}", fine=name not in self.guests and pool in self.pools
        ):
            self.homes[name] = pool
            self.guests[name] = self.properties(name)
            self.snapshots[name] = {}

    def some_guest(self, data: st.DataObject) -> str:
        return data.draw(st.sampled_from([*sorted(self.guests), "nobody"]))

    def some_snapshot(self, data: st.DataObject) -> tuple[str, str]:
        taken = [(name, label) for name, had in self.snapshots.items() for label in had]
        return data.draw(st.sampled_from(taken))

    @rule(data=st.data(), keep=st.booleans())
    def delete(self, data: st.DataObject, keep: bool) -> None:
        name = self.some_guest(data)
        if self.does(f"{name} delete{' keepnet' * keep}", fine=name in self.guests):
            gone = self.guests.pop(name)
            if keep:
                self.kept |= set(_interfaces(gone))
            del self.snapshots[name], self.homes[name]

    @rule(data=st.data(), word=st.sampled_from(SETTINGS))
    def set_one(self, data: st.DataObject, word: str) -> None:
        name = self.some_guest(data)
        key, _, value = word.partition("=")
        free = not any(
            other != name and (key in UNIQUE or key.endswith("_mac")) and has.get(key) == value
            for other, has in self.guests.items()
        )
        fine = name in self.guests and free and key != "no_such" and word not in ("ram=0",)
        if self.does(f"{name} set", word, fine=fine and value != "many"):
            self.guests[name] = {**self.guests[name], key: value}

    @rule(
        data=st.data(), key=st.sampled_from(("uefi_vnc_port", "disk0_notes", "tap50_mac", "uuid"))
    )
    def unset(self, data: st.DataObject, key: str) -> None:
        name = self.some_guest(data)
        if self.does(f"{name} unset {key}", fine=name in self.guests and key != "uuid"):
            self.guests[name].pop(key, None)

    @rule(data=st.data(), tap=taps, bridge=bridges)
    def add(self, data: st.DataObject, tap: str, bridge: str) -> None:
        name = self.some_guest(data)
        owned = {one for has in self.guests.values() for one in _interfaces(has)}
        listed = self.listed()
        free = tap == "vale1" or (tap not in owned and listed.get(tap, bridge) == bridge)
        own = _interfaces(self.guests.get(name, {}))
        fine = name in self.guests and free and tap not in own
        place = "" if tap == "vale1" else f" {bridge}"
        if self.does(f"network {name} add {tap}{place}", fine=fine):
            now = self.properties(name)
            added = _interfaces(now)[-1]
            assert tap in ("tap", added)
            assert added not in owned or tap == "vale1"
            self.guests[name] = {**self.guests[name], "net_ifaces": ",".join([*own, added])}

    @rule(data=st.data(), tap=taps)
    def remove(self, data: st.DataObject, tap: str) -> None:
        name = self.some_guest(data)
        own = _interfaces(self.guests.get(name, {}))
        if self.does(f"network {name} remove {tap}", fine=tap in own):
            own.remove(tap)
            self.guests[name] = {**self.guests[name], "net_ifaces": ",".join(own) or "-"}

    @rule(bridge=bridges, uplink=st.sampled_from(("em0", "em1", "em9")))
    def attach(self, bridge: str, uplink: str) -> None:
        others = [one for name, one in self.uplinks.items() if name != bridge]
        if self.does(
            f"network {bridge} attach {uplink}", fine=uplink != "em9" and uplink not in others
        ):
            self.uplinks[bridge] = uplink

    @rule(bridge=bridges)
    def private(self, bridge: str) -> None:
        self.does(f"network {bridge} private")
        self.uplinks[bridge] = "private"

    @rule(data=st.data(), label=labels)
    def take_snapshot(self, data: st.DataObject, label: str) -> None:
        name = self.some_guest(data)
        fine = name in self.guests and label not in self.snapshots[name]
        if self.does(f"{name} snapshot {label}", fine=fine):
            self.snapshots[name][label] = self.guests[name]

    @precondition(lambda self: any(self.snapshots.values()))
    @rule(data=st.data())
    def roll_back(self, data: st.DataObject) -> None:
        name, label = self.some_snapshot(data)
        had = self.snapshots.get(name, {})
        if self.does(f"{name} snapshot rollback {label}", fine=label in had):
            kept = list(had)[: list(had).index(label) + 1]
            self.snapshots[name] = {one: had[one] for one in kept}
            now = self.properties(name)
            old = had[label]
            claimed = {"net_ifaces", "tap50_mac", *UNIQUE}
            assert {k: v for k, v in now.items() if k not in claimed} == {
                k: v for k, v in old.items() if k not in claimed
            }
            self.guests[name] = now

    @precondition(lambda self: any(self.snapshots.values()))
    @rule(data=st.data())
    def delete_snapshot(self, data: st.DataObject) -> None:
        name, label = self.some_snapshot(data)
        fine = label in self.snapshots.get(name, {})
        if self.does(f"{name} snapshot delete {label}", fine=fine):
            del self.snapshots[name][label]

    @precondition(lambda self: "pool2" not in self.pools)
    @rule()
    def install(self) -> None:
        self.does("dataset pool2 install")
        self.pools["pool2"] = "secondary"

    def listed(self) -> dict[str, str]:
        return {
            tap["name"]: bridge["name"]
            for bridge in self.chyves.data("list bridges")
            for tap in bridge["taps"]
        }

    @invariant()
    def what_is_said_is_what_was_done(self) -> None:
        guests: list[dict[str, Any]] = self.chyves.data("list")
        assert {guest["name"]: guest["properties"] for guest in guests} == self.guests
        assert {guest["name"]: guest["pool"] for guest in guests} == self.homes
        assert {one["name"]: one["role"] for one in self.chyves.data("list pools")} == self.pools
        uplinks = {one["name"]: one["uplink"] for one in self.chyves.data("list bridges")}
        assert {n: u for n, u in uplinks.items() if u} == self.uplinks
        if guests:
            taken: dict[str, set[str]] = {name: set() for name in self.guests}
            for one in self.chyves.data("list snapshots"):
                taken[one["guest"]].add(one["name"])
            assert taken == {name: set(had) for name, had in self.snapshots.items()}

    @invariant()
    def no_number_has_two_owners(self) -> None:
        for key in (*UNIQUE, "tap50_mac"):
            values = [has[key] for has in self.guests.values() if has.get(key, "-") != "-"]
            assert len(values) == len(set(values)), (key, values)

    @invariant()
    def nothing_is_without_an_owner(self) -> None:
        assert harness.unowned(self.chyves, sorted(self.kept)) == []


def _interfaces(has: Properties) -> list[str]:
    return [one for one in has.get("net_ifaces", "-").split(",") if one != "-"]


TestVerbs = Verbs.TestCase
TestVerbs.settings = settings(
    max_examples=10,
    stateful_step_count=25,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
