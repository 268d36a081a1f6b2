# SPDX-License-Identifier: BSD-2-Clause
"""All that chyves keeps on a host, as it was read, and what that answers."""

import re
from collections.abc import Mapping
from typing import NamedTuple

from chyves.backend import zfs
from chyves.errors import Conflict, Invalid, NotFound, Precondition
from chyves.model import layout, places
from chyves.model.config import ConfigFile
from chyves.model.guest import Guest, boot_order, members, named_twice
from chyves.model.selector import ALL, BOOT, GROUP, is_guest_name, parse_selector

NUMBERED = re.compile(r"disk[0-9]{1,5}")
"""What volumes are called that chyves makes for guests."""


class Pool(NamedTuple):
    """A pool with chyves on it; ``role`` is primary, secondary or offline."""

    name: str
    config: ConfigFile

    @property
    def role(self) -> str:
        return self.config.get("dataset_role") or "-"

    @property
    def version(self) -> str:
        return self.config.get("dataset_version") or "-"


class Inventory(NamedTuple):
    """All that chyves keeps on a host. ``datasets`` are by name; ``problems`` are sentences about
    what could not be read. No command sees the ``hidden`` guests, which are on ``offline`` pools;
    their numbers stay theirs. Of ``unreadable`` guests the properties are there and cannot be
    read. Pools that are ``leaving`` are half uninstalled; ``half_away`` are datasets that are being
    put away and are not yet, or not where they are to be."""

    pools: tuple[Pool, ...]
    globals: ConfigFile
    defaults: ConfigFile
    guests: tuple[Guest, ...]
    datasets: Mapping[str, zfs.Dataset]
    problems: tuple[str, ...]
    offline: tuple[Pool, ...] = ()
    hidden: tuple[Guest, ...] = ()
    unreadable: tuple[Guest, ...] = ()
    leaving: tuple[str, ...] = ()
    half_away: tuple[str, ...] = ()

    @property
    def names(self) -> list[str]:
        """The names of all guests, in the order people expect."""
        return [guest.name for guest in self.guests]

    def primary(self) -> Pool:
        """Return the primary pool. Raises Precondition if there is none, or more than one."""
        primaries = [pool for pool in self.pools if pool.role == layout.PoolRole.PRIMARY]
        if not primaries and (lost := self._lost_pools()):
            file = layout.pool_config(lost[0])
            raise Precondition(
                f"no primary pool, and the properties of {' and '.join(lost)} cannot be read",
                hint=f"put back {file}; {layout.kept_in(file)}",
            )
        if not primaries and self.pools:
            names = ", ".join(pool.name for pool in self.pools)
            raise Precondition(
                f"the primary pool is not here, only {names}", hint="zpool import shows what can be"
            )
        if not primaries:
            raise Precondition(
                "chyves is not set up on any pool", hint="chyves dataset <pool> install"
            )
        if len(primaries) > 1:
            names = ", ".join(pool.name for pool in primaries)
            raise Precondition(
                f"more than one primary pool: {names}",
                hint="zpool export one of them, or write dataset_role=secondary into its "
                f"{layout.pool_config('<pool>')}: its guests stay, its media and defaults rest",
            )
        return primaries[0]

    def _lost_pools(self) -> list[str]:
        """Return the pools that have datasets of chyves and no properties."""
        known = [pool.name for pool in self.pools]
        roots = [one for one in self.datasets.values() if not one.is_unfinished]
        there = [places.classify(root.name) for root in roots]
        found = [place.pool for place in there if isinstance(place, places.Root)]
        return [name for name in found if name not in known]

    def require_current(self) -> None:
        """Raise Precondition unless there is a primary pool and all pools have this version."""
        self.primary()
        for pool in self.pools:
            file = layout.pool_config(pool.name)
            if not layout.is_version(pool.version):
                raise Precondition(
                    f"the dataset on {pool.name} is of no version: dataset_version={pool.version}",
                    hint=f"put back {file}; {layout.kept_in(file)}",
                )
            if pool.version < layout.DATASET_VERSION:
                raise Precondition(
                    f"the dataset on {pool.name} is of version {pool.version}, "
                    f"older than {layout.DATASET_VERSION}",
                    hint=f"chyves dataset {pool.name} upgrade",
                )
            if pool.version > layout.DATASET_VERSION:
                raise Precondition(
                    f"the dataset on {pool.name} is of version {pool.version}, "
                    f"newer than {layout.DATASET_VERSION}",
                    hint="it was made by a newer chyves: upgrade this one",
                )

    def why_unreadable(self, guest: Guest) -> Precondition:
        """Return what is to be said of a guest whose properties cannot be read."""
        config = f"{layout.guest_dataset(guest.pool, guest.name)}/.config"
        file = layout.guest_config(guest.pool, guest.name)
        place = self.datasets[config].mountpoint
        if self.datasets[config].is_mounted:
            hint = f"put back {file}; {layout.kept_in(file)}"
        elif place != file.rpartition("/")[0]:
            hint = (
                f"it would be mounted on {place}: zfs set mountpoint="
                f"{layout.root_mountpoint(guest.pool)} {layout.root_dataset(guest.pool)}"
            )
        else:
            hint = f"zfs mount {config}"
        return Precondition("its properties cannot be read", hint=hint)

    def require_readable(self, *names: str) -> None:
        """Raise Precondition if the properties of one of these guests, or of any if none is named,
        cannot be read: nobody knows then what is its."""
        for guest in self.unreadable:
            if guest.name in names or not names:
                error = self.why_unreadable(guest)
                said = f"the properties of {guest.name} cannot be read"
                raise Precondition(said, hint=error.hint)

    def pool(self, name: str) -> Pool:
        """Return the pool of that name (``primary`` is the primary one). Raises NotFound."""
        if name == "primary":
            return self.primary()
        for pool in self.pools:
            if pool.name == name:
                return pool
        known = ", ".join(pool.name for pool in self.pools) or "none"
        if any(pool.name == name for pool in self.offline):
            raise Precondition(f"{name} is offline", hint=f"chyves dataset {name} online")
        raise NotFound(
            f"chyves is not set up on a pool {name}",
            hint=f"pools with chyves: {known}; chyves dataset <pool> install sets it up on another",
        )

    def guest(self, name: str) -> Guest:
        """Return one guest. Raises NotFound; Conflict if two pools have one of that name."""
        found = [guest for guest in self.guests if guest.name == name]
        if not found:
            self.require_readable(name)
            parse_selector(name, self.names)
            raise NotFound(f"no such guest: {name}", hint="chyves list shows all")
        if len(found) > 1:
            raise self.twice()[name]
        return found[0]

    def twice(self) -> dict[str, Conflict]:
        """Return what is to be said of each name that guests on two pools have."""
        return {
            name: Conflict(
                f"there is a guest {name} on {' and '.join(pools)}",
                hint="rename or destroy one of the datasets; chyves cannot know which is meant",
            )
            for name, pools in named_twice(self.guests).items()
        }

    def select(self, selector: str, *, whatever: bool = False) -> list[Guest]:
        """Return the guests a selector names; ``whatever`` their properties are, even those that
        cannot be read, and on whichever pool. A name that two pools have is left out otherwise,
        unless it is said itself, and so is one that cannot be read, unless it is said alone.

        Raises NotFound, Invalid, Conflict; Precondition if there is no pool they could be on, or
        the properties of all that are named cannot be read.
        """
        if not self.pools and selector != ALL:
            self.primary()
        known = self
        if whatever:
            known = self._replace(guests=(*self.guests, *self.unreadable), unreadable=())
        lost = known.set_aside(selector)
        selector = ",".join(word for word in selector.split(",") if word not in lost)
        for name in selector.split(","):
            if name not in known.names:
                known.require_readable(name)
        names = known.names_in(selector)
        if whatever:
            first = {guest.name: guest for guest in reversed(known.guests)}
            return [first[name] for name in names]
        unsure = known.left_out(selector)
        return [known.guest(name) for name in names if name not in unsure]

    def set_aside(self, selector: str) -> set[str]:
        """Return the names that a selector says beside others, and that cannot be read."""
        words = set(selector.split(","))
        lost = words & {guest.name for guest in self.unreadable}
        return lost if words - lost else set()

    def nobody(self, selector: str) -> list[str]:
        """Return the names that a selector says and no guest has, readable or not."""
        known = {*self.names, *(guest.name for guest in self.unreadable), ALL, BOOT}
        return [name for name in selector.split(",") if is_guest_name(name) and name not in known]

    def names_in(self, selector: str) -> list[str]:
        """Return the names that a selector means. Raises NotFound, Invalid."""
        groups = self.groups() if GROUP in selector else {}
        boot = boot_order(self.guests) if BOOT in selector else ()
        return list(dict.fromkeys(parse_selector(selector, self.names, groups, boot)))

    def left_out(self, selector: str) -> set[str]:
        """Return the names that guests on two pools have, and that a selector means without saying
        them. Raises NotFound, Invalid."""
        twice = self.twice()
        return (set(self.names_in(selector)) & twice.keys()) - set(selector.split(","))

    def groups(self) -> dict[str, list[str]]:
        """Return the names of the guests of each group."""
        return members(self.guests)

    def single(self, selector: str) -> Guest:
        """Return the one guest a selector names. Raises NotFound, Invalid, Conflict."""
        chosen = self.select(selector)
        if len(chosen) != 1:
            raise Invalid("this takes one guest", hint="name one guest, not a list or all")
        return chosen[0]

    def disks(self, guest: Guest) -> list[zfs.Dataset]:
        """Return the volumes of a guest, disk2 before disk10."""
        return self.disks_by_guest().get((guest.pool, guest.name), [])

    def disk(self, guest: Guest, name: str) -> zfs.Dataset:
        """Return one volume that chyves has made for a guest; never one that somebody has put
        below another of its datasets. Raises Invalid for a name that no disk has, NotFound."""
        disks = self.numbered_disks(guest)
        hint = f"disks of {guest.name}: {', '.join(disks) or 'none'}"
        if not NUMBERED.fullmatch(name):
            raise Invalid(f"{name} is no disk{{n}}", hint=hint)
        if name not in disks:
            raise NotFound(f"{guest.name} has no {name}", hint=hint)
        return disks[name]

    def numbered_disks(self, guest: Guest) -> dict[str, zfs.Dataset]:
        """Return the volumes ``disk{n}`` of a guest by their names."""
        root = layout.guest_dataset(guest.pool, guest.name)
        below = {volume.name.removeprefix(f"{root}/"): volume for volume in self.disks(guest)}
        return {name: volume for name, volume in below.items() if NUMBERED.fullmatch(name)}

    def disks_by_guest(self) -> dict[tuple[str, str], list[zfs.Dataset]]:
        """Return the volumes of all guests, by pool and guest; those that chyves did not make come
        behind its own, for guests boot from the first."""
        volumes = [
            (place, dataset)
            for dataset in self.datasets.values()
            if dataset.is_volume
            and isinstance(place := places.classify(dataset.name), places.GuestPart)
        ]
        volumes.sort(key=lambda one: (not one[0].is_own, layout.version_key(one[0].path)))
        found: dict[tuple[str, str], list[zfs.Dataset]] = {}
        for place, dataset in volumes:
            found.setdefault((place.pool, place.guest), []).append(dataset)
        return found
