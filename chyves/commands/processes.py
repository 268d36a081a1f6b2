# SPDX-License-Identifier: BSD-2-Clause
"""``list processes``: what runs on the host for which guest."""

from chyves.app import App
from chyves.backend import guests
from chyves.backend.processes import Part, parts_of_guests, usage
from chyves.model import kinds


def list_processes(app: App, name: str) -> None:
    """Show the processes of guests: bhyve, loader, supervisor and who is at the console."""
    inventory = app.inventory
    chosen = inventory.select(name) if name else list(inventory.guests)
    serials = {guest.value("serial"): guest.name for guest in chosen}
    now = guests.statuses(app.host, [guest.name for guest in chosen])
    supervisors = {one.supervisor: guest for guest, one in now.items() if one.supervisor}
    names = [guest.name for guest in chosen] if name else None
    found = parts_of_guests(app.host, names, serials, supervisors)
    used = usage([part.pid for part in found])
    app.report.data = [_as_data(part, *used.get(part.pid, (None, None))) for part in found]
    rows = [_row(app, part, *used.get(part.pid, (None, None))) for part in found]
    app.output.table(("Guest", "Process", "PID", "CPU time", "Memory", "Since"), rows)


def _as_data(part: Part, cpu: float | None, memory: int | None) -> dict[str, object]:
    return {
        "guest": part.guest,
        "process": part.what,
        "pid": part.pid,
        "cpu_seconds": cpu,
        "memory": memory,
        "started": int(part.started),
        "command": part.title,
    }


def _row(app: App, part: Part, cpu: float | None, memory: int | None) -> tuple[object, ...]:
    exact = app.output.exact
    return (
        part.guest,
        part.what,
        part.pid,
        "-" if cpu is None else f"{cpu:.2f}" if exact else _clock(int(cpu)),
        "-" if memory is None else kinds.format_bytes(memory, exact=exact),
        app.output.moment(part.started),
    )


def _clock(seconds: int) -> str:
    minutes, seconds = divmod(seconds, 60)
    return f"{minutes // 60}:{minutes % 60:02}:{seconds:02}"
