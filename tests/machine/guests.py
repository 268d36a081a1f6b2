# SPDX-License-Identifier: BSD-2-Clause
"""Rules: verbs of guests, and their disks and properties."""

from hypothesis import strategies as st
from hypothesis.stateful import rule

from tests.machine.base import MIB, POOLS, UNIQUE, Base, Disk, Guest, says

UUIDS = tuple(f"8d0f5d5e-3b4a-4c0e-9a1d-5f2f6a7b8c{n:02}" for n in range(2))
SETTINGS = (
    *(f"ram={size}" for size in ("512M", "1G")),
    *(f"serial=nmdm{number}" for number in (50, 51, 60)),
    *(f"uefi_vnc_port={number}" for number in (5900, 5901)),
    *(f"tap50_mac=58:9c:fc:00:00:0{number}" for number in (1, 2)),
    *(f"uuid={uuid}" for uuid in UUIDS),
    "description=a = b",
    "disk0_notes=  two  blanks",
)
NONSENSE = ("ram=0", "cpu=many", "no_such=1")
OWN = {"net_ifaces", "creation", *UNIQUE}
"""What a unique clone does not have of its origin, if it has it at all."""

disks = st.sampled_from(("disk0", "disk1", "disk2"))
sizes = st.sampled_from((1, 2))


class Guests(Base):
    """Making and ending guests."""

    @says("web create 1M tank")
    @rule(data=st.data(), pool=st.sampled_from(POOLS))
    def create(self, data: st.DataObject, pool: str) -> None:
        name = self.some_new_name(data)
        fine = self.may_be_called(name) and self.has_pool(pool)
        if self.does(f"{name} create 1M {pool}", fine=fine):
            has = self.properties(name)
            assert has["ram"] == self.defaults["ram"]
            assert self.listed()[has["net_ifaces"]] == self.default_bridge
            self.guests[name] = Guest(pool, has, {"disk0": Disk(MIB)})

    @says("web delete force")
    @rule(data=st.data(), how=st.sampled_from(("", " keepnet", " force")))
    def delete(self, data: st.DataObject, how: str) -> None:
        name = self.some_guest(data)
        fine = self.is_seen(name) and (how == " force" or not self.children(name))
        if self.does(f"{name} delete{how}", fine=fine):
            self.end(name, keep=how == " keepnet")

    def end(self, name: str, *, keep: bool = False) -> None:
        for child in self.children(name):
            self.end(child, keep=keep)
        gone = self.guests.pop(name)
        if keep:
            self.kept |= set(gone.interfaces)

    @says("web clone db -iu")
    @rule(data=st.data(), way=st.sampled_from(("-cu", "-iu")), then=st.booleans())
    def clone(self, data: st.DataObject, way: str, then: bool) -> None:
        source, name = self.some_guest(data), self.some_new_name(data)
        labels = [*self.guests[source].snapshots] if then and source in self.guests else []
        label = data.draw(st.sampled_from(labels)) if labels else ""
        pool = data.draw(st.sampled_from(("", *POOLS)))
        fine = self.is_seen(source) and self.may_be_called(name)
        if fine and pool:
            fine = self.has_pool(pool) and (way == "-iu" or pool == self.guests[source].pool)
        if self.does(f"{source} clone {name} {way} {label} {pool}", fine=fine):
            self.guests[name] = self.cloned(source, name, label, pool, is_linked=way == "-cu")

    def cloned(self, source: str, name: str, label: str, pool: str, *, is_linked: bool) -> Guest:
        """Return a unique clone, once it is checked."""
        origin = self.guests[source]
        was, has = origin.snapshots[label] if label else origin.properties, self.properties(name)
        same = {k: v for k, v in was.items() if k not in OWN and not k.endswith("_mac")}
        same |= {k: v for k, v in RESET.items() if k in was}
        assert {k: v for k, v in has.items() if k not in OWN} == same
        assert not self.owned() & {one for one in has["net_ifaces"].split(",") if one[:3] == "tap"}
        if is_linked and not label:
            label = self.take_origin(source, name)
        parts = {n: d for n, d in origin.disks.items() if not label or label in d.sizes}
        disks = {n: Disk(disk.sizes[label] if label else disk.size) for n, disk in parts.items()}
        home = pool or origin.pool
        if is_linked:
            return Guest(home, has, disks, {}, (source, label), set(disks))
        return Guest(home, has, disks)

    def take_origin(self, name: str, clone: str) -> str:
        """Note the snapshot that was taken for a ZFS clone; return its label."""
        images = f"{self.guests[name].pool}/chyves/guests/{clone}/img"
        origin = self.chyves.program("zfs", "get", "-H", "-o", "value", "origin", images)
        label = "@" + origin.strip().partition("@")[2]
        self.guests[name].taken[label] = None
        return label

    @says("web clone twin -ce")
    @rule(data=st.data(), way=st.sampled_from(("-ce", "-ie")))
    def clone_exactly(self, data: st.DataObject, way: str) -> None:
        """It shares all numbers with its origin; when it goes, they stay the other's."""
        name = self.some_guest(data)
        if self.does(f"{name} clone twin {way}", fine=self.is_seen(name)):
            has = self.properties("twin")
            assert has | {"creation": ""} == self.guests[name].properties | {"creation": ""}
            self.does("twin delete")

    @says("web rename db")
    @rule(data=st.data())
    def rename(self, data: st.DataObject) -> None:
        name, new = self.some_guest(data), self.some_new_name(data)
        if self.does(f"{name} rename {new}", fine=self.is_seen(name) and self.may_be_called(new)):
            for child in self.children(name):
                _, label = self.guests[child].origin or ("", "")
                self.guests[child].origin = (new, label)
            self.guests[new] = self.guests.pop(name)

    @says("web move pool2")
    @rule(data=st.data(), pool=st.sampled_from(POOLS))
    def move(self, data: st.DataObject, pool: str) -> None:
        name = self.some_guest(data)
        fine = self.is_seen(name) and self.has_pool(pool)
        if fine and self.guests[name].pool != pool:
            fine = not self.children(name) and self.guests[name].origin is None
        if self.does(f"{name} move {pool}", fine=fine):
            self.guests[name].pool = pool


