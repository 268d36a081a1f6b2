# SPDX-License-Identifier: BSD-2-Clause
"""``info`` and the tables of ``list``: guests and their disks in columns."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import click

from chyves.app import App
from chyves.backend import guests, processes, zfs
from chyves.backend.disks import disks_of
from chyves.backend.inventory import Inventory
from chyves.commands.options import Verb, argument, reading_options
from chyves.errors import Invalid
from chyves.model import kinds, layout, places
from chyves.model.guest import Disk, Guest
from chyves.model.host_properties import in_force
from chyves.output import columns as terminal_columns

ALL = "zbprvstcudn"

FLAGS_HELP = (
    ("a", "all columns"),
    ("b", "CPUs and memory"),
    ("c", "of what the disks are clones"),
    ("d", "descriptions"),
    ("h", "this help"),
    ("k", "guests only, without their disks"),
    ("l", "through a pager"),
    ("n", "notes"),
    ("p", "pool"),
    ("r", "role of the pool"),
    ("s", "VM in the kernel, running, start at boot"),
    ("t", "template"),
    ("u", "UEFI settings"),
    ("v", "operating system, loader, version, interfaces, serial port"),
    ("w", "cut to the width of the terminal"),
    ("z", "sizes"),
    ("H", "tab-separated, without a header line"),
)


class Shown(NamedTuple):
    """A guest as the columns see it. ``used`` has the space of its datasets, and ``console`` is the
    pid of who has its console open or 0, if they are asked for."""

    guest: Guest
    role: str
    used: Mapping[str, int]
    status: guests.Status
    disks: Sequence[Disk]
    console: int

    @property
    def dataset(self) -> str:
        return layout.guest_dataset(self.guest.pool, self.guest.name)


Cell = Callable[[Shown], str]


class Column(NamedTuple):
    """A column: its header, its cell for a guest."""

    header: str
    cell: Cell


def _property(name: str) -> Cell:
    return lambda shown: shown.guest.config.get(name) or "-"


def _running(shown: Shown) -> str:
    now = shown.status
    if now.bhyve:
        return f"{'YES' if now.supervisor else 'UNSUPERVISED'} ({now.bhyve})"
    return "NO" if now.phase in ("stopped", "left") else now.phase.upper()


def _serial(shown: Shown) -> str:
    """Return the serial port, with an A where somebody has attached to it."""
    return f"{_property('serial')(shown)}{' (A)' if shown.console else ''}"


def _rcboot(shown: Shown) -> str:
    value = shown.guest.config.get("rcboot", "0")
    return "NO" if value in ("", "0", "-") else f"YES ({value})"


def _address(shown: Shown) -> str:
    config = shown.guest.config
    ip, port = config.get("uefi_vnc_ip"), config.get("uefi_vnc_port")
    return f"{ip}:{port}" if ip and port else "-"


COLUMNS: dict[str, tuple[Column, ...]] = {
    "b": (Column("CPU", _property("cpu")), Column("RAM", _property("ram"))),
    "p": (Column("Pool", lambda shown: shown.guest.pool),),
    "r": (Column("Dataset Role", lambda shown: shown.role),),
    "v": (
        Column("OS", _property("os")),
        Column("Loader", _property("loader")),
        Column(f"CGV ({layout.GUEST_VERSION})", _property("chyves_guest_version")),
        Column("net-ifaces", _property("net_ifaces")),
        Column("Serial", _serial),
    ),
    "s": (
        Column("VMM", lambda shown: "YES" if shown.status.has_vm else "NO"),
        Column("Running", _running),
        Column("rcboot", _rcboot),
    ),
    "t": (
        Column(
            "Template", lambda shown: "YES" if shown.guest.config.get("template") == "yes" else "NO"
        ),
    ),
    "u": (
        Column("UEFI Console", _property("uefi_console_output")),
        Column("UEFI Firmware", _property("uefi_firmware")),
        Column("UEFI IP:Port", _address),
        Column("UEFI Mouse", _property("uefi_vnc_mouse_type")),
        Column("UEFI Pause", _property("uefi_vnc_pause_until_client_connect")),
        Column("UEFI Resolution", _property("uefi_vnc_res")),
    ),
}


@click.command(
    "info",
    cls=Verb,
    context_settings={"ignore_unknown_options": True, "help_option_names": ["--help"]},
    params=reading_options(short=False),
)
@argument("words", nargs=-1, type=click.UNPROCESSED, metavar="[-FLAGS]")
@click.pass_obj
def info(app: App, words: tuple[str, ...]) -> None:
    """Show guests and their disks in the columns that the flags name."""
    inventory = app.inventory
    _require_flags(inventory, words)
    typed = "".join(words).replace("-", "")
    flags = typed or flags_by_default(inventory, "default_info_flags")
    if "h" in flags and (words or not app.output.json):
        _help(app)
        return
    flags = flags.replace("h", "")
    show(app, inventory, inventory.guests, flags, said=True)


def _require_flags(inventory: Inventory, words: Sequence[str]) -> None:
    """Raise Invalid if one of the words is none of flags, such as the name of a guest."""
    known = {flag for flag, _ in FLAGS_HELP}
    for word in words:
        if word.startswith("--"):
            raise Invalid(f"no such option: {word}", hint="chyves help info")
        if not word.startswith("-") and not known.issuperset(word):
            hint = "of all guests: chyves info -a"
            if word in inventory.names:
                hint = f"of one guest: chyves {word} get all, chyves {word} disk list; {hint}"
            raise Invalid(f"info takes flags only: {word}", hint=hint)


def flags_by_default(inventory: Inventory, name: str) -> str:
    """Return the letters that a property of the host names."""
    return in_force(inventory.globals, name).replace("-", "")


def _help(app: App) -> None:
    app.output.line("chyves info -<flags>")
    for flag, meaning in FLAGS_HELP:
        app.output.line(f"  {flag}  {meaning}")


def show(
    app: App,
    inventory: Inventory,
    chosen: Sequence[Guest],
    flags: str,
    *,
    said: bool = False,
) -> None:
    """Print the table, and tell why guests failed; with ``said`` the last that bhyve or the loader
    said too. ``flags`` are the letters of ``info``."""
    known = {flag for flag, _ in FLAGS_HELP}
    unknown = sorted(set(flags) - known)
    if unknown:
        raise Invalid(
            f"info has no flag {unknown[0]}", hint=f"flags: {''.join(f for f, _ in FLAGS_HELP)}"
        )
    if "H" in flags:
        app.output.headers = False
    letters = ALL if "a" in flags else "".join(letter for letter in ALL if letter in flags)
    rows = _shown(
        app,
        inventory,
        chosen,
        sizes="z" in letters or app.output.json,
        disks="k" not in flags or "c" in letters or app.output.json,
        consoles="v" in letters or app.output.json,
    )
    if app.output.json:
        app.report.data = [as_data(shown) for shown in rows]
    if not rows and app.output.headers:
        app.output.say("no guests")
        return
    headers, table = _table(app, rows, letters, with_disks="k" not in flags)
    cut = terminal_columns() if "w" in flags else 0
    app.output.table(headers, table, cut=cut, paged="l" in flags)
    for shown in rows if app.output.headers else ():
        _tell_failure(app, shown.guest.name, shown.status, said=said)
    if not letters and app.output.headers:
        app.output.say("no columns were asked for: 'chyves info -h' explains the flags")


def _tell_failure(app: App, name: str, now: guests.Status, *, said: bool) -> None:
    if now.phase != "failed":
        return
    app.output.say(f"{name} failed: {now.reason}")
    for line in now.exits[-1]["said"] if said and now.exits else ():
        app.output.say(f"  {line}")


def _shown(
    app: App,
    inventory: Inventory,
    chosen: Sequence[Guest],
    *,
    sizes: bool,
    disks: bool,
    consoles: bool,
) -> list[Shown]:
    roots = [layout.guests_dataset(pool.name) for pool in inventory.pools]
    used = zfs.space_used(app.host, roots) if sizes and roots else {}
    roles = {pool.name: pool.role for pool in inventory.pools}
    now = guests.statuses(app.host, [guest.name for guest in chosen])
    found = disks_of(app.host, inventory, chosen) if disks else {}
    attached = processes.consoles(app.host.processes()) if consoles and chosen else {}
    return [
        Shown(
            guest,
            roles.get(guest.pool, "-"),
            used,
            now[guest.name],
            found.get((guest.pool, guest.name), ()),
            next((user.pid for user in attached.get(guest.value("serial"), ())), 0),
        )
        for guest in chosen
    ]


def _table(
    app: App, rows: Sequence[Shown], letters: str, *, with_disks: bool
) -> tuple[list[str], list[list[str]]]:
    """Return the headers and the rows. For people a disk stands below its guest; without headers
    the guest and the disk, - for the guest itself, are columns of their own."""
    headers = ["Guest/Disks" if with_disks else "Guest", *_headers(letters)]
    apart = with_disks and not app.output.headers
    table = []
    for shown in rows:
        name = shown.guest.name
        own = [name, "-"] if apart else [name]
        table.append([*own, *_guest_cells(app, shown, letters)])
        for disk in shown.disks if with_disks else ():
            named = [name, disk.name] if apart else [f"  {disk.name}"]
            table.append([*named, *_disk_cells(app, shown, disk, letters)])
    return headers, table


_SINGLE = {"z": "Size", "c": "Clone", "d": "Description", "n": "Notes"}


def _headers(letters: str) -> list[str]:
    found: list[str] = []
    for letter in letters:
        found += (
            [_SINGLE[letter]]
            if letter in _SINGLE
            else [column.header for column in COLUMNS[letter]]
        )
    return found


def _guest_cells(app: App, shown: Shown, letters: str) -> list[str]:
    cells: list[str] = []
    for letter in letters:
        if letter in COLUMNS:
            cells += [column.cell(shown) for column in COLUMNS[letter]]
        elif letter == "z":
            cells.append(_size(app, shown.used.get(shown.dataset, 0)))
        elif letter == "c":
            cells.append(_parent(shown.disks[0]) if shown.disks else "NO")
        else:
            cells.append(shown.guest.config.get("description" if letter == "d" else "notes") or "-")
    return cells


def _disk_cells(app: App, shown: Shown, disk: Disk, letters: str) -> list[str]:
    cells: list[str] = []
    for letter in letters:
        if letter in COLUMNS:
            cells += ["-"] * len(COLUMNS[letter])
        elif letter == "z":
            cells.append(_size(app, disk.size_bytes))
        elif letter == "c":
            cells.append(_parent(disk))
        else:
            key = f"{disk.name}_description" if letter == "d" else f"{disk.name}_notes"
            cells.append(shown.guest.config.get(key) or "-")
    return cells


def _size(app: App, size: int) -> str:
    return str(size) if app.output.exact else kinds.format_bytes(size)


def _parent(disk: Disk) -> str:
    place = places.classify(disk.origin.partition("@")[0]) if disk.origin else None
    guest = getattr(place, "guest", "")
    return f"Child of {guest}" if guest else "NO"


def as_data(shown: Shown) -> dict[str, Any]:
    """Return all there is to say about a guest, for JSON: sizes in bytes, absent values null."""
    now = shown.status
    return {
        "name": shown.guest.name,
        "pool": shown.guest.pool,
        "pool_role": shown.role,
        "used": shown.used.get(shown.dataset, 0),
        "phase": now.phase,
        "vm": now.has_vm,
        "pid": now.bhyve or None,
        "supervisor": now.supervisor or None,
        "console": shown.console or None,
        "last_end": now.reason or None,
        "exits": list(now.exits),
        "properties": dict(shown.guest.config.items()),
        "disks": [
            {
                "name": disk.name,
                "path": disk.path,
                "dataset": disk.dataset,
                "size": disk.size_bytes,
                "used": shown.used.get(disk.dataset, 0) if disk.volume else disk.used_bytes,
                "origin": disk.origin or None,
            }
            for disk in shown.disks
        ],
    }
