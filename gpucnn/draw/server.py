"""The page's server: it serves four files and the network's description, and answers drawings. It reads no other file.

Only pages that it served itself may ask: the Host header must name the loopback (or a page elsewhere could have its
own name lead here, by DNS rebinding), and a drawing must come from this origin.
"""

import json
import socket
import sys
import threading
import time
from collections.abc import Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from importlib import resources
from typing import Any, cast

from gpucnn.draw.answers import Reader
from gpucnn.draw.connections import LOOPBACK, BoundedServer
from gpucnn.draw.drawing import MAX_BYTES, parse
from gpucnn.errors import InputError

ANSWER = "/answer"  # where drawings are sent to
FILES = {
    "/": ("draw.html", "text/html; charset=utf-8"),
    "/draw.css": ("draw.css", "text/css; charset=utf-8"),
    "/draw.js": ("draw.js", "text/javascript; charset=utf-8"),
    "/server.js": ("server.js", "text/javascript; charset=utf-8"),
}
TEXT, JSON = "text/plain; charset=utf-8", "application/json"
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Connection": "close",
}
LONGEST_MESSAGE = 200
MAX_DRAINED = 2**24  # bytes of a refused body that are read, for the client to come to its answer
SILENCE = 5.0  # seconds without a byte after which a client is dropped


class DrawServer(BoundedServer):
    """Serves the page for `reader`, whose network is called `title`, on the loopback's `port`; 0: one that is free.

    `serve_forever()` until it is interrupted. Raises OSError where the port cannot be had.
    """

    def __init__(self, reader: Reader, title: str, port: int = 0) -> None:
        self._reader, self._turn = reader, threading.Lock()
        folder = resources.files("gpucnn.draw") / "page"
        self.pages = {path: (kind, (folder / name).read_bytes()) for path, (name, kind) in FILES.items()}
        self.pages["/network"] = JSON, _json({"title": title, **reader.describe()})
        super().__init__(port, Handler)
        self.hosts = {f"{name}:{self.server_port}" for name in (LOOPBACK, "localhost")}

    @property
    def url(self) -> str:
        """The page's address."""
        return f"http://{LOOPBACK}:{self.server_port}/"

    def answer(self, body: bytes) -> bytes:
        """The network's answer to a drawing, JSON to JSON; one at a time. Raises InputError for an invalid drawing."""
        drawing = parse(body)
        with self._turn:
            began = time.perf_counter()
            answers = self._reader.answer(drawing)
            seconds = time.perf_counter() - began
        return _json({**answers, "milliseconds": seconds * 1000})


class RefusalError(Exception):
    """A refused request, with its status and reason."""

    def __init__(self, status: HTTPStatus, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status, self.headers = status, headers or {}


class Handler(BaseHTTPRequestHandler):
    """One connection, which carries one request."""

    timeout = SILENCE

    def parse_request(self) -> bool:
        """Whether the request is accepted; if not, it has been refused."""
        if not super().parse_request():
            return False
        try:
            self._check()
        except RefusalError as refusal:
            self._refuse(refusal)
            return False
        return True

    def do_GET(self) -> None:  # noqa: N802
        """A file of the page, or the network's description."""
        self._reply(HTTPStatus.OK, *self._server.pages[self._path])

    def do_POST(self) -> None:  # noqa: N802
        """The network's answer to a drawing."""
        try:
            self._reply(HTTPStatus.OK, JSON, self._server.answer(self._body()))
        except RefusalError as refusal:
            self._refuse(refusal)
        except InputError as error:
            self._refuse(RefusalError(HTTPStatus.BAD_REQUEST, str(error)))
        except (ConnectionError, TimeoutError):
            raise
        except Exception as error:
            print(f"a drawing could not be answered: {type(error).__name__}: {error}", file=sys.stderr)
            self._refuse(RefusalError(HTTPStatus.INTERNAL_SERVER_ERROR, "the network failed; its terminal says why"))

    @property
    def _server(self) -> DrawServer:
        return cast(DrawServer, self.server)

    @property
    def _path(self) -> str:
        return self.path.partition("?")[0]

    def _check(self) -> None:
        """Raise RefusalError unless the request comes to this host, to a path of it, by that path's method."""
        hosts = self.headers.get_all("Host", [])
        if len(hosts) != 1 or hosts[0].lower() not in self._server.hosts:
            raise RefusalError(HTTPStatus.MISDIRECTED_REQUEST, f"this is {self._server.url}")
        if self._path != ANSWER and self._path not in self._server.pages:
            raise RefusalError(HTTPStatus.NOT_FOUND, "there is nothing here")
        method = "POST" if self._path == ANSWER else "GET"
        if self.command != method:
            raise RefusalError(HTTPStatus.METHOD_NOT_ALLOWED, f"only {method} is answered here", {"Allow": method})

    def _body(self) -> bytes:
        """The drawing's bytes. Raises RefusalError for a foreign sender, another type, no length or too much."""
        origins = [f"http://{host}" for host in self._server.hosts]
        if any(origin not in origins for origin in self.headers.get_all("Origin", [])):
            raise RefusalError(HTTPStatus.FORBIDDEN, "drawings are taken from this page alone")
        if self.headers.get_content_type() != JSON:
            raise RefusalError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"a drawing is sent as {JSON}")
        length = self._length()
        if length > MAX_BYTES:
            raise RefusalError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"a drawing has at most {MAX_BYTES} bytes")
        body = self.rfile.read(length)
        if len(body) < length:
            raise RefusalError(HTTPStatus.BAD_REQUEST, f"the body ended after {len(body)} of {length} bytes")
        return body

    def _length(self) -> int:
        """The value of Content-Length. Raises RefusalError unless it is given once, in digits."""
        lengths = self.headers.get_all("Content-Length", [])
        if "Transfer-Encoding" in self.headers or not lengths:
            raise RefusalError(HTTPStatus.LENGTH_REQUIRED, "give Content-Length, and send the body whole")
        if len(lengths) > 1 or not (lengths[0].isascii() and lengths[0].isdigit()):
            raise RefusalError(HTTPStatus.BAD_REQUEST, "Content-Length is not one whole number")
        return int(lengths[0][:20])  # longer ones are too large in any case

    def _refuse(self, refusal: RefusalError) -> None:
        message = str(refusal)[:LONGEST_MESSAGE] + "\n"
        self._reply(refusal.status, TEXT, message.encode(errors="replace"), refusal.headers)
        if "Content-Length" in self.headers or "Transfer-Encoding" in self.headers:
            self._drain()

    def _drain(self) -> None:
        """Read the rest: if closed with bytes unread, the connection is reset before the client has read its answer."""
        self.connection.shutdown(socket.SHUT_WR)
        read = 0
        while read < MAX_DRAINED and (piece := self.rfile.read1(2**16)):
            read += len(piece)

    def _reply(self, status: HTTPStatus, kind: str, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {
            "Content-Type": kind,
            "Content-Length": str(len(body)),
            **HEADERS,
            **(headers or {}),
        }.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Refuse a request that is not HTTP, in plain text; called by the base class."""
        self.request_version = self.protocol_version  # to what names no version the base class would answer bare
        status = HTTPStatus(code)
        self._reply(status, TEXT, f"{status.phrase}\n".encode())

    def version_string(self) -> str:
        """The Server header."""
        return "gpucnn"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Print nothing: the terminal is the user's."""


def _json(value: Any) -> bytes:
    return json.dumps(value, allow_nan=False, separators=(",", ":")).encode()
