# SPDX-License-Identifier: BSD-2-Clause
"""``clone``: guests made of another one.

A clone is put together out of sight, under a name that no verb shows, and becomes a guest by one
rename. What is left of one that was killed is cleared away by the next clone, create or delete.
"""

import time
import uuid
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from functools import partial
from typing import NamedTuple

import click

from chyves import __version__
from chyves.app import App
from chyves.backend import guests, locks, net, numbers, snapshots, store, wiring, zfs
from chyves.backend.facts import gather_facts
from chyves.backend.inventory import Inventory
from chyves.backend.run import Progress
from chyves.backend.survey import refresh
from chyves.commands import leftovers
from chyves.commands.create import require_free
from chyves.commands.options import Changing, argument
from chyves.commands.rename import warn_of_paths
from chyves.errors import ChyvesError, Invalid, NotFound
from chyves.model import cloning, kinds, layout, network, places
from chyves.model.cloning import Way
from chyves.model.config import ConfigFile
from chyves.model.guest import Guest
from chyves.model.host_properties import in_force
from chyves.model.selector import check_new_names


class Order(NamedTuple):
    """What is cloned and how: the datasets of ``source`` that ``parts`` has, each by its path below
    the guest, as the snapshot ``label`` has them; ``is_own`` tells that it was taken for this.
    ``volmode`` is that of ZFS clones whose origins have it each for itself."""

    source: Guest
    parts: Mapping[str, zfs.Dataset]
    label: str
    is_own: bool
    pool: str
    way: Way
    volmode: str = ""

    @property
    def root(self) -> str:
        return layout.guest_dataset(self.source.pool, self.source.name)

    def volumes(self) -> list[str]:
        return [self.root + path for path, part in self.parts.items() if part.is_volume]

    def sent(self) -> list[str]:
        """Return the paths of the datasets that are copied: all, or the guest's own files and its
        properties."""
        return ["", "/.config"] if self.way.is_linked else list(self.parts)

    def is_linked(self, path: str) -> bool:
        """Tell whether a clone shares this dataset with its origin; a log is always its own."""
        return self.way.is_linked and path not in (*self.sent(), "/logs")


@click.command("clone", cls=Changing)
@argument("names", metavar="NEW[,...]")
@argument("words", nargs=-1, metavar="[@NAME] [POOL]")
@click.option("-ce", is_flag=True, help="On ZFS clones of its disks, all as it has it.")
@click.option("-cu", is_flag=True, help="On ZFS clones, with numbers of its own.")
@click.option("-ie", is_flag=True, help="Independent, all as it has it.")
@click.option("-iu", is_flag=True, help="Independent, with numbers of its own.")
@click.pass_obj
def clone(app: App, /, names: str, words: tuple[str, ...], **flags: bool) -> None:
    """Make guests of another one as it is now, or as a snapshot has it."""
    flag = _one_of([f"-{name}" for name, given in flags.items() if given])
    label, pool = _label_and_pool(words)
    inventory = app.inventory
    inventory.require_current()
    source = inventory.single(app.selector)
    way = cloning.way(flag or in_force(inventory.globals, "default_clone_flag"))
    home = inventory.pool(pool).name if pool else source.pool
    if way.is_linked and home != source.pool:
        raise Invalid("ZFS clones are on the pool of their origin", hint="say -ie or -iu")
    targets = check_new_names(names.split(","), ())
    leftovers.sweep(app, inventory)
    with app.report.item(source.name), ExitStack() as held:
        for name in sorted({source.name, *targets}):
            held.enter_context(locks.guest_lock(app.host, name))
        inventory = app.inventory
        order = _order(app, inventory, inventory.guest(source.name), label, home, way)
        if way.is_linked:
            mode = zfs.volmode_of_each(app.host, order.root, order.volumes())
            order = order._replace(volmode=mode)
        Cloning(app, inventory, order).run(targets)


def _one_of(flags: Sequence[str]) -> str:
    if len(flags) > 1:
        raise Invalid(f"{' and '.join(flags)} exclude each other", hint="say one of them")
    return flags[0] if flags else ""


def _label_and_pool(words: Sequence[str]) -> tuple[str, str]:
    labels = [word for word in words if word.startswith("@")]
    pools = [word for word in words if not word.startswith("@")]
    if len(labels) > 1 or len(pools) > 1:
        raise Invalid(
            f"too many words: {' '.join(words)}",
            hint="chyves <guest> clone <new>[,...] [-ce|-cu|-ie|-iu] [@<snapshot>] [<pool>]",
        )
    return kinds.snapshot_label(labels[0]) if labels else "", pools[0] if pools else ""


