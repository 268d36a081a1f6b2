# SPDX-License-Identifier: BSD-2-Clause
"""Files of other hosts, over HTTP and FTP. A download that breaks off is gone on with."""

import ftplib
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote, urljoin, urlsplit

import requests
import urllib3

from chyves import __version__
from chyves.backend.run import Progress
from chyves.backend.unpack import require_room
from chyves.errors import HostError, Invalid, NotFound
from chyves.model.resource import Source

SECONDS = 30.0
"""How long a server may be silent."""

TRIES = 5
"""How often a download that breaks off is gone on with at once."""

PAUSE = 1.0
"""Seconds between these."""

PIECE = 1 << 17
"""Bytes that are read at once, and that a lost connection loses at most."""

REDIRECTS = 10

LATER = "try again later, or look there with a browser"

TRUST: bool | str = True
"""What vouches for a server: the authorities that requests knows, or a file with others."""

Show = Callable[[str, Callable[[], int]], AbstractContextManager[Progress]]
"""Output.progress()."""


class BrokenOff(HostError):
    """A download did not come to its end; what has come is kept, and can be gone on with."""


class Lost(Exception):
    """A connection could not be made, or was lost; its text says why."""


class _Coming(NamedTuple):
    """What a server sends: from byte ``offset`` on of ``length`` (0 if that is not known); a
    ``version`` of the file that changes when the file does, or nothing."""

    offset: int
    length: int
    version: str
    read: Callable[[int], bytes]


def download(source: Source, target: Path, room: int, show: Show) -> None:
    """Write a file of another host to ``target``, going on with what is there already if it is of
    the same version; a file of notes is beside it until the end.

    Raises Precondition if it has more than ``room`` bytes, NotFound, Invalid if the server leads
    to where nobody should follow, BrokenOff if a part of it is there, else HostError.
    """
    for left in reversed(range(TRIES)):
        before = _size(target)
        try:
            _go_on(source, target, room + before, show)
            return
        except Lost as error:
            if _size(target) > before and left:
                time.sleep(PAUSE)
                continue
            kind = BrokenOff if _size(target) else HostError
            hint = "see that the host can reach it"
            if kind is BrokenOff:
                hint = "what has come is kept; the same command goes on with it"
            raise kind(f"cannot fetch {source.shown}: {error}", hint=hint) from None


def read(url: str, most: int) -> bytes:
    """Return what a web server has to say, ``most`` bytes at the most. Raises HostError, Invalid
    if it leads to where nobody should follow."""
    host = urlsplit(url).hostname
    try:
        with get(url, {}) as response:
            if response.status_code != 200:
                raise HostError(
                    f"{host} says {response.status_code} {response.reason or ''}", hint=LATER
                )
            with _as_lost():
                text: bytes = response.raw.read(most, decode_content=False)
                return text
    except Lost as error:
        hint = "see that this host can reach it"
        raise HostError(f"cannot ask {host}: {error}", hint=hint) from None


def notes(target: Path) -> Path:
    """Return the file that says of what a download is a part."""
    return target.with_name(f"{target.name}.notes")


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _go_on(source: Source, target: Path, room: int, show: Show) -> None:
    """Fetch what is missing. Raises Lost."""
    version = _version_of_part(source, target)
    offset = _size(target) if version else 0
    opening = _ftp if source.scheme == "ftp" else _http
    with opening(source, offset, version) as coming:
        require_room(coming.length, room)
        if not coming.offset:
            _start(source, target, coming.version)
        with (
            target.open("r+b") as file,
            show(source.file, lambda: coming.length - coming.offset) as progress,
        ):
            got = file.seek(coming.offset)
            while data := coming.read(PIECE):
                got += len(data)
                require_room(got, room)
                file.write(data)
                file.flush()
                progress(len(data))
            os.fsync(file.fileno())
        if coming.length and got < coming.length:
            raise Lost(f"it ended after {got} of {coming.length} bytes")


def _start(source: Source, target: Path, version: str) -> None:
    """Begin with an empty file; that of an earlier version goes first, its notes later."""
    target.unlink(missing_ok=True)
    text = json.dumps({"from": source.shown, "version": version})
    notes(target).write_text(text)
    target.touch(mode=0o644)


def _version_of_part(source: Source, target: Path) -> str:
    """Return of which version of the source there is a part; nothing if there is none."""
    with suppress(OSError, ValueError, KeyError):
        noted = json.loads(notes(target).read_text())
        if noted["from"] == source.shown and _size(target):
            return str(noted["version"])
    return ""


# -- HTTP ---------------------------------------------------------------------------------------


@contextmanager
def _http(source: Source, offset: int, version: str) -> Iterator[_Coming]:
    headers = {"Range": f"bytes={offset}-", "If-Range": version} if offset else {}
    with ExitStack() as stack:
        response = stack.enter_context(get(source.text, headers))
        if response.status_code == 416:
            yield stack.enter_context(_behind_the_end(source, response, offset, version))
            return
        _require_success(source, response)
        at = _first_byte(response) if response.status_code == 206 else 0
        if at not in (0, offset):
            raise HostError(
                f"{source.shown}: the server sends another part than was asked for", hint=LATER
            )
        if source.packing != "gz" and response.headers.get("Content-Encoding", "identity") != (
            "identity"
        ):
            raise HostError(
                f"{source.shown}: the server sends it packed, which was not asked for", hint=LATER
            )
        rest = int(response.headers.get("Content-Length") or 0)
        length = at + rest if rest else 0
        yield _Coming(at, length, _version(response.headers), _reader(response))


