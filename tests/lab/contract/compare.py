# SPDX-License-Identifier: BSD-2-Clause
"""Compares what a simulated zfs answers with what a real one has answered."""

import re
import tempfile
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from pathlib import Path

from tests.lab.contract.differences import as_freebsd, to_the_point
from tests.lab.contract.recording import Recording, load
from tests.lab.contract.scenarios import SCENARIOS
from tests.lab.contract.session import SimulatedSession, Step

REAL = {"13.2": "2.1", "14.3": "2.3", "15.0": "2.3"}
"""The release of OpenZFS in the lab that a simulated release of FreeBSD is held to: 13.2 has 2.1.9,
14.3 has 2.2.7, 15.0 has 2.4."""

RECORDED = Path(__file__).parent / "recorded"

ROUGHLY = 0.02
"""Sizes may differ by this share of the larger, or by ``A_LITTLE`` bytes."""

A_LITTLE = 64 << 10

COUNT = 1024
"""Numbers below are counts, and no sizes."""


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


def disagreements(
    real: Sequence[Step], simulated: Sequence[Step], release: str = ""
) -> Iterator[str]:
    """Yield, for each step that came out differently, what both said: a real zfs and that of a
    simulated release of FreeBSD, or two of the lab."""
    for one, other in zip_longest(real, simulated):
        if one is None or other is None or one.act != other.act:
            yield f"real: {one}\nsimulated: {other}"
            return
        if not agrees(one, other, release):
            wanted = as_freebsd(one, release)
            yield f"$ {one.act}\nreal: {_shown(wanted)}\nsimulated: {_shown(other)}"


def agrees(real: Step, simulated: Step, release: str = "") -> bool:
    """Tell whether two answers are the same, but for what is known to differ on that release of
    FreeBSD, for the order of what ZFS has in none, and for sizes, which are known roughly."""
    return _agree(as_freebsd(real, release), to_the_point(simulated, release))


def _agree(real: Step, simulated: Step) -> bool:
    if real.code != simulated.code or _complaint(real) != _complaint(simulated):
        return False
    one, other = _in_order(real), _in_order(simulated)
    if not real.near:
        return one == other
    mine, others = one.split(), other.split()
    return len(mine) == len(others) and all(map(_near, mine, others))


def _in_order(step: Step) -> str:
    """Return what was said, with that sorted which ZFS lists in no order: the clones of a snapshot,
    what is destroyed or sent, and the user properties of a dataset."""
    if re.match("zfs (destroy|send|get .* all) ", step.act):
        return "\n".join(sorted(step.out.splitlines()))
    clones = re.compile(r"[^\t\n]+/[^\t\n]+,[^\t\n]+")
    return clones.sub(lambda found: ",".join(sorted(found[0].split(","))), step.out)


def _complaint(step: Step) -> list[str]:
    """Return the lines of a complaint, those sorted that may be about many datasets or snapshots,
    and the names below a heading: ZFS goes through them in no order."""
    lines = step.err.splitlines()
    if not re.match(r"zfs (destroy|rollback|promote|rename|receive)", step.act):
        return lines
    heading = max((place for place, line in enumerate(lines, 1) if line.endswith(":")), default=0)
    return [*lines[:heading], *sorted(lines[heading:])]


def _near(real: str, simulated: str) -> bool:
    if not (real.isdecimal() and simulated.isdecimal()):
        return real == simulated
    one, other = int(real), int(simulated)
    if max(one, other) < COUNT:
        return one == other
    return abs(one - other) <= max(A_LITTLE, ROUGHLY * max(one, other))


def _shown(step: Step) -> str:
    return f"exit {step.code}\n{step.out}[stderr] {step.err}"
