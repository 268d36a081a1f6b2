# SPDX-License-Identifier: BSD-2-Clause
"""service(8) and sysrc(8) of the simulated host.

Scripts are run by this machine's sh with a small rc.subr; the paths they name are found in the
host's files. Texts are those of a FreeBSD 13.2 transcript.
"""

import os
import re
import subprocess
from pathlib import Path

from chyves.simulator.programs import Io
from chyves.simulator.usage import Parsed, Refused, parse, refusing
from chyves.simulator.world import World

STARTUP = ("/etc/rc.d", "/usr/local/etc/rc.d")

SERVICE_USAGE = """
Usage:
service [-j <jail name or id>] [-v] -e
service [-j <jail name or id>] -R
service [-j <jail name or id>] [-v] -l | -r
service [-j <jail name or id>] [-v] [-E var=value] <rc.d script> start|stop|etc.
service -h

-j\tPerform actions within the named jail
-E n=val\tSet variable n to val before executing the rc.d script
-e\tShow services that are enabled
-R\tStop and start enabled /usr/local/etc/rc.d services
-l\tList all scripts in /etc/rc.d and /usr/local/etc/rc.d
-r\tShow the results of boot time rcorder
-v\tVerbose
"""


@refusing
def service(world: World, arguments: list[str], io: Io) -> int:
    """service(8): run a script of rc.d, list all (``-l``) or those that are enabled (``-e``)."""
    try:
        parsed = parse("service", arguments, "j:E:ehlrRv", SERVICE_USAGE)
    except Refused as refused:
        io.out(refused.text.partition("\n")[2])
        return 1
    if parsed.has("l"):
        for folder in STARTUP:
            for script in _scripts(world, folder):
                io.out(script.name)
        return 0
    if parsed.has("e"):
        for folder in STARTUP:
            for script in _scripts(world, folder):
                if _run(world, f"{folder}/{script.name}", ["enabled"], parsed).returncode == 0:
                    io.out(f"{folder}/{script.name}")
        return 0
    if len(parsed.operands) < 2:
        io.out(SERVICE_USAGE)
        return 1
    name, *words = parsed.operands
    for folder in STARTUP:
        if os.access(world.path(f"{folder}/{name}"), os.X_OK):
            done = _run(world, f"{folder}/{name}", words, parsed)
            io.stdout.write(done.stdout)
            io.stderr.write(done.stderr)
            return done.returncode
    io.out(f"{name} does not exist in /etc/rc.d or the local startup")
    io.out("directories (/usr/local/etc/rc.d), or is not executable")
    return 1


def _scripts(world: World, folder: str) -> list[Path]:
    path = world.path(folder)
    found = sorted(path.iterdir()) if path.is_dir() else []
    return [script for script in found if os.access(script, os.X_OK)]


def _run(
    world: World, script: str, words: list[str], parsed: Parsed
) -> "subprocess.CompletedProcess[bytes]":
    """Run a script with the few variables that service(8) lets it have."""
    text = world.path(script).read_text()
    text = text.replace("/etc/rc.subr", str(Path(__file__).with_name("rc.subr")))
    text = re.sub(r"(?<![\w/.}])/usr/local/", f"{world.root}/usr/local/", text)
    settings = [value.split("=", 1) for option, value in parsed.options if option == "E"]
    environment = {
        "HOME": "/",
        "PATH": f"{world.bin}:/sbin:/bin:/usr/sbin:/usr/bin",
        "SIMULATED_ROOT": str(world.root),
        "CHYVES_SIMULATE": str(world.directory),
        **{pair[0]: pair[-1] for pair in settings},
    }
    return subprocess.run(
        ["/bin/sh", "-c", text, script, *words],
        env=environment,
        cwd=world.root,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )


SYSRC_USAGE = """\
Usage: sysrc [OPTIONS] {name[[+|-]=value] ... | -a | -A | -l | -L [name ...]}
Try `sysrc --help' for available options."""


@refusing
def sysrc(world: World, arguments: list[str], io: Io) -> int:
    """sysrc(8): show, set, extend (``+=``), shorten (``-=``), check (``-c``) or remove (``-x``)
    variables of rc.conf or of the file ``-f``."""
    parsed = parse("sysrc", arguments, "aAcdDef:FhiIj:k:lLnNqR:s:vx", SYSRC_USAGE)
    files = [value for option, value in parsed.options if option == "f"]
    file = files[-1] if files else "/etc/rc.conf"
    sources = files or ["/etc/defaults/rc.conf", "/etc/rc.conf", "/etc/rc.conf.local"]
    if parsed.has("a"):
        for name, value in sorted(_variables(world, files or sources[1:]).items()):
            io.out(f"{name}: {value}")
        return 0
    if not parsed.operands:
        raise Refused(SYSRC_USAGE)
    results = []
    for word in parsed.operands:
        known = _variables(world, sources)
        results.append(_sysrc_one(world, word, parsed, known, file, io))
    return 0 if all(results) else 1


def _variables(world: World, files: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name in files:
        path = world.path(name)
        if path.exists():
            found.update(_assignments(path.read_text()))
    return found


def _assignments(text: str) -> dict[str, str]:
    pattern = r"""^\s*([A-Za-z_][\w.]*)=("[^"]*"|'[^']*'|[^\s#;]*)"""
    return {name: value.strip("\"'") for name, value in re.findall(pattern, text, re.MULTILINE)}


def _sysrc_one(
    world: World, word: str, parsed: Parsed, known: dict[str, str], file: str, io: Io
) -> bool:
    match = re.fullmatch(r"([A-Za-z_][\w.]*)(?:([+-]?)=(.*))?", word, re.DOTALL)
    if not match:
        raise Refused(f"sysrc: {word}: name contains characters not allowed in shell")
    name, sign, value = match[1], match[2], match[3]
    present = known.get(name)
    if value is None:
        if present is None:
            if not parsed.has("i") and not parsed.has("q"):
                io.err(f"sysrc: unknown variable '{name}'")
            return parsed.has("i")
        if parsed.has("x"):
            _write(world, file, name, None)
        elif not parsed.has("c"):
            separator = '="{}"' if parsed.has("e") else ": {}"
            io.out(present if parsed.has("n") else name + separator.format(present))
        return True
    before = present or ""
    parts = before.split()
    if sign == "+":
        value = " ".join([*parts, *(one for one in value.split() if one not in parts)])
    elif sign == "-":
        value = " ".join(one for one in parts if one not in value.split())
    if parsed.has("c"):
        return value == present
    _write(world, file, name, value)
    if not parsed.has("q"):
        said = f"{before} -> {value}"
        io.out(said if parsed.has("n") else f"{name}: {said}")
    return True


def _write(world: World, file: str, name: str, value: str | None) -> None:
    """Put the assignment where there is one already, or at the end; with None take it out."""
    if not world.is_root():
        raise Refused(f"/usr/sbin/sysrc: cannot create {file}: Permission denied")
    path = world.path(file)
    lines = path.read_text().splitlines() if path.exists() else []
    fresh = [] if value is None else [f'{name}="{value}"']
    at = [number for number, line in enumerate(lines) if name in _assignments(line)]
    if at:
        lines[at[-1] : at[-1] + 1] = fresh
    else:
        lines += fresh
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines))
