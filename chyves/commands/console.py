# SPDX-License-Identifier: BSD-2-Clause
"""``console``: talk to a guest over its serial port."""

import click

from chyves.app import App
from chyves.backend import guests, vmm
from chyves.commands.options import Changing
from chyves.errors import Busy, Precondition
from chyves.model import layout

CU_BUSY = 3
"""Exit code of cu(1) when another one has the port."""


@click.command("console", cls=Changing)
@click.pass_obj
def console(app: App) -> None:
    """Talk to one guest over its serial port. Type ~. behind Enter to leave."""
    guest = app.inventory.single(app.selector)
    serial = guest.value("serial")
    if not serial:
        raise Precondition(
            f"{guest.name} has no serial port", hint=f"chyves {guest.name} set serial=nmdm<n>"
        )
    if app.host.plan is None and guests.status(app.host, guest.name).is_down:
        app.output.say(f"{guest.name} does not run yet: its console stays silent until it does")
    load = guest.globals.get("auto_load_kernel_mods") != "no"
    vmm.ready_modules(app.host, ["nmdm"], load=load)
    app.output.say("Type ~. behind Enter to leave (~~. over ssh).")
    argv = ["cu", "-l", layout.console_device(serial), "-s", "9600"]
    if app.host.plan is not None:
        app.host.plan.append(" ".join(argv))
        return
    if app.host.runner.attach(argv) == CU_BUSY:
        raise Busy("its console is in use or does not answer", hint="leave the other one first")
