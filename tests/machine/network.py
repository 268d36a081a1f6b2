# SPDX-License-Identifier: BSD-2-Clause
"""Rules: bridges, and interfaces of guests."""

from hypothesis import strategies as st
from hypothesis.stateful import rule

from tests.machine.base import Base, says

BRIDGES = ("bridge0", "bridge1")

bridges = st.sampled_from(BRIDGES)
taps = st.sampled_from(("tap", "tap50", "tap51", "tap52", "vale1"))


class Network(Base):
    @says("network web add tap bridge0")
    @rule(data=st.data(), tap=taps, bridge=bridges)
    def add(self, data: st.DataObject, tap: str, bridge: str) -> None:
        name = self.some_guest(data)
        owned = self.owned()
        own = self.guests[name].interfaces if name in self.guests else []
        free = tap == "vale1" or (tap not in owned and self.listed().get(tap, bridge) == bridge)
        fine = self.is_seen(name) and free and tap not in own and not self.guests[name].is_template
        place = "" if tap == "vale1" else f" {bridge}"
        if self.does(f"network {name} add {tap}{place}", fine=fine):
            added = self.properties(name)["net_ifaces"].split(",")[-1]
            assert tap in ("tap", added)
            assert added not in owned or tap == "vale1"
            self.guests[name].properties["net_ifaces"] = ",".join([*own, added])
            self.kept.discard(added)

    @says("network web remove tap50")
    @rule(data=st.data(), tap=taps)
    def remove(self, data: st.DataObject, tap: str) -> None:
        name = self.some_guest(data)
        own = self.guests[name].interfaces if name in self.guests else []
        fine = self.is_seen(name) and tap in own and not self.guests[name].is_template
        if self.does(f"network {name} remove {tap}", fine=fine):
            own.remove(tap)
            self.guests[name].properties["net_ifaces"] = ",".join(own) or "-"

    @says("network bridge0 attach em0")
    @rule(bridge=bridges, uplink=st.sampled_from(("em0", "em1", "em9")))
    def attach(self, bridge: str, uplink: str) -> None:
        others = [one for name, one in self.uplinks.items() if name != bridge]
        fine = uplink != "em9" and uplink not in others
        if self.does(f"network {bridge} attach {uplink}", fine=fine):
            self.uplinks[bridge] = uplink

    @says("network bridge0 private")
    @rule(bridge=bridges)
    def private(self, bridge: str) -> None:
        self.does(f"network {bridge} private")
        self.uplinks[bridge] = "private"

    @says("network bridge0 default")
    @rule(bridge=bridges)
    def default(self, bridge: str) -> None:
        self.does(f"network {bridge} default")
        self.default_bridge = self.defaults["bridge"] = bridge
