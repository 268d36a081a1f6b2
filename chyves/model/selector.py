# SPDX-License-Identifier: BSD-2-Clause
"""Which guests are meant, and what a guest may be called."""

import re
from collections.abc import Collection, Mapping, Sequence

from chyves.errors import Conflict, Invalid, NotFound
from chyves.model.kinds import NOTHING
from chyves.model.layout import version_key
from chyves.model.words import near

ALL = "all"

NAME_LENGTH = 27
"""What bhyve's limit of 31 characters for the name of a VM leaves after ``chy-``."""

NAME = "[A-Za-z0-9_][A-Za-z0-9_.-]*"
_NAME = re.compile(NAME)

_COMMANDS = (
    "apply completion console create clone dataset debug delete destroy dev disk doctor export "
    "firmware get group groups help host import info iso list log migrate move network offline "
    "online pci prompt promote reclaim reload rename reorder reset restart rollback run set "
    "shell snapshot start status stop uninstall unset update upgrade version wait"
)
_TARGETS = (
    "all bridge bridges clones default defaults disks global guest guests pools primary private "
    "processes properties rcboot secondary snapshots tap vale"
)

RESERVED = frozenset(f"{_COMMANDS} {_TARGETS}".split())
"""Words that a new guest may not be called: they mean something where a guest is named."""

BOOT = "rcboot"
"""Selects the guests that start with the host."""

GROUP = ":"
"""Begins a word that selects the guests of a group."""


def parse_selector(
    text: str,
    existing: Collection[str],
    groups: Mapping[str, Sequence[str]] | None = None,
    boot: Sequence[str] = (),
) -> list[str]:
    """Return the names of the guests that ``all`` selects, or a list of names, ``:groups`` and
    ``rcboot``.

    ``groups`` has the guests of each, ``boot`` those that start with the host, both in their order.
    Guests are in the order given, each once; those of ``all`` in version order. ``a,`` is ``a`` and
    never a command, for a guest of chyves 0.2.0 whose name is a command today. Raises NotFound for
    a name that nobody has, Invalid for a repeated or missing one.
    """
    if text == ALL:
        return sorted(set(existing), key=version_key)
    words = text.removesuffix(",").split(",")
    require_once(words)
    known = set(existing)
    found: list[str] = []
    for word in words:
        if word in known:
            found.append(word)
        elif word.startswith(GROUP):
            found += _members(word.removeprefix(GROUP), groups or {})
        elif word == BOOT:
            found += boot
        else:
            raise _unknown(word, existing)
    return list(dict.fromkeys(found))


def is_selector(text: str) -> bool:
    """Tell whether a word cannot be anything but guests: not a name alone, which may be a command
    with a mistake in it."""
    return "," in text or text.startswith(GROUP) or text in (ALL, BOOT)


def _members(group: str, groups: Mapping[str, Sequence[str]]) -> Sequence[str]:
    if group not in groups:
        known = [GROUP + name for name in sorted(groups, key=version_key)]
        hint = near(GROUP + group, known, "groups")
        raise NotFound(f"no such group: {GROUP}{group}", hint=hint or "chyves list groups")
    return groups[group]


def _unknown(name: str, existing: Collection[str]) -> Invalid | NotFound:
    if not name:
        return Invalid("a guest's name is missing", hint="write a,b without blanks, or all")
    if name == ALL:
        return Invalid("all cannot be part of a list", hint="say all alone, or name the guests")
    known = sorted(existing, key=version_key)
    hint = near(name, known, "guests")
    return NotFound(f"no such guest: {name}", hint=hint or "chyves list shows all")


def require_once(names: Sequence[str]) -> None:
    """Raise Invalid if a name occurs more than once."""
    for name in names:
        if name and names.count(name) > 1:
            raise Invalid(f"{name} is named twice", hint="name each guest once")


def check_new_names(names: Sequence[str], existing: Collection[str]) -> list[str]:
    """Return the names if guests may get them.

    Raises Invalid for a name that is malformed, reserved or repeated, Conflict for one in use.
    """
    require_once(names)
    for name in names:
        _check_name(name)
        if name in existing:
            raise Conflict(f"guest {name} exists already", hint="chyves list shows all")
    return list(names)


def is_guest_name(text: str) -> bool:
    """Tell whether a guest could be called so; chyves 0.2.0 knew no limit of length."""
    return _NAME.fullmatch(text) is not None


def _check_name(name: str) -> None:
    if name in RESERVED:
        raise Invalid(f"{name} is a word of chyves", hint="call the guest something else")
    _require_name(name, "guest")


def _require_name(name: str, what: str) -> None:
    if not _NAME.fullmatch(name) or len(name) > NAME_LENGTH:
        raise Invalid(
            f"no name for a {what}: {name!r}",
            hint=f"1 to {NAME_LENGTH} letters, digits, _ . or -, not beginning with . or -",
        )


def group_names(text: str) -> tuple[str, ...]:
    """Return the groups that the property ``groups`` names, each once, as far as they are any."""
    names = (name.strip().removeprefix(GROUP) for name in text.split(","))
    return tuple(dict.fromkeys(name for name in names if name not in ("", NOTHING)))


def check_groups(text: str) -> str:
    """Return a list of groups as the property ``groups`` keeps it: each once, without the ``:``.

    Raises Invalid for a name that is malformed.
    """
    names = group_names(text)
    for name in names:
        _require_name(name, "group")
    return ",".join(names) or NOTHING
