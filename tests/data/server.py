"""A mirror on this machine for the tests of downloads."""

import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Answer = Callable[[BaseHTTPRequestHandler], None]


class Mirror:
    """Serves what `answers` says for a name, and 404 for any other; `asked` lists the names it was asked for."""

    def __init__(self, answers: dict[str, Answer]) -> None:
        self.asked: list[str] = []
        mirror = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                name = self.path.removeprefix("/")
                mirror.asked.append(name)
                answers.get(name, missing)(self)

            def log_message(self, *_: object) -> None:
                """Silent."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/"

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


def missing(handler: BaseHTTPRequestHandler) -> None:
    handler.send_error(404)


def give(content: bytes, announce: int | None = None) -> Answer:
    """Send `content`, announcing `announce` bytes where that is not its length."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(content) if announce is None else announce))
        handler.end_headers()
        handler.wfile.write(content)

    return answer


def give_without_end(handler: BaseHTTPRequestHandler) -> None:
    """Send zeros, of unannounced length, until the other side has had enough."""
    handler.send_response(200)
    handler.end_headers()
    try:
        while True:
            handler.wfile.write(bytes(2**16))
    except OSError:
        handler.close_connection = True


def stall(handler: BaseHTTPRequestHandler) -> None:
    """Begin to answer, and fall silent."""
    handler.send_response(200)
    handler.send_header("Content-Length", "100")
    handler.end_headers()
    handler.wfile.write(b"x")
    handler.wfile.flush()
    time.sleep(2)
