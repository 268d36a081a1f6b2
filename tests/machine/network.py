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
        fine = bridge in self.recorded() or bridge in self.chyves.interfaces()
        if self.does(f"network {bridge} default", fine=fine):
            self.default_bridge = self.defaults["bridge"] = bridge

    def recorded(self) -> set[str]:
        """Return the bridges that chyves keeps a record of."""
        known = self.chyves.data("global get all")["global"]
        return {name for name in BRIDGES for key in known if key.startswith(f"{name}_")}

    @says("network bridge0 join tap60")
    @rule(data=st.data(), bridge=bridges)
    def join(self, data: st.DataObject, bridge: str) -> None:
        tap = data.draw(st.sampled_from(("tap60", *sorted(self.listed()))))
        if self.does(f"network {bridge} join {tap}", fine=self.listed().get(tap, bridge) == bridge):
            self.kept |= {tap} - self.owned()

    @says("network bridge0 unjoin tap60")
    @rule(data=st.data(), bridge=bridges)
    def unjoin(self, data: st.DataObject, bridge: str) -> None:
        """Take a tap off; put it back if a guest has it, for the guest could not start."""
        tap = data.draw(st.sampled_from(("tap60", *sorted(self.listed()))))
        fine = self.listed().get(tap) == bridge
        if self.does(f"network {bridge} unjoin {tap}", fine=fine):
            assert tap not in self.listed()
            if tap in self.owned():
                self.does(f"network {bridge} join {tap}")
            self.kept.discard(tap)

    @says("network bridge0 migrate bridge1")
    @rule(old=bridges, new=bridges)
    def migrate(self, old: str, new: str) -> None:
        there = self.uplinks.get(old)
        here = self.uplinks.get(new)
        fine = old in self.recorded() and old != new
        leads_out = there not in (None, "private")
        uplink = there if leads_out else here or there
        if leads_out and here:
            fine = fine and here == "private" and new not in self.listed().values()
        if self.does(f"network {old} migrate {new}", fine=fine):
            self.uplinks.pop(old, None)
            if uplink:
                self.uplinks[new] = uplink
            if self.default_bridge == old:
                self.default_bridge = self.defaults["bridge"] = new

    @says("network bridge1 delete")
    @rule(bridge=bridges)
    def delete_bridge(self, bridge: str) -> None:
        used = bridge == self.default_bridge or bridge in self.listed().values()
        if self.does(f"network {bridge} delete", fine=bridge in self.recorded() and not used):
            self.uplinks.pop(bridge, None)

    @says("network import")
    @rule()
    def import_bridges(self) -> None:
        """Nothing is there that chyves did not make: at most a bridge gets to be private."""
        self.does("network import")
        for bridge in self.recorded() & set(self.chyves.interfaces()):
            self.uplinks.setdefault(bridge, "private")
