"""An HTTP server on the loopback, whose connections are limited in number and in time."""

import contextlib
import socket
import socketserver
import sys
import threading
import time
from http.server import ThreadingHTTPServer
from typing import Any

LOOPBACK = "127.0.0.1"
MOST = 32  # connections at a time, each with a thread of its own
LONGEST = 10.0  # seconds that a connection may last
PATIENCE = 1.0  # seconds that a new one waits for the oldest to go


class BoundedServer(ThreadingHTTPServer):
    """Serves `MOST` connections at a time for `LONGEST` seconds each; with more, the oldest is dropped.

    So clients that send or read slowly, or not at all, neither keep others out nor pile up.
    """

    daemon_threads = True
    request_queue_size = 2 * MOST

    def __init__(self, port: int, handler: type[socketserver.BaseRequestHandler]) -> None:
        """Listen on `port`, 0 for one that is free. Raises OSError."""
        self._slots, self._lock = threading.BoundedSemaphore(MOST), threading.Lock()
        self._began: dict[socket.socket, float] = {}  # oldest first
        super().__init__((LOOPBACK, port), handler)

    def server_bind(self) -> None:
        """Bind, without looking up this machine's name."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address[:2]  # type: ignore[assignment]

    def process_request(self, request: Any, client_address: Any) -> None:
        """Start a thread for the connection as soon as there is room."""
        if not self._slots.acquire(blocking=False):
            self._drop_oldest()
            if not self._slots.acquire(timeout=PATIENCE):
                self.shutdown_request(request)
                return
        with self._lock:
            self._began[request] = time.monotonic()
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Close the connection; its room is free again."""
        with self._lock:
            known = self._began.pop(request, None)
        super().shutdown_request(request)
        if known is not None:
            self._slots.release()

    def service_actions(self) -> None:
        """Drop connections that have lasted too long; called at least twice a second."""
        with self._lock:
            old = [request for request, began in self._began.items() if time.monotonic() - began > LONGEST]
        for request in old:
            self._end(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print a line about an error, unless the client has merely disconnected."""
        error = sys.exception()
        if not isinstance(error, ConnectionError | TimeoutError):
            print(f"a request failed: {type(error).__name__}: {error}", file=sys.stderr)

    def _drop_oldest(self) -> None:
        with self._lock:
            oldest = next(iter(self._began), None)
        if oldest is not None:
            self._end(oldest)

    @staticmethod
    def _end(request: socket.socket) -> None:
        """Wake the thread that reads from or writes to the connection; it finds it ended."""
        with contextlib.suppress(OSError):
            request.shutdown(socket.SHUT_RDWR)
