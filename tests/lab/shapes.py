# SPDX-License-Identifier: BSD-2-Clause
"""The shapes of commands of zfs and zpool, to see whether the contract has one: what is asked, with
exactly which columns, types and options, but of what does not matter."""

from collections.abc import Sequence
from functools import cache
from itertools import chain
from pathlib import Path

from tests.lab.contract.recording import load

RECORDED = Path(__file__).parent / "contract" / "recorded"

VALUED = {
    ("zfs", "clone"): "o",
    ("zfs", "create"): "Vbo",
    ("zfs", "get"): "dost",
    ("zfs", "list"): "Sdost",
    ("zfs", "receive"): "ox",
    ("zfs", "send"): "IXidt",
    ("zfs", "snapshot"): "o",
    ("zpool", "list"): "To",
}
"""Options that have a value, by verb."""

LOOKS = {"get", "list"}
"""Verbs that show what was asked for: values of their options are part of the shape."""


def shape(argv: Sequence[str]) -> str:
    """Return the shape of a command line: ``zfs get -H -o=value readonly NAMES``."""
    program, verb, *words = argv
    options: set[str] = set()
    operands: list[str] = []
    rest = iter(words)
    for word in rest:
        if word[:1] != "-" or word == "-" or operands:
            operands.append(word)
            continue
        for place, letter in enumerate(word[1:], start=2):
            if letter not in VALUED.get((program, verb), ""):
                options.add(f"-{letter}")
                continue
            value = word[place:] or next(rest, "")
            options.add(f"-{letter}={value}" if verb in LOOKS else f"-{letter}=")
            break
    asked = [operands.pop(0)] if verb == "get" and operands else []
    return " ".join([program, verb, *sorted(options), *asked, *(["NAMES"] if operands else [])])


@cache
def in_the_contract() -> frozenset[str]:
    """Return the shapes of all that a real zfs has answered, of each release."""
    shapes = []
    for file in RECORDED.glob("*.json"):
        acts = (step.act.split() for step in chain.from_iterable(load(file).values()))
        shapes.append({shape(act) for act in acts if act[0] in ("zfs", "zpool") and len(act) > 1})
    return frozenset.intersection(*map(frozenset, shapes))


def check(argv: Sequence[str]) -> None:
    """Raise AssertionError for a command of zfs or zpool that no scenario has."""
    if argv[0] in ("zfs", "zpool") and shape(argv) not in in_the_contract():
        raise AssertionError(
            f"no scenario of tests/lab/contract has: {shape(argv)} (it is: {' '.join(argv)})"
        )
