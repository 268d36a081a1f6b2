# SPDX-License-Identifier: BSD-2-Clause
"""``snapshot``: take, list, roll back to and delete snapshots of whole guests."""

import time
from collections.abc import Collection, Sequence
from contextlib import ExitStack

import click

from chyves.app import App
from chyves.backend import guests, locks, numbers, snapshots, store, zfs
from chyves.backend.inventory import Inventory
from chyves.commands import disk
from chyves.commands.options import Mixed, argument
from chyves.errors import Conflict, Invalid
from chyves.model import kinds, layout, network, places
from chyves.model.guest import Guest
from chyves.model.history import LIVE, Snapshot, by_dataset, refuse_needed
from chyves.model.numbers import claims

AUTO_NAME = "@chyves-auto-named-snapshot-%Y%m%d-%H%M.%S"


@click.command("snapshot", cls=Mixed)
@argument("words", nargs=-1, metavar="[@NAME|list|rollback [@NAME]|delete [@NAME|@A%B]]")
@click.pass_obj
def snapshot(app: App, words: tuple[str, ...]) -> None:
    """Take a snapshot of guests, all in one act; or list, roll back to or delete one guest's."""
    action = words[0] if words and not words[0].startswith("@") else "take"
    rest = words if action == "take" else words[1:]
    verbs = {"take": take, "list": show, "rollback": roll_back, "delete": delete}
    if action not in verbs or len(rest) > 1 or (action == "list" and rest):
        raise Invalid(
            f"no such snapshot command: {' '.join(words)}",
            hint="snapshot [@<name>], snapshot list|rollback|delete [@<name>]",
        )
    verbs[action](app, rest[0] if rest else "")


def take(app: App, label: str) -> None:
    """Snapshot each guest with all its disks and properties; guests of one pool in one act."""
    inventory = _current(app)
    chosen = inventory.select(app.selector)
    label = kinds.snapshot_label(label) if label else time.strftime(AUTO_NAME)
    with ExitStack() as held:
        for guest in sorted(chosen, key=lambda guest: guest.name):
            held.enter_context(locks.guest_lock(app.host, guest.name))
        now = guests.statuses(app.host, [guest.name for guest in chosen])
        wanted = {name: label + LIVE if seen.is_live else label for name, seen in now.items()}
        roots = [layout.guest_dataset(guest.pool, guest.name) for guest in chosen]
        taken = {snapshot.name for snapshot in snapshots.taken(app.host, roots)} if roots else set()
        whole = [
            guest for guest in chosen if _may_have(app, inventory, guest, wanted[guest.name], taken)
        ]
        for pool in dict.fromkeys(guest.pool for guest in whole):
            _take_on(app, [guest for guest in whole if guest.pool == pool], wanted)


def _may_have(
    app: App, inventory: Inventory, guest: Guest, label: str, taken: Collection[str]
) -> bool:
    """Report a guest whose disks are of different times, whose names leave no room for another of
    this length, or that has a snapshot of this name."""
    root = layout.guest_dataset(guest.pool, guest.name)
    with app.report.item(guest.name):
        guests.require_whole(guest.name, inventory.datasets.get(root))
        own = [name for name in inventory.datasets if name == root or name.startswith(f"{root}/")]
        longest = layout.longest_label(guest.pool, guest.name, own)
        if len(label.removeprefix("@")) > longest:
            raise Invalid(
                f"the name of the snapshot is too long: {label}",
                hint=f"at most {longest} characters",
            )
        if any(f"{name}{label}" in taken for name in own):
            raise Conflict(f"there is a snapshot {label} already", hint="take another name")
        return True
    return False


def _take_on(app: App, chosen: Sequence[Guest], wanted: dict[str, str]) -> None:
    roots = {g.name: layout.guest_dataset(g.pool, g.name) + wanted[g.name] for g in chosen}
    with app.report.item(",".join(roots)):
        try:
            snapshots.take(app.host, list(roots.values()))
        except Conflict:
            labels = " or ".join(sorted(set(wanted.values())))
            raise Conflict(
                f"there is a snapshot {labels} already", hint="take another name"
            ) from None
        for name in roots:
            app.report.done(name, f"snapshot {wanted[name]} taken", snapshot=wanted[name])


def show(app: App, _: str) -> None:
    show_snapshots(app, [app.inventory.single(app.selector)])


def show_snapshots(app: App, chosen: Sequence[Guest], *, top_only: bool = False) -> None:
    """Print the snapshots of guests: of all their datasets, or of the guests as a whole."""
    roots = {layout.guest_dataset(g.pool, g.name): g.name for g in chosen}
    found = snapshots.taken(app.host, list(roots)) if roots else []
    rows, data = [], []
    for taken in found:
        place = places.classify(taken.dataset)
        guest = getattr(place, "guest", "")
        below = taken.dataset.removeprefix(
            layout.guest_dataset(taken.name.partition("/")[0], guest)
        )
        if top_only and below:
            continue
        data.append(
            {
                "guest": guest,
                "dataset": taken.dataset,
                "name": taken.label,
                "used": taken.used,
                "created": taken.created,
                "clones": list(taken.clones),
                "holds": taken.holds,
            }
        )
        used = str(taken.used) if app.output.exact else kinds.format_bytes(taken.used)
        rows.append((f"{guest}{below}{taken.label}", used, app.output.moment(taken.created)))
    app.report.data = data
    app.output.table(("Snapshot", "Used", "Taken"), rows)


