# SPDX-License-Identifier: BSD-2-Clause
"""tmux(1), as far as sessions, windows and panes go: what is typed into a pane is kept, and no
shell runs in it. What it prints is what tmux 3.3a prints.

Its server lives in the table ``tmux``: a record for each pane, in the order they were made.
"""

import os
import sys
from collections.abc import Callable
from typing import NamedTuple

from chyves.simulator.programs import Io
from chyves.simulator.usage import Parsed, Refused, parse, refusing
from chyves.simulator.world import World

SOCKET = "/tmp/tmux-0/default"  # noqa: S108

_USAGE = "usage: tmux [-2CDlNuVv] [-c shell-command] [-f file] [-L socket-name]\n" + (
    "            [-S socket-path] [-T features] [command [flags]]"
)


class Pane(NamedTuple):
    """A pane, and where it is. ``typed`` has a newline for each Enter."""

    pane: str
    window: str
    session: str
    name: str
    typed: str


@refusing
def tmux(world: World, arguments: list[str], io: Io) -> int:
    """tmux(1): one command, or several with a ; between, each at what the one before has made."""
    if arguments == ["-V"]:
        io.out("tmux 3.3a")
        return 0
    if not arguments or arguments[0].startswith("-"):
        raise Refused(_USAGE)
    current, code = "", 0
    for word, *rest in _commands(arguments):
        if word not in _COMMANDS:
            raise Refused(f"unknown command: {word}")
        letters, command = _COMMANDS[word]
        parsed = parse(word, rest, letters, f"usage: {word}")
        with world.changing():
            current, answer = command(world, parsed, current)
        if answer:
            io.out(answer)
        if word == "attach-session":
            code = _stay(parsed.last("t") or "")
    return code


def _commands(words: list[str]) -> list[list[str]]:
    found: list[list[str]] = [[]]
    for word in words:
        if word == ";":
            found.append([])
        else:
            found[-1].append(word)
    return [command for command in found if command]


def _panes(world: World) -> list[Pane]:
    return [Pane(name, *record["pane"]) for name, record in world.table("tmux").items()]


def _put(world: World, pane: Pane) -> None:
    world.table("tmux")[pane.pane] = {"pane": pane[1:]}


def _next(world: World, sign: str) -> str:
    """Return an id that was never used: of a pane, or of a window."""
    used = [pane.pane if sign == "%" else pane.window for pane in _panes(world)]
    return f"{sign}{max((int(one[1:]) for one in used), default=-1) + 1}"


def _session(world: World, target: str) -> str:
    name = target.removesuffix(":").removeprefix("=")
    sessions = list(dict.fromkeys(pane.session for pane in _panes(world)))
    if not sessions:
        raise Refused(f"error connecting to {SOCKET} (No such file or directory)")
    exact = target.startswith("=")
    found = [one for one in sessions if one == name or (not exact and one.startswith(name))]
    if not found:
        raise Refused(f"can't find session: {name}")
    return found[0]


def _pane(world: World, target: str) -> Pane:
    for pane in _panes(world):
        if pane.pane == target:
            return pane
    raise Refused(f"can't find pane: {target}")


def _list_windows(world: World, parsed: Parsed, current: str) -> tuple[str, str]:
    session = _session(world, parsed.last("t") or "")
    names = {pane.window: pane.name for pane in _panes(world) if pane.session == session}
    form = parsed.last("F") or "#{window_id}"
    lines = [
        form.replace("#{window_id}", window).replace("#{window_name}", name)
        for window, name in names.items()
    ]
    return current, "\n".join(lines)


def _new_session(world: World, parsed: Parsed, _: str) -> tuple[str, str]:
    name = parsed.last("s") or "0"
    if any(pane.session == name for pane in _panes(world)):
        raise Refused(f"duplicate session: {name}")
    return _make(world, parsed, name), ""


def _new_window(world: World, parsed: Parsed, _: str) -> tuple[str, str]:
    return _make(world, parsed, _session(world, parsed.last("t") or "")), ""


def _make(world: World, parsed: Parsed, session: str) -> str:
    name = parsed.last("n") or "sh"
    made = Pane(_next(world, "%"), _next(world, "@"), session, name, "")
    _put(world, made)
    return made.pane


def _split_window(world: World, parsed: Parsed, current: str) -> tuple[str, str]:
    beside = _pane(world, parsed.last("t") or current)
    made = beside._replace(pane=_next(world, "%"), typed="")
    _put(world, made)
    return made.pane, ""


def _send_keys(world: World, parsed: Parsed, current: str) -> tuple[str, str]:
    pane = _pane(world, parsed.last("t") or current)
    keys = ["\n" if key == "Enter" and not parsed.has("l") else key for key in parsed.operands]
    _put(world, pane._replace(typed=pane.typed + "".join(keys)))
    return pane.pane, ""


def _select_pane(world: World, parsed: Parsed, current: str) -> tuple[str, str]:
    """To the left of a pane is the one that was there before it."""
    window = _pane(world, current).window
    return next(pane.pane for pane in _panes(world) if pane.window == window), ""


def _select_window(world: World, parsed: Parsed, _: str) -> tuple[str, str]:
    for pane in _panes(world):
        if pane.window == parsed.last("t"):
            return pane.pane, ""
    raise Refused(f"can't find window: {parsed.last('t')}")


def _attach_session(world: World, parsed: Parsed, current: str) -> tuple[str, str]:
    session = _session(world, parsed.last("t") or "")
    if not os.isatty(0):
        raise Refused("open terminal failed: not a terminal")
    panes = [pane for pane in _panes(world) if pane.session == session]
    return current, "\n".join(f"{pane.name} {pane.pane}: {pane.typed}" for pane in panes)


def _switch_client(world: World, parsed: Parsed, current: str) -> tuple[str, str]:
    _session(world, parsed.last("t") or "")
    if "TMUX" not in os.environ:
        raise Refused("no current client")
    return current, ""


def _stay(target: str) -> int:
    """Wait until the user detaches with C-b d; here Enter will do."""
    sys.stdout.flush()
    os.read(0, 1024)
    sys.stdout.write(f"[detached (from session {target.removeprefix('=')})]\n")
    return 0


Command = Callable[[World, Parsed, str], tuple[str, str]]
"""Takes the pane that is current, and returns the one that is then, and what to print."""

_COMMANDS: dict[str, tuple[str, Command]] = {
    "attach-session": ("t:", _attach_session),
    "list-windows": ("F:t:", _list_windows),
    "new-session": ("dc:n:s:", _new_session),
    "new-window": ("c:n:t:", _new_window),
    "select-pane": ("L", _select_pane),
    "select-window": ("t:", _select_window),
    "send-keys": ("lt:", _send_keys),
    "split-window": ("hc:t:", _split_window),
    "switch-client": ("t:", _switch_client),
}
