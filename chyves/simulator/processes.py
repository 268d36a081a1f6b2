# SPDX-License-Identifier: BSD-2-Clause
"""ps(1), pgrep(1) and uuidgen(1) for the processes of the simulated host.

Columns and texts are those of a FreeBSD 13.2 transcript and of bin/ps, bin/pkill and bin/uuidgen.
"""

import json
import os
import re
import time
import uuid
from collections.abc import Callable
from typing import NamedTuple

from chyves.backend.host import Process
from chyves.simulator import kernel
from chyves.simulator.net.interfaces import host_uuid
from chyves.simulator.programs import Io
from chyves.simulator.usage import Parsed, Refused, parse, refusing
from chyves.simulator.world import World

PS_USAGE = """\
usage: ps [--libxo] [-aCcdefHhjlmrSTuvwXxZ] [-O fmt | -o fmt]
          [-G gid[,gid...]] [-J jid[,jid...]] [-M core] [-N system]
          [-p pid[,pid...]] [-t tty[,tty...]] [-U user[,user...]]
       ps [--libxo] -L"""


def command_name(process: Process) -> str:
    """Return the name of its program, ``bhyve`` for the title ``bhyve: chy-web``."""
    return os.path.basename(process.title.split(" ")[0].rstrip(":"))[:19]


def command_line(process: Process) -> str:
    """Return the title as ps shows it: one made by setproctitle(3) with the program behind it."""
    name = command_name(process)
    return f"{process.title} ({name})" if process.title.startswith(f"{name}: ") else process.title


class Column(NamedTuple):
    heading: str
    text: Callable[[Process], str]
    left: bool = False


def _constant(text: str) -> Callable[[Process], str]:
    return lambda process: text


def _started(process: Process) -> str:
    day_long = time.time() - process.started < 86400
    return time.strftime("%H:%M" if day_long else "%a%H", time.localtime(process.started))


