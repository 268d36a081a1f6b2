# SPDX-License-Identifier: BSD-2-Clause
"""Small servers on the loopback interface, for tests that fetch."""

import re
import socket
import socketserver
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

CERTIFICATE = Path(__file__).parent / "data/localhost.pem"
"""Certificate and key of localhost, which nobody else vouches for."""


class Request(NamedTuple):
    path: str
    headers: dict[str, str]


class WebServer:
    """Serves ``files`` by their paths, with ranges; what tests want to happen is set from outside.

    ``breaks_after``: connections are cut after so many bytes of content, each number once.
    ``redirects``: where paths lead. ``tag`` is the ETag of all. ``plain``: no ranges, no lengths.
    """

    def __init__(self, *, safe: bool = False) -> None:
        self.files: dict[str, bytes] = {}
        self.redirects: dict[str, str] = {}
        self.breaks_after: list[int] = []
        self.tag = '"1"'
        self.plain = False
        self.requests: list[Request] = []
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.server.daemon_threads = True
        self.scheme = "http"
        if safe:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(CERTIFICATE)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
            self.scheme = "https"

    def url(self, path: str, *, user: str = "") -> str:
        return f"{self.scheme}://{user}localhost:{self.server.server_port}{path}"

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        web = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                web.requests.append(Request(self.path, dict(self.headers)))
                with suppress(ConnectionError):  # of who wants no more of it
                    web.answer(self)

            def log_message(self, *_: object) -> None:
                pass

        return Handler

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        path = handler.path.partition("?")[0]
        if path in self.redirects:
            handler.send_response(302)
            handler.send_header("Location", self.redirects[path])
            handler.end_headers()
            return
        if path not in self.files:
            handler.send_error(404)
            return
        content = self.files[path]
        first = self._first(handler.headers)
        if first and first >= len(content):
            handler.send_response(416)
            handler.send_header("Content-Range", f"bytes */{len(content)}")
            handler.send_header("Content-Length", "0")
            handler.end_headers()
            return
        handler.send_response(206 if first else 200)
        if not self.plain:
            handler.send_header("ETag", self.tag)
            handler.send_header("Content-Length", str(len(content) - first))
        if first:
            last = len(content) - 1
            handler.send_header("Content-Range", f"bytes {first}-{last}/{len(content)}")
        handler.end_headers()
        self._send(handler, content[first:])

    def _first(self, headers: Any) -> int:
        wanted = re.fullmatch(r"bytes=(\d+)-", headers.get("Range", ""))
        valid = headers.get("If-Range") == self.tag and not self.plain
        return int(wanted[1]) if wanted and valid else 0

    def _send(self, handler: BaseHTTPRequestHandler, content: bytes) -> None:
        if self.breaks_after:
            handler.wfile.write(content[: self.breaks_after.pop(0)])
            handler.wfile.flush()
            handler.connection.shutdown(socket.SHUT_RDWR)
            handler.close_connection = True
        else:
            handler.wfile.write(content)


@contextmanager
def serving(server: socketserver.BaseServer) -> Iterator[None]:
    """Let a server work beside the test."""
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class FtpServer(socketserver.ThreadingTCPServer):
    """Serves ``files`` by their paths, with REST; ``breaks_after`` as a WebServer has it."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.breaks_after: list[int] = []
        self.commands: list[str] = []
        super().__init__(("127.0.0.1", 0), _FtpSession)

    def url(self, path: str, *, user: str = "") -> str:
        return f"ftp://{user}localhost:{self.server_address[1]}{path}"


class _FtpSession(socketserver.StreamRequestHandler):
    server: FtpServer

    def handle(self) -> None:
        self._say("220 ready")
        self._offset = 0
        with suppress(ConnectionError):
            while line := self.rfile.readline().decode().strip():
                self.server.commands.append(line)
                command, _, word = line.partition(" ")
                getattr(self, f"_{command.lower()}", self._unknown)(word)

    def _say(self, text: str) -> None:
        self.wfile.write(f"{text}\r\n".encode())

    def _unknown(self, word: str) -> None:
        self._say("502 what")

    def _user(self, word: str) -> None:
        self._say("331 password")

    def _pass(self, word: str) -> None:
        self._say("230 welcome")

    def _type(self, word: str) -> None:
        self._say("200 yes")

    def _size(self, word: str) -> None:
        there = word in self.server.files
        self._say(f"213 {len(self.server.files[word])}" if there else "550 no such file")

    def _mdtm(self, word: str) -> None:
        self._say("213 20260101000000")

    def _rest(self, word: str) -> None:
        self._offset = int(word)
        self._say("350 go on")

    def _epsv(self, word: str) -> None:
        self._data = socket.create_server(("127.0.0.1", 0))
        self._say(f"229 here (|||{self._data.getsockname()[1]}|)")

    def _pasv(self, word: str) -> None:
        self._data = socket.create_server(("127.0.0.1", 0))
        port = self._data.getsockname()[1]
        self._say(f"227 here (127,0,0,1,{port >> 8},{port & 255})")

    def _retr(self, word: str) -> None:
        with self._data, self._data.accept()[0] as connection:
            self._say("150 coming")
            content = self.server.files[word][self._offset :]
            breaks = self.server.breaks_after.pop(0) if self.server.breaks_after else None
            connection.sendall(content[:breaks])
        self._say("226 done" if breaks is None else "426 broken")

    def _quit(self, word: str) -> None:
        self._say("221 bye")
