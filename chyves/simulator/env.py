# SPDX-License-Identifier: BSD-2-Clause
"""env(1) of the simulated host, for programs that an administrator has put on it."""

import os
import re
import shutil
from collections.abc import Mapping

from chyves.simulator.programs import PROGRAMS, Io, execute
from chyves.simulator.world import World

_NOT_EXECUTABLE, _NOT_FOUND = 126, 127


def env(world: World, arguments: list[str], io: Io) -> int:
    """Run ``[-i] NAME=VALUE ... PROGRAM ARG ...``: a program or a file of the host, or a program of
    this machine, by its kernel."""
    words, environment = list(arguments), dict(os.environ)
    if words[:1] == ["-i"]:
        words, environment = words[1:], {}
    while words and re.match(r"[^=]+=", words[0]):
        name, _, value = words.pop(0).partition("=")
        environment[name] = value
    if not words:
        for name, value in environment.items():
            io.out(f"{name}={value}")
        return 0
    if words[0] in PROGRAMS:
        return execute(world, words, io)
    try:
        os.execve(_file(world, words[0], environment), words, environment)  # noqa: S606
    except OSError as error:
        io.err(f"env: {words[0]}: {error.strerror}")
        return _NOT_FOUND if isinstance(error, FileNotFoundError) else _NOT_EXECUTABLE


def _file(world: World, program: str, environment: Mapping[str, str]) -> str:
    """Return where a program is: on the host, or on this machine."""
    if "/" not in program:
        return shutil.which(program, path=environment.get("PATH", os.defpath)) or program
    own = world.path(program)
    return str(own) if own.exists() or not os.path.exists(program) else program
