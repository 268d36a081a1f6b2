# SPDX-License-Identifier: BSD-2-Clause
"""``console vnc``: where the screen of a guest is, or a client that shows it."""

import re
import shlex
from collections.abc import Sequence
from typing import NamedTuple

from chyves.app import App
from chyves.backend import guests
from chyves.errors import Invalid, Precondition
from chyves.model.guest import Guest

ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104
"""Where a client on this host reaches what listens on all addresses."""


LOOPBACK = tuple(ANYWHERE.values())

FREERDP = ("xfreerdp", "/v:%h", "/port:%p", "/size:%r")


class Screen(NamedTuple):
    """Where the VNC console of a guest is."""

    guest: str
    address: str
    port: int
    resolution: str


def show_screen(app: App) -> None:
    """Say where the screen is, or start the client that uefi_vnc_client names."""
    guest = app.inventory.single(app.selector)
    if not guest.has_vnc:
        raise Precondition(
            f"{guest.name} has no screen",
            hint=f"chyves {guest.name} set loader=uefi uefi_console_output=vnc",
        )
    address, port, resolution = (
        guest.checked(f"uefi_vnc_{name}") for name in ("ip", "port", "res")
    )
    screen = Screen(guest.name, address, int(port), resolution)
    client = guest.checked("uefi_vnc_client")
    if client == "off":
        raise Precondition(
            f"the screen of {guest.name} is not to be shown: uefi_vnc_client=off",
            hint=f"chyves {guest.name} set uefi_vnc_client=print",
        )
    argv = _client(guest, client)
    _remark(app, guest)
    if argv:
        app.require_no_json()
        app.host.attach(*(_filled_in(word, screen) for word in argv))
    else:
        _print(app, screen)


def _client(guest: Guest, client: str) -> Sequence[str]:
    """Return the words of a client, none if it is to be printed only. Raises Precondition,
    Invalid."""
    if client != "custom":
        return FREERDP if client == "freerdp" else ()
    command = guest.value("uefi_vnc_client_custom_cmd")
    hint = f"chyves {guest.name} set uefi_vnc_client_custom_cmd='vncviewer %h::%p'"
    try:
        argv = shlex.split(command)
    except ValueError as error:
        raise Invalid(f"uefi_vnc_client_custom_cmd: {error}", hint=hint) from None
    if not argv:
        raise Precondition("uefi_vnc_client_custom_cmd is not set", hint=hint)
    return argv


def _filled_in(word: str, screen: Screen) -> str:
    """Put in what stands for the screen: %h address, %p port, %r resolution, %g guest, %% is %."""
    values = {
        "h": _in_brackets(ANYWHERE.get(screen.address, screen.address)),
        "p": str(screen.port),
        "r": screen.resolution,
        "g": screen.guest,
        "%": "%",
    }
    return re.sub("%([hprg%])", lambda found: values[found[1]], word)


def _in_brackets(address: str) -> str:
    """Return an address as it is written in front of a port."""
    return f"[{address}]" if ":" in address else address


def _remark(app: App, guest: Guest) -> None:
    if guests.status(app.host, guest.name).is_down:
        app.report.warn(f"{guest.name} does not run: nothing is there to connect to yet")
    elif guest.value("uefi_vnc_pause_until_client_connect") == "yes":
        app.output.say(f"{guest.name} boots when a client connects")
    if guest.value("uefi_vnc_mouse_type") == "ps2":
        app.output.say("A pointer that is beside the mouse: set uefi_vnc_mouse_type=usb3")


def _print(app: App, screen: Screen) -> None:
    app.report.data = screen._asdict()
    if app.output.headers:
        for name, value in screen._asdict().items():
            app.output.line(f"{name}: {value}")
    else:
        app.output.table((), [screen])
    if screen.address in LOOPBACK:
        there = f"{_in_brackets(screen.address)}:{screen.port}"
        tunnel = f"ssh -L {screen.port}:{there} root@<this host>"
        app.output.say(f"From elsewhere: {tunnel}, then connect to localhost:{screen.port}")
