# SPDX-License-Identifier: BSD-2-Clause
"""``dataset <pool> promote``: make another pool the primary one.

Media, firmware, logs, global properties and defaults are copied first. Then one write into the new
pool's property file makes it true: it gives the pool its role and names the pool that it has been
``promoted_over``, which is secondary from then on, whatever its own file still says. What follows
is done by the next promote if this one is killed.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import partial

from chyves.app import App
from chyves.backend import locks, snapshots, store, zfs
from chyves.backend.copying import bytes_in, copy_folder
from chyves.backend.inventory import Inventory
from chyves.backend.run import Progress
from chyves.backend.survey import refresh
from chyves.commands.offline import guests_at_rest
from chyves.commands.rename import warn_of_paths
from chyves.errors import Busy, ChyvesError, Conflict, Precondition
from chyves.model import kinds, layout, places
from chyves.model.layout import PROMOTED_OVER, PoolRole

PARTS = (layout.ISO, layout.FIRMWARE, "logs")


def promote(app: App, name: str) -> None:
    """Make a secondary pool the primary one, and the primary one secondary."""
    with app.report.item(name):
        inventory = app.inventory
        new = inventory.pool(name)
        primary = inventory.primary()
        before = primary.config.get(PROMOTED_OVER)
        if before:
            with locks.host_lock(app.host):
                _complete(app, before, primary.name, [])
        if new.name == primary.name:
            said = "primary" if before else "is the primary pool"
            app.report.done(new.name, said, changed=bool(before))
            return
        inventory.require_current()
        with guests_at_rest(app, inventory.guests), locks.host_lock(app.host):
            _require_same(refresh(app.host, inventory), primary.name, new.name)
            with _own_parts(app, primary.name) as parts:
                _require_place(app, new.name)
                _require_room(app, primary.name, new.name)
                copied = _copy_all(app, parts, primary.name, new.name)
                _switch(app, primary.name, new.name)
                app.report.touched()
            try:
                _complete(app, primary.name, new.name, copied)
            except ChyvesError as error:
                error.hint = (
                    f"{new.name} is the primary pool already; once that is mended, "
                    f"chyves dataset {new.name} promote completes it"
                )
                raise
        for guest in inventory.guests:
            for part in PARTS:
                folder = f"{layout.root_mountpoint(primary.name)}/{part}"
                warn_of_paths(app, guest.name, guest.config, folder)
        app.report.done(new.name, f"primary, in place of {primary.name}", old=primary.name)


def _require_same(now: Inventory, old: str, new: str) -> None:
    if now.primary().name != old or all(pool.name != new for pool in now.pools):
        raise Busy("roles of pools change right now", hint="try again")


def _parts(app: App, pool: str) -> list[zfs.Dataset]:
    """Return the datasets that only a primary pool has, as far as the pool has them."""
    roots = [f"{layout.root_dataset(pool)}/{part}" for part in PARTS]
    there = [root for root in roots if zfs.dataset(app.host, root)]
    return zfs.datasets(app.host, there) if there else []


@contextmanager
def _own_parts(app: App, pool: str) -> Iterator[list[zfs.Dataset]]:
    """Hold the locks of all media and firmware, and yield the datasets that are to move.

    Raises Conflict if there is something among them that chyves did not make, or a snapshot, which
    would be lost.
    """
    with ExitStack() as held:
        for dataset in sorted(_parts(app, pool)):
            place = places.classify(dataset.name)
            if isinstance(place, places.Resource):
                held.enter_context(locks.resource_lock(app.host, place.kind, place.name))
        parts = _parts(app, pool)
        foreign = [one.name for one in parts if places.classify(one.name) is None or one.is_volume]
        if foreign:
            raise Conflict(
                f"chyves did not make {', '.join(foreign)}", hint="rename them to elsewhere first"
            )
        taken = snapshots.taken(app.host, [one.name for one in parts]) if parts else []
        if taken:
            names = sorted({snapshot.name for snapshot in taken})
            raise Conflict(
                f"snapshots would be lost: {', '.join(names)}", hint="zfs destroy them first"
            )
        yield [one for one in parts if not one.is_unfinished]


def _require_place(app: App, pool: str) -> None:
    """Clear away what a killed promote has left on the pool. Raises Conflict if something else is
    in the place of its parts."""
    for part in PARTS:
        there = zfs.dataset(app.host, f"{layout.root_dataset(pool)}/{part}")
        if there and there.unfinished != zfs.PROMOTE:
            raise Conflict(f"{there.name} exists already", hint="rename it, or destroy it yourself")
    _clear_away(app, pool)


def _clear_away(app: App, pool: str) -> None:
    for part in PARTS:
        there = zfs.dataset(app.host, f"{layout.root_dataset(pool)}/{part}")
        if there and there.unfinished == zfs.PROMOTE:
            zfs.destroy(app.host, there.name, recursive=True)


def _require_room(app: App, old: str, new: str) -> None:
    roots = [f"{layout.root_dataset(old)}/{part}" for part in PARTS]
    used = zfs.space_used(app.host, [layout.root_dataset(old)])
    wanted = sum(used.get(root, 0) for root in roots)
    free = zfs.available(app.host, layout.root_dataset(new))
    if wanted > free:
        raise Precondition(
            f"{new} has no room for media and logs: {kinds.format_bytes(wanted)} wanted, "
            f"{kinds.format_bytes(free)} free",
            hint="zfs list -o space shows what takes the room",
        )


def _copy_all(app: App, parts: Sequence[zfs.Dataset], old: str, new: str) -> list[str]:
    """Copy all that only a primary pool has; return the new datasets. What fails is taken back."""
    try:
        tops = [f"{layout.root_mountpoint(old)}/{part}" for part in PARTS]
        with app.output.progress(new, lambda: bytes_in(app.host, tops)) as told:
            copied = [_copy_dataset(app, dataset, old, new, told, parts) for dataset in parts]
        for path in (layout.defaults_config, layout.global_config):
            _copy_file(app, path(old), path(new))
    except BaseException:
        with suppress(ChyvesError):
            _clear_away(app, new)
        raise
    return copied


def _copy_dataset(
    app: App,
    dataset: zfs.Dataset,
    old: str,
    new: str,
    progress: Progress,
    all_: Iterable[zfs.Dataset] = (),
) -> str:
    """Make a dataset on the new pool with all files of one on the old pool."""
    name = layout.root_dataset(new) + dataset.name.removeprefix(layout.root_dataset(old))
    options = zfs.properties_to_copy(app.host, dataset.name)
    if isinstance(places.classify(name), places.Part):
        options[zfs.UNFINISHED] = zfs.PROMOTE
    zfs.create_filesystem(app.host, name, options)
    source = dataset.mountpoint
    target = layout.root_mountpoint(new) + name.removeprefix(layout.root_dataset(new))
    below = [
        os.path.basename(one.name) for one in all_ if os.path.dirname(one.name) == dataset.name
    ]
    copy = partial(copy_folder, app.host, source, target, progress, without=below)
    app.host.note(f"cp -Rp {source}/ {target}", copy)
    return name


def _copy_file(app: App, source: str, target: str) -> None:
    text = store.read_config(app.host, source).text
    app.host.note(f"cp {source} {target}", lambda: store.write_file(app.host, target, text))


def _switch(app: App, old: str, new: str) -> None:
    """Give the new pool its role: one write, before which the old pool is the primary one, and
    after which the new one is."""
    values = {"dataset_role": PoolRole.PRIMARY, PROMOTED_OVER: old}
    store.set_values(app.host, layout.pool_config(new), values)


def _complete(app: App, old: str, new: str, copied: Sequence[str]) -> None:
    """Take from the old pool what is on the new one, and let both say who they are; the caller
    holds the host's lock."""
    if zfs.dataset(app.host, layout.root_dataset(old)) is None:
        raise Precondition(
            f"{old}, which was the primary pool, is not there",
            hint=f"import it and promote {new} again; if it is lost for good, "
            f"take {PROMOTED_OVER} out of {layout.pool_config(new)}",
        )
    path = layout.pool_config(old)
    store.change_config(
        app.host,
        path,
        lambda config: config.unset([PROMOTED_OVER]).set({"dataset_role": PoolRole.SECONDARY}),
        what=f"dataset_role={PoolRole.SECONDARY}",
    )
    for path in (layout.global_config(old), layout.defaults_config(old)):
        if app.host.path(path).exists():
            app.host.note(f"rm {path}", app.host.path(path).unlink)
    parts = _parts(app, old)
    for dataset in parts:
        place = places.classify(dataset.name)
        if isinstance(place, places.Resource):
            with locks.resource_lock(app.host, place.kind, place.name):
                _leave(app, dataset.name, old, new, copied)
    for dataset in parts:
        if isinstance(places.classify(dataset.name), places.Part):
            zfs.destroy(app.host, dataset.name)
    for part in PARTS:
        zfs.inherit_property(app.host, f"{layout.root_dataset(new)}/{part}", zfs.UNFINISHED)
    store.change_config(
        app.host,
        layout.pool_config(new),
        lambda config: config.unset([PROMOTED_OVER]),
        what=f"no {PROMOTED_OVER}",
    )


def _leave(app: App, name: str, old: str, new: str, copied: Sequence[str]) -> None:
    """Destroy a resource of the old pool; what was imported there at the last moment is copied
    first. The caller holds its lock."""
    dataset = zfs.dataset(app.host, name)
    if dataset is None:
        return
    there = layout.root_dataset(new) + name.removeprefix(layout.root_dataset(old))
    is_late = there not in copied and zfs.dataset(app.host, there) is None
    if is_late and not dataset.is_unfinished:
        _copy_dataset(app, dataset, old, new, lambda _: None)
    zfs.destroy(app.host, name)
