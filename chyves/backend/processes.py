# SPDX-License-Identifier: BSD-2-Clause
"""Who runs on this machine, since when, and is it still the same process."""

from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from typing import NamedTuple

from chyves.backend.host import Host, Process
from chyves.model import layout


def running_processes() -> list[Process]:
    """Return all processes of this machine. bhyve shows itself as ``bhyve: NAME`` once it runs
    (setproctitle(3) in usr.sbin/bhyve/bhyverun.c); ps(1) adds its name in parentheses."""
    import psutil  # 20 ms that only a host with VMs pays

    found = []
    for process in psutil.process_iter(["pid", "create_time", "cmdline"]):
        title = " ".join(process.info["cmdline"] or [])
        if title:
            found.append(Process(process.info["pid"], process.info["create_time"], title))
    return found


PREFIX = layout.vm_name("")
"""Begins the name of each VM of a guest."""


class Work(NamedTuple):
    """A process that has to do with a VM. ``runs`` is true for a bhyve with all its devices open,
    false for one that is still opening them (or waits for a VNC client) and for a loader."""

    pid: int
    runs: bool


def work_on_vms(host: Host) -> dict[str, Work]:
    """Return who runs or prepares which VM: ``{"chy-web": Work(4711, True)}``."""
    found: dict[str, Work] = {}
    for process in host.processes():
        vm, program = _work_of(process)
        if vm and program == RUNNING:
            found[vm] = Work(process.pid, runs=True)
        elif vm:
            found.setdefault(vm, Work(process.pid, runs=False))
    return found


RUNNING = "bhyve:"
"""Stands for the program of a bhyve that has all its devices open."""


def _work_of(process: Process) -> tuple[str, str]:
    """Return the VM that a process runs or prepares, and its program; empty if it does not."""
    if process.title.startswith("bhyve: "):
        return process.title.removeprefix("bhyve: ").removesuffix(" (bhyve)"), RUNNING
    words = process.title.split()
    program = words[0].rpartition("/")[2] if words else ""
    return (words[-1], program) if program in ("bhyve", "bhyveload", "grub-bhyve") else ("", "")


def bhyve_pids(host: Host) -> dict[str, int]:
    """Return the running VMs of the host: ``{"chy-web": 4711}``."""
    return {vm: work.pid for vm, work in work_on_vms(host).items() if work.runs}


def consoles(processes: Iterable[Process]) -> dict[str, list[Process]]:
    """Return who has which serial port open with cu(1), which is two processes, by the port:
    ``nmdm50``."""
    found: dict[str, list[Process]] = {}
    for process in processes:
        program, *words = process.title.split()
        if program.rpartition("/")[2] == "cu" and "-l" in words[:-1]:
            device = words[words.index("-l") + 1].rpartition("/")[2]
            found.setdefault(device.removesuffix("B"), []).append(process)
    return found


class Part(NamedTuple):
    """A process of a guest: ``what`` is bhyve, bhyveload, grub-bhyve, supervisor or console."""

    guest: str
    what: str
    pid: int
    started: float
    title: str


def parts_of_guests(
    host: Host,
    names: Collection[str] | None,
    serials: Mapping[str, str],
    supervisors: Mapping[int, str],
) -> list[Part]:
    """Return the processes of the guests of these names, of all VMs of guests if it is None.

    ``serials`` has the guests by their serial ports, ``supervisors`` by the pids of theirs.
    """
    processes = host.processes()
    known = {process.pid for process in processes}
    if missing := supervisors.keys() - known:  # supervisors of a simulated host are real processes
        processes += [process for process in running_processes() if process.pid in missing]
    at_consoles = {
        user.pid: serials[port]
        for port, users in consoles(processes).items()
        if port in serials
        for user in users
    }
    found = []
    for process in processes:
        vm, program = _work_of(process)
        if vm.startswith(PREFIX):
            guest, what = vm.removeprefix(PREFIX), program.removesuffix(":")
        elif process.pid in supervisors:
            guest, what = supervisors[process.pid], "supervisor"
        elif process.pid in at_consoles:
            guest, what = at_consoles[process.pid], "console"
        else:
            continue
        if names is None or guest in names:
            found.append(Part(guest, what, *process))
    return sorted(found, key=lambda part: (layout.version_key(part.guest), part.what, part.pid))


def usage(pids: Iterable[int]) -> dict[int, tuple[float, int]]:
    """Return how many seconds of CPU processes have had, and their resident bytes; those that are
    gone, or cannot be asked, are missing."""
    import psutil  # needed for list processes only

    found = {}
    for pid in pids:
        with suppress(psutil.Error):
            process = psutil.Process(pid)
            with process.oneshot():
                times = process.cpu_times()
                found[pid] = (times.user + times.system, process.memory_info().rss)
    return found
