# SPDX-License-Identifier: BSD-2-Clause
"""A loader that found nothing to boot, at its prompt."""

import select
from collections.abc import Callable

from chyves.simulator.bhyve.lpc import Console


def stay_at_prompt(
    console: Console, prompt: bytes, leave: bytes, refusal: Callable[[bytes], bytes]
) -> int:
    """Stay until somebody types ``leave``; ``refusal`` makes the answer to any other word. A
    standard input that has ended keeps it there for good. Returns the exit code."""
    console.write(prompt)
    line = b""
    while True:
        select.select([console.descriptor], [], [])
        data = console.read()
        if not data and console.descriptor == 0:
            select.select([], [], [])
        for char in data.replace(b"\n", b"\r"):
            if char != 13:
                line += bytes([char])
                console.write(bytes([char]))
                continue
            console.write(b"\r\n")
            if line.strip() == leave:
                return 0
            if line.strip():
                console.write(refusal(line.split()[0]))
            line = b""
            console.write(prompt)