@contextmanager
def _behind_the_end(
    source: Source, response: requests.Response, offset: int, version: str
) -> Iterator[_Coming]:
    """Understand a server that has nothing from ``offset`` on: all is there, or what is there is a
    part of something else, and it has to begin again."""
    length = response.headers.get("Content-Range", "").rpartition("/")[2]
    if offset and length == str(offset):
        yield _Coming(offset, offset, version, lambda _: b"")
        return
    if not offset:
        _require_success(source, response)
    with _http(source, 0, "") as coming:
        yield coming


def _require_success(source: Source, response: requests.Response) -> None:
    code = response.status_code
    if code in (404, 410):
        raise NotFound(f"there is no {source.shown}", hint=LATER)
    if code not in (200, 206):
        raise HostError(
            f"cannot fetch {source.shown}: the server says {code} {response.reason or ''}".rstrip(),
            hint=LATER,
        )


def _first_byte(response: requests.Response) -> int:
    words = response.headers.get("Content-Range", "").removeprefix("bytes ").partition("-")
    return int(words[0]) if words[0].isdigit() else -1


def _version(headers: Any) -> str:
    """Return what goes into If-Range: a strong ETag, or the time of the last change."""
    tag = headers.get("ETag", "")
    return str(tag if tag.startswith('"') else headers.get("Last-Modified", ""))


def _reader(response: requests.Response) -> Callable[[int], bytes]:
    def read(count: int) -> bytes:
        with _as_lost():
            data: bytes = response.raw.read(count, decode_content=False)
            return data

    return read


@contextmanager
def get(url: str, headers: dict[str, str]) -> Iterator[requests.Response]:
    """Ask a web server, and go where it leads, but never from https to anything else. Nothing of
    the environment counts but its proxies.

    Raises Invalid if it leads elsewhere, HostError if it leads in circles, Lost.
    """
    with requests.Session() as session:
        session.trust_env = False
        session.headers["User-Agent"] = f"chyves/{__version__}"
        session.headers["Accept-Encoding"] = "identity"
        for _ in range(REDIRECTS):
            with _as_lost():
                response = session.get(
                    url,
                    headers=headers,
                    stream=True,
                    allow_redirects=False,
                    timeout=SECONDS,
                    verify=TRUST,
                    proxies=requests.utils.get_environ_proxies(url),
                )
            with response:
                if not response.is_redirect:
                    yield response
                    return
                url = _followed(url, response.headers["Location"])
        raise HostError("the server leads from one place to the next without an end", hint=LATER)


def _followed(url: str, location: str) -> str:
    """Return where a server leads. Raises Invalid if nobody should follow."""
    there = urljoin(url, location)
    safe = urlsplit(url).scheme == "https"
    scheme = urlsplit(there).scheme
    if scheme not in (("https",) if safe else ("http", "https")):
        raise Invalid(
            f"the server leads to {scheme}://, where chyves does not follow",
            hint="fetch it yourself and import the file",
        )
    return there


@contextmanager
def _as_lost() -> Iterator[None]:
    """Put the failures of a connection into words: those of the library have URLs in them, with
    passwords, and addresses of Python objects."""
    try:
        yield
    except requests.exceptions.InvalidURL:
        raise Invalid("not an URL", hint="https://<host>/<path>/<file>") from None
    except (requests.Timeout, urllib3.exceptions.TimeoutError, TimeoutError):
        raise Lost(f"no answer within {SECONDS:.0f} seconds") from None
    except (OSError, urllib3.exceptions.HTTPError) as error:
        raise Lost(_cause(error)) from None


def _cause(error: BaseException) -> str:
    """Return what the system said at the bottom of an error."""
    seen: BaseException | None = error
    while seen is not None:
        if said := getattr(seen, "verify_message", None) or getattr(seen, "strerror", None):
            return str(said)
        reason = [*seen.args, getattr(seen, "reason", None), seen.__context__]
        seen = next((one for one in reason if isinstance(one, BaseException)), None)
    return "the connection was lost"


# -- FTP ----------------------------------------------------------------------------------------


@contextmanager
def _ftp(source: Source, offset: int, version: str) -> Iterator[_Coming]:
    parts = urlsplit(source.text)
    path = unquote(parts.path.lstrip("/"))
    ftp = ftplib.FTP(timeout=SECONDS)  # noqa: S321
    with ExitStack() as stack:
        stack.callback(ftp.close)
        with _as_ftp_lost(source):
            ftp.connect(parts.hostname or "", parts.port or ftplib.FTP_PORT)
            ftp.login(unquote(parts.username or ""), unquote(parts.password or ""))
            ftp.voidcmd("TYPE I")
            length = ftp.size(path) or 0
            now = ""
            with suppress(ftplib.error_perm):
                now = ftp.voidcmd(f"MDTM {path}")
            if version != now or offset > length:
                offset = 0
            connection = ftp.transfercmd(f"RETR {path}", rest=offset or None)
            stack.enter_context(connection)

        def read(count: int) -> bytes:
            with _as_ftp_lost(source):
                data = connection.recv(count)
                if not data:
                    ftp.voidresp()
                return data

        yield _Coming(offset, length, now, read)


@contextmanager
def _as_ftp_lost(source: Source) -> Iterator[None]:
    try:
        yield
    except ftplib.error_perm as error:
        if str(error).startswith("550"):
            raise NotFound(f"there is no {source.shown}", hint=LATER) from None
        raise HostError(f"cannot fetch {source.shown}: {error}", hint=LATER) from None
    except ValueError:
        raise Invalid("not an URL", hint="ftp://<host>/<path>/<file>") from None
    except TimeoutError:
        raise Lost(f"no answer within {SECONDS:.0f} seconds") from None
    except (ftplib.Error, EOFError, OSError) as error:
        said = getattr(error, "strerror", None) or str(error)
        raise Lost(said or "the connection was lost") from None
