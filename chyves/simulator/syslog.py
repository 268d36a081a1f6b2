# SPDX-License-Identifier: BSD-2-Clause
"""logger(1) of the simulated host, whose syslogd(8) writes what is a notice or worse into
``/var/log/messages`` (usr.bin/logger/logger.c, sys/sys/syslog.h, usr.sbin/syslogd/syslog.conf)."""

import os
import time

from chyves.model.kinds import words
from chyves.simulator.hardware import HOSTNAME
from chyves.simulator.programs import Io
from chyves.simulator.usage import Refused, parse, refusing
from chyves.simulator.world import World

MESSAGES = "/var/log/messages"

USAGE = """\
usage: logger [-46Ais] [-f file] [-h host] [-P port] [-p pri] [-t tag]
              [-S addr:port] [message ...]"""

FACILITIES = words(
    "kern user mail daemon auth syslog lpr news uucp cron authpriv ftp ntp security console "
    "local0 local1 local2 local3 local4 local5 local6 local7"
)
LEVELS = words("emerg alert crit err warning notice info debug")
ALSO = {"panic": "emerg", "error": "err", "warn": "warning"}


@refusing
def logger(world: World, arguments: list[str], io: Io) -> int:
    """logger(1): log the operands as one message, or each line of the standard input."""
    parsed = parse("logger", arguments, "46Af:H:h:iP:p:S:st:", USAGE)
    level = _level(parsed.last("p") or "user.notice")
    tag = parsed.last("t") or "root"
    if parsed.has("i"):
        tag = f"{tag}[{os.getpid()}]"
    said = " ".join(parsed.operands)
    for line in [said] if said else io.stdin.read().decode(errors="replace").splitlines():
        if LEVELS.index(level) <= LEVELS.index("notice"):
            _append(world, f"{tag}: {line}")
    return 0


def _level(priority: str) -> str:
    facility, dot, level = priority.rpartition(".")
    if dot and facility not in FACILITIES:
        raise Refused(f"logger: unknown facility name: {facility}")
    level = ALSO.get(level, level)
    if level not in LEVELS:
        raise Refused(f"logger: unknown priority name: {level}")
    return level


def _append(world: World, text: str) -> None:
    file = world.path(MESSAGES)
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a") as messages:
        messages.write(f"{time.strftime('%b %e %H:%M:%S')} {HOSTNAME.partition('.')[0]} {text}\n")