RESET = {"rcboot": "0", "template": "no", "revert_to_snapshot_method": "off"}
"""What a unique clone starts with, whatever its origin has."""


class Values(Base):
    """Properties and groups."""

    @says("web set ram=1G")
    @rule(data=st.data(), word=st.sampled_from(SETTINGS + NONSENSE))
    def set_one(self, data: st.DataObject, word: str) -> None:
        name = self.some_guest(data)
        key, _, value = word.partition("=")
        free = not any(
            other != name
            and (key in UNIQUE or key.endswith("_mac"))
            and guest.properties.get(key) == value
            for other, guest in self.guests.items()
        )
        fine = self.is_seen(name) and free and word not in NONSENSE
        if fine and self.guests[name].is_template:
            fine = self.guests[name].properties.get(key) == value
        if self.does(f"{name} set", word, fine=fine):
            self.guests[name].properties[key] = value

    @rule(data=st.data(), value=st.sampled_from(("yes", "no")))
    def set_template(self, data: st.DataObject, value: str) -> None:
        name = self.some_guest(data)
        if self.does(f"{name} set template={value}", fine=self.is_seen(name)):
            self.guests[name].properties["template"] = value

    @says("defaults set ram=1G")
    @rule(size=st.sampled_from(("256M", "512M")))
    def set_default(self, size: str) -> None:
        self.does(f"defaults set ram={size}")
        self.defaults["ram"] = size

    @says("web unset disk0_notes")
    @rule(
        data=st.data(), key=st.sampled_from(("uefi_vnc_port", "disk0_notes", "tap50_mac", "uuid"))
    )
    def unset(self, data: st.DataObject, key: str) -> None:
        name = self.some_guest(data)
        fine = self.is_seen(name) and key != "uuid" and not self.guests[name].is_template
        if self.does(f"{name} unset {key}", fine=fine):
            self.guests[name].properties.pop(key, None)

    @says("web group add :red")
    @rule(
        data=st.data(),
        act=st.sampled_from(("add", "remove")),
        group=st.sampled_from(("red", "blue")),
    )
    def group(self, data: st.DataObject, act: str, group: str) -> None:
        name = self.some_guest(data)
        has = self.guests[name].properties.get("groups", "") if name in self.guests else ""
        before = [one for one in has.split(",") if one]
        after = [one for one in before if one != group] + [group] * (act == "add")
        if act == "add" and group in before:
            after = before
        fine = self.is_seen(name) and (after == before or not self.guests[name].is_template)
        if self.does(f"{name} group {act} :{group}", fine=fine):
            self.guests[name].properties.pop("groups", None)
            if after:
                self.guests[name].properties["groups"] = ",".join(after)

    @says("web upgrade")
    @rule(data=st.data())
    def upgrade(self, data: st.DataObject) -> None:
        """Make a guest as of an older version, and upgrade it."""
        name = self.some_guest(data)
        if self.is_seen(name) and not self.guests[name].is_template:
            folder = f"/chyves/{self.guests[name].pool}/guests/{name}/.config"
            path = self.chyves.world.path(f"{folder}/.cfg")
            path.write_text(path.read_text().replace("version=0300", "version=0202"))
        self.does(f"{name} upgrade", fine=self.is_seen(name))


