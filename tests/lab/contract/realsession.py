# SPDX-License-Identifier: BSD-2-Clause
"""A sitting at the machine we are on, which has a real zfs."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.lab import pools, warm
from tests.lab.contract.session import (
    FILE_BYTES,
    OTHER_FILE_BYTES,
    OTHER_POOL,
    POOL,
    Session,
    text_of,
)

DEADLINE = 5.0
PATIENCE = 60.0


class RealSession(Session):
    """At the machine we are on, on a pool made for it from a file."""

    def __init__(self, directory: Path) -> None:
        super().__init__()
        self._directory = directory
        self._pools: list[str] = []

    def __enter__(self) -> "RealSession":
        self._make_pool(POOL, FILE_BYTES)
        return self

    def _make_pool(self, pool: str, size: int) -> None:
        pools.create(self._file_of(pool), size)
        self._pools.append(pool)

    def _file_of(self, pool: str) -> Path:
        return self._directory / f"{pool}.img"

    def make_other_pool(self) -> None:
        self._make_pool(OTHER_POOL, OTHER_FILE_BYTES)

    def __exit__(self, *failure: object) -> None:
        for pool in self._pools:
            pools.destroy(pool)
            self._file_of(pool).unlink()
            with suppress(OSError):
                Path("/", pool).rmdir()

    def run(self, argv: list[str], stdin: bytes) -> tuple[int, bytes, bytes]:
        try:
            return warm.run(argv, stdin, PATIENCE)
        except TimeoutError:
            return 124, b"", b"no answer\n"

    def path(self, absolute: str) -> Path:
        return Path(absolute)

    def wait_for(self, node: Path) -> None:
        _await(node.exists)

    @contextmanager
    def hold_open(self, volume: str) -> Iterator[None]:
        node = Path("/dev/zvol", volume)
        self.wait_for(node)
        with node.open("r+b"):
            yield

    @contextmanager
    def hold_file(self, file: str) -> Iterator[None]:
        with Path(file).open("rb"):
            yield

    def settle(self, volumes: set[str]) -> None:
        top = Path("/dev/zvol")

        def settled() -> bool:
            nodes = {str(p.relative_to(top)) for p in (top / POOL).rglob("*") if not p.is_dir()}
            return volumes == nodes

        if not settled():
            volumes = volumes - self._received_in_part()
            _await(settled)

    def _received_in_part(self) -> set[str]:
        """Return what has no node before all of it is received."""
        asked = ["zfs", "list", "-H", "-o", "name,receive_resume_token", "-t", "volume"]
        rows = (line.split("\t") for line in text_of(self.run(asked, b"")[1]).splitlines())
        return {name for name, token in rows if token != "-"}


def _await(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE
    while not done() and time.monotonic() < deadline:
        time.sleep(0.05)
