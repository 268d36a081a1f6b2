# SPDX-License-Identifier: BSD-2-Clause
"""``python -m tests.lab.replay FILE``: put to the real zfs of this machine what tests have asked of
a simulated one (histories.py), and compare the answers. What only looks, and has been asked before
with the same past, is not asked again.
"""

import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from tests.lab import warm
from tests.lab.contract.compare import agrees
from tests.lab.contract.session import Step, text_of
from tests.lab.histories import LOOKS, History, read

ROOT = "/run/host"
"""Below which the filesystems are mounted."""

POOLS = Path("/run/pools")

Past = tuple[object, ...]


class Replay:
    """Puts histories to a real zfs."""

    def __init__(self) -> None:
        self.asked = 0
        self._known: set[Past] = set()
        self._stream = b""

    def disagreement(self, history: History) -> str:
        """Put one history to pools of its own; return the first answer that is another, and after
        what, or nothing."""
        pools = history.pools
        for pool, size in pools.items():
            _create(pool, size)
        try:
            return next(self._disagreements(history), "")
        finally:
            for pool in pools:
                _destroy(pool)

    def _disagreements(self, history: History) -> Iterator[str]:
        past: Past = tuple(sorted(history.pools.items()))
        done: list[str] = []
        for argv, simulated in history.steps:
            if simulated.err.rstrip().endswith("is busy"):  # whoever has it open is not here
                return
            looks = argv[1] in LOOKS or "-n" in argv
            known = (*past[:1], hash(past), argv)
            if looks and known in self._known:
                continue
            self._known.add(known)
            real = self._ask(argv)
            if argv[1] == "list" and "-H" not in argv and not real.code:
                continue  # a table for people, of rounded sizes
            if not agrees(_without_sizes(real), _without_sizes(simulated)):
                yield "\n".join([*done[-8:], f"$ {real.act}", f"real: {real}", f"not: {simulated}"])
            if not looks:
                past = (hash(past), argv)
                done.append(f"$ {simulated.act}")

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


def main(file: str) -> int:
    replay = Replay()
    wrong = 0
    start = time.monotonic()
    with Path(file).open() as lines:
        for number, line in enumerate(lines, 1):
            if said := replay.disagreement(read(line)):
                wrong += 1
                print(f"history {number}:\n{said}\n", flush=True)
            if number % 25 == 0:
                seconds = time.monotonic() - start
                print(f"{number} histories, {replay.asked} programs, {seconds:.0f} s", flush=True)
    print(f"{wrong} of {number} histories disagree; {replay.asked} programs were started")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
