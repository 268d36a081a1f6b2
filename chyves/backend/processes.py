# SPDX-License-Identifier: BSD-2-Clause
"""Who runs on this machine, since when, and is it still the same process."""

from typing import NamedTuple

from chyves.backend.host import Host, Process


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


class Work(NamedTuple):
    """A process that has to do with a VM. ``runs`` is true for a bhyve with all its devices open,
    false for one that is still opening them (or waits for a VNC client) and for a loader."""

    pid: int
    runs: bool


def work_on_vms(host: Host) -> dict[str, Work]:
    """Return who runs or prepares which VM: ``{"chy-web": Work(4711, True)}``."""
    found = {}
    for process in host.processes():
        words = process.title.split()
        if process.title.startswith("bhyve: "):
            vm = process.title.removeprefix("bhyve: ").removesuffix(" (bhyve)")
            found[vm] = Work(process.pid, runs=True)
        elif words[0].rpartition("/")[2] in ("bhyve", "bhyveload", "grub-bhyve"):
            found.setdefault(words[-1], Work(process.pid, runs=False))
    return found


def bhyve_pids(host: Host) -> dict[str, int]:
    """Return the running VMs of the host: ``{"chy-web": 4711}``."""
    return {vm: work.pid for vm, work in work_on_vms(host).items() if work.runs}
