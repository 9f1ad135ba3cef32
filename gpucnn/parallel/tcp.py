"""Processes that find each other by an address, as torchrun's variables give it: each speaks to rank 0 over TCP.

It carries what hosts say to each other, where gradients go through NCCL. On CPUs it sums gradients too, all of them
through rank 0: MPI does that better.
"""

import collections
import math
import socket
import time
from collections.abc import Callable
from multiprocessing import AuthenticationError
from multiprocessing.connection import Connection, answer_challenge, deliver_challenge
from typing import Any, NamedTuple, TypeVar

import numpy as np

from gpucnn.backend import Array
from gpucnn.errors import InputError
from gpucnn.parallel.communicator import Communicator, Pending, UnansweredError

T = TypeVar("T")
FAILING_SECONDS = 2.0  # in which all processes meet an error that they have in common
MORE_SECONDS = 3.0  # that others wait longer than rank 0, which knows who is silent
HELLO_SECONDS = 5.0  # in which whoever connects says something
RETRY_SECONDS = 0.1  # between two tries to connect: rank 0 may start later


class Place(NamedTuple):
    """A process among `size`, and where rank 0 listens. All have one `key`, which strangers do not know."""

    rank: int
    size: int
    host: str
    port: int
    key: bytes = b""
    local_rank: int | None = None  # None: by the names of the machines


class Tcp(Communicator):
    """The processes of one address, in a star around rank 0. Constructing it waits for all of them.

    Raises InputError where they do not fit together, UnansweredError where some do not come within `timeout` seconds.
    """

    def __init__(self, place: Place, timeout: float = Communicator.timeout) -> None:
        self.rank, self.size, self.timeout = place.rank, place.size, timeout
        self._hosts = [place.host] + ["not connected"] * (self.size - 1)
        self._peers = self._accept(place) if self.rank == 0 else {0: self._connect(place)}
        self._sums: collections.deque[_Sum] = collections.deque()
        self._hosts = self.gather(socket.gethostname())
        before = self._hosts[: self.rank].count(self._hosts[self.rank])
        self.local_rank = before if place.local_rank is None else place.local_rank

    def start_sum(self, array: Array) -> Pending:
        """As Communicator; `array` is NumPy's. Nothing is sent before one waits, in the order of the sums."""
        self._sums.append(_Sum(self, array))
        return self._sums[-1]

    def gather(self, value: T) -> list[T]:
        """As Communicator."""
        self.finish_sums()
        return self._exchange(value, list)

    def broadcast(self, value: T) -> T:
        """As Communicator."""
        self.finish_sums()
        return self._exchange(value if self.rank == 0 else None, lambda values: values[0])

    def all_failed(self, error: BaseException) -> bool:
        """As Communicator."""
        if isinstance(error, UnansweredError):
            return False
        try:
            return self._all_fail()
        except (EOFError, OSError):
            return False

    def name(self, rank: int) -> str:
        """As Communicator."""
        return f"rank {rank} of {self.size} ({self._hosts[rank]})"

    def command(self) -> list[str]:
        """As Communicator."""
        return ["torchrun", "--nproc-per-node", str(self.size), "-m", "gpucnn"]

    def finish_sums(self, last: "_Sum | None" = None) -> None:
        """Do the sums that were begun, in their order, up to `last` or all."""
        while self._sums and not (last and last.done):
            first = self._sums.popleft()
            first.array[...] = self._exchange(first.array, _total)
            first.done = True

    def _exchange(self, own: Any, joined: Callable[[list[Any]], Any]) -> Any:
        """What rank 0 joins of the values of all, in the order of their ranks."""
        if self.rank:
            self._send(0, (False, own))
            return self._receive(self.timeout + MORE_SECONDS)[0]
        result = joined([own, *self._receive(self.timeout)])
        for rank in self._peers:
            self._send(rank, (False, result))
        return result

    def _send(self, rank: int, message: tuple[bool, Any]) -> None:
        """Send (whether this process fails, a value)."""
        try:
            self._peers[rank].send(message)
        except OSError:
            raise self._ended(rank) from None

    def _receive(self, seconds: float) -> list[Any]:
        """A value of each peer. Raises UnansweredError, which names those that are silent, have ended or fail."""
        if silent := self._silent(seconds):
            raise UnansweredError(
                f"{', '.join(map(self.name, silent))} did not answer for {self.timeout:g} s (train.timeout), and the "
                "others wait; look at that machine, or raise train.timeout where a step takes longer, and go on with "
                "--resume"
            )
        values = []
        for rank, peer in self._peers.items():
            try:
                fails, value = peer.recv()
            except (EOFError, OSError):
                fails = True
            if fails:
                raise self._ended(rank)
            values.append(value)
        return values

    def _silent(self, seconds: float) -> list[int]:
        """The peers that send nothing within `seconds`."""
        until = time.monotonic() + seconds
        left = (None if math.isinf(until) else max(0.0, until - time.monotonic()) for _ in self._peers)
        return [rank for (rank, peer), wait in zip(self._peers.items(), left, strict=True) if not peer.poll(wait)]

    def _ended(self, rank: int) -> UnansweredError:
        return UnansweredError(f"{self.name(rank)} has ended, or fails; what it said tells why")

    def _all_fail(self) -> bool:
        """Whether all processes call this; rank 0 asks, and tells the others."""
        if self.rank:
            self._peers[0].send((True, None))
            return not self._silent(FAILING_SECONDS + MORE_SECONDS) and self._peers[0].recv() == (True, True)
        every = not self._silent(FAILING_SECONDS) and min([peer.recv()[0] for peer in self._peers.values()])
        for peer in self._peers.values():
            peer.send((True, every))
        return every

    def _accept(self, place: Place) -> dict[int, Connection]:
        """The connections of all other ranks, in their order."""
        peers: dict[int, Connection] = {}
        until = time.monotonic() + self.timeout
        with _listening(place) as server:
            while len(peers) < self.size - 1:
                server.settimeout(max(0.001, until - time.monotonic()))
                try:
                    peer, hello = _welcomed(server.accept()[0], place.key)
                except TimeoutError:
                    missing = sorted({*range(1, self.size)} - peers.keys())
                    raise UnansweredError(
                        f"ranks {missing} of {self.size} did not connect to {place.host}:{place.port} within "
                        f"{self.timeout:g} s; start as many processes as WORLD_SIZE says"
                    ) from None
                except (AuthenticationError, EOFError, OSError):
                    continue  # a stranger
                _check_hello(hello, place, peers)
                peers[hello[0]] = peer
        return dict(sorted(peers.items()))

    def _connect(self, place: Place) -> Connection:
        """The connection to rank 0."""
        until = time.monotonic() + self.timeout
        while True:
            try:
                peer = _connection(socket.create_connection((place.host, place.port), timeout=self.timeout))
                deliver_challenge(peer, place.key)
                answer_challenge(peer, place.key)
                peer.send((place.rank, place.size))
                return peer
            except AuthenticationError:
                raise InputError(
                    f"{place.host}:{place.port} (MASTER_ADDR, MASTER_PORT) is of another training; give another port"
                ) from None
            except (EOFError, OSError) as error:
                if time.monotonic() > until:
                    raise UnansweredError(
                        f"rank 0 does not answer at {place.host}:{place.port} (MASTER_ADDR, MASTER_PORT): {error}"
                    ) from None
                time.sleep(RETRY_SECONDS)


