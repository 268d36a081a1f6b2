# SPDX-License-Identifier: BSD-2-Clause
"""A sitting at a host with one pool, real or simulated, of which everything is written down."""

import hashlib
import io
import os
import random
import re
import shlex
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import NamedTuple

from chyves.simulator.opened import close_device, open_device
from chyves.simulator.programs import Io, execute
from chyves.simulator.world import Machine, World
from chyves.simulator.zfs import pools, writing
from chyves.simulator.zfs.sizes import parse_number

POOL = "tank"
OTHER_POOL = "dozer"
FILE_BYTES = 1 << 30
POOL_BYTES = 960 << 20
"""What zpool(8) makes of a file of FILE_BYTES."""

OTHER_FILE_BYTES = 128 << 20

SIZE = re.compile(r" *\b\d+(?:\.\d+)?(?:[BKMGTP]\b|%)")
"""A size or a share as a table for people has it, in its column to the right."""

MEBIBYTE = random.Random(1).randbytes(1 << 20)
"""What cannot be compressed."""

TOKEN = re.compile(r"\b1-[0-9a-f]+-[0-9a-f]+-[0-9a-f]+\b")
"""What ``zfs send -t`` goes on from: another one each time."""

EDGE = 128 << 10
"""So many bytes from each end of a volume are looked at."""

TIME = re.compile(r"\b1[7-9][0-9]{8}\b")

LATELY = 600
"""A time that is so many seconds from now, or less, is now."""

GUID = re.compile(r"\b0x[0-9a-f]+\b")

STATE = (
    "name,type,origin,volsize,volblocksize,refreservation,reservation,quota,refquota,readonly,"
    "mountpoint,mounted,canmount,volmode,userrefs,defer_destroy,clones,chyves:x"
)


class Step(NamedTuple):
    """What was done and what came of it. With ``near`` the numbers in ``out`` are sizes, which a
    simulation knows only roughly."""

    act: str
    code: int = 0
    out: str = ""
    err: str = ""
    near: bool = False


