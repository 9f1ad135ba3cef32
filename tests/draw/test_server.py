"""The page's server under requests of every kind: right, wrong, hostile, slow."""

import base64
import contextlib
import http.client
import json
import random
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from gpucnn.draw import connections
from gpucnn.draw import server as serving
from gpucnn.draw.drawing import MAX_BYTES
from tests.draw.mutations import mutated, statuses_of

JSON = {"Content-Type": "application/json"}
DRAWING = json.dumps(
    {"height": 2, "width": 2, "ink": base64.b64encode(bytes(4)).decode(), "centre": True, "invert": False}
).encode()


def ask(server, method: str = "POST", path: str = "/answer", body: Any = None, **headers: str):
    """The response to a request, read to its end: status, headers, body. Underscores in names stand for hyphens."""
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=20)
    with contextlib.closing(connection):
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body, given)
        response = connection.getresponse()
        return response.status, response.headers, response.read()


def send(server, text: str | bytes, end: bool = True) -> bytes:
    """What the server says to bytes as they are; `end`: that is all of them, and it knows."""
    with socket.create_connection(("127.0.0.1", server.server_port), timeout=20) as client:
        client.sendall(text if isinstance(text, bytes) else text.encode("latin-1"))
        if end:
            client.shutdown(socket.SHUT_WR)
        return read_all(client)


def read_all(client: socket.socket) -> bytes:
    pieces = []
    while piece := client.recv(2**16):
        pieces.append(piece)
    return b"".join(pieces)


def status_of(answer: bytes) -> int:
    return int(answer.split()[1])


def post(server, *lines: str, body: str = "") -> int:
    """The status of a drawing posted with these header lines."""
    head = "".join(f"{line}\r\n" for line in (f"Host: 127.0.0.1:{server.server_port}", *lines))
    return status_of(send(server, f"POST /answer HTTP/1.1\r\n{head}\r\n{body}"))


@pytest.fixture(autouse=True)
def lives(server) -> Iterator[None]:
    """After whatever was asked, a drawing is answered as ever."""
    yield
    assert ask(server, body=DRAWING, **JSON)[0] == 200


# --- what is asked for ------------------------------------------------------------------------------------------------


def test_the_page(server) -> None:
    for path, kind, part in (
        ("/", "text/html", b"<canvas"), ("/draw.js", "text/javascript", b"source.answer"),
        ("/server.js", "text/javascript", b"fetch"), ("/draw.css", "text/css", b"#canvas"),
    ):  # fmt: skip
        status, headers, body = ask(server, "GET", path)
        assert (status, headers.get_content_type()) == (200, kind) and part in body
        assert int(headers["Content-Length"]) == len(body)
    assert ask(server, "GET", "/?reload")[0] == 200


def test_nothing_comes_from_elsewhere_and_nothing_stays(server) -> None:
    for path in ("/", "/network", "/nowhere"):
        headers = ask(server, "GET", path)[1]
        policy = headers["Content-Security-Policy"].split("; ")
        assert "default-src 'none'" in policy and "script-src 'self'" in policy and "frame-ancestors 'none'" in policy
        assert "http" not in headers["Content-Security-Policy"] and "unsafe" not in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff" and headers["Cache-Control"] == "no-store"
        assert "Access-Control-Allow-Origin" not in headers
    assert b"://" not in b"".join(page for _, page in server.pages.values())


def test_the_network_and_an_answer(server) -> None:
    network = json.loads(ask(server, "GET", "/network")[2])
    assert network["title"] == "a small network" and network["classes"] == ["one", "two", "three"]
    status, headers, body = ask(server, body=DRAWING, **JSON, Origin=f"http://localhost:{server.server_port}")
    answer = json.loads(body)
    assert (status, headers.get_content_type()) == (200, "application/json")
    assert len(answer["probabilities"]) == 3 and len(answer["layers"]) == len(network["layers"])
    assert answer["milliseconds"] > 0


def test_only_the_loopback_is_served(server) -> None:
    assert server.server_address[0] == "127.0.0.1" and server.url == f"http://127.0.0.1:{server.server_port}/"


def test_either_name_of_the_host_will_do(server) -> None:
    for name in ("127.0.0.1", "localhost", "LocalHost"):
        assert ask(server, "GET", "/", Host=f"{name}:{server.server_port}")[0] == 200


