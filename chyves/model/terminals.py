# SPDX-License-Identifier: BSD-2-Clause
"""A session of tmux(1) with a window for each guest: the command line that brings it about.

It is one command line, of which each command works on what the one before has made. Windows that
are there already are named by their ids (``@3``): a name with a dot in it means something else
where tmux expects a target.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

SESSION = "chyves"
TARGET = f"={SESSION}"
"""The session of exactly that name."""


class Wish(NamedTuple):
    """What is to be in a guest's window: ``left`` is typed into a shell, ``right`` into another and
    entered if ``enters``."""

    guest: str
    left: str
    right: str
    enters: bool


def find_windows() -> list[str]:
    """Return the command line that lists the windows of the session."""
    return ["tmux", "list-windows", "-t", TARGET, "-F", "#{window_id} #{window_name}"]


def parse_windows(text: str) -> dict[str, str]:
    """Return the ids of windows by their names; of two with one name the first."""
    pairs = (line.partition(" ") for line in reversed(text.splitlines()))
    return {name: window for window, _, name in pairs}


def arrange(wishes: Sequence[Wish], windows: Mapping[str, str] | None, home: str) -> list[str]:
    """Return the commands, each behind the last with a ; between, that make the windows that are
    missing and bring the last guest's to the front. ``windows`` is None if there is no session.
    """
    commands: list[Sequence[str]] = []
    for wish in wishes:
        if windows is not None and wish.guest in windows:
            commands.append(("select-window", "-t", windows[wish.guest]))
            continue
        is_first = windows is None and not commands
        place = (
            ("new-session", "-d", "-s", SESSION) if is_first else ("new-window", "-t", f"{TARGET}:")
        )
        commands += [
            (*place, "-n", wish.guest, "-c", home),
            ("split-window", "-h", "-c", home),
            ("send-keys", "-l", "--", wish.right),
            *([("send-keys", "Enter")] if wish.enters else []),
            ("select-pane", "-L"),
            ("send-keys", "-l", "--", wish.left),
        ]
    return [word for command in commands for word in (*command, ";")]
