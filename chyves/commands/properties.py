# SPDX-License-Identifier: BSD-2-Clause
"""``get``, ``set`` and ``unset``: properties of guests, their defaults and the host."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import NamedTuple

import click

from chyves.app import App
from chyves.backend import guests, locks, numbers, store, wiring, zfs
from chyves.backend.inventory import Inventory
from chyves.backend.survey import refresh
from chyves.commands.options import Changing, Reading, argument
from chyves.errors import Conflict, Invalid, NotFound, Precondition
from chyves.model import layout
from chyves.model.boot import require_order
from chyves.model.config import ConfigFile
from chyves.model.guest import Guest
from chyves.model.numbers import Taken, is_shared
from chyves.model.properties import (
    SHARED,
    Assignment,
    Context,
    Effect,
    Scope,
    disk_of,
    find,
    no_such,
    require_may_unset,
    tap_of,
    validate,
)
from chyves.model.visible import visible

AFTER = "rcboot_after"
REVERTS = "revert_to_snapshot_method"


class Group(NamedTuple):
    """Assignments and what they are for, as they stand together on the command line."""

    target: str
    values: dict[str, str]


@click.command("get", cls=Reading)
@argument("name", metavar="PROPERTY|all")
@click.pass_obj
def get(app: App, name: str) -> None:
    """Show one property of guests, or all of them."""
    inventory = app.inventory
    if app.selector in SHARED:
        inventory.primary()
        file = inventory.globals if app.selector == "global" else inventory.defaults
        _show(app, [(app.selector, dict(file))], name, SHARED[app.selector])
        return
    chosen = inventory.select(app.selector)
    values = []
    for guest in chosen:
        own = dict(guest.config)
        if name != "all" and name not in own and find(name, Scope.GUEST):
            own[name] = guest.value(name)
        values.append((guest.name, own))
    _show(app, values, name, Scope.GUEST)


def _show(app: App, found: Sequence[tuple[str, dict[str, str]]], name: str, scope: Scope) -> None:
    if name == "all":
        app.report.data = dict(found)
        for owner, values in found:
            if app.output.headers and len(found) > 1:
                app.output.line(f"{owner}:")
            rows = [(owner, *item) for item in sorted(values.items())]
            if app.output.headers:
                app.output.table(("Property:", "Value:"), [row[1:] for row in rows])
            else:
                app.output.table((), rows)
        return
    data = {}
    for owner, values in found:
        with app.report.item(owner):
            if name not in values:
                raise _why_missing(owner, name, scope, values)
            data[owner] = {name: values[name]}
            if app.output.headers:
                app.output.line(f"{owner}'s {name}={visible(values[name])}")
            else:
                app.output.table((), [(owner, name, values[name])])
    app.report.data = data


def _why_missing(owner: str, name: str, scope: Scope, values: Mapping[str, str]) -> NotFound:
    """Return why a property cannot be shown: it is not set, or there is none of that name."""
    row = find(name, scope)
    if not row:
        return no_such(name, scope, values)
    hint = row.managed or f"chyves {owner} set {name}=<value>"
    return NotFound(f"{name} is not set", hint=hint)


@click.command("set", cls=Changing)
@argument(
    "words",
    nargs=-1,
    required=True,
    metavar="PROPERTY=VALUE... [GUESTS ...]",
)
@click.pass_obj
def set_command(app: App, words: tuple[str, ...]) -> None:
    """Set properties. A word without = names other guests, for the assignments behind it."""
    inventory = app.inventory
    inventory.require_current()
    for owner, values in _by_owner(inventory, _groups(app.selector, words)):
        if isinstance(owner, str):
            with app.report.item(owner), locks.host_lock(app.host):
                _set_shared(app, inventory, Group(owner, values))
            continue
        with app.report.item(owner.name), locks.guest_lock(app.host, owner.name):
            _set_guest(app, inventory, owner, values)


def _by_owner(
    inventory: Inventory, groups: Sequence[Group]
) -> list[tuple[str | Guest, dict[str, str]]]:
    """Return all that each guest is to have, or the host or the defaults: of what is said of one
    again, the last. Raises NotFound, Invalid."""
    wanted: dict[str, tuple[str | Guest, dict[str, str]]] = {}
    for group in groups:
        shared = group.target in SHARED
        owners = [group.target] if shared else inventory.select(group.target)
        for owner in owners:
            name = owner if isinstance(owner, str) else owner.name
            wanted.setdefault(name, (owner, {}))[1].update(group.values)
    return list(wanted.values())


def _groups(selector: str, words: Sequence[str]) -> list[Group]:
    """Return the assignments by what they are for. Raises Invalid if one has none."""
    groups = [Group(selector, {})]
    for word in words:
        name, equals, value = word.partition("=")
        if not equals:
            groups.append(Group(word, {}))
        elif name in groups[-1].values:
            raise Invalid(f"{name} is set twice", hint="leave one of them out")
        else:
            groups[-1].values[name] = value
    for group in groups:
        if not group.values:
            raise Invalid(
                f"nothing to set for {group.target}",
                hint="chyves <guest> set <property>=<value> [...]; quote a value with blanks",
            )
    return groups


def _set_shared(app: App, inventory: Inventory, group: Group) -> None:
    """Set properties of the host or the defaults; the caller holds the host's lock."""
    scope = SHARED[group.target]
    primary = inventory.primary().name
    inventory = refresh(app.host, inventory)
    is_global = scope is Scope.GLOBAL
    current = inventory.globals if is_global else inventory.defaults
    context = Context(
        current=current,
        defaults=inventory.defaults,
        globals=inventory.globals,
        firmware=_firmware(app, inventory),
    )
    wanted = _validated(scope, group.values, context)
    wiring.require_possible(app.host, inventory, _values(wanted))
    path = layout.global_config(primary) if is_global else layout.defaults_config(primary)
    store.set_values(app.host, path, _values(wanted))
    _report(app, group.target, current, wanted)


