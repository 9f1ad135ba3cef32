"""The server of the live page: it reads what the training wrote to disk, in threads of its own, when it is asked."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from importlib import resources

from gpucnn.draw.pages import CSS, HTML, JSON, SCRIPT, Page, PageServer, RefusalError, json_of
from gpucnn.live.watch import Watch
from gpucnn.report import page as report

START, FACTS, PROGRESS = "/", "/facts", "/progress"
WAITING = "the training is being prepared; load this page again in a moment"
POLL = 0.5  # seconds until the server notes that it is to end


class LiveServer(PageServer):
    """Serves the page on the loopback's `port`, 0 for one that is free; it waits until there is a `watch` to show.

    Raises OSError where the port cannot be had.
    """

    def __init__(self, port: int = 0) -> None:
        self.watch: Watch | None = None
        self._turn = threading.Lock()
        self._made: tuple[str, bytes] = "", b""  # the version of the facts that were asked for last, and these
        own = resources.files("gpucnn.live") / "page"
        self._start = (own / "live.html").read_text(encoding="utf-8")
        script = f"{report.script()}\n{(own / 'live.js').read_text(encoding='utf-8')}"
        super().__init__(
            {
                START: (HTML, b""),
                FACTS: (JSON, b""),
                PROGRESS: (JSON, b""),
                "/live.css": (CSS, report.part("report.css").encode()),
                "/live.js": (SCRIPT, f'"use strict";\n{{\n{script}}}\n'.encode()),
            },
            port,
        )

    def page(self, path: str) -> Page:
        """What lies at a path: the page, its facts, or how far the training is. Raises RefusalError without a watch."""
        if self.watch is None and path in (START, FACTS, PROGRESS):
            raise RefusalError(HTTPStatus.SERVICE_UNAVAILABLE, WAITING)
        if path == START:
            return HTML, report.filled(self._start, {"facts": self._facts().decode()}).encode()
        if path == FACTS:
            return JSON, self._facts()
        if path == PROGRESS:
            return JSON, json_of(self.watch.progress())  # type: ignore[union-attr]
        return super().page(path)

    def _facts(self) -> bytes:
        """The facts in JSON, made once for each version; one thread at a time."""
        watch = self.watch
        assert watch is not None
        with self._turn:
            version = watch.version
            if self._made[0] != version:
                self._made = version, report.in_page(watch.facts(version)).encode()
            return self._made[1]


@contextmanager
def served(server: LiveServer) -> Iterator[LiveServer]:
    """Serve in a thread inside the block."""
    thread = threading.Thread(target=server.serve_forever, args=(POLL,), name="live page", daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