# --- what is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1", "127.0.0.1:1", "localhost.evil.example:PORT", ""])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_another_host(server, host: str, method: str) -> None:
    status, _, message = ask(
        server, method, "/" if method == "GET" else "/answer", Host=host.replace("PORT", str(server.server_port))
    )
    assert status == 421 and message == f"this is {server.url}\n".encode()


@pytest.mark.parametrize("lines", ["", "Host: 127.0.0.1:PORT\r\nHost: evil.example\r\n"])
def test_no_host_or_two(server, lines: str) -> None:
    lines = lines.replace("PORT", str(server.server_port))
    assert status_of(send(server, f"GET / HTTP/1.1\r\n{lines}\r\n")) == 421


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "https://127.0.0.1:PORT", "http://127.0.0.1:1", "http://127.0.0.1", ""]
)
def test_another_origin(server, origin: str) -> None:
    status, _, message = ask(server, body=DRAWING, **JSON, Origin=origin.replace("PORT", str(server.server_port)))
    assert status == 403 and message == b"drawings are taken from this page alone\n"


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "json", ""])
def test_another_content_type(server, kind: str) -> None:
    assert ask(server, body=DRAWING, Content_Type=kind)[0] == 415


@pytest.mark.parametrize(
    "path",
    ["/nothing", "/answer/", "/../draw.js", "/%2e%2e/etc/passwd", "/page/draw.html", "/draw.html", "*", "draw.js"],
)
def test_another_path(server, path: str) -> None:
    assert ask(server, "GET", path)[0] == ask(server, "POST", path, DRAWING, **JSON)[0] == 404


@pytest.mark.parametrize("method", ["HEAD", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW"])
def test_another_method(server, method: str) -> None:
    for path, allowed in (("/", "GET"), ("/answer", "POST")):
        status, headers, _ = ask(server, method, path)
        assert (status, headers["Allow"]) == (405, allowed)
    assert ask(server, "POST", "/")[0] == ask(server, "GET", "/answer")[0] == 405


@pytest.mark.parametrize(
    "body", [b"", b"{", b"null", b"\xff", DRAWING[:-9], DRAWING.replace(b"2", b"NaN"), DRAWING * 2]
)
def test_what_is_no_drawing(server, body: bytes) -> None:
    status, _, message = ask(server, body=body, **JSON)
    assert status == 400 and b"\n" not in message[:-1] and len(message) < 200


@pytest.mark.parametrize("size", [MAX_BYTES + 1, 10 * MAX_BYTES])
def test_too_much(server, size: int) -> None:
    assert ask(server, body=bytes(size), **JSON)[0] == 413


def test_too_much_that_never_comes(server) -> None:
    kind = "Content-Type: application/json"
    assert post(server, kind, f"Content-Length: {MAX_BYTES + 1}") == 413
    assert post(server, kind, f"Content-Length: {'9' * 5000}") == 413


def test_the_length_must_be_told_and_be_one(server) -> None:
    kind, body = "Content-Type: application/json", DRAWING.decode()
    length = f"Content-Length: {len(body)}"
    assert post(server, kind, body=body) == 411
    assert post(server, kind, "Transfer-Encoding: chunked", body=f"{len(body):x}\r\n{body}\r\n0\r\n\r\n") == 411
    assert post(server, kind, "Transfer-Encoding: chunked", length, body=body) == 411
    for wrong in ("-1", "1e3", "+5", "0x10", "", "²", "5, 5"):
        assert post(server, kind, f"Content-Length: {wrong}", body=body) == 400
    assert post(server, kind, length, "Content-Length: 5", body=body) == 400
    assert post(server, kind, f"Content-Length: {len(body) + 1}", body=body) == 400  # and then no more comes
    assert post(server, kind, f"Content-Length: {len(body) - 1}", body=body) == 400
    assert post(server, kind, length, body=body) == 200


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("\r\n\r\n", None),
        ("GET\r\n\r\n", 400),
        ("GET / HTTP/9.9\r\n\r\n", 505),
        ("GET / HTTP/x\r\n\r\n", 400),
        ("GET / SPDY/1\r\n\r\n", 400),
        ("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n", 400),  # a browser that tries TLS
        (f"GET /{'x' * 70_000} HTTP/1.1\r\n\r\n", 414),
        (f"GET / HTTP/1.1\r\nX: {'x' * 70_000}\r\n\r\n", 431),
        ("GET / HTTP/1.1\r\n" + 200 * "X: y\r\n" + "\r\n", 431),
        ("GET / HTTP/1.1\r\nno colon\r\n\r\n", 421),
    ],
)
def test_what_is_no_http(server, text: str, status: int | None) -> None:
    answer = send(server, text)
    assert answer == b"" if status is None else status_of(answer) == status
    assert b"Traceback" not in answer and b"<html" not in answer.lower()


