# SPDX-License-Identifier: BSD-2-Clause
"""Who runs on this machine, since when, and is it still the same process."""

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


def bhyve_pids(host: Host) -> dict[str, int]:
    """Return the running VMs of the host: ``{"chy-web": 4711}``."""
    found = {}
    for process in host.processes():
        if process.title.startswith("bhyve: "):
            found[process.title.removeprefix("bhyve: ").removesuffix(" (bhyve)")] = process.pid
    return found
