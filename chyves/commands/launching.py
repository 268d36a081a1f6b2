# SPDX-License-Identifier: BSD-2-Clause
"""How one guest is started: what speaks against it is found first, then all it needs is put in
order, and its supervisor is given what it runs."""

import os
import shlex
from collections.abc import Mapping
from contextlib import ExitStack
from typing import NamedTuple

from chyves.app import App
from chyves.backend import guests, locks, net, prepare, reverting, store, vmm, wanted, wiring
from chyves.backend.disks import disks_of
from chyves.backend.hooks import run_hooks
from chyves.backend.inventory import Inventory
from chyves.backend.survey import refresh
from chyves.errors import Busy, HostError, Precondition
from chyves.model import bhyve, hostchecks, interfaces, layout, network, preconditions
from chyves.model.facts import HostFacts
from chyves.model.guest import Guest
from chyves.model.holding import Holding, holding, shared
from chyves.model.host_properties import in_force


class Setting(NamedTuple):
    """What all guests of one start have in common; ``rehearsed`` is what those would have for
    themselves by now that a dry run has started."""

    inventory: Inventory
    facts: HostFacts
    primary: str
    media: bhyve.Media | None
    rehearsed: Mapping[str, Holding] = {}

    def after(self, guest: Guest) -> "Setting":
        """Return what is left to the next one once a guest has its memory."""
        return self._replace(facts=hostchecks.without(guest, self.facts))


Starting = guests.Launch | guests.Underway


class Rehearsed(NamedTuple):
    """A start of which a dry run has shown the plan; what the guest would have for itself."""

    holding: Holding


def start_guest(app: App, setting: Setting, guest: Guest) -> Starting | Rehearsed | None:
    """Start one guest; None if it runs already, and is reported. Raises why it cannot run."""
    with locks.guest_lock(app.host, guest.name), ExitStack() as undo:
        now = guests.settled(app.host, guest.name)
        if not now.is_down:
            adopted = guests.adopt(app.host, guest.name, now)
            _require_same_medium(setting, guest.name, now)
            if adopted.is_coming:
                return guests.Underway(app.host, guest.name)
            _say_that_it_runs(app, guest.name, now, adopted)
            return None
        if app.host.plan is None and wanted.wanted(app.host, guest.name) == wanted.OFF:
            raise Busy("was stopped before it ran")
        plan = _make_ready(app, setting, guest, now, undo)
        for note in plan.notes:
            app.report.warn(f"{guest.name}: {note}")
        if app.host.plan is not None:
            show_plan(app, guest, plan)
            app.report.planned(guest.name, "running")
            undo.pop_all()
            return Rehearsed(holding(guest, setting.facts))
        launch = _launch(app, setting, guest, plan, undo)
        undo.pop_all()
        return launch


def _require_same_medium(setting: Setting, name: str, now: guests.Status) -> None:
    """Raise Busy if a guest that runs was started without the medium that it is to start from."""
    if setting.media and setting.media.path != now.holding.medium:
        raise Busy(
            f"runs already, and was started without {os.path.basename(setting.media.path)}",
            hint=f"chyves {name} stop",
        )


def rehearse(app: App, setting: Setting, guest: Guest, now: guests.Status) -> list[str]:
    """Return the shell lines by which a running guest starts again once it has ended. Raises why it
    could not."""
    with app.host.planning() as lines, ExitStack() as undo:
        show_plan(app, guest, _make_ready(app, setting, guest, now, undo))
        undo.pop_all()
    return lines