def roll_back(app: App, label: str) -> None:
    """Put a guest back to a snapshot, all but its log: everything is checked first, then all of it
    is done.

    ZFS rolls back one dataset at a time. Until all are, the guest is marked and does not start;
    a rollback that was killed is run again.
    """
    inventory = _current(app)
    guest = inventory.single(app.selector)
    with app.report.item(guest.name), locks.guest_lock(app.host, guest.name):
        guests.require_down(app.host, guest.name, "roll back")
        history = snapshots.history(app.host, guest.pool, guest.name)
        root, label = history.root, history.label(label)
        targets, lost, orphans = history.rollback(label)
        restored = {target.dataset for target in targets}
        brings_properties = f"{root}/.config" in restored
        if brings_properties:
            store.require_restorable(app.host, guest, label)
        added = _added_since(inventory, root, restored)
        for name in added:
            app.report.warn(f"{name} is not in {label}: it stays as it is now")
        newer = list(dict.fromkeys(snapshot.label for snapshot in lost))
        if newer:
            names = ", ".join(newer)
            app.output.say(f"These newer snapshots of {guest.name} will be destroyed: {names}")
        app.output.confirm(f"Roll {guest.name} back to {label}?")
        guest = store.current(app.host, guest)
        properties = guest.config
        if inventory.datasets[root].half_rolled_back:
            properties = store.kept_for_rollback(app.host, guest)
        if added:  # before anything is lost, should there be no room
            store.keep_for_rollback(app.host, guest, properties)
        before = _begin_rollback(app, guest, label)
        app.report.touched()
        if inventory.datasets[root].is_read_only:  # or nothing could be put in order
            zfs.inherit_property(app.host, root, "readonly")
        for own in by_dataset(orphans).values():
            _destroy_listed(app, own)
        for target in targets:
            if target.dataset == f"{root}/logs":
                _keep_log(app, target, lost)
            else:
                snapshots.rollback(app.host, target.name)
        if app.host.plan is not None and brings_properties:
            store.plan_restored(app.host, guest, label)
        with locks.host_lock(app.host):
            for note in numbers.settle_restored(app.host, app.inventory, guest.name, before):
                app.report.warn(f"{guest.name}: {note}")
        now = store.current(app.host, guest)
        disk.forget_missing(app, inventory, now)
        if added:
            disks = [name.removeprefix(f"{root}/") for name in added]
            disk.keep_as_they_were(app, store.current(app.host, guest), properties, disks)
            store.forget_rollback(app.host, guest)
        if now.is_template:
            zfs.set_property(app.host, root, "readonly", "on")
        zfs.inherit_property(app.host, root, zfs.UNFINISHED)
        app.report.done(guest.name, f"rolled back to {label}", snapshot=label, destroyed=newer)


def _keep_log(app: App, target: Snapshot, lost: Sequence[Snapshot]) -> None:
    """Leave the log as it is, without the snapshots that are lost with the others."""
    newer = [snapshot for snapshot in lost if snapshot.dataset == target.dataset]
    if newer:
        _destroy_listed(app, newer)


def _destroy_listed(app: App, doomed: Sequence[Snapshot]) -> None:
    """Destroy snapshots of one dataset."""
    labels = ",".join(snapshot.label[1:] for snapshot in doomed)
    names = [snapshot.name for snapshot in doomed]
    snapshots.destroy(app.host, f"{doomed[0].dataset}@{labels}", names)


def _begin_rollback(app: App, guest: Guest, label: str) -> tuple[str, ...]:
    """Mark the guest, and return the interfaces and unique numbers that it had before this
    rollback, or before the one that was killed and is run again now."""
    root = layout.guest_dataset(guest.pool, guest.name)
    dataset = zfs.dataset(app.host, root)
    own = tuple(dict.fromkeys((*guest.net_ifaces(), *claims(guest.config))))
    if dataset and dataset.half_rolled_back:
        _, _, kept = dataset.unfinished.partition(" ")
        own = network.split_interfaces(kept)
    mark = f"{zfs.ROLLBACK}{label} {network.join_interfaces(own)}"
    zfs.set_property(app.host, root, zfs.UNFINISHED, mark)
    return own


def _added_since(inventory: Inventory, root: str, known: Collection[str]) -> list[str]:
    """Return what is below a guest and was not there when a snapshot was taken."""
    below = [name for name in inventory.datasets if name.startswith(f"{root}/")]
    return sorted(name for name in below if name not in known and name != f"{root}/logs")


def delete(app: App, label: str) -> None:
    """Delete a snapshot, or a range of them, of a guest with all its datasets."""
    guest = _current(app).single(app.selector)
    with app.report.item(guest.name), locks.guest_lock(app.host, guest.name):
        root = layout.guest_dataset(guest.pool, guest.name)
        guests.require_whole(guest.name, zfs.dataset(app.host, root))
        history = snapshots.history(app.host, guest.pool, guest.name)
        label = label or history.label("")
        doomed = history.named(label)
        refuse_needed(doomed)
        labels = list(dict.fromkeys(snapshot.label for snapshot in doomed))
        # By their names: a range skips the datasets that lack its first snapshot.
        named = f"{root}@{','.join(name[1:] for name in labels)}"
        freed = snapshots.space_freed(app.host, named)
        for name in labels:
            app.output.say(f"{guest.name}{name}")
        app.output.confirm(f"Delete, and free {kinds.format_bytes(freed)}?")
        snapshots.destroy(app.host, named, [snapshot.name for snapshot in doomed])
        said = f"deleted {label}, freed {kinds.format_bytes(freed)}"
        app.report.done(guest.name, said, freed=freed, destroyed=labels)


def _current(app: App) -> Inventory:
    """Return what there is, for whoever may change it. Raises NotPermitted, Precondition."""
    app.require_root()
    inventory = app.inventory
    inventory.require_current()
    return inventory
