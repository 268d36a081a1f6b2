# SPDX-License-Identifier: BSD-2-Clause
"""``debug``: all that a bug report should tell, in one text to paste into it."""

import json
import os
import platform
from collections.abc import Callable, Iterable, Iterator, Mapping

import click

from chyves.app import App
from chyves.backend import zfs
from chyves.backend.guests import statuses
from chyves.backend.host import Host
from chyves.backend.inventory import Inventory
from chyves.backend.survey import read_inventory
from chyves.commands.help import versions
from chyves.commands.options import Reading
from chyves.errors import ChyvesError
from chyves.model import layout
from chyves.model.facts import SYSCTLS
from chyves.model.visible import visible
from chyves.model.words import without_secrets

LOG_LINES = 50
"""How many of the last lines of the host's log are shown."""

LOG_BYTES = 1 << 16

DATASET_COLUMNS = "name,used,avail,refer,mounted,readonly,mountpoint,origin,chyves:unfinished"

PRIVATE = ("password", "secret", "token", "unique_id")
"""A property with one of these in its name is shown without its value."""


@click.command("debug", cls=Reading)
@click.pass_obj
def debug(app: App) -> None:
    """Show a report to paste into a bug report, without secrets."""
    host = app.host
    inventory, why = _read(host)
    sections: dict[str, Callable[[], Iterable[str]]] = {
        "Versions": lambda: _versions(app),
        "System": lambda: _program(host, "uname", "-a"),
        "Facts": lambda: _program(host, "sysctl", *SYSCTLS),
        "Kernel modules": lambda: _program(host, "kldstat"),
        "Pools": lambda: _program(host, "zpool", "list"),
        "Datasets": lambda: _datasets(host),
        "Interfaces": lambda: _program(host, "ifconfig"),
        "Problems": lambda: why if inventory is None else inventory.problems,
        "Pools of chyves": lambda: _pools(_known(inventory)),
        "Global properties": lambda: _lines(_known(inventory).globals),
        "Defaults": lambda: _lines(_known(inventory).defaults),
        "Guests": lambda: _guests(host, _known(inventory)),
        "Properties of guests": lambda: _properties(_known(inventory)),
        "What supervisors have kept": lambda: _kept(host, _known(inventory)),
        "Log of the host": lambda: _log(host, _known(inventory)),
    }
    app.report.data = [_section(title, look) for title, look in sections.items()]
    for section in app.report.data:
        _show(app, section)


def _section(title: str, look: Callable[[], Iterable[str]]) -> dict[str, object]:
    """Look at one part of the host; what cannot be looked at is no reason not to show the rest."""
    try:
        lines = [visible(without_secrets(line), keep="\t") for line in look()]
    except (ChyvesError, OSError, ValueError, LookupError) as error:
        said = without_secrets(str(error))
        return {"title": title, "lines": None, "error": said}
    return {"title": title, "lines": lines, "error": None}


def _show(app: App, section: Mapping[str, object]) -> None:
    lines = section["lines"]
    app.output.line(f"## {section['title']}\n")
    if not isinstance(lines, list):
        app.output.line(f"cannot be shown: {section['error']}\n")
    elif not lines:
        app.output.line("nothing\n")
    else:
        app.output.line(
            "\n".join(["```", *(line.replace("```", "'''") for line in lines), "```\n"])
        )


def _read(host: Host) -> tuple[Inventory | None, list[str]]:
    try:
        return read_inventory(host), []
    except (ChyvesError, OSError, ValueError, LookupError) as error:
        return None, [str(error)]


def _known(inventory: Inventory | None) -> Inventory:
    """Return what was read. Raises ValueError if it could not be."""
    if inventory is None:
        raise ValueError("pools and guests could not be read")
    return inventory


def _versions(app: App) -> Iterator[str]:
    yield from _lines(versions(app))
    yield f"python={platform.python_version()}"
    yield f"user={'root' if app.host.is_root() else 'not root: locks cannot be looked at'}"


def _lines(values: Mapping[str, str]) -> list[str]:
    return [f"{name}={_public(name, value)}" for name, value in values.items()]


def _public(name: str, value: str) -> str:
    return "***" if value and any(word in name for word in PRIVATE) else value


def _program(host: Host, *argv: str) -> list[str]:
    """Return what a program says, complaints behind."""
    done = host.try_ask(*argv, timeout=30)
    said = [*done.stdout.splitlines(), *done.stderr.splitlines()]
    return said if done.code == 0 else [*said, f"(exit code {done.code})"]


def _datasets(host: Host) -> list[str]:
    ends = ("/chyves", f"/{layout.AWAY}")
    roots = [name for name in zfs.top_datasets(host) if name.endswith(ends)]
    words = ("zfs", "list", "-r", "-t", "filesystem,volume", "-o", DATASET_COLUMNS)
    return _program(host, *words, *roots) if roots else []


def _pools(inventory: Inventory) -> Iterator[str]:
    for pool in (*inventory.pools, *inventory.offline):
        yield f"{pool.name}:"
        yield from _lines(pool.config)


def _guests(host: Host, inventory: Inventory) -> Iterator[str]:
    now = statuses(host, inventory.names)
    for guest in inventory.guests:
        status = now[guest.name]
        reason = f", {status.reason}" if status.reason else ""
        yield (
            f"{guest.name} on {guest.pool}: {status.phase}{reason}"
            f" (VM {'yes' if status.has_vm else 'no'}, supervisor {status.supervisor},"
            f" bhyve {status.bhyve})"
        )


def _properties(inventory: Inventory) -> Iterator[str]:
    for guest in inventory.guests:
        yield f"{guest.name}:"
        yield from _lines(guest.config)


def _kept(host: Host, inventory: Inventory) -> Iterator[str]:
    for name in inventory.names:
        path = host.path(layout.state_file(name))
        if path.exists():
            try:
                yield json.dumps(json.loads(path.read_text()))
            except (OSError, ValueError) as error:
                yield f"{name}: {error}"


def _log(host: Host, inventory: Inventory) -> list[str]:
    folder = host.path(layout.host_logs(inventory.primary().name))
    newest = max(folder.glob("*.log"), default=None)
    if newest is None:
        return []
    with newest.open("rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - LOG_BYTES))
        text = file.read().decode(errors="replace")
    return text.splitlines()[-LOG_LINES:]
