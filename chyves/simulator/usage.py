# SPDX-License-Identifier: BSD-2-Clause
"""How the small programs of the host take their options, and refuse them."""

import functools
import getopt
from collections.abc import Sequence
from typing import NamedTuple

from chyves.simulator.programs import Io, Main
from chyves.simulator.world import World


class Refused(Exception):
    """The program ends here: ``text`` goes to standard error, ``code`` is its exit code."""

    def __init__(self, text: str, code: int = 1) -> None:
        super().__init__(text)
        self.text = text
        self.code = code


class Parsed(NamedTuple):
    """The options in their order, each with its argument (or nothing), and the operands."""

    options: list[tuple[str, str]]
    operands: list[str]

    def has(self, letter: str) -> bool:
        return any(option == letter for option, _ in self.options)

    def last(self, letter: str) -> str | None:
        """Return the argument of the last such option."""
        return next((value for option, value in reversed(self.options) if option == letter), None)


def parse(
    program: str, arguments: Sequence[str], letters: str, usage: str, code: int = 1
) -> Parsed:
    """Split ``arguments`` by the getopt string. Raises Refused with getopt's complaint and
    ``usage``, to exit with ``code``."""
    try:
        options, operands = getopt.getopt(list(arguments), letters)
    except getopt.GetoptError as error:
        letter = "-" if error.msg.startswith("option --") else error.opt
        lacks = f"{letter}:" in letters
        what = "option requires an argument" if lacks else "illegal option"
        raise Refused(f"{program}: {what} -- {letter}\n{usage}", code) from None
    return Parsed([(option[1:], value) for option, value in options], operands)


def refusing(program: Main) -> Main:
    """Let a program end by raising Refused. A transaction that it leaves this way is undone."""

    @functools.wraps(program)
    def main(world: World, arguments: list[str], io: Io) -> int:
        try:
            return program(world, arguments, io)
        except Refused as refused:
            if refused.text:
                io.err(refused.text)
            return refused.code

    return main
