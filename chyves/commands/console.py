# SPDX-License-Identifier: BSD-2-Clause
"""``console``: talk to a guest over its serial port, or see its screen."""

import os
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence

import click

from chyves.app import App
from chyves.backend import console as backend
from chyves.backend import guests, vmm
from chyves.backend.host import Process
from chyves.backend.processes import consoles
from chyves.backend.run import MISSING, person
from chyves.commands.options import Mixed, argument
from chyves.errors import Busy, Invalid, Precondition
from chyves.model import layout, terminals
from chyves.model.guest import Guest
from chyves.model.host_properties import in_force

TMUX_SOCKET = "/tmp/tmux-{}/default"  # noqa: S108
"""Where the tmux of a user is: whoever is in that one already has the session put before them."""


@click.command("console", cls=Mixed)
@argument(
    "how",
    required=False,
    metavar="[reset|tmux|vnc]",
)
@click.pass_obj
def console(app: App, how: str | None) -> None:
    """Talk to one guest over its serial port, and leave it with ~. behind Enter; make others leave
    it (reset); have a window for each of several guests (tmux); see a screen (vnc)."""
    if how is None:
        talk(app)
    elif how in ACTIONS:
        ACTIONS[how](app)
    else:
        raise Invalid(f"no such console: {how}", hint=f"console [{'|'.join(ACTIONS)}]")


def talk(app: App) -> None:
    """Become cu(1): nothing is left with the line when that is killed."""
    app.require_root()
    guest = app.inventory.single(app.selector)
    serial = _serial(guest)
    argv = ["cu", "-l", layout.console_device(serial), "-s", "9600"]
    _ready_lines(app, guest)
    if app.host.plan is None:
        _require_terminal(app, shlex.join(argv))
    _require_free(guest.name, serial, consoles(app.host.processes()))
    if app.host.plan is None:
        if guests.status(app.host, guest.name).is_down:
            app.output.say(f"{guest.name} does not run yet: its console stays silent until it does")
        app.output.say("Type ~. behind Enter to leave (~~. over ssh).")
    app.host.attach(*argv)


def reset(app: App) -> None:
    """End whoever is at the consoles of guests."""
    app.require_root()
    chosen = app.inventory.select(app.selector)
    known = consoles(app.host.processes())
    for guest in chosen:
        with app.report.item(guest.name):
            _end(app, guest, known.get(_serial(guest), ()))


def _end(app: App, guest: Guest, users: Sequence[Process]) -> None:
    if not users:
        app.report.done(guest.name, "nobody is at its console", changed=False)
        return
    said = f"{users[0].title} (pid {backend.pids(users)})"
    app.host.note(f"end {said}", lambda: backend.end(app.host, guest.serial, users))
    app.report.done(guest.name, f"ended {said}", pids=[user.pid for user in users])


def multiplex(app: App) -> None:
    """Have a window with two panes for each guest: a shell on the left, where its start is typed
    and not entered, its console on the right. What is there already is left as it is."""
    app.require_root()
    chosen = app.inventory.select(app.selector)
    known = consoles(app.host.processes())
    wishes = [
        terminals.Wish(
            guest.name,
            left=f"{_typed(app, guest.name, 'start')} ",
            right=_typed(app, guest.name, "console"),
            enters=not known.get(_serial(guest)),
        )
        for guest in chosen
    ]
    if app.host.plan is None:
        _require_terminal(app, f"tmux attach-session -t {terminals.TARGET}")
    arranged = terminals.arrange(wishes, _windows(app), person()["HOME"])
    shows, passing = ["attach-session"], list[str]()
    if os.environ.get("TMUX", "").startswith(f"{TMUX_SOCKET.format(os.getuid())},"):
        shows, passing = ["switch-client"], ["TMUX", "TMUX_PANE"]
    app.host.attach("tmux", *arranged, *shows, "-t", terminals.TARGET, passing=passing)


def _windows(app: App) -> dict[str, str] | None:
    """Return the windows of the session, None if there is none. Raises Precondition."""
    listing = app.host.try_ask(*terminals.find_windows())
    if listing.code == MISSING:
        raise Precondition("tmux is not installed", hint="pkg install tmux")
    return None if listing.code else terminals.parse_windows(listing.stdout)


def _typed(app: App, *words: str) -> str:
    """Return a command as it is typed at a shell."""
    simulated = ["--simulate", str(app.host.simulated)] if app.host.simulated else []
    return shlex.join(["chyves", *simulated, *words])


def _serial(guest: Guest) -> str:
    """Return the serial port of a guest. Raises Precondition if it has none, Invalid."""
    if not guest.value("serial"):
        raise Precondition(
            f"{guest.name} has no serial port", hint=f"chyves {guest.name} set serial=nmdm<n>"
        )
    return guest.serial


def _ready_lines(app: App, guest: Guest) -> None:
    load = in_force(guest.globals, "auto_load_kernel_mods") == "yes"
    vmm.ready_modules(app.host, ["nmdm"], load=load)


def _require_terminal(app: App, instead: str) -> None:
    app.require_no_json()
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise Precondition(
            "a console needs a terminal", hint=f"ssh -t gives one; without chyves: {instead}"
        )


def _require_free(name: str, serial: str, known: Mapping[str, Sequence[Process]]) -> None:
    users = known.get(serial)
    if users:
        raise Busy(
            f"{users[0].title} is at the console of {name} (pid {backend.pids(users)})",
            hint=f"leave it there with ~. or end it with: chyves {name} console reset",
        )


def _screen(app: App) -> None:
    from chyves.commands.screen import show_screen

    show_screen(app)


ACTIONS: dict[str, Callable[[App], None]] = {"reset": reset, "tmux": multiplex, "vnc": _screen}