def _validated(scope: Scope, values: dict[str, str], context: Context) -> list[Assignment]:
    """Return all that is to be written. Raises why not, before anything is."""
    wanted: list[Assignment] = []
    for name, value in values.items():
        with_before = dict(context.current) | {one.name: one.value for one in wanted}
        judged = replace(context, current=with_before)
        wanted += validate(scope, name, value, judged)
    return wanted


def _values(wanted: Sequence[Assignment]) -> dict[str, str]:
    return {one.name: one.value for one in wanted}


def _differs(current: ConfigFile, wanted: Sequence[Assignment]) -> bool:
    return any(current.get(name) != value for name, value in _values(wanted).items())


def _report(app: App, owner: str, current: ConfigFile, wanted: Sequence[Assignment]) -> None:
    values, changed = _values(wanted), _differs(current, wanted)
    for one in wanted:
        if one.note:
            app.report.warn(f"{owner}: {one.note}")
    said = " ".join(f"{name}={value}" for name, value in values.items())
    app.report.done(owner, f"{'set' if changed else 'has'} {said}", changed=changed, values=values)


def _set_guest(app: App, inventory: Inventory, guest: Guest, values: dict[str, str]) -> None:
    """Set properties of one guest, all or none; the caller holds its lock."""
    _require_possible(app, guest, values)
    if not any(is_shared(name) or name == AFTER or disk_of(name) for name in values):
        _set_checked(app, inventory, guest, values, Taken())
        return
    with locks.host_lock(app.host):
        inventory = refresh(app.host, inventory)
        _set_checked(app, inventory, guest, values, numbers.taken(inventory))


def _set_checked(
    app: App, inventory: Inventory, guest: Guest, values: dict[str, str], taken: Taken
) -> None:
    guest = store.current(app.host, guest)
    current = guest.config
    context = Context(
        current=current,
        defaults=inventory.defaults,
        globals=inventory.globals,
        guest=guest.name,
        taken=taken,
        firmware=_firmware(app, inventory) if "uefi_firmware" in values else None,
    )
    wanted = _validated(Scope.GUEST, values, context)
    notes = [*_require_others(inventory, guest, values), *_missing_snapshot(app, guest, wanted)]
    template = next((one.value for one in wanted if one.effect is Effect.READ_ONLY), "")
    if template != "no" and _differs(current, wanted):
        require_no_template(guest)
    _write(app, guest, current, _values(wanted), template)
    for note in notes:
        app.report.warn(f"{guest.name}: {note}")
    _report(app, guest.name, current, wanted)