class _Sum:
    """A sum that was begun."""

    def __init__(self, owner: Tcp, array: np.ndarray) -> None:
        self._owner, self.array, self.done = owner, array, False

    def wait(self) -> None:
        """As Pending."""
        self._owner.finish_sums(self)


def _total(arrays: list[np.ndarray]) -> np.ndarray:
    """The sum in the order of the ranks, so that it is the same to the bit every time."""
    return sum(arrays[1:], start=arrays[0])


def _listening(place: Place) -> socket.socket:
    try:
        return socket.create_server((place.host, place.port), backlog=place.size)
    except OSError as error:
        raise InputError(
            f"rank 0 cannot listen at {place.host}:{place.port} (MASTER_ADDR, MASTER_PORT): {error}. MASTER_ADDR is "
            "the machine of rank 0, and MASTER_PORT a port that no program uses there"
        ) from None


def _connection(channel: socket.socket) -> Connection:
    """The socket as a connection, which sends objects."""
    channel.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # messages are small, and waited for
    channel.settimeout(None)
    return Connection(channel.detach())


def _welcomed(channel: socket.socket, key: bytes) -> tuple[Connection, tuple[int, int]]:
    """The connection of another rank that knows the key, and its rank and number of processes."""
    peer = _connection(channel)
    if not peer.poll(HELLO_SECONDS):
        raise EOFError
    answer_challenge(peer, key)
    deliver_challenge(peer, key)
    return peer, peer.recv()


def _check_hello(hello: tuple[int, int], place: Place, peers: dict[int, Connection]) -> None:
    rank, size = hello
    if size != place.size:
        raise InputError(f"rank {rank} has WORLD_SIZE {size}, and rank 0 {place.size}; give all the same")
    if rank in peers or not 0 < rank < size:
        raise InputError(f"RANK {rank} was given to two of {size} processes; each needs its own, from 0 on")
