# SPDX-License-Identifier: BSD-2-Clause
"""ifconfig(8): what it prints, and the steps that change it."""

import re
from collections.abc import Iterable
from contextlib import ExitStack

from chyves.backend.host import Host
from chyves.errors import Busy
from chyves.model.interfaces import Interface, Step

HEADER = re.compile(r"(\S+): flags=[0-9a-f]+<([^>]*)>.*?(?: mtu (\d+))?$")
"""First line of an interface; all others are indented. Its words are to be compared whole: from
FreeBSD 14 on LOWER_UP stands next to UP (sbin/ifconfig/ifconfig_netlink.c)."""


def parse_ifconfig(text: str) -> dict[str, Interface]:
    """Read what ifconfig prints, by name, in its order; FreeBSD 13 to 15.

    The order of the lines of an interface is no contract, and unknown lines are passed over. A
    span port counts as a member: it can be on no other bridge either.
    """
    found: dict[str, Interface] = {}
    name = ""
    for line in text.splitlines():
        if header := HEADER.match(line):
            name = header[1]
            found[name] = Interface(name, "UP" in header[2].split(","), int(header[3] or 0))
        elif name and line[:1].isspace():
            found[name] = _with_line(found[name], line.strip())
    return found


def _with_line(interface: Interface, line: str) -> Interface:
    word, _, rest = line.partition(" ")
    match word:
        case "description:":
            return interface._replace(description=rest)
        case "groups:":
            return interface._replace(groups=tuple(rest.split()))
        case "member:":
            return interface._replace(members=(*interface.members, rest.split()[0]))
        case "media:" if "<hostap>" in rest:
            return interface._replace(is_access_point=True)
        case "status:":
            return interface._replace(status=rest)
        case "inet" | "inet6":
            return interface._replace(addresses=(*interface.addresses, rest.split()[0]))
        case "Opened" if pid := re.fullmatch(r"by PID (\d+)", rest):
            return interface._replace(opened_by=int(pid[1]))
    return interface


def interfaces(host: Host) -> dict[str, Interface]:
    """Return all interfaces of the host, by one program."""
    return parse_ifconfig(host.ask("ifconfig", "-a").stdout)


def apply(host: Host, steps: Iterable[Step]) -> ExitStack:
    """Take the steps, in order; if one fails, take back those before it, last one first.

    Returns what takes all of them back when it is closed, for whoever fails afterwards; it does
    nothing if it is dropped. Raises HostError, Busy.
    """
    with ExitStack() as taken:
        for step in steps:
            _require_closed(host, step.argv)
            done = host.try_change(*step.argv)
            if done.code != 0 and step.fine and step.fine in done.stderr:
                continue
            done.check()
            if step.undo:
                taken.callback(_take_back, host, step.undo)
        return taken.pop_all()


def _take_back(host: Host, argv: tuple[str, ...]) -> None:
    """Undo as far as it goes; the failure that led here is the one to be told."""
    try:
        _require_closed(host, argv)
    except Busy:
        return
    host.try_change(*argv)


def _require_closed(host: Host, argv: tuple[str, ...]) -> None:
    """Raise Busy if this would destroy an interface that a process has open: ifconfig would hang
    until it is closed, and could not be killed (FreeBSD 12.2 and later)."""
    if argv[-1] != "destroy":
        return
    name = argv[1]
    found = parse_ifconfig(host.try_ask("ifconfig", name).stdout).get(name)
    if found and found.opened_by is not None:
        raise Busy(f"{name} is open by process {found.opened_by}", hint="stop that first")
