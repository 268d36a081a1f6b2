# SPDX-License-Identifier: BSD-2-Clause
"""Rules: snapshots are taken, rolled back to and deleted."""

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from tests.machine.base import UNIQUE, Base, says

labels = st.sampled_from(("@one", "@two"))


class Snapshots(Base):
    def may_take(self, name: str, label: str) -> bool:
        """Tell whether no dataset of a guest has a snapshot of this name."""
        guest = self.guests[name]
        taken = {*guest.taken, *(one for disk in guest.disks.values() for one in disk.sizes)}
        return label not in taken

    @says("web snapshot @one")
    @rule(data=st.data(), label=labels)
    def take_snapshot(self, data: st.DataObject, label: str) -> None:
        name = self.some_guest(data)
        fine = self.is_seen(name) and self.may_take(name, label)
        if self.does(f"{name} snapshot {label}", fine=fine):
            self.guests[name].take(label)

    @rule(label=labels)
    def take_snapshots_of_all(self, label: str) -> None:
        """All guests of a pool, in one act, or none of them."""
        homes = {guest.pool for guest in self.seen.values()}
        refused = {g.pool for name, g in self.seen.items() if not self.may_take(name, label)}
        self.does(f"all snapshot {label}", fine=not refused)
        for guest in self.seen.values():
            if guest.pool in homes - refused:
                guest.take(label)

    @says("web snapshot rollback @one")
    @precondition(lambda self: any(guest.snapshots for guest in self.guests.values()))
    @rule(data=st.data())
    def roll_back(self, data: st.DataObject) -> None:
        name, label = self.some_snapshot(data)
        guest = self.guests[name]
        order = list(guest.taken)
        newer = order[order.index(label) + 1 :]
        fine = self.is_seen(name) and not self.needed(name, newer)
        if self.does(f"{name} snapshot rollback {label}", fine=fine):
            old, now = guest.snapshots[label], self.properties(name)
            claimed = {"net_ifaces", *UNIQUE}
            assert {k: v for k, v in now.items() if k not in claimed and k[-4:] != "_mac"} == {
                k: v for k, v in old.items() if k not in claimed and k[-4:] != "_mac"
            }
            guest.properties = now
            for one in newer:
                del guest.taken[one]
            for disk in guest.disks.values():
                if label in disk.sizes:
                    disk.size = disk.sizes[label]
                    disk.sizes = {n: size for n, size in disk.sizes.items() if n not in newer}

    def needed(self, name: str, labels: list[str]) -> bool:
        """Tell whether clones depend on snapshots of a guest."""
        origins = [self.guests[child].origin for child in self.children(name)]
        return any(origin[1] in labels for origin in origins if origin)

    @says("web snapshot delete @one")
    @precondition(lambda self: any(guest.snapshots for guest in self.guests.values()))
    @rule(data=st.data())
    def delete_snapshot(self, data: st.DataObject) -> None:
        name, label = self.some_snapshot(data)
        fine = self.is_seen(name) and not self.needed(name, [label])
        if self.does(f"{name} snapshot delete {label}", fine=fine):
            del self.guests[name].taken[label]
            for disk in self.guests[name].disks.values():
                disk.sizes.pop(label, None)