def _make_ready(
    app: App, setting: Setting, guest: Guest, now: guests.Status, undo: ExitStack
) -> bhyve.LaunchPlan:
    """Put in order all that a guest needs to run, and return how it is run; ``now`` is what it is
    doing. Raises why it cannot run: what speaks against it is found before anything is done."""
    guest = store.current(app.host, guest)
    dataset = layout.guest_dataset(guest.pool, guest.name)
    guests.require_whole(guest.name, setting.inventory.datasets.get(dataset))
    plan = _make_plan(app, setting, guest, now)
    _require_own_things(app, setting, guest)
    reversion = _reversion(app, guest)
    if now.is_down and now.has_vm:
        app.output.say(f"{guest.name}: taking its old VM out of the kernel")
        vmm.destroy(app.host, plan.vm)
    _ready_network(app, setting, guest, now, undo)
    prepare.make_ready(app.host, guest, plan, setting.primary)
    if guest.value("pci_slots") != plan.pci_slots:
        app.report.touched()
    if reversion:
        label = reverting.carry_out(app.host, reversion)
        if app.host.plan is None:
            app.output.say(f"{guest.name}: its disks went back to {label}")
    run_hooks(app.host, "prestart", guest.pool, guest.name)
    return plan


def _launch(
    app: App, setting: Setting, guest: Guest, plan: bhyve.LaunchPlan, undo: ExitStack
) -> guests.Launch:
    """Start the supervisor. Of two guests that need the same thing for themselves, the second is
    here once the first is known to have it. Raises Busy, HostError."""
    with locks.host_lock(app.host):
        _require_own_things(app, setting, guest)
        launch = guests.Launch(app.host, _order(app, setting, guest, plan))
        undo.callback(launch.close)
        launch.wait_for_supervisor()
    app.report.touched()
    return launch


def _reversion(app: App, guest: Guest) -> reverting.Reversion | None:
    """Return to what its disks go back, if that is wanted at each start. Raises NotFound,
    Conflict."""
    if guest.checked("revert_to_snapshot_method") not in ("start", "both"):
        return None
    label = guest.checked("revert_to_snapshot")
    return reverting.look(app.host, guest.pool, guest.name, label)


def _say_that_it_runs(app: App, name: str, before: guests.Status, now: guests.Status) -> None:
    """Report a guest that needs no start; one that had lost its supervisor has a new one."""
    taken = now.phase != before.phase
    pid = now.bhyve or now.supervisor or before.bhyve
    what = f"already running (pid {pid}){', taken over' if taken else ''}"
    app.report.done(name, what, changed=taken)


def _make_plan(app: App, setting: Setting, guest: Guest, now: guests.Status) -> bhyve.LaunchPlan:
    """Return how a guest is to be run. Raises Precondition: all that it lacks."""
    disks = disks_of(app.host, setting.inventory, [guest])[guest.pool, guest.name]
    invalid = preconditions.property_problems(guest, setting.facts, disks)
    if invalid:
        raise _refusal(invalid)
    seen = prepare.look(
        app.host,
        guest,
        setting.facts,
        disks,
        setting.inventory.datasets,
        primary=setting.primary,
        media=setting.media,
    )
    if now.supervisor and now.holding.screen == holding(guest, setting.facts).screen:
        seen = seen._replace(port_error=0)
    problems = preconditions.preconditions(
        guest, setting.facts, disks, primary=setting.primary, media=setting.media, look=seen
    )
    if problems:
        raise _refusal(problems)
    null = layout.resource_file(setting.primary, layout.ISO, "null.iso")
    return bhyve.plan(
        guest,
        setting.facts,
        disks,
        primary=setting.primary,
        media=setting.media,
        empty_media=null if app.host.path(null).is_file() else None,
        eject_after=int(guest.value("eject_iso_on_n_reboot") or 0),
        consolidate=in_force(guest.globals, "consolidate_bhyve_pci_devices") == "yes",
        variables=seen.variables > 0,
        password=seen.password,
        notes=list(hostchecks.memory_notes(guest, setting.facts)),
    )


def _refusal(problems: list[bhyve.Problem]) -> Precondition:
    """Return one error with all that is against a guest."""
    hints = dict.fromkeys(problem.hint for problem in problems if problem.hint)
    return Precondition("; ".join(problem.message for problem in problems), hint="; ".join(hints))