def _order(app: App, inventory: Inventory, source: Guest, label: str, pool: str, way: Way) -> Order:
    """Choose what is cloned. Raises NotFound for a snapshot that the guest does not have."""
    root = layout.guest_dataset(source.pool, source.name)
    guests.require_whole(source.name, inventory.datasets.get(root))
    parts = {
        name.removeprefix(root): dataset
        for name, dataset in sorted(inventory.datasets.items())
        if name == root or name.startswith(f"{root}/")
    }
    drop_transfers(app, root)
    if not label:
        if not guests.status(app.host, source.name).is_down:
            app.report.warn(f"{source.name} runs: its clone finds its disks as after a power cut")
        return Order(source, parts, f"{layout.TRANSFER}{uuid.uuid4()}", True, pool, way)
    there = {taken.dataset for taken in snapshots.taken(app.host, [root]) if taken.label == label}
    if not {root, f"{root}/.config"} <= there:
        raise NotFound(
            f"no such snapshot: {source.name}{label}", hint=f"chyves {source.name} snapshot list"
        )
    store.require_restorable(app.host, source, label)
    for path in [path for path in parts if root + path not in there]:
        app.report.warn(f"{root}{path} has no snapshot {label}: it is not cloned")
        del parts[path]
    return Order(source, parts, label, False, pool, way)


def drop_transfers(app: App, root: str) -> None:
    """Take away the snapshots of clones and moves that were killed; one that has clones by now
    stays, as their origin."""
    taken = [
        one for one in snapshots.taken(app.host, [root]) if one.label.startswith(layout.TRANSFER)
    ]
    for label in dict.fromkeys(one.label for one in taken):
        own = [one for one in taken if one.label == label]
        _let_go(app, root, label, [one.dataset for one in own if one.clones])


def _let_go(app: App, root: str, label: str, origins: Sequence[str]) -> None:
    """Destroy a snapshot of a whole guest; what of it are ``origins`` of ZFS clones goes by itself
    together with the last of them."""
    snapshots.destroy_unused(app.host, root + label)
    for origin in origins:
        zfs.rename(app.host, origin + label, origin + label.replace(layout.TRANSFER, layout.ORIGIN))