class Disks(Base):
    """What ``disk`` does."""

    def may_change(self, name: str, disk: str = "") -> bool:
        return (
            self.is_seen(name)
            and not self.guests[name].is_template
            and (not disk or disk in self.guests[name].disks)
        )

    @says("web disk add 1M")
    @rule(data=st.data(), size=sizes)
    def add_disk(self, data: st.DataObject, size: int) -> None:
        name = self.some_guest(data)
        if self.does(f"{name} disk add {size}M", fine=self.may_change(name)):
            guest = self.guests[name]
            number = max((int(disk.removeprefix("disk")) for disk in guest.disks), default=-1) + 1
            self.forget(guest, f"disk{number}")
            guest.disks[f"disk{number}"] = Disk(size * MIB)

    @says("web disk delete disk0")
    @rule(data=st.data(), disk=disks)
    def delete_disk(self, data: st.DataObject, disk: str) -> None:
        name = self.some_guest(data)
        needed = any(disk in self.guests[child].linked for child in self.children(name))
        if self.does(f"{name} disk delete {disk}", fine=self.may_change(name, disk) and not needed):
            del self.guests[name].disks[disk]
            self.guests[name].linked.discard(disk)
            self.forget(self.guests[name], disk)

    def forget(self, guest: Guest, disk: str) -> None:
        for what in ("notes", "description"):
            guest.properties.pop(f"{disk}_{what}", None)

    @says("web disk resize disk0 2M")
    @rule(data=st.data(), disk=disks, size=sizes)
    def resize_disk(self, data: st.DataObject, disk: str, size: int) -> None:
        name = self.some_guest(data)
        if self.does(f"{name} disk resize {disk} {size}M", fine=self.may_change(name, disk)):
            self.guests[name].disks[disk].size = size * MIB

    @says("web disk disk0 notes text")
    @rule(data=st.data(), disk=disks, what=st.sampled_from(("notes", "description")))
    def annotate_disk(self, data: st.DataObject, disk: str, what: str) -> None:
        name = self.some_guest(data)
        if self.does(f"{name} disk {disk} {what}", "a b", fine=self.may_change(name, disk)):
            self.guests[name].properties[f"{disk}_{what}"] = "a b"
