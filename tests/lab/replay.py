# SPDX-License-Identifier: BSD-2-Clause
"""``python -m tests.lab.replay FILE RELEASE``: put to the real zfs of this machine what tests have
asked of that of a simulated FreeBSD (histories.py), and compare the answers. What only looks, and
has been asked before with the same past, is not asked again.

A history is played until an answer is another, or until its answers depend on what no history has:
who has a volume or a filesystem open.
"""

import re
import sys
import time
from collections import Counter
from pathlib import Path

from tests.lab import warm
from tests.lab.contract.compare import agrees
from tests.lab.contract.session import Step, text_of
from tests.lab.histories import LOOKS, History, read

WHOLE, DISAGREES, OPENED = "to the end", "until zfs disagreed", "until something was open"
"""How far a history was played, but for those that were cut."""

BUSY = re.compile(
    r"(?m)^cannot (destroy|unmount|export) '[^'@]+': ((pool or )?dataset|pool) is busy$"
)
"""What zfs and zpool say of a volume or mount that is open. A held snapshot is busy as well, and
what was received in part; that is nobody's doing but zfs's."""

ROOT = "/run/host"
"""Below which the filesystems are mounted."""

POOLS = Path("/run/pools")

Past = tuple[object, ...]


class Replay:
    """Puts histories of simulated hosts of a release of FreeBSD to a real zfs."""

    def __init__(self, release: str) -> None:
        self.release = release
        self.asked = 0
        self.tables = 0
        self.played: Counter[str] = Counter()
        self._known: set[Past] = set()
        self._stream = b""

    def disagreement(self, history: History) -> str:
        """Put one history to pools of its own; return the first answer that is another, and after
        what, or nothing."""
        pools = history.pools
        for pool, size in pools.items():
            _create(pool, size)
        try:
            how_far, said = self._play(history)
        finally:
            for pool in pools:
                _destroy(pool)
        self.played[how_far] += 1
        return said

    def _play(self, history: History) -> tuple[str, str]:
        """Return how far a history could be played, and the answer that is another."""
        past: Past = tuple(sorted(history.pools.items()))
        done: list[str] = []
        for argv, simulated in history.steps:
            if BUSY.search(simulated.err):
                return OPENED, ""
            looks = argv[1] in LOOKS or "-n" in argv
            known = (*past[:1], hash(past), argv)
            if looks and known in self._known:
                continue
            self._known.add(known)
            real = self._ask(argv)
            if argv[1] == "list" and "-H" not in argv and not real.code:
                self.tables += 1  # for people, of rounded sizes
                continue
            if not agrees(_without_sizes(real), _without_sizes(simulated), self.release):
                answers = [f"$ {real.act}", f"real: {real}", f"not: {simulated}"]
                return DISAGREES, "\n".join([*done[-8:], *answers])
            if not looks:
                past = (hash(past), argv)
                done.append(f"$ {simulated.act}")
        return f"until {history.cut}" if history.cut else WHOLE, ""

    def summary(self) -> str:
        """Tell what was played, and what was left out."""
        parts = ", ".join(f"{count} {how_far}" for how_far, count in self.played.most_common())
        return (
            f"{self.played.total()} histories were played: {parts or 'none'}; "
            f"{self.played[DISAGREES]} disagree; {self.asked} programs were started, "
            f"the tables of {self.tables} not compared"
        )

    def _ask(self, argv: tuple[str, ...]) -> Step:
        self.asked += 1
        stdin = b""
        if argv[1] == "receive":  # what a test let nobody send is not there
            stdin, self._stream = self._stream, b""
        code, out, err = warm.run(self._fitted(argv), stdin)
        if argv[1] == "send" and "-n" not in argv:
            self._stream, out = out, b""
        said, complaint = (text_of(each).replace(ROOT, "") for each in (out, err))
        return Step(" ".join(argv), code, said, complaint, near=True)

    def _fitted(self, argv: tuple[str, ...]) -> tuple[str, ...]:
        """Return a command as it is, but one that fills a pool so that it fills the larger one."""
        if argv[:2] != ("zfs", "set") or not argv[2].startswith("reservation="):
            return argv
        pool = argv[3].partition("/")[0]
        free = text_of(warm.run(("zfs", "get", "-Hpo", "value", "available", pool))[1]).strip()
        return (*argv[:2], f"reservation={free}", argv[3])


def _without_sizes(answer: Step) -> Step:
    """Leave out how much room is taken or left: what is written into files and volumes is in no
    history. The contract compares that."""
    return answer._replace(out=re.sub(r"(?m)(^|(?<=\t))\d+(?=\t|$)", "N", answer.out), near=False)


def _create(pool: str, size: int) -> None:
    POOLS.mkdir(exist_ok=True)
    vdev = POOLS / pool
    with vdev.open("wb") as file:
        file.truncate(
            size + size // 64 + (64 << 20)
        )  # for labels, and what is not a whole metaslab
    code, _, complaint = warm.run(["zpool", "create", "-f", "-R", ROOT, pool, str(vdev)])
    assert code == 0, complaint


def _destroy(pool: str) -> None:
    """Destroy a pool, if it was not exported."""
    deadline = time.monotonic() + 20
    while True:
        code, _, complaint = warm.run(["zpool", "destroy", "-f", pool])
        if not code or b"no such pool" in complaint:
            break
        assert time.monotonic() < deadline, f"{pool} cannot be destroyed: {text_of(complaint)}"
        time.sleep(0.1)
    (POOLS / pool).unlink()


def main(file: str, release: str) -> int:
    replay = Replay(release)
    start = time.monotonic()
    with Path(file).open() as lines:
        for number, line in enumerate(lines, 1):
            if said := replay.disagreement(read(line)):
                print(f"history {number}:\n{said}\n", flush=True)
            if number % 25 == 0:
                seconds = time.monotonic() - start
                print(f"{number} histories, {replay.asked} programs, {seconds:.0f} s", flush=True)
    print(replay.summary())
    return 0 if replay.played and not replay.played[DISAGREES] else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
