# SPDX-License-Identifier: BSD-2-Clause
"""Which guests are meant, and what a guest may be called."""

import re
from collections.abc import Collection, Sequence

from chyves.errors import Conflict, Invalid, NotFound
from chyves.model.layout import version_key
from chyves.model.words import near

ALL = "all"

NAME_LENGTH = 27
"""What bhyve's limit of 31 characters for the name of a VM leaves after ``chy-``."""

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")

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

_LATER = {"rcboot"}
"""Words that are to select guests by what they are, like a ``:group``."""


def parse_selector(text: str, existing: Collection[str]) -> list[str]:
    """Return the names of the guests that ``a``, ``a,b`` or ``all`` selects.

    Names are in the order given, those of ``all`` in version order. ``a,`` is ``a`` and never a
    command, for a guest of chyves 0.2.0 whose name is a command today. Raises NotFound for a name
    that nobody has, Invalid for a repeated or missing one.
    """
    if text == ALL:
        return sorted(set(existing), key=version_key)
    names = text.removesuffix(",").split(",")
    require_once(names)
    known = set(existing)
    for name in names:
        if name not in known:
            raise _unknown(name, existing)
    return names


def _unknown(name: str, existing: Collection[str]) -> Invalid | NotFound:
    if not name:
        return Invalid("a guest's name is missing", hint="write a,b without blanks, or all")
    if name == ALL:
        return Invalid("all cannot be part of a list", hint="say all alone, or name the guests")
    if name.startswith(":") or name in _LATER:
        return Invalid(f"{name} does not select guests", hint="name them: a,b, or all")
    known = sorted(existing, key=version_key)
    hint = near(name, known, "guests")
    return NotFound(f"no such guest: {name}", hint=hint or "chyves list shows all")


def require_once(names: Sequence[str]) -> None:
    """Raise Invalid if a name occurs more than once."""
    for name in names:
        if names.count(name) > 1:
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


def _check_name(name: str) -> None:
    if name in RESERVED:
        raise Invalid(f"{name} is a word of chyves", hint="call the guest something else")
    if not _NAME.fullmatch(name) or len(name) > NAME_LENGTH:
        raise Invalid(
            f"no name for a guest: {name!r}",
            hint=f"1 to {NAME_LENGTH} letters, digits, _ . or -, not beginning with . or -",
        )