class Session(ABC):
    """Does things to a host, and remembers each with its outcome."""

    def __init__(self) -> None:
        self.steps: list[Step] = []

    @abstractmethod
    def run(self, argv: list[str], stdin: bytes) -> tuple[int, bytes, bytes]:
        """Run a program to its end."""

    @abstractmethod
    def path(self, absolute: str) -> Path:
        """Return where a file of the host is for this process."""

    @abstractmethod
    def hold_open(self, volume: str) -> AbstractContextManager[None]:
        """Have a volume open for writing, as a running guest has."""

    @abstractmethod
    def hold_file(self, file: str) -> AbstractContextManager[None]:
        """Have a file open, as whoever looks into a log has."""

    @abstractmethod
    def make_other_pool(self) -> None:
        """Make the pool ``dozer`` besides, a smaller one."""

    @abstractmethod
    def wait_for(self, node: Path) -> None:
        """Wait until the node of a volume is there, or will not come."""

    @abstractmethod
    def settle(self, volumes: set[str]) -> None:
        """Wait until the nodes of volumes have come and gone: these are there."""

    def zfs(self, line: str, *more: str, near: bool = False) -> None:
        """Run ``zfs`` with the words of a line, and ``more``."""
        code, out, err = self.run(["zfs", *shlex.split(line), *more], b"")
        act = " ".join(["zfs", line, *(word if len(word) < 99 else "..." for word in more)])
        said = TIME.sub(_now, TOKEN.sub("TOKEN", text_of(out)))
        self.steps.append(Step(act, code, said, text_of(err), near))

    def zpool(self, line: str, near: bool = False) -> None:
        """Run ``zpool`` with the words of a line."""
        code, out, err = self.run(["zpool", *shlex.split(line)], b"")
        self.steps.append(Step(f"zpool {line}", code, text_of(out), text_of(err), near))

    def table(self, line: str) -> None:
        """Run ``zfs`` or ``zpool`` for a table that people read: note it with all its blanks, but
        without its sizes, and those of datasets by themselves."""
        code, out, err = self.run(shlex.split(line), b"")
        found = (word[0].strip() for word in SIZE.finditer(text_of(out)))
        sizes = "".join(f"{parse_number(word)}\n" for word in found if word[-1] != "%")
        shown = SIZE.sub(lambda word: "#" * len(word[0]), text_of(out))
        self.steps.append(Step(line, code, shown, text_of(err)))
        if line.startswith("zfs"):
            self.steps.append(Step(f"sizes of {line}", out=sizes, near=True))

    def ages(self, dataset: str) -> None:
        """List the snapshots and bookmarks of a dataset with when they were made, of which only
        the order is noted."""
        line = f"list -H -p -d 1 -t snapshot,bookmark -o createtxg,name {dataset}"
        code, out, err = self.run(["zfs", *shlex.split(line)], b"")
        rows = [row.split("\t") for row in text_of(out).splitlines()]
        born = sorted({int(when) for when, _ in rows})
        shown = "".join(f"{born.index(int(when))}\t{name}\n" for when, name in rows)
        self.steps.append(Step(f"zfs {line}", code, shown, text_of(err)))

    def send(self, line: str) -> bytes:
        """Run ``zfs send`` and return its stream, of which only is noted whether there is one."""
        code, out, err = self.run(["zfs", "send", *shlex.split(line)], b"")
        act = TOKEN.sub("TOKEN", f"zfs send {line}")
        said = GUID.sub("GUID", text_of(err))
        self.steps.append(Step(act, code, "a stream" if out else "", said))
        return out

    def resume(self, name: str) -> bytes:
        """Send the rest of what a dataset has received in part."""
        asked = ["zfs", "get", "-H", "-o", "value", "receive_resume_token", name]
        return self.send(f"-t {text_of(self.run(asked, b'')[1]).strip()}")

    def receive(self, line: str, stream: bytes) -> None:
        code, out, err = self.run(["zfs", "receive", *shlex.split(line)], stream)
        said = TOKEN.sub("TOKEN", text_of(err))
        self.steps.append(Step(f"zfs receive {line}", code, text_of(out), said))

    def state(self) -> None:
        """Note all datasets with the properties that matter, the nodes of the volumes, what is on
        these, and the files of what is mounted in the pool's folder."""
        self.zfs(f"list -H -p -r -t all -o {STATE} {POOL}")
        self.settle(_with_nodes(self.steps[-1].out))
        top = self.path(f"/dev/zvol/{POOL}")
        nodes = [path for path in sorted(top.rglob("*")) if not path.is_dir()]
        shown = "".join(f"{path.relative_to(top)}\n" for path in nodes)
        self.steps.append(Step("nodes", out=shown))
        found = "".join(f"{path.relative_to(top)}: {_on_volume(path)}\n" for path in nodes)
        self.steps.append(Step("bytes", out=found))
        top = self.path(f"/{POOL}")
        files = (path for path in sorted(top.rglob("*")) if path.is_file())
        kept = [path for path in files if ".zfs" not in path.parts]
        texts = "".join(f"{path.relative_to(top)}: {_shown(path.read_bytes())}\n" for path in kept)
        self.steps.append(Step("texts", out=texts))

    def write(self, volume: str, offset: int, text: str) -> None:
        """Write to a volume, as soon as its node is there."""
        self._write(f"write {volume} {offset} {text}", volume, offset, text.encode())

    def _write(self, act: str, volume: str, offset: int, content: bytes) -> None:
        node = self.path(f"/dev/zvol/{volume}")
        try:
            self.wait_for(node)
            self.write_at(f"/dev/zvol/{volume}", offset, content)
        except OSError as error:
            self.steps.append(Step(act, 1, err=str(error.strerror)))
        else:
            self.steps.append(Step(act))

    def pour(self, volume: str, offset: int, count: int) -> None:
        """Write bytes that cannot be compressed to a volume."""
        content = random.Random(offset).randbytes(count)
        self._write(f"pour {volume} {offset} {count}", volume, offset, content)

    def read(self, volume: str, offset: int, count: int) -> None:
        """Read a volume, as soon as its node is there, and nothing that Linux remembers of it."""
        node = self.path(f"/dev/zvol/{volume}")
        act = f"read {volume} {offset} {count}"
        try:
            self.wait_for(node)
            with node.open("rb") as device:
                os.posix_fadvise(device.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
                device.seek(offset)
                read = device.read(count)
        except OSError as error:
            self.steps.append(Step(act, 1, err=str(error.strerror)))
        else:
            self.steps.append(Step(act, out=read.rstrip(b"\0").decode(errors="replace")))

    def fill(self, dataset: str) -> None:
        """Reserve for a dataset all the room that its pool has left, and take some more with its
        properties: with just none left, what ZFS makes room for goes by what is under way."""
        asked = ["zfs", "get", "-H", "-p", "-o", "value", "available", dataset]
        room = text_of(self.run(asked, b"")[1]).strip()
        code, _, err = self.run(["zfs", "set", f"reservation={room}", dataset], b"")
        for number in range(3):
            words = random.Random(number).randbytes(4000).hex()
            self.run(["zfs", "set", f"chyves:full{number}={words}", dataset], b"")
        self.run(["zpool", "sync", POOL], b"")
        self.steps.append(Step(f"fill {dataset}", code, err=text_of(err)))

    def leave(self, dataset: str, room: int) -> None:
        """Reserve for a dataset all that its pool has left, but for ``room`` bytes."""
        asked = ["zfs", "get", "-H", "-p", "-o", "value", "available", dataset]
        rest = int(text_of(self.run(asked, b"")[1])) - room
        code, _, err = self.run(["zfs", "set", f"reservation={rest}", dataset], b"")
        self.steps.append(Step(f"leave {dataset} {room}", code, err=text_of(err)))

    def flood(self, target: str, mebibytes: int, at: int = 0) -> None:
        """Write so much to a file or a volume, and wait until it is on disk."""
        path = target if target.startswith("/") else f"/dev/zvol/{target}"
        act = f"flood {target} {mebibytes} {at}"
        try:
            if path != target:
                self.wait_for(self.path(path))
            self.flood_into(path, mebibytes, at << 20)
        except OSError as error:
            self.steps.append(Step(act, 1, err=str(error.strerror)))
        else:
            self.steps.append(Step(act))

    def flood_into(self, path: str, mebibytes: int, offset: int) -> None:
        """Write so much at an offset of a file or the node of a volume. Raises OSError."""
        for place in range(mebibytes):
            self.write_at(path, offset + (place << 20), MEBIBYTE)

    def write_at(self, path: str, offset: int, content: bytes) -> None:
        """Write to a file, or the node of a volume. Raises OSError."""
        flags = os.O_WRONLY if path.startswith("/dev/") else os.O_WRONLY | os.O_CREAT
        descriptor = os.open(self.path(path), flags, 0o644)
        try:
            os.lseek(descriptor, offset, os.SEEK_SET)
            while content:
                content = content[os.write(descriptor, content) :]
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def write_file(self, file: str, text: str) -> None:
        """Write a file as a whole. Raises OSError."""
        self.path(file).write_text(text)

    def put(self, file: str, text: str) -> None:
        """Write a file of the host."""
        try:
            self.write_file(file, text)
        except OSError as error:
            self.steps.append(Step(f"put {file}", 1, err=str(error.strerror)))
        else:
            self.steps.append(Step(f"put {file}"))

    def files(self, directory: str) -> None:
        """Note the names and texts of the files directly in a directory."""
        found = sorted(path for path in self.path(directory).glob("*") if path.is_file())
        text = "".join(f"{path.name}: {path.read_text()}\n" for path in found)
        self.steps.append(Step(f"files {directory}", out=text))


def _with_nodes(listing: str) -> set[str]:
    """Return the volumes in a listing of ``STATE`` that have nodes."""
    columns = STATE.split(",")
    rows = (dict(zip(columns, line.split("\t"), strict=True)) for line in listing.splitlines())
    return {row["name"] for row in rows if row["type"] == "volume" and row["volmode"] != "none"}


def _now(found: re.Match[str]) -> str:
    return "NOW" if abs(int(found[0]) - time.time()) < LATELY else found[0]


def _on_volume(node: Path) -> str:
    """Return what is at the beginning and at the end of a volume, and nothing that Linux remembers
    of it; or why it cannot be read."""
    try:
        with node.open("rb") as device:
            os.posix_fadvise(device.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            size = device.seek(0, os.SEEK_END)
            device.seek(0)
            found = device.read(EDGE)
            if size > EDGE:
                device.seek(max(EDGE, size - EDGE))
                found += device.read(EDGE)
    except OSError as error:
        return str(error.strerror)
    return _shown(found)


def _shown(content: bytes) -> str:
    """Return the pieces of text in content that is zeros for the rest; a digest if it is no text,
    or long."""
    pieces = [piece for piece in content.split(b"\0") if piece]
    text = b" ".join(pieces)
    if len(text) < 99 and text.isascii():
        return text.decode()
    return f"sha256 {hashlib.sha256(content).hexdigest()[:16]}"


def text_of(output: bytes) -> str:
    """Return what a program has said as text, whatever its bytes."""
    return output.decode(errors="surrogateescape")


class SimulatedSession(Session):
    """At a simulated host."""

    def __init__(self, directory: Path, release: str) -> None:
        super().__init__()
        self.world = World.make(directory, Machine(release=release, pools={POOL: POOL_BYTES}))

    def run(self, argv: list[str], stdin: bytes) -> tuple[int, bytes, bytes]:
        out, err = io.BytesIO(), io.BytesIO()
        code = execute(self.world, argv, Io(io.BytesIO(stdin), out, err))
        return code, out.getvalue(), err.getvalue()

    def path(self, absolute: str) -> Path:
        return self.world.path(absolute)

    def write_at(self, path: str, offset: int, content: bytes) -> None:
        writing.write_at(self.world, path, offset, content)

    def write_file(self, file: str, text: str) -> None:
        writing.check(self.world, file)
        super().write_file(file, text)

    @contextmanager
    def hold_open(self, volume: str) -> Iterator[None]:
        node = f"/dev/zvol/{volume}"
        with self.world.process("a guest"):
            open_device(self.world, node, os.getpid())
            yield
            close_device(self.world, node, os.getpid())

    @contextmanager
    def hold_file(self, file: str) -> Iterator[None]:
        with self.world.process("a reader"):
            open_device(self.world, file, os.getpid())
            yield
            close_device(self.world, file, os.getpid())

    def make_other_pool(self) -> None:
        with self.world.changing():
            pools.create(self.world, OTHER_POOL, pools.size_of_vdev(OTHER_FILE_BYTES))

    def wait_for(self, node: Path) -> None:
        """Nodes of the simulated host come and go at once."""

    def settle(self, volumes: set[str]) -> None:
        """Nodes of the simulated host come and go at once."""