def test_a_network_that_breaks_down_is_told_on_the_terminal(server, capsys, monkeypatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(server, "answer", lambda body: 1 // 0)
        status, _, message = ask(server, body=DRAWING, **JSON)
    assert status == 500 and b"division" not in message
    assert "/answer could not be answered: ZeroDivisionError" in capsys.readouterr().err


def test_malformed_requests_are_refused_or_answered(server, capsys) -> None:
    rng, host = random.Random(0), f"Host: 127.0.0.1:{server.server_port}\r\n"
    head = f"POST /answer HTTP/1.1\r\n{host}Content-Type: application/json\r\nContent-Length: {len(DRAWING)}\r\n\r\n"
    right = head.encode() + DRAWING
    assert statuses_of(server.server_port, [right]) == {200}
    found = statuses_of(server.server_port, [mutated(right, rng) for _ in range(1000)])
    assert found >= {200, 400, 404, 405, 415, 421} and 500 not in found
    assert capsys.readouterr().err == ""


# --- slow clients, and many -------------------------------------------------------------------------------------------


@pytest.fixture
def stalled(server) -> Iterator[list[socket.socket]]:
    """Clients that say a little and then nothing, more of them than are served at a time."""
    beginnings = (
        b"", b"GET / HT", f"POST /answer HTTP/1.1\r\nHost: 127.0.0.1:{server.server_port}\r\nContent-Type: ".encode()
    )  # fmt: skip
    with contextlib.ExitStack() as stack:
        clients = []
        for number in range(2 * connections.MOST):
            clients.append(stack.enter_context(socket.create_connection(("127.0.0.1", server.server_port), 20)))
            clients[-1].sendall(beginnings[number % 3])
        yield clients


def test_stalled_clients_keep_nobody_out_and_do_not_pile_up(server, stalled) -> None:
    began = time.monotonic()
    assert ask(server, body=DRAWING, **JSON)[0] == 200
    assert time.monotonic() - began < 5
    handlers = [thread for thread in threading.enumerate() if "process_request_thread" in thread.name]
    assert len(handlers) <= connections.MOST


def test_stalled_clients_are_given_up(server, monkeypatch) -> None:
    monkeypatch.setattr(serving.Handler, "timeout", 0.2)
    began = time.monotonic()
    assert send(server, "POST /answer HTTP/1.1\r\nHost: ", end=False) == b""
    assert time.monotonic() - began < 5


def test_clients_that_dribble_are_given_up(server, monkeypatch) -> None:
    monkeypatch.setattr(connections, "LONGEST", 0.5)
    with socket.create_connection(("127.0.0.1", server.server_port), timeout=20) as client:
        began = time.monotonic()
        with contextlib.suppress(ConnectionError):
            while time.monotonic() - began < 10:
                client.sendall(b"x")
                time.sleep(0.05)
        assert time.monotonic() - began < 5


def test_clients_that_go_before_their_answer_are_no_matter(server, capsys) -> None:
    for _ in range(20):
        with socket.create_connection(("127.0.0.1", server.server_port), timeout=20) as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # closed with a reset
            client.sendall(b"GET /draw.js HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n" % server.server_port)
    assert ask(server, "GET", "/")[0] == 200
    assert capsys.readouterr().err == ""


def test_many_at_once_are_all_answered(server) -> None:
    statuses = []
    threads = [
        threading.Thread(target=lambda: statuses.append(ask(server, body=DRAWING, **JSON)[0]))
        for _ in range(connections.MOST // 2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [200] * len(threads)