class Cloning:
    """The work on one order; the caller holds the locks of all names."""

    def __init__(self, app: App, inventory: Inventory, order: Order) -> None:
        self._app = app
        self._host = app.host
        self._inventory = inventory
        self._order = order
        self._stamp = time.strftime("%Y%m%d%H%M%S")

    def run(self, targets: Sequence[str]) -> None:
        """Put all clones together, let go of the snapshot, and let the clones come in sight."""
        order = self._order
        wanted = [name for name in targets if self._is_free(name)]
        if not wanted:
            return
        try:
            self._require_room(len(wanted))
            if order.is_own:
                snapshots.take(self._host, [order.root + order.label])
        except ChyvesError as error:
            for name in wanted:
                self._app.report.failed(error, name)
            return
        staged = []
        with ExitStack() as undo:
            if order.is_own:
                undo.callback(self._drop_snapshot)
            with self._app.output.progress(order.source.name, partial(self._bytes, wanted)) as told:
                for name in wanted:
                    undo.callback(self._take_away, name)
                    with self._app.report.item(name):
                        self._put_together(name, told)
                        staged.append(name)
            if order.is_own and not order.way.is_linked:
                _let_go(self._app, order.root, order.label, ())
            seen = []
            for name in staged:
                with self._app.report.item(name):
                    self._come_in_sight(name)
                    seen.append(name)
            if seen and order.is_own and order.way.is_linked:
                linked = [order.root + path for path in order.parts if order.is_linked(path)]
                _let_go(self._app, order.root, order.label, linked)

    def _is_free(self, name: str) -> bool:
        """Report a name that another guest has; a clone that was killed is so said again."""
        with self._app.report.item(name):
            require_free(self._inventory, name, self._order.pool)
            return True
        return False

    def _require_room(self, copies: int) -> None:
        """Raise Precondition if the pool has no room for what is copied."""
        order = self._order
        label = "" if order.is_own else order.label
        sizes = snapshots.sizes_of_copies(self._host, order.root, label)
        needed = sum(sizes.get(order.root + path, 0) for path in order.sent()) * copies
        zfs.require_room(self._host, order.pool, needed, f"clone {order.source.name}")

    def _staged(self, name: str) -> str:
        return layout.staged_dataset(self._order.pool, name, self._stamp)

    def _take_away(self, name: str) -> None:
        """Clear away what did not become a guest."""
        place = places.Staged(self._order.pool, name, self._stamp)
        with suppress(ChyvesError):
            leftovers.take_away(self._app, self._inventory, place)

    def _drop_snapshot(self) -> None:
        with suppress(ChyvesError):
            drop_transfers(self._app, self._order.root)

    def _bytes(self, targets: Sequence[str]) -> int:
        if self._host.plan is not None:
            return 0
        order = self._order
        names = [order.root + path + order.label for path in order.sent()]
        return snapshots.copied_bytes(self._host, names) * len(targets)

    def _put_together(self, name: str, told: Progress) -> None:
        """Make all datasets of a clone, mounted and without a snapshot."""
        order, staged = self._order, self._staged(name)
        for path, dataset in order.parts.items():
            snapshot = order.root + path + order.label
            if path in order.sent():
                without = () if dataset.is_volume else ("mountpoint", "readonly")
                snapshots.copy(self._host, snapshot, staged + path, told, without=without)
                if not dataset.is_volume:
                    zfs.mount(self._host, staged + path)
                if not path and order.volmode:
                    zfs.set_property(self._host, staged, "volmode", order.volmode)
            elif order.is_linked(path):
                snapshots.clone(self._host, snapshot, staged + path)
        if order.way.is_linked:
            zfs.create_filesystem(self._host, f"{staged}/logs", {"compression": "on"})
        zfs.destroy(self._host, staged + order.label, recursive=True)

    def _come_in_sight(self, name: str) -> None:
        """Give a clone its properties and its place among the guests, which makes it one."""
        order, final = self._order, layout.guest_dataset(self._order.pool, name)
        with locks.host_lock(self._host):
            config = self._settle(name)
            if config.get("template") == "yes":
                zfs.set_property(self._host, self._staged(name), "readonly", "on")
            zfs.rename(self._host, self._staged(name), final)
        volumes = [final + path for path, part in order.parts.items() if part.is_volume]
        zfs.wait_for_nodes(self._host, volumes)
        old = layout.guest_mountpoint(order.source.pool, order.source.name)
        warn_of_paths(self._app, name, config, old)
        self._app.report.done(
            name,
            f"cloned from {order.source.name}{'' if order.is_own else order.label} ({order.way}) "
            f"on {order.pool}, {config.get('net_ifaces')}, {config.get('serial')}",
            source=order.source.name,
            snapshot=None if order.is_own else order.label,
            way=order.way,
            pool=order.pool,
            net_ifaces=config.get("net_ifaces"),
            serial=config.get("serial"),
            uuid=config.get("uuid"),
        )

    def _source_of_properties(self, copied: str) -> str:
        """Return where the properties are: what a dry run has not copied is still at its origin."""
        source = self._order.source
        if self._host.plan is None:
            return copied
        if self._order.is_own:
            return layout.guest_config(source.pool, source.name)
        return layout.snapshot_config(source.pool, source.name, self._order.label)

    def _settle(self, name: str) -> ConfigFile:
        """Write the properties of a clone, and let its new taps join the bridges of the old."""
        if self._host.plan is None:
            self._inventory = refresh(self._host, self._inventory)
        inventory, actual = self._inventory, net.interfaces(self._host)
        path = f"{layout.staged_mountpoint(self._order.pool, name, self._stamp)}/.config/.cfg"
        config = store.read_config(self._host, self._source_of_properties(path))
        now = time.strftime("%a %b %d %H:%M:%S UTC %Y", time.gmtime())
        said = f"Cloned from {self._order.source.name} on {now} by chyves {__version__}"
        made = cloning.Copy(config.set({"creation": said}), {})
        if self._order.way.is_unique:
            taken = numbers.taken(inventory, actual)
            made = cloning.unique(made.config, taken, inventory.globals, str(uuid.uuid4()))
        what = f"{len(made.config)} properties in {path}"
        self._host.note(what, lambda: store.write_file(self._host, path, made.config.text))
        if made.taps and wiring.is_automatic(inventory):
            known = wiring.associations(inventory)
            bridges = {tap: known.home_of(old) for tap, old in made.taps.items()}
            change = network.add_taps(
                name,
                bridges,
                known,
                actual,
                bridged_addresses=gather_facts(self._host, ()).bridged_addresses,
            )
            wiring.carry_out(self._host, inventory, change)
            self._inventory = inventory._replace(globals=inventory.globals.set(change.globals))
        guest = Guest(name, self._order.pool, made.config, inventory.defaults, inventory.globals)
        self._inventory = self._inventory._replace(guests=(*inventory.guests, guest))
        return made.config
