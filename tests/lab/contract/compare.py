# SPDX-License-Identifier: BSD-2-Clause
"""Compares what a simulated zfs answers with what a real one has answered."""

import re
import tempfile
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from pathlib import Path

from tests.lab.contract.differences import as_freebsd
from tests.lab.contract.recording import Recording, load
from tests.lab.contract.scenarios import SCENARIOS
from tests.lab.contract.session import SimulatedSession, Step

REAL = {"13.2": "2.1", "15.0": "2.3"}
"""The release of OpenZFS in the lab that a simulated release of FreeBSD is held to."""

RECORDED = Path(__file__).parent / "recorded"

ROUGHLY = 0.25
"""Sizes may differ by this share of the larger, or by ``A_LITTLE`` bytes."""

A_LITTLE = 2 << 20


def load_recorded(release: str) -> Recording:
    """Return what a release of OpenZFS has answered, as it was written down."""
    return load(RECORDED / f"openzfs-{release}.json")


def simulate(scenario: str, release: str) -> list[Step]:
    """Put a simulated host through a scenario."""
    with tempfile.TemporaryDirectory() as directory:
        session = SimulatedSession(Path(directory, "host"), release)
        SCENARIOS[scenario](session)
        session.state()
    return session.steps


def disagreements(real: Sequence[Step], simulated: Sequence[Step]) -> Iterator[str]:
    """Yield, for each step that came out differently, what both said."""
    for one, other in zip_longest(real, simulated):
        if one is None or other is None or one.act != other.act:
            yield f"real: {one}\nsimulated: {other}"
            return
        if not agrees(one, other):
            yield f"$ {one.act}\nreal: {_shown(one)}\nsimulated: {_shown(other)}"


def agrees(real: Step, simulated: Step) -> bool:
    """Tell whether a real answer is the simulated one, but for what is known to differ."""
    return _agree(as_freebsd(real), as_freebsd(simulated))


def _agree(real: Step, simulated: Step) -> bool:
    if real.code != simulated.code or _lines(real.err) != _lines(simulated.err):
        return False
    one, other = _in_order(real), _in_order(simulated)
    if not real.near:
        return one == other
    mine, others = one.split(), other.split()
    return len(mine) == len(others) and all(map(_near, mine, others))


def _in_order(step: Step) -> str:
    """Return what was said, with that sorted which ZFS lists in no order: the clones of a snapshot,
    and what is destroyed."""
    if step.act.startswith("zfs destroy"):
        return "\n".join(_lines(step.out))
    clones = re.compile(r"[^\t\n]+/[^\t\n]+,[^\t\n]+")
    return clones.sub(lambda found: ",".join(sorted(found[0].split(","))), step.out)


def _lines(complaint: str) -> list[str]:
    """Return the lines of a complaint, or of what is destroyed: ZFS lists them in no order."""
    return sorted(complaint.splitlines())


def _near(real: str, simulated: str) -> bool:
    if not (real.isdecimal() and simulated.isdecimal()):
        return real == simulated
    one, other = int(real), int(simulated)
    return abs(one - other) <= max(A_LITTLE, ROUGHLY * max(one, other))


def _shown(step: Step) -> str:
    return f"exit {step.code}\n{step.out}[stderr] {step.err}"
