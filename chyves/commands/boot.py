# SPDX-License-Identifier: BSD-2-Clause
"""``rcboot start`` and ``all stop --within``: what guests do with the host."""

import os
import signal
import time
from collections.abc import Mapping, Sequence

from chyves.app import EVERYBODY, App
from chyves.backend import guests, locks, net, wanted, wiring
from chyves.backend.disks import disks_of
from chyves.backend.inventory import Inventory
from chyves.backend.survey import read_inventory
from chyves.commands import ending
from chyves.commands.start import Starter, setting_for
from chyves.errors import Busy, ChyvesError, Precondition
from chyves.model import boot as model
from chyves.model import layout
from chyves.model.guest import Guest

Turns = Sequence[model.Turn]

HOST_SECONDS = 60.0
"""How long the boot waits for pools, disks and uplinks to appear."""

FORCE_SECONDS = 10.0
"""How much of the time of a shutdown is kept for those that do not stop by themselves."""


def boot(app: App, iso: str | None) -> None:
    """Start the guests that start with the host, one behind the other."""
    with locks.boot_lock(app.host):
        inventory = _ready_inventory(app)
        in_turn = model.starting(model.order(inventory.guests))
        if not in_turn.turns:
            return
        for note in in_turn.notes:
            app.report.warn(note)
        chosen = {turn.name: inventory.guest(turn.name) for turn in in_turn.turns}
        wanted.want(app.host, chosen, wanted.ON)
        setting = setting_for(app, inventory, list(chosen.values()), iso)
        _start_in_turn(app, Starter(app, setting), chosen, in_turn.turns)


def _start_in_turn(app: App, starter: Starter, chosen: Mapping[str, Guest], turns: Turns) -> None:
    """Start guests in this order. Each is waited for when one comes that has to come after it, or
    at the end."""
    for turn in turns:
        for name in turn.after:
            starter.finish(name)
        starter.start(chosen[turn.name])
        if turn.delay and app.host.plan is None:
            starter.finish(turn.name)
            time.sleep(turn.delay)
    starter.finish_all()


def _ready_inventory(app: App) -> Inventory:
    """Return what there is once pools, disks and uplinks have appeared, or after a minute as it is
    then: the start says what each guest lacks. Raises Precondition if there is no pool by then."""
    deadline = time.monotonic() + (HOST_SECONDS if app.host.plan is None else 0)
    said = ""
    while True:
        lacks = _lacks(app, read_inventory(app.host))
        if not lacks or time.monotonic() >= deadline:
            inventory = app.inventory
            inventory.primary()
            return inventory
        if lacks != said:
            app.output.say(f"waiting for {lacks}")
            said = lacks
        time.sleep(1)


def _lacks(app: App, inventory: Inventory) -> str:
    """Return what the guests that start with the host have to wait for, or nothing."""
    try:
        inventory.primary()
    except Precondition as error:
        return error.message
    names = [turn.name for turn in model.starting(model.order(inventory.guests)).turns]
    chosen = [inventory.guest(name) for name in names]
    return _absent_disk(app, inventory, chosen) or _absent_uplink(app, inventory, chosen)


def _absent_disk(app: App, inventory: Inventory, chosen: list[Guest]) -> str:
    for disks in disks_of(app.host, inventory, chosen).values():
        for disk in disks:
            if not app.host.path(disk.path).exists():
                return disk.path
    return ""


def _absent_uplink(app: App, inventory: Inventory, chosen: list[Guest]) -> str:
    if not wiring.is_automatic(inventory):
        return ""
    actual = net.interfaces(app.host)
    planned = wiring.associations(inventory)
    for guest in chosen:
        for tap in guest.taps():
            try:
                uplink = planned.bridge_of(tap, guest.name).interface
            except ChyvesError:
                continue  # the start says it
            if uplink and uplink not in actual:
                return f"the interface {uplink}"
    return ""


def shut_down(app: App, chosen: list[Guest], seconds: int) -> None:
    """End guests in the order of rcboot, backwards, within so many seconds: each wave has its share
    of them, and who still runs near the end loses its power. A boot that still starts guests ends,
    unless only some are meant: it goes on without these."""
    if app.selector in EVERYBODY:
        end_boot(app)
    force_at = time.monotonic() + max(seconds - FORCE_SECONDS, seconds / 2)
    waves = model.waves(model.order(chosen))
    by_name = {guest.name: guest for guest in chosen}
    asked: list[ending.Ask] = []
    for number, names in enumerate(waves):
        wave = [by_name[name] for name in names]
        limit = max(1, round(force_at - time.monotonic()))
        now = ending.ask(app, wave, force=False, limit=limit)
        if app.host.plan is not None:
            continue
        asked += now
        share = (force_at - time.monotonic()) / (len(waves) - number)
        for _ in guests.wait_until_down(app.host, [one.name for one in now], share):
            pass
    for _ in ending.wait_for_ends(app, asked, for_hooks=FORCE_SECONDS / 2):
        pass


def end_boot(app: App) -> None:
    """End a boot that still goes on: it would start what was just stopped."""
    pid = locks.held_by(app.host, layout.BOOT_LOCK)
    if pid and app.host.plan is None:
        app.report.warn(f"guests that start with the host are started no more (process {pid})")
        os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + 10
        while locks.held_by(app.host, layout.BOOT_LOCK):
            if time.monotonic() > deadline:
                raise Busy(f"the start of guests at boot (pid {pid}) does not end")
            time.sleep(0.05)
