# SPDX-License-Identifier: BSD-2-Clause
"""``dev``: one function of the backend, called by its name. A tool for those who work on chyves."""

import dataclasses
import importlib
import inspect
import json
import pkgutil
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from typing import Any, get_type_hints

import click

from chyves import backend
from chyves.app import App
from chyves.backend.host import Host
from chyves.commands.options import Changing, argument
from chyves.errors import Invalid, NotFound, NotPermitted
from chyves.model.host_properties import in_force
from chyves.model.words import near

Function = Callable[..., Any]

SIMPLE: Mapping[object, Callable[[str], object]] = {str: str, int: int}
"""The types of arguments that can be typed."""


@click.command("dev", cls=Changing)
@argument("function", metavar="<module>.<function>")
@argument("arguments", nargs=-1, may_be_empty=True, metavar="[<argument>] [...]")
@click.pass_obj
def dev(app: App, function: str, arguments: tuple[str, ...]) -> None:
    """Call a function of chyves.backend and print what it returns; the global property dev_mode
    has to allow it."""
    inventory = app.inventory
    inventory.primary()
    _obey_mode(app, in_force(inventory.globals, "dev_mode"))
    called = _find(function)
    values = _arguments(function, called, arguments)
    result = plain(called(app.host, *values))
    app.report.data = result
    app.output.line(json.dumps(result, indent=2))


def _obey_mode(app: App, mode: str) -> None:
    """Raise NotPermitted if dev_mode is off; else show and leave out what its flags say: v what
    changes the host, x all programs, n run nothing that changes the host."""
    if mode == "off":
        raise NotPermitted("dev_mode is off", hint="chyves global set dev_mode=on")
    flags = mode if mode.startswith("-") else ""
    if "n" in flags and app.host.plan is None:
        app.host.plan = []
    if "v" in flags:
        app.output.verbose = True
    if "x" in flags:
        app.host.runner = _Telling(app.host.runner, app.output.say)


class _Telling:
    """A runner that tells what it runs."""

    def __init__(self, runner: object, tell: Callable[[str], None]) -> None:
        self._runner = runner
        self._tell = tell

    def __getattr__(self, name: str) -> Function:
        method: Function = getattr(self._runner, name)

        def run(*words: Any, **settings: Any) -> Any:
            for argv in words:
                if isinstance(argv, Sequence):
                    self._tell(f"+ {shlex.join(argv)}")
            return method(*words, **settings)

        return run


def _find(name: str) -> Function:
    """Return a function of the backend that takes a host and what can be typed. Raises NotFound."""
    module, _, function = name.partition(".")
    modules = {found.name for found in pkgutil.iter_modules(backend.__path__)}
    there = functions(module) if module in modules else {}
    if function not in there:
        known = (f"{module}.{one}" for one in there) if there else modules
        what = "functions" if there else "modules"
        raise NotFound(
            f"no such function: {name}",
            hint=near(name, known, what) or f"{what}: {', '.join(sorted(there or modules))}",
        )
    return there[function]


def functions(module: str) -> dict[str, Function]:
    """Return the functions of a module of the backend that can be called so, by their names."""
    members = vars(importlib.import_module(f"{backend.__name__}.{module}"))
    return {
        name: member
        for name, member in members.items()
        if inspect.isfunction(member)
        and member.__module__ == f"{backend.__name__}.{module}"
        and not name.startswith("_")
        and not hasattr(member, "__wrapped__")
        and _can_be_typed(member)
    }


def _can_be_typed(function: Function) -> bool:
    hints = get_type_hints(function)
    parameters = list(inspect.signature(function).parameters.values())
    if not parameters or hints.get(parameters[0].name) is not Host:
        return False
    return all(hints.get(one.name) in SIMPLE or _may_be_left_out(one) for one in parameters[1:])


def _may_be_left_out(parameter: inspect.Parameter) -> bool:
    return parameter.default is not parameter.empty


def _arguments(name: str, function: Function, words: Sequence[str]) -> list[object]:
    """Return the words as the arguments they are. Raises Invalid."""
    hints = get_type_hints(function)
    _, *rest = inspect.signature(function).parameters.values()
    wanted = [one for one in rest if hints.get(one.name) in SIMPLE and one.kind != one.KEYWORD_ONLY]
    needed = [one for one in wanted if not _may_be_left_out(one)]
    shown = " ".join(f"<{one.name}>" for one in wanted)
    hint = f"chyves dev {name} {shown}".rstrip()
    if not len(needed) <= len(words) <= len(wanted):
        raise Invalid(f"{name} takes {len(needed)} arguments, not {len(words)}", hint=hint)
    try:
        return [SIMPLE[hints[one.name]](word) for one, word in zip(wanted, words, strict=False)]
    except ValueError as error:
        raise Invalid(f"not an argument: {error}", hint=hint) from None


def plain(value: Any) -> Any:
    """Return a value as JSON knows them."""
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {one.name: plain(getattr(value, one.name)) for one in dataclasses.fields(value)}
    if hasattr(value, "_asdict"):
        return plain(value._asdict())
    if isinstance(value, Mapping):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, Set):
        return sorted(plain(one) for one in value)
    return [plain(one) for one in value] if isinstance(value, Iterable) else str(value)