def _require_others(inventory: Inventory, guest: Guest, values: Mapping[str, str]) -> list[str]:
    """Return what is worth knowing about disks, taps and guests that properties are to name.

    Raises NotFound for a disk that the guest does not have, Invalid for an order that cannot be.
    """
    for name in values:
        if disk_of(name):
            inventory.disk(guest, disk_of(name))
    then = replace(guest, config=guest.config.set(values))
    notes = [
        f"{name} is for later: it has no {tap_of(name)}"
        for name in values
        if tap_of(name) not in ("", *then.taps())
    ]
    return [*notes, *(require_order(then, inventory.guests) if values.get(AFTER) else ())]


def _missing_snapshot(app: App, guest: Guest, wanted: Sequence[Assignment]) -> list[str]:
    """Return what speaks against the snapshot that the guest is to go back to, as it is now."""
    values = _values(wanted)
    if not values.keys() & {"revert_to_snapshot", REVERTS}:
        return []
    then = replace(guest, config=guest.config.set(values))
    if then.value(REVERTS) == "off":
        return []
    from chyves.backend import reverting  # few lines need it

    try:
        reverting.look(app.host, guest.pool, guest.name, then.value("revert_to_snapshot"))
    except (NotFound, Conflict) as error:
        return [error.message]
    return []


def _write(
    app: App, guest: Guest, current: ConfigFile, values: dict[str, str], template: str
) -> None:
    """Write what a guest is to have, and let its datasets be read-only or not if ``template`` is
    yes or no: both or neither."""
    dataset = layout.guest_dataset(guest.pool, guest.name)
    path = layout.guest_config(guest.pool, guest.name)
    with ExitStack() as undo:
        if template == "no":
            zfs.inherit_property(app.host, dataset, "readonly")
            if current.get("template") == "yes":
                undo.callback(zfs.set_property, app.host, dataset, "readonly", "on")
        store.set_values(app.host, path, values)
        if template == "yes":
            undo.callback(store.write_file, app.host, path, current.text)
            zfs.set_property(app.host, dataset, "readonly", "on")
        undo.pop_all()


def require_no_template(guest: Guest) -> None:
    if guest.is_template:
        raise Precondition(
            "a template is read-only", hint=f"chyves {guest.name} set template=no comes first"
        )


def _require_possible(app: App, guest: Guest, values: dict[str, str]) -> None:
    rows = [find(name, Scope.GUEST) for name in values]
    fixed = [row.name for row in rows if row and row.stopped]
    if fixed:
        guests.require_down(app.host, guest.name, f"change {', '.join(fixed)}")


def _firmware(app: App, inventory: Inventory) -> list[str]:
    """Return the names of the firmware that has been imported."""
    folder = app.host.path(layout.resource_folder(inventory.primary().name, layout.FIRMWARE))
    return [path.name for path in folder.iterdir()] if folder.is_dir() else []


@click.command("unset", cls=Changing)
@argument("names", nargs=-1, required=True, metavar="PROPERTY...")
@click.pass_obj
def unset(app: App, names: tuple[str, ...]) -> None:
    """Remove properties that guests, the defaults or the host can do without."""
    inventory = app.inventory
    inventory.require_current()
    if app.selector in SHARED:
        primary = inventory.primary().name
        is_global = app.selector == "global"
        path = layout.global_config(primary) if is_global else layout.defaults_config(primary)
        with app.report.item(app.selector), locks.host_lock(app.host):
            _unset(app, app.selector, path, SHARED[app.selector], names)
        return
    for guest in inventory.select(app.selector):
        with app.report.item(guest.name), locks.guest_lock(app.host, guest.name):
            require_no_template(store.current(app.host, guest))
            _require_possible(app, guest, dict.fromkeys(names, ""))
            path = layout.guest_config(guest.pool, guest.name)
            _unset(app, guest.name, path, Scope.GUEST, names)
            if "pci_slots" in names and guest.config.get("pci_slots") and guest.net_ifaces():
                app.report.warn(
                    f"{guest.name}: MAC addresses that no tap{{n}}_mac keeps can change with the "
                    "places of its interfaces"
                )


def _unset(app: App, owner: str, path: str, scope: Scope, names: Sequence[str]) -> None:
    """Remove properties from a file, all or none; the caller holds the lock that guards it."""
    current = store.read_config(app.host, path)
    for name in names:
        require_may_unset(name, current, scope)
    said = ", ".join(names)
    store.change_config(app.host, path, lambda config: config.unset(names), what=f"no {said}")
    changed = any(name in current for name in names)
    app.report.done(owner, f"{said} removed" if changed else f"has no {said}", changed=changed)