def _require_own_things(app: App, setting: Setting, guest: Guest) -> None:
    """Raise Busy if a running guest has what this one needs for itself."""
    mine = holding(guest, setting.facts)
    names = [other.name for other in setting.inventory.guests if other.name != guest.name]
    theirs = {**setting.rehearsed, **guests.held(app.host, names)}
    problems = list(filter(None, (shared(guest.name, mine, *one) for one in theirs.items())))
    if problems:
        raise Busy(
            "; ".join(problem.message for problem in problems),
            hint="; ".join(problem.hint for problem in problems),
        )


def _ready_network(
    app: App, setting: Setting, guest: Guest, now: guests.Status, undo: ExitStack
) -> None:
    if guest.taps() != guest.net_ifaces():
        load = in_force(guest.globals, "auto_load_kernel_mods") == "yes"
        vmm.ready_modules(app.host, ["netmap"], load=load)
    with locks.host_lock(app.host):
        inventory = refresh(app.host, setting.inventory)
        actual = interfaces.without_holder(net.interfaces(app.host), now.bhyve)
        taps = guest.taps()
        if not wiring.is_automatic(inventory):
            network.start_guest_on_system_network(guest.name, taps, actual)
            return
        change = network.start_guest(
            guest.name,
            taps,
            wiring.associations(inventory),
            actual,
            bridged_addresses=setting.facts.bridged_addresses,
            up=_come_up(guest),
        )
        for note in change.notes if not now.supervisor else ():
            app.output.say(f"{guest.name}: {note}")
        undo.push(net.apply(app.host, change.steps))


def _come_up(guest: Guest) -> bool:
    """Tell whether the taps are to be brought up (tap_up_by_default)."""
    return in_force(guest.globals, "tap_up_by_default") == "yes"


def _order(app: App, setting: Setting, guest: Guest, plan: bhyve.LaunchPlan) -> dict[str, object]:
    """Return what the supervisor is told."""
    return {
        "simulated": str(app.host.simulated or ""),
        "guest": guest.name,
        "pool": guest.pool,
        "revert": _reverts_at_reboot(guest),
        "launches": [launch._asdict() for launch in plan.launches],
        "eject_after": plan.eject_after,
        "restarts": guest.checked("on_crash") == "restart",
        "taps": list(plan.taps) if _come_up(guest) else [],
        "sockets": list(plan.sockets),
        "waits_for_client": bool(plan.vnc and plan.vnc.wait),
        "holding": holding(guest, setting.facts, setting.media)._asdict(),
    }


def _reverts_at_reboot(guest: Guest) -> str | None:
    """Return the snapshot that its disks go back to at each reboot, empty for the newest; None if
    they do not."""
    if guest.checked("revert_to_snapshot_method") in ("reboot", "both"):
        return guest.checked("revert_to_snapshot")
    return None


def show_plan(app: App, guest: Guest, plan: bhyve.LaunchPlan) -> None:
    """Add to a dry run what the supervisor would run, and what follows once the guest runs."""
    assert app.host.plan is not None
    launch = plan.launches[0]
    if launch.loader:
        app.host.plan.append(shlex.join(launch.loader))
    for tap in plan.taps if _come_up(guest) else ():
        app.host.plan.append(f"ifconfig {tap} up")
    app.host.plan.append(shlex.join(launch.bhyve))
    run_harmless_hooks(app, "poststart", guest)
    for later in plan.launches[1:]:
        app.host.plan.append(f"# without the medium, from reboot {plan.eject_after} on:")
        argvs = (later.loader, later.bhyve)
        app.host.plan += [f"# {shlex.join(argv)}" for argv in argvs if argv]


def run_harmless_hooks(app: App, event: str, guest: Guest) -> None:
    """Run hooks whose failure is worth a warning and no more."""
    try:
        run_hooks(app.host, event, guest.pool, guest.name)
    except HostError as error:
        app.report.warn(f"{guest.name}: {error.message}")
