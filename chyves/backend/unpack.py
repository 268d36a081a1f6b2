# SPDX-License-Identifier: BSD-2-Clause
"""Files that are packed, and the checksums of files."""

import gzip
import hashlib
import importlib
import lzma
import zlib
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path
from typing import IO, Any

from chyves.backend.run import CHUNK, Progress
from chyves.errors import ChyvesError, Precondition
from chyves.model.kinds import format_bytes


def checksum(path: Path, algorithm: str) -> str:
    """Return the checksum of a file in hexadecimal digits. Raises OSError."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, lambda: hashlib.new(algorithm, usedforsecurity=False))
    return digest.hexdigest()


def unpack(source: Path, packing: str, target: IO[bytes], room: int, progress: Progress) -> int:
    """Unpack a file that is packed as its ``packing`` says (gz, xz, zst) and return the number of
    bytes; ``progress`` is told how many of the packed ones are done.

    Raises ChyvesError if it is damaged, Precondition if more than ``room`` bytes come out of it or
    nothing here can unpack it, OSError.
    """
    size = done = 0
    damage: tuple[type[Exception], ...] = (
        EOFError,
        gzip.BadGzipFile,
        lzma.LZMAError,
        zlib.error,
        *_zstd_errors(packing),
    )
    with source.open("rb") as packed, _opened(packed, packing) as unpacked:
        try:
            while data := unpacked.read(CHUNK):
                size += len(data)
                require_room(size, room)
                target.write(data)
                progress(packed.tell() - done)
                done = packed.tell()
        except damage as error:
            raise ChyvesError(
                f"cannot unpack it: {error}", hint="is it whole? --checksum tells"
            ) from error
    return size


def require_room(size: int, room: int) -> None:
    """Raise Precondition if so many bytes do not fit into so many."""
    if size > room:
        raise Precondition(
            f"no room for it: {format_bytes(size)} or more wanted, {format_bytes(room)} free",
            hint="zfs list -o space shows what takes the room",
        )


def _opened(file: IO[bytes], packing: str) -> AbstractContextManager[Any]:
    """Return a file that unpacks another. Raises Precondition if nothing here can."""
    if packing == "gz":
        return gzip.GzipFile(fileobj=file)
    if packing == "xz":
        return nullcontext(_XzStreams(file))
    opened: AbstractContextManager[Any] = _zstd().ZstdFile(file)
    return opened


class _XzStreams:
    """A file of xz(1): streams behind each other, with zeros between them or not. LZMAFile takes
    whatever else is behind the first one for nothing, a damaged stream too."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._stream = lzma.LZMADecompressor(lzma.FORMAT_XZ)
        self._waiting = b""

    def read(self, size: int) -> bytes:
        """Return at most so many bytes; none at the end. Raises LZMAError, EOFError."""
        while not self._stream.eof or self._begin_another():
            if self._stream.needs_input and not self._waiting:
                self._waiting = self._file.read(CHUNK)
                if not self._waiting:
                    raise EOFError("it ends in the middle")
            packed, self._waiting = self._waiting, b""
            if data := self._stream.decompress(packed, size):
                return data
        return b""

    def _begin_another(self) -> bool:
        behind = self._stream.unused_data.lstrip(b"\0")
        while not behind:
            read = self._file.read(CHUNK)
            if not read:
                return False
            behind = read.lstrip(b"\0")
        self._stream, self._waiting = lzma.LZMADecompressor(lzma.FORMAT_XZ), behind
        return True


def _zstd_errors(packing: str) -> tuple[type[Exception], ...]:
    return (_zstd().ZstdError,) if packing == "zst" else ()


def _zstd() -> Any:
    """Return the module for Zstandard, which Python has from 3.14 on. Raises Precondition."""
    for name in ("compression.zstd", "backports.zstd"):
        with suppress(ImportError):
            return importlib.import_module(name)
    raise Precondition(
        "this Python cannot unpack .zst",
        hint="pkg install py311-backports.zstd, or unpack it first: zstd -d",
    )
