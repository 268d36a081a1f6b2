# SPDX-License-Identifier: BSD-2-Clause
"""env(1) of the simulated host, for programs that an administrator has put on it."""

import os
import re

from chyves.backend.run import ENVIRONMENT
from chyves.simulator.programs import PROGRAMS, Io, execute
from chyves.simulator.world import World

_NOT_EXECUTABLE, _NOT_FOUND = 126, 127


def env(world: World, arguments: list[str], io: Io) -> int:
    """Run ``NAME=VALUE ... PROGRAM ARG ...``: a file of the host, by this machine's kernel."""
    words = list(arguments)
    environment = {
        **ENVIRONMENT,
        "PATH": f"{world.bin}:{ENVIRONMENT['PATH']}",
        "CHYVES_SIMULATE": str(world.directory),
    }
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
        os.execve(world.path(words[0]), words, environment)  # noqa: S606
    except OSError as error:
        io.err(f"env: {words[0]}: {error.strerror}")
        return _NOT_FOUND if isinstance(error, FileNotFoundError) else _NOT_EXECUTABLE
