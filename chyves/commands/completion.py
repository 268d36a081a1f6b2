# SPDX-License-Identifier: BSD-2-Clause
"""What a shell offers for the words behind a verb."""

from collections.abc import Iterable

import click

from chyves.model.properties import Scope, find, known_names, settable

SHARED = {"global": Scope.GLOBAL, "defaults": Scope.DEFAULTS}
"""Words that name a file of the primary pool where others name guests."""


def property_names(ctx: click.Context, _: click.Parameter, beginning: str) -> list[str]:
    """Offer the properties that can be looked at or removed; not those with a number."""
    return _that_begin(["all", *_plain(known_names(_scope(ctx)))], beginning)


def assignments(ctx: click.Context, _: click.Parameter, beginning: str) -> list[str]:
    """Offer the properties that can be set, each with its ``=``, or behind that its values."""
    scope = _scope(ctx)
    name, equals, _value = beginning.partition("=")
    if equals:
        row = find(name, scope)
        return _that_begin([f"{name}={one}" for one in row.kind.choices] if row else [], beginning)
    return _that_begin([f"{one}=" for one in _plain(r.name for r in settable(scope))], beginning)


def _scope(ctx: click.Context) -> Scope:
    return SHARED.get(ctx.obj.selector, Scope.GUEST)


def _plain(names: Iterable[str]) -> list[str]:
    return [name for name in names if "{n}" not in name]


def _that_begin(words: Iterable[str], beginning: str) -> list[str]:
    return [word for word in words if word.startswith(beginning)]
