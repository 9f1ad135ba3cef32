"""A server of pages on the loopback. It serves what it holds, and reads no file.

Only pages that it served itself may ask: the Host header must name the loopback (or a page elsewhere could have its
own name lead here, by DNS rebinding).
"""

import json
import socket
import sys
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import Any, cast

from gpucnn.draw.connections import LOOPBACK, BoundedServer
from gpucnn.errors import InputError

TEXT, HTML, JSON = "text/plain; charset=utf-8", "text/html; charset=utf-8", "application/json"
CSS, SCRIPT = "text/css; charset=utf-8", "text/javascript; charset=utf-8"
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


Page = tuple[str, bytes]  # its type, and its content


class PageServer(BoundedServer):
    """Serves `pages` by their paths on the loopback's `port`; 0: one that is free. Raises OSError where none is had."""

    posted: str | None = None  # the path that takes what is sent, by POST

    def __init__(self, pages: Mapping[str, Page], port: int, handler: "type[Handler] | None" = None) -> None:
        self.pages = dict(pages)
        super().__init__(port, handler or Handler)
        self.hosts = {f"{name}:{self.server_port}" for name in (LOOPBACK, "localhost")}

    @property
    def url(self) -> str:
        """The address of the first page."""
        return f"http://{LOOPBACK}:{self.server_port}/"

    def page(self, path: str) -> Page:
        """What lies at a path, one of `pages`."""
        return self.pages[path]


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
        """A page."""
        self._answer_by(lambda: self._server.page(self._path))

    def _answer_by(self, work: Callable[[], Page]) -> None:
        """Reply with what `work` returns; what it raises is refused, and told on the terminal if nobody foresaw it."""
        try:
            self._reply(HTTPStatus.OK, *work())
        except RefusalError as refusal:
            self._refuse(refusal)
        except InputError as error:
            self._refuse(RefusalError(HTTPStatus.BAD_REQUEST, str(error)))
        except (ConnectionError, TimeoutError):
            raise
        except Exception as error:
            print(f"{self._path} could not be answered: {type(error).__name__}: {error}", file=sys.stderr)
            self._refuse(RefusalError(HTTPStatus.INTERNAL_SERVER_ERROR, "the program failed; its terminal says why"))

    @property
    def _server(self) -> PageServer:
        return cast(PageServer, self.server)

    @property
    def _path(self) -> str:
        return self.path.partition("?")[0]

    def _check(self) -> None:
        """Raise RefusalError unless the request comes to this host, to a path of it, by that path's method."""
        hosts, posted = self.headers.get_all("Host", []), self._server.posted
        if len(hosts) != 1 or hosts[0].lower() not in self._server.hosts:
            raise RefusalError(HTTPStatus.MISDIRECTED_REQUEST, f"this is {self._server.url}")
        if self._path != posted and self._path not in self._server.pages:
            raise RefusalError(HTTPStatus.NOT_FOUND, "there is nothing here")
        method = "POST" if self._path == posted else "GET"
        if self.command != method:
            raise RefusalError(HTTPStatus.METHOD_NOT_ALLOWED, f"only {method} is answered here", {"Allow": method})

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


def json_of(value: Any) -> bytes:
    """A value in JSON, without spaces."""
    return json.dumps(value, allow_nan=False, separators=(",", ":")).encode()
