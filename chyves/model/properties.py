# SPDX-License-Identifier: BSD-2-Clause
"""Properties: which there are, what they begin with, and what setting one comes to."""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from chyves.errors import Conflict, Invalid, NotFound
from chyves.model import numbers
from chyves.model.config import require_key, require_value
from chyves.model.guest_properties import GUEST_PROPERTIES, UEFI_FILL, VNC_FILL
from chyves.model.host_properties import GLOBAL_PROPERTIES, POOL_PROPERTIES, in_force, offset
from chyves.model.kinds import DEVICES, NOTHING
from chyves.model.numbers import Taken
from chyves.model.options import WIRED, split_bargs
from chyves.model.property import Effect, Property, Scope
from chyves.model.words import near

__all__ = ["Effect", "Property", "Scope"]

SHARED = {"global": Scope.GLOBAL, "defaults": Scope.DEFAULTS}
"""Words that name a file of the primary pool where others name guests."""

_TABLE = (*POOL_PROPERTIES, *GLOBAL_PROPERTIES, *GUEST_PROPERTIES)
_BY_SCOPE = {scope: tuple(row for row in _TABLE if scope in row.initial) for scope in Scope}
_BY_NAME = {scope: {row.name: row for row in rows} for scope, rows in _BY_SCOPE.items()}
_NUMBERED = {
    scope: [
        (row.name.replace("{n}", "(?:0|[1-9][0-9]{0,4})"), row) for row in rows if "{n}" in row.name
    ]
    for scope, rows in _BY_SCOPE.items()
}


def properties_of(scope: Scope) -> tuple[Property, ...]:
    """Return the properties of a scope, in the order in which a new file has them."""
    return _BY_SCOPE[scope]


def find(name: str, scope: Scope) -> Property | None:
    """Return the row of a property of that scope: ``tap50_mac`` finds ``tap{n}_mac``."""
    row = _BY_NAME[scope].get(name)
    if row:
        return None if "{n}" in name else row
    return next((row for regex, row in _NUMBERED[scope] if re.fullmatch(regex, name)), None)


def disk_of(name: str) -> str:
    """Return the ``disk{n}`` that a property of a guest is about, and with which it goes; empty for
    others."""
    return _named_in(name, "disk{n}")


def tap_of(name: str) -> str:
    """Return the ``tap{n}`` that a property of a guest is about; empty for others."""
    return _named_in(name, "tap{n}")


def _named_in(name: str, what: str) -> str:
    row = find(name, Scope.GUEST)
    if not row or what not in row.name:
        return ""
    before, _, after = row.name.partition(what)
    return name.removeprefix(before).removesuffix(after)


def known_names(scope: Scope) -> list[str]:
    """Return the names of a scope, with ``{n}`` where a number belongs."""
    return list(_BY_NAME[scope])


def settable(scope: Scope) -> list[Property]:
    """Return the properties of a scope that may be set by hand."""
    return [row for row in _BY_SCOPE[scope] if not row.managed]