def _elapsed(process: Process) -> str:
    minutes, seconds = divmod(max(int(time.time() - process.started), 0), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    text = f"{minutes:02}:{seconds:02}"
    if days or hours:
        text = f"{hours:02}:{text}"
    return f"{days}-{text}" if days else text


_COMMAND = Column("COMMAND", command_line, left=True)
_COLUMNS = {
    "pid": Column("PID", lambda process: str(process.pid)),
    "ppid": Column("PPID", lambda process: "0" if process.pid < 2 else "1"),
    "uid": Column("UID", _constant("0")),
    "user": Column("USER", _constant("root"), left=True),
    "jid": Column("JID", _constant("0")),
    "tt": Column("TT ", _constant("- ")),
    "stat": Column("STAT", _constant("S"), left=True),
    "state": Column("STAT", _constant("S"), left=True),
    "start": Column("STARTED", _started, left=True),
    "lstart": Column("STARTED", lambda process: time.ctime(process.started), left=True),
    "etime": Column("ELAPSED", _elapsed),
    "etimes": Column("ELAPSED", lambda process: str(int(time.time() - process.started))),
    "time": Column("TIME", _constant("0:00.00")),
    "%cpu": Column("%CPU", _constant("0.0")),
    "pcpu": Column("%CPU", _constant("0.0")),
    "%mem": Column("%MEM", _constant("0.0")),
    "pmem": Column("%MEM", _constant("0.0")),
    "vsz": Column("VSZ", _constant("336920")),
    "rss": Column("RSS", _constant("7928")),
    "comm": Column("COMMAND", command_name, left=True),
    "ucomm": Column("UCOMM", command_name, left=True),
    "command": _COMMAND,
    "args": _COMMAND,
}
_SHAPES = {
    "": "pid,tt,stat,time,command",
    "j": "user,pid,ppid,jid,stat,tt,time,command",
    "l": "uid,pid,ppid,vsz,rss,stat,tt,time,command",
    "u": "user,pid,%cpu,%mem,vsz,rss,tt,stat,start,time,command",
}


@refusing
def ps(world: World, arguments: list[str], io: Io) -> int:
    """ps(1); exits with 1 when it shows no process."""
    as_json, words = _libxo(arguments)
    if words and not words[0].startswith("-"):
        words[0] = f"-{words[0]}"
    parsed = parse("ps", words, "aCcdefG:gHhjJ:LlM:mN:O:o:p:rSTt:U:uvwXxZ", PS_USAGE)
    if parsed.has("L"):
        io.out(" ".join(_COLUMNS))
        return 0
    shape = next((option for option, _ in parsed.options if option in "jlu"), "")
    formats = [value for option, value in parsed.options if option in "oO"] or [_SHAPES[shape]]
    keys, headings = _keywords(formats)
    shown = _shown(world, parsed)
    rows = [[_COLUMNS[key].text(process) for key in keys] for process in shown]
    if as_json:
        records = [dict(zip(keys, row, strict=True)) for row in rows]
        text = ", ".join(json.dumps(record, separators=(",", ":")) for record in records)
        io.out(f'{{"process-information": {{"process": [{text}]}}}}')
    else:
        _print_rows(keys, headings, rows, io)
    return 0 if rows else 1


def _libxo(arguments: list[str]) -> tuple[bool, list[str]]:
    if arguments[:2] == ["--libxo", "json"]:
        return True, arguments[2:]
    if arguments[:1] in (["--libxo=json"], ["--libxo:J"]):
        return True, arguments[1:]
    return False, list(arguments)


def _keywords(formats: list[str]) -> tuple[list[str], list[str]]:
    keys, headings = [], []
    for text in formats:
        words, equals, heading = text.partition("=")
        names = re.split(r"[ ,\t\n]+", words.strip())
        for name in names:
            if name not in _COLUMNS:
                raise Refused(
                    f"ps: {name}: keyword not found\n"
                    f"ps: no valid keywords; valid keywords:\n{' '.join(_COLUMNS)}"
                )
            keys.append(name)
            headings.append(_COLUMNS[name].heading)
        if equals:
            headings[-1] = heading
    return keys, headings


def _shown(world: World, parsed: Parsed) -> list[Process]:
    with world.reading():
        booted = float(kernel.kenv(world)["boottime"])
    everything = [
        Process(0, booted, "[kernel]"),
        Process(1, booted, "/sbin/init"),
        *world.processes(),
    ]
    wanted = [value for option, value in parsed.options if option == "p"]
    if wanted:
        pids = re.split(r"[ ,]+", ",".join(wanted))
        return [process for process in everything if str(process.pid) in pids]
    return everything if parsed.has("x") else []


def _print_rows(keys: list[str], headings: list[str], rows: list[list[str]], io: Io) -> None:
    lines = [headings, *rows] if any(headings) else rows
    last = len(keys) - 1
    widths = [max((len(line[at]) for line in lines), default=0) for at in range(last + 1)]
    for line in lines:
        cells = []
        for at, cell in enumerate(line):
            left = _COLUMNS[keys[at]].left
            if left:
                cells.append(cell if at == last else cell.ljust(widths[at]))
            else:
                cells.append(cell.rjust(widths[at]))
        io.out(" ".join(cells))


PGREP_USAGE = """\
usage: pgrep [-LSfilnoqvx] [-d delim] [-F pidfile] [-G gid] [-M core] [-N system]
             [-P ppid] [-U uid] [-c class] [-g pgrp] [-j jail]
             [-s sid] [-t tty] [-u euid] pattern ..."""
_NO_MATCH, _BAD_USAGE, _ERROR = 1, 2, 3


@refusing
def pgrep(world: World, arguments: list[str], io: Io) -> int:
    """pgrep(1). It does not see itself, nor (without ``-a``) who has called it."""
    letters = "DF:G:LM:N:P:SU:ac:d:fg:ij:lnoqs:t:u:vx"
    parsed = parse("pgrep", arguments, letters, PGREP_USAGE, _BAD_USAGE)
    if not parsed.operands and not any(parsed.has(letter) for letter in "FGPUcgjnostu"):
        raise Refused(PGREP_USAGE, _BAD_USAGE)
    if parsed.has("n") and parsed.has("o"):
        raise Refused("pgrep: Options -n and -o are mutually exclusive", _ERROR)
    hidden = {os.getpid()} if parsed.has("a") else {os.getpid(), os.getppid()}
    present = [process for process in world.processes() if process.pid not in hidden]
    patterns = [_compiled(pattern, parsed) for pattern in parsed.operands]
    matched = {process for process in present if _matches(process, patterns, parsed)}
    if matched and (parsed.has("n") or parsed.has("o")):
        choose = max if parsed.has("n") else min
        matched = {choose(matched, key=lambda process: process.started)}
    found = [process for process in present if (process in matched) != parsed.has("v")]
    if not parsed.has("q"):
        delimiter = parsed.last("d")
        text = "".join(
            _described(process, parsed) + ("\n" if delimiter is None else delimiter)
            for process in found
        )
        io.stdout.write(text.encode(errors="surrogateescape"))
    return 0 if found else _NO_MATCH


def _compiled(pattern: str, parsed: Parsed) -> re.Pattern[str]:
    try:
        return re.compile(pattern, re.IGNORECASE if parsed.has("i") else 0)
    except re.error as error:
        raise Refused(
            f"pgrep: Cannot compile regular expression `{pattern}' ({error})", _BAD_USAGE
        ) from None


def _matches(process: Process, patterns: list[re.Pattern[str]], parsed: Parsed) -> bool:
    parents = parsed.last("P")
    if parents is not None and "1" not in parents.split(","):
        return False
    if any(parsed.last(who) not in (None, "root", "0") for who in "Uu"):
        return False
    text = process.title if parsed.has("f") else command_name(process)
    if parsed.has("x"):
        found = [pattern.fullmatch(text) for pattern in patterns]
    else:
        found = [pattern.search(text) for pattern in patterns]
    return any(found) or not patterns


def _described(process: Process, parsed: Parsed) -> str:
    if not parsed.has("l"):
        return str(process.pid)
    return f"{process.pid} {process.title if parsed.has('f') else command_name(process)}"


UUIDGEN_USAGE = "usage: uuidgen [-1] [-r] [-n count] [-o filename]"


@refusing
def uuidgen(world: World, arguments: list[str], io: Io) -> int:
    """uuidgen(1): by time and host, or with ``-r`` random; ``-c`` (compact) since 14."""
    letters = "1rcn:o:" if world.release.major >= 14 else "1rn:o:"
    parsed = parse("uuidgen", arguments, letters, UUIDGEN_USAGE)
    count = parsed.last("n") or "1"
    if parsed.operands or not count.isdigit() or int(count) < 1:
        raise Refused(UUIDGEN_USAGE)
    if parsed.has("r"):
        made = [uuid.uuid4() for _ in range(int(count))]
    else:
        made = _by_time(int(host_uuid(world).rpartition("-")[2], 16), int(count))
    texts = [one.hex if parsed.has("c") else str(one) for one in made]
    name = parsed.last("o")
    if name is not None:
        world.path(name).write_text("".join(f"{text}\n" for text in texts))
        return 0
    for text in texts:
        io.out(text)
    return 0


def _by_time(node: int, count: int) -> list[uuid.UUID]:
    first = uuid.uuid1(node).int
    return [uuid.UUID(int=(first + (step << 96)) % 2**128) for step in range(count)]
