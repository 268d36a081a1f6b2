# SPDX-License-Identifier: BSD-2-Clause
"""How guests are ended: asked all at once, waited for side by side, and those that do not end by
themselves made to."""

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial

from chyves.app import App
from chyves.backend import guests, hooks, locks, vmm, wanted
from chyves.commands.launching import run_harmless_hooks
from chyves.errors import Busy
from chyves.model import layout, lifecycle
from chyves.model.guest import Guest

FORCED_SECONDS = 20.0
"""Longer than the supervisor gives a forced power-off before it kills bhyve."""

HOOK_SECONDS = 2 * hooks.SECONDS + 5
"""How long the hooks of an end may take: that for all guests, and its own."""

PATIENCE = 60.0
"""Seconds that stop waits for a guest whose power is not to be taken."""


@dataclass(frozen=True)
class Ask:
    """A guest that was asked to end. ``limit`` is how many seconds it has before its power is
    taken, 0 if that is not to be; ``deadline`` is on the monotonic clock. It ``ends`` when its
    supervisor runs hooks and nothing else."""

    name: str
    limit: int
    forced: bool
    deadline: float
    ends: bool = False

    @classmethod
    def button(cls, name: str, limit: int) -> "Ask":
        return cls(name, limit, forced=False, deadline=time.monotonic() + (limit or PATIENCE))

    @classmethod
    def force(cls, name: str) -> "Ask":
        return cls(name, 0, forced=True, deadline=time.monotonic() + FORCED_SECONDS)


def ask(
    app: App,
    chosen: Iterable[Guest],
    *,
    force: bool,
    limit: int | None,
    wish: str = wanted.OFF,
) -> list[Ask]:
    """Press the power buttons of guests, or take their power away; return which were asked.
    ``limit`` is in place of stop_timeout. What does not run is reported, and cleared away; a start
    that is under way finds the ``wish`` and ends."""
    guest_list = list(chosen)
    names = [guest.name for guest in guest_list]
    wanted.want(app.host, names, wish)
    before = guests.statuses(app.host, names)
    asked = []
    for guest in guest_list:
        with app.report.item(guest.name):
            now = before[guest.name]
            if now.is_down:
                _clean_up(app, guest.name, now)
                continue
            seconds = int(guest.checked("stop_timeout")) if limit is None else limit
            if not force:
                run_harmless_hooks(app, "prestop", guest)
            _press(app, guest.name, now, force=force)
            if app.host.plan is not None:
                _show_end(app, guest, force=force)
                app.report.planned(guest.name, "stopped")
            asked.append(Ask.force(guest.name) if force else Ask.button(guest.name, seconds))
    return asked


def _press(app: App, name: str, now: guests.Status, *, force: bool) -> None:
    now = guests.adopt(app.host, name, now)
    act = partial(guests.ask_to_stop, app.host, name, now, force=force)
    app.host.note(f"{'power off' if force else 'press the power button of'} {name}", act)
    app.report.touched()


def _show_end(app: App, guest: Guest, *, force: bool) -> None:
    """Add to a dry run what the supervisor of a guest does when it ends."""
    if force:
        vmm.force_poweroff(app.host, layout.vm_name(guest.name))
    vmm.destroy(app.host, layout.vm_name(guest.name))
    run_harmless_hooks(app, "poststop", guest)


def wait_for_ends(
    app: App, asked: Iterable[Ask], *, for_hooks: float | None = None
) -> Iterator[str]:
    """Wait until guests have ended, report each and yield its name; the power of those whose time
    is over is taken. The hooks of an end have so many
    seconds more, enough for all if it is None."""
    left = {one.name: one for one in asked}
    while left:
        soonest = min(one.deadline for one in left.values())
        for name in guests.wait_until_down(app.host, list(left), soonest - time.monotonic()):
            one = left.pop(name)
            with app.report.item(name):
                _report_end(app, one)
                yield name
        for one in list(left.values()):
            if one.deadline <= time.monotonic():
                del left[one.name]
                with app.report.item(one.name):
                    left[one.name] = _escalate(app, one, for_hooks)


def _escalate(app: App, one: Ask, for_hooks: float | None) -> Ask:
    """Take the power of a guest that has not ended in time. Raises Busy if that is not to be, or
    was done already."""
    now = guests.status(app.host, one.name)
    if not now.is_live:
        if one.ends:
            raise Busy(
                f"ended, but a hook of its end still runs (supervisor {now.supervisor})",
                hint=f"chyves {one.name} wait --for stopped",
            )
        seconds = HOOK_SECONDS if for_hooks is None else for_hooks
        return replace(one, ends=True, deadline=time.monotonic() + seconds)
    if one.forced:
        raise Busy("still running after its power was taken", hint="say it again, and see dmesg")
    if not one.limit:
        raise Busy(
            f"still running after {PATIENCE:.0f} seconds",
            hint=f"it may ignore its power button: chyves {one.name} stop force",
        )
    app.output.say(f"{one.name}: ignored its power button for {one.limit} seconds, power off")
    _press(app, one.name, now, force=True)
    return replace(one, forced=True, deadline=time.monotonic() + FORCED_SECONDS)


def _report_end(app: App, one: Ask) -> None:
    with locks.guest_lock(app.host, one.name):
        now = guests.status(app.host, one.name)
        if now.is_down and now.has_vm:
            vmm.destroy(app.host, layout.vm_name(one.name))
    what = "stopped"
    if one.forced and one.limit:
        what = f"stopped by force: it ignored its power button for {one.limit} seconds"
    elif now.reason == lifecycle.NO_ACPI:
        what = f"stopped: {now.reason}"
    app.report.done(one.name, what, reason=now.reason, forced=one.forced)


def _clean_up(app: App, name: str, now: guests.Status) -> None:
    """Take a VM that nobody runs out of the kernel."""
    if not now.has_vm:
        app.report.done(name, "not running", changed=False)
        return
    with locks.guest_lock(app.host, name):
        if guests.status(app.host, name).is_down:
            vmm.destroy(app.host, layout.vm_name(name))
    app.report.done(name, "reclaimed from the kernel")