def initial_values(scope: Scope, defaults: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return what a new file begins with, in its order.

    Those of a guest are taken from ``defaults`` where they are defaults. What only the moment of
    creation knows (``creation``, ``uuid``...) is empty, but has its place.
    """
    inherited = defaults if defaults and scope is Scope.GUEST else {}
    return {
        row.name: inherited.get(row.name, value) if Scope.DEFAULTS in row.initial else value
        for row in _BY_SCOPE[scope]
        if (value := row.initial[scope]) is not None
    }


class Assignment(NamedTuple):
    """A property as it is to be written. ``note`` is worth telling; ``effect`` is to be done with
    it."""

    name: str
    value: str
    note: str = ""
    effect: Effect | None = None


@dataclass(frozen=True)
class Context:
    """What a value is judged against.

    ``current`` are the properties of the file that is changed, ``guest`` its guest if it is one's.
    ``firmware`` are the names of the imported ones and ``addresses`` those of the host, or None if
    nobody has looked.
    """

    current: Mapping[str, str] = field(default_factory=dict)
    defaults: Mapping[str, str] = field(default_factory=dict)
    globals: Mapping[str, str] = field(default_factory=dict)
    guest: str = ""
    taken: Taken = field(default_factory=Taken)
    firmware: Collection[str] | None = None
    addresses: Collection[str] | None = None


def validate(
    scope: Scope, name: str, value: str, context: Context | None = None
) -> list[Assignment]:
    """Return what setting a property comes to: what it brings along, and last the property itself.

    Raises Invalid for a value that is not valid or a property that is not set by hand, NotFound
    for a name or firmware that does not exist, Conflict for a number that another guest has.
    """
    context = context or Context()
    require_value(name, value)
    row = find(name, scope)
    if row is None:
        return [_new_property(scope, name, value, context)]
    _require_settable(row, scope, name, context)
    try:
        value = row.kind.parse(value)
    except Invalid as error:
        raise Invalid(_named(name, error.message), hint=error.hint) from None
    if name == "uefi_firmware":
        _require_firmware(value, context)
    if scope is not Scope.GUEST:
        return [Assignment(name, value, _note(name, value, context))]
    properties = {**context.current, name: value}
    taken = numbers.conflicts(context.taken, context.guest, properties, [name])
    if taken:
        raise Conflict(f"{name}: {', '.join(taken)}", hint="each guest needs its own")
    others = {key: kept for key, kept in context.current.items() if key != name}
    again = numbers.twice({**others, name: value}).get(name)
    if again:
        raise Conflict(f"{name}: {again}", hint="name another one, or unset that one first")
    effect = row.effect if row.effect is Effect.READ_ONLY else None
    main = Assignment(name, value, _note(name, value, context), effect)
    return [*_brought_along(row, value, context), main]


def require_may_unset(name: str, current: Mapping[str, str], scope: Scope = Scope.GUEST) -> None:
    """Raise Invalid if a file of that scope cannot do without the property, NotFound if it is none
    at all."""
    row = find(name, scope)
    if row is None:
        if name not in current:
            raise no_such(name, scope, current)
    elif not row.may_be_unset(scope):
        optional = ", ".join(row.name for row in _BY_SCOPE[scope] if row.may_be_unset(scope))
        owner = "a guest" if scope is Scope.GUEST else _whose(scope)
        hint = f"may be unset: {optional or 'only what chyves does not know'}"
        initial = row.initial.get(scope)
        if initial is not None and scope in (Scope.GLOBAL, Scope.DEFAULTS) and not row.managed:
            hint = f"as it is at first: chyves {scope} set {name}={initial}; {hint}"
        raise Invalid(f"{owner} cannot do without {name}", hint=hint)


def _require_settable(row: Property, scope: Scope, name: str, context: Context) -> None:
    if row.managed:
        raise Invalid(f"{name} is not set by hand", hint=row.managed)
    is_automatic = in_force(context.globals, "network_design_mode") == "auto"
    if name == "net_ifaces" and is_automatic:
        raise Invalid(
            "net_ifaces is not set by hand while network_design_mode is auto",
            hint="chyves network <guest> add tap, chyves network <guest> remove tap{n}",
        )


def _new_property(scope: Scope, name: str, value: str, context: Context) -> Assignment:
    """Return the assignment of a property that is in no table, if that is allowed."""
    require_key(name)
    if name in context.current:
        return Assignment(name, value)
    refusal = no_such(name, scope)
    if scope is not Scope.GUEST or _home(name):
        raise refusal
    if in_force(context.globals, "restrict_new_property_names") == "on":
        allow = "chyves global set restrict_new_property_names=off allows new names"
        raise NotFound(refusal.message, hint=f"{refusal.hint}; {allow}")
    return Assignment(name, value, f"{name} is new: chyves does not know what it means")


def no_such(name: str, scope: Scope, present: Iterable[str] = ()) -> NotFound:
    """Return why a scope has no property of that name: it is one of another, or of none.
    ``present`` are names in its file, which may be in no table."""
    home = _home(name)
    if home:
        return NotFound(
            f"{name} is no property of {_whose(scope)}", hint=f"it is one of {_whose(home)}"
        )
    names = [*known_names(scope), *present]
    hint = near(name, names, "properties") or "see chyves list properties"
    return NotFound(f"no such property: {name}", hint=hint)


def _home(name: str) -> Scope | None:
    return next((scope for scope in Scope if find(name, scope)), None)


def _whose(scope: Scope) -> str:
    names = {
        Scope.POOL: "pools",
        Scope.GLOBAL: "the host (global)",
        Scope.DEFAULTS: "the defaults",
        Scope.GUEST: "guests",
    }
    return names[scope]


def _require_firmware(value: str, context: Context) -> None:
    known = context.firmware
    if known is not None and value != NOTHING and value not in known:
        hint = near(value, known, "firmware") or "chyves firmware import <file>"
        raise NotFound(f"no such firmware: {value}", hint=hint)


def _brought_along(row: Property, value: str, context: Context) -> list[Assignment]:
    """Return the properties that a guest lacks and needs once it has this value."""
    names: tuple[str, ...] = ()
    if row.effect is Effect.FILL_UEFI and value == "uefi":
        names = UEFI_FILL
    elif row.effect is Effect.FILL_VNC and value == "vnc":
        names = VNC_FILL
    added = []
    for name in names:
        if name not in context.current:
            needed = _BY_NAME[Scope.GUEST][name]
            default = _needed_value(needed, context)
            added += _brought_along(needed, default, context)
            added.append(Assignment(name, default))
    return added


def _needed_value(row: Property, context: Context) -> str:
    if row.name == "uefi_vnc_port":
        return numbers.next_port(
            context.taken, offset(context.globals, "uefi_vnc_port_start_offset")
        )
    return context.defaults.get(row.name, row.initial.get(Scope.DEFAULTS) or "")


def _named(name: str, message: str) -> str:
    return message if message.startswith(name) else f"{name}: {message}"


def _wires_memory(bargs: str) -> bool:
    try:
        return WIRED in split_bargs(bargs)
    except Invalid:
        return False


def _note(name: str, value: str, context: Context) -> str:
    """Return what is worth knowing about a value that is accepted."""
    if name == "network_design_mode" and context.current.get(name) == "system" and value == "auto":
        return "what is on the bridges of the host is recorded by: chyves network import"
    if name == "uefi_vnc_ip":
        if value in ("0.0.0.0", "::"):  # noqa: S104
            return "whoever reaches this host reaches the guest's screen: VNC asks for no password"
        if context.addresses is not None and value not in context.addresses:
            return f"this host does not have the address {value} now"
    if name.startswith("pcidev_"):
        device = value.partition(",")[0]
        if device not in DEVICES:
            return f"{device} is no device that chyves knows; bhyve will tell"
        if device == "passthru" and not _wires_memory(context.current.get("bargs", "")):
            return "passthru needs -S in bargs"
    return ""
