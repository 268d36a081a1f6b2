# SPDX-License-Identifier: BSD-2-Clause
"""``start``: run guests."""

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import click

from chyves.app import App
from chyves.backend import guests, prepare, vmm, wanted
from chyves.backend.facts import gather_facts, with_pci_devices
from chyves.backend.inventory import Inventory
from chyves.commands.launching import (
    Rehearsed,
    Setting,
    Starting,
    run_harmless_hooks,
    start_guest,
)
from chyves.commands.options import Changing, argument
from chyves.errors import NotFound
from chyves.model import bhyve, devices, layout
from chyves.model.facts import HostFacts
from chyves.model.guest import Guest
from chyves.model.host_properties import in_force
from chyves.model.selector import BOOT

SECONDS = 30.0
"""How long a loader and the devices of a guest may take before start gives its verdict."""


@click.command("start", cls=Changing)
@argument("iso", required=False)
@click.pass_obj
def start(app: App, iso: str | None) -> None:
    """Start guests, from an ISO if one is named, and wait until each runs."""
    if app.selector == BOOT:
        from chyves.commands.boot import boot

        boot(app, iso)
        return
    inventory = app.inventory
    inventory.require_current()
    chosen = inventory.select(app.selector)
    wanted.want(app.host, [guest.name for guest in chosen], wanted.ON)
    starter = Starter(app, setting_for(app, inventory, chosen, iso))
    for guest in chosen:
        starter.start(guest)
    starter.finish_all()


def setting_for(
    app: App, inventory: Inventory, chosen: Sequence[Guest], iso: str | None = None
) -> Setting:
    """Return what guests have in common that are started now. Raises Precondition, NotFound."""
    inventory.require_current()
    primary = inventory.primary().name
    media = _media(app, primary, iso)
    return Setting(inventory, _facts(app, inventory, chosen), primary, media)


class Starter:
    """Starts guests one behind the other, and waits for them side by side: loaders take their time.
    What each takes of the memory is missing to the next. Failures are reported."""

    def __init__(self, app: App, setting: Setting) -> None:
        self._app = app
        self._setting = setting
        self._launched: dict[str, tuple[Guest, Starting]] = {}

    def start(self, guest: Guest) -> None:
        """Start a guest, and do not wait until it runs."""
        with self._app.report.item(guest.name):
            launch = start_guest(self._app, self._setting, guest)
            if isinstance(launch, Starting):
                self._launched[guest.name] = guest, launch
            if isinstance(launch, guests.Launch | Rehearsed):
                self._setting = self._setting.after(guest)
            if isinstance(launch, Rehearsed):
                rehearsed = {**self._setting.rehearsed, guest.name: launch.holding}
                self._setting = self._setting._replace(rehearsed=rehearsed)

    def finish(self, name: str) -> None:
        """Wait until a guest runs, if it was started, and report it."""
        if name not in self._launched:
            return
        guest, launch = self._launched.pop(name)
        with self._app.report.item(name):
            finish(self._app, guest, launch)

    def finish_all(self) -> None:
        for name in list(self._launched):
            self.finish(name)


def finish(app: App, guest: Guest, launch: Starting, *, seconds: float | None = None) -> None:
    """Wait until a guest that is started, by this command or another, runs, and report it. Raises
    why it does not."""
    with closing(launch):
        try:
            pid = launch.wait(SECONDS if seconds is None else seconds)
        except KeyboardInterrupt:
            app.output.say(f"{guest.name} goes on starting; chyves {guest.name} stop ends it")
            raise
        if isinstance(launch, guests.Underway):
            app.report.done(guest.name, f"already running (pid {pid})", changed=False)
            return
        waits = ", waits for a VNC client" if launch.waits_for_client else ""
        app.report.done(guest.name, f"running (pid {pid}){waits}", pid=pid)
    run_harmless_hooks(app, "poststart", guest)


def _facts(app: App, inventory: Inventory, chosen: Sequence[Guest]) -> HostFacts:
    """Load the kernel modules that guests need, and look at what the host can do then."""
    load = in_force(inventory.globals, "auto_load_kernel_mods") == "yes"
    vmm.ready_modules(app.host, load=load)
    loaded = vmm.MODULES if app.host.plan is None else vmm.initialised(app.host)
    facts = gather_facts(app.host, loaded)
    wants_devices = any(devices.numbered(guest, "pcidev_") for guest in chosen)
    return with_pci_devices(app.host, facts) if wants_devices else facts


def _media(app: App, primary: str, iso: str | None) -> bhyve.Media | None:
    """Return the ISO to start from: a resource, or with ./, ../ or / in front a file of the host.
    Raises NotFound."""
    if iso is None:
        return None
    is_path = iso.startswith(("./", "../", "/"))
    path = app.host.absolute(iso) if is_path else layout.resource_file(primary, layout.ISO, iso)
    if (is_path or not (iso.startswith(".") or "/" in iso)) and app.host.path(path).is_file():
        return prepare.medium(app.host, path)
    if is_path:
        place = f"on the simulated host that is {app.host.path(path)}" if app.host.simulated else ""
        raise NotFound(f"no such file: {path}", hint=place or "chyves iso list shows what is kept")
    hint = "chyves iso list shows what there is"
    if Path(iso).is_file():
        hint = f"chyves iso import {iso} keeps it"
        if app.host.path(app.host.absolute(iso)).is_file():
            hint = f"chyves <guest> start ./{iso} takes the file, {hint}"
    raise NotFound(f"no such ISO: {iso}", hint=hint)
