"""The server of the page to draw on: four files, the network's description, and answers to drawings.

A drawing must come from this origin; see `pages` for what any request is held to.
"""

import threading
import time
from http import HTTPStatus
from importlib import resources
from typing import cast

from gpucnn.draw.answers import Reader
from gpucnn.draw.drawing import MAX_BYTES, parse
from gpucnn.draw.pages import CSS, HTML, JSON, SCRIPT, Handler, Page, PageServer, RefusalError, json_of

ANSWER = "/answer"  # where drawings are sent to
FILES = {
    "/": ("draw.html", HTML),
    "/draw.css": ("draw.css", CSS),
    "/draw.js": ("draw.js", SCRIPT),
    "/server.js": ("server.js", SCRIPT),
}


class DrawServer(PageServer):
    """Serves the page for `reader`, whose network is called `title`, on the loopback's `port`; 0: one that is free.

    `serve_forever()` until it is interrupted. Raises OSError where the port cannot be had.
    """

    posted = ANSWER

    def __init__(self, reader: Reader, title: str, port: int = 0) -> None:
        self._reader, self._turn = reader, threading.Lock()
        folder = resources.files("gpucnn.draw") / "page"
        pages = {path: (kind, (folder / name).read_bytes()) for path, (name, kind) in FILES.items()}
        pages["/network"] = JSON, json_of({"title": title, **reader.describe()})
        super().__init__(pages, port, DrawHandler)

    def answer(self, body: bytes) -> bytes:
        """The network's answer to a drawing, JSON to JSON; one at a time. Raises InputError for an invalid drawing."""
        drawing = parse(body)
        with self._turn:
            began = time.perf_counter()
            answers = self._reader.answer(drawing)
            seconds = time.perf_counter() - began
        return json_of({**answers, "milliseconds": seconds * 1000})


class DrawHandler(Handler):
    """One connection, which may bring a drawing."""

    def do_POST(self) -> None:  # noqa: N802
        """The network's answer to a drawing."""
        self._answer_by(self._answer)

    def _answer(self) -> Page:
        return JSON, cast(DrawServer, self.server).answer(self._body())

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
