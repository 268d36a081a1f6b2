# SPDX-License-Identifier: BSD-2-Clause
"""Rules: what is done to whole pools, and to media and firmware."""

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from tests.machine.base import POOLS, Base, says

pools = st.sampled_from(POOLS)
kinds = st.sampled_from(("iso", "firmware"))
files = st.sampled_from(("a.img", "b.img"))


class Pools(Base):
    def guests_of(self, pool: str) -> list[str]:
        return [name for name, guest in self.guests.items() if guest.pool == pool]

    @says("dataset pool2 install")
    @rule(pool=pools)
    def install(self, pool: str) -> None:
        if self.pools.get(pool) == "offline":
            return  # would be a second one beside it
        if self.does(f"dataset {pool} install", fine=pool not in self.pools):
            self.pools[pool] = "secondary"

    @says("dataset pool2 offline", "dataset pool2 online")
    @rule(pool=pools)
    def take_offline(self, pool: str) -> None:
        fine = self.pools.get(pool) in ("secondary", "offline")
        if self.does(f"dataset {pool} offline", fine=fine):
            self.pools[pool] = "offline"

    @precondition(lambda self: "offline" in self.pools.values())
    @rule()
    def bring_online(self) -> None:
        for pool, role in self.pools.items():
            self.does(f"dataset {pool} online")
            self.pools[pool] = "secondary" if role == "offline" else role

    @says("dataset pool2 promote")
    @rule(pool=pools)
    def promote(self, pool: str) -> None:
        if self.does(f"dataset {pool} promote", fine=self.has_pool(pool)):
            for other, role in self.pools.items():
                self.pools[other] = "secondary" if role == "primary" else role
            self.pools[pool] = "primary"

    @says("dataset pool2 uninstall force")
    @precondition(lambda self: len(self.pools) > 1)
    @rule(pool=pools, force=st.booleans())
    def uninstall(self, pool: str, force: bool) -> None:
        fine = self.pools[pool] == "secondary" and (force or not self.guests_of(pool))
        if self.does(f"dataset {pool} uninstall{' force' * force}", fine=fine):
            for name in self.guests_of(pool):
                del self.guests[name]
            del self.pools[pool]

    @says("dataset primary upgrade")
    @rule()
    def upgrade_pool(self) -> None:
        self.does("dataset primary upgrade")


class Media(Base):
    @says("iso import /tmp/a.img", "firmware import /tmp/a.img")
    @rule(kind=kinds, name=files)
    def import_file(self, kind: str, name: str) -> None:
        source = self.chyves.directory.with_name(name)
        source.write_bytes(name.encode() * 1000)
        fine = name not in self.media[kind]
        if self.does(f"{kind} import {source}", fine=fine):
            self.media[kind][name] = source.stat().st_size

    @says("iso rename a.img b.img", "firmware rename a.img b.img")
    @rule(kind=kinds, name=files, new=files)
    def rename_file(self, kind: str, name: str, new: str) -> None:
        known = self.media[kind]
        if self.does(f"{kind} rename {name} {new}", fine=name in known and new not in known):
            known[new] = known.pop(name)

    @says("iso delete a.img", "firmware delete a.img")
    @rule(kind=kinds, name=files)
    def delete_file(self, kind: str, name: str) -> None:
        if self.does(f"{kind} delete {name}", fine=name in self.media[kind]):
            del self.media[kind][name]
