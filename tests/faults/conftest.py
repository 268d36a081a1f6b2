# SPDX-License-Identifier: BSD-2-Clause
"""Hosts to hurt: made once for each process of the tests, copied for each trial."""

import lzma
from collections.abc import Iterator
from pathlib import Path

import pytest

from chyves.simulator.world import Machine, World
from tests.faults.harness import Chyves
from tests.servers import WebServer, serving


@pytest.fixture(scope="session")
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two files to import."""
    folder = tmp_path_factory.mktemp("media")
    for name in ("debian.iso", "freebsd.iso"):
        (folder / name).write_bytes(name.encode() * 1000)
    return folder


@pytest.fixture(scope="session")
def web() -> Iterator[str]:
    """The URL of a server that has a file to import."""
    server = WebServer()
    server.files["/freebsd.iso.xz"] = lzma.compress(b"freebsd.iso" * 1000)
    with serving(server.server):
        yield server.url("")


@pytest.fixture(scope="session")
def bare_host(tmp_path_factory: pytest.TempPathFactory) -> Chyves:
    """Two pools and two network cards, and no chyves."""
    directory = tmp_path_factory.mktemp("bare") / "host"
    pools = {"tank": 4 << 30, "pool2": 4 << 30}
    World.make(directory, Machine(pools=pools, nics=("em0", "em1")))
    return Chyves(directory)


@pytest.fixture(scope="session")
def furnished_host(
    bare_host: Chyves, media: Path, tmp_path_factory: pytest.TempPathFactory
) -> Chyves:
    """Guests web and db on the pool tank, each with a tap on bridge0, and an ISO."""
    host = bare_host.copy("furnished")
    host("dataset tank install")
    host("network bridge0 attach em0")
    host("web,db create 1M")
    host(f"iso import {media / 'debian.iso'}")
    return host
