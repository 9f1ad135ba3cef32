"""Requests that are almost right: bytes changed, cut, doubled, exchanged."""

import random
import socket

PIECES = (
    b"\0",
    b"\r\n",
    b"\r\n\r\n",
    b":",
    b" ",
    b"\xff",
    b"%00",
    b"../",
    b"HTTP/1.1",
    b"Host: evil\r\n",
    b"-1",
    b"9" * 40,
)


def mutated(request: bytes, rng: random.Random) -> bytes:
    """The request after one to four changes."""
    for _ in range(rng.randint(1, 4)):
        at, to = sorted(rng.randrange(len(request) + 1) for _ in range(2))
        change = rng.randrange(5)
        if change == 0:
            request = request[:at] + bytes([rng.randrange(256)]) + request[at + 1 :]
        elif change == 1:
            request = request[:at] + request[to:]
        elif change == 2:
            request = request[:at] + rng.choice(PIECES) + request[at:]
        elif change == 3:
            request = request[:to] + request[at:]
        else:
            request = request[:at]
        request = request[:4096] or b"\n"
    return request


def statuses_of(port: int, requests: list[bytes]) -> set[int]:
    """What the server said to each, sent over a connection of its own; 0 for none of HTTP's numbers."""
    found = set()
    for request in requests:
        with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
            client.sendall(request)
            client.shutdown(socket.SHUT_WR)
            pieces = []
            try:
                while piece := client.recv(2**16):
                    pieces.append(piece)
            except ConnectionResetError:  # what came after its answer was not read
                continue
        answer = b"".join(pieces)
        assert b"Traceback" not in answer
        found.add(int(answer.split()[1]) if answer.startswith(b"HTTP/1.0 ") else 0)
    return found
