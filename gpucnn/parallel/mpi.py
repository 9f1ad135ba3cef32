"""Processes that MPI connects, by mpi4py."""

import os
import pickle
import socket
import sys
import time
from collections.abc import Callable
from typing import Any, NoReturn, TypeVar

import numpy as np

from gpucnn.backend import Array
from gpucnn.errors import TrainingError
from gpucnn.parallel.communicator import Communicator, Pending, UnansweredError

T = TypeVar("T")
SPIN_SECONDS = 0.002  # of waiting before a process sleeps
SLEEP_SECONDS = 0.0002  # between two looks
ROLL_CALL_SECONDS = 3.0  # in which whoever waits in vain says so to the others
FAILING_SECONDS = 2.0  # in which all processes meet an error that they have in common


class Mpi(Communicator):
    """The processes of mpi4py's communicator `world`.

    Every wait polls, and gives the core away in between: that of MPI would keep it busy, and could not end.
    """

    def __init__(self, world: Any) -> None:
        from mpi4py import MPI

        self._mpi, self._world = MPI, world
        self._numbers, self._faults = world.Dup(), world.Dup()  # a fault's messages cannot meet those of a sum
        self.rank, self.size = world.Get_rank(), world.Get_size()
        self.local_rank = world.Split_type(MPI.COMM_TYPE_SHARED).Get_rank()
        self._hosts = self.gather(socket.gethostname())

    def start_sum(self, array: Array) -> Pending:
        """As Communicator; `array` is NumPy's."""
        return _Request(self, self._numbers.Iallreduce(self._mpi.IN_PLACE, array))

    def gather(self, value: T) -> list[T]:
        """As Communicator."""
        data = np.frombuffer(pickle.dumps(value), np.uint8)
        lengths = np.empty(self.size, np.int64)
        self.wait(self._numbers.Iallgather(np.array([data.size]), lengths))
        joined = np.empty(lengths.sum(), np.uint8)
        ends = np.cumsum(lengths)
        self.wait(self._numbers.Iallgatherv(data, [joined, lengths, ends - lengths, self._mpi.BYTE]))
        return [pickle.loads(joined[end - length : end].data) for end, length in zip(ends, lengths, strict=True)]

    def broadcast(self, value: T) -> T:
        """As Communicator."""
        data = np.frombuffer(pickle.dumps(value), np.uint8) if self.rank == 0 else np.empty(0, np.uint8)
        length = np.array([data.size])
        self.wait(self._numbers.Ibcast(length))
        data = np.array(data) if self.rank == 0 else np.empty(length[0], np.uint8)
        self.wait(self._numbers.Ibcast(data))
        return pickle.loads(data.data) if self.rank else value

    def all_failed(self, error: BaseException) -> bool:
        """As Communicator."""
        return not isinstance(error, UnansweredError) and _until(self._faults.Ibarrier().Test, FAILING_SECONDS)

    def abort(self, code: int) -> NoReturn:
        """As Communicator."""
        sys.stdout.flush()
        sys.stderr.flush()
        self._world.Abort(code)
        raise SystemExit(code)  # for mypy: Abort does not return

    def name(self, rank: int) -> str:
        """As Communicator."""
        return f"rank {rank} of {self.size} ({self._hosts[rank]})"

    def command(self) -> list[str]:
        """As Communicator."""
        return ["mpirun", "-n", str(self.size), "gpucnn"]

    def wait(self, request: Any) -> None:
        """Wait for a request of MPI. Raises TrainingError, which names who did not answer, after `timeout`."""
        if not _until(request.Test, self.timeout):
            raise self._unanswered()

    def _unanswered(self) -> TrainingError:
        """The error that names the processes which do not wait as this one does.

        The lowest rank of those that wait raises it first, and its `abort` ends the others.
        """
        token = np.zeros(1, np.int8)
        sent = [self._faults.Isend(token, rank) for rank in range(self.size) if rank != self.rank]
        waiting = {self.rank}
        status = self._mpi.Status()

        def heard() -> bool:
            while self._faults.Iprobe(status=status):
                self._faults.Recv(np.empty(1, np.int8), status.Get_source())
                waiting.add(status.Get_source())
            return len(waiting) == self.size

        everybody = _until(heard, min(self.timeout, ROLL_CALL_SECONDS))
        if self.rank != min(waiting):
            time.sleep(ROLL_CALL_SECONDS)
        silent = [self.name(rank) for rank in range(self.size) if rank not in waiting]
        del sent
        return UnansweredError(
            f"after {self.timeout:g} s (train.timeout) all processes wait, but not for each other: they ran apart"
            if everybody
            else f"{', '.join(silent)} did not answer for {self.timeout:g} s (train.timeout), and the others wait; "
            "look at that machine, or raise train.timeout where a step takes longer, and go on with --resume"
        )


class _Request:
    """A sum that MPI has begun."""

    def __init__(self, owner: Mpi, request: Any) -> None:
        self._owner, self._request = owner, request

    def wait(self) -> None:
        """As Pending."""
        self._owner.wait(self._request)


def _until(true: Callable[[], bool], seconds: float) -> bool:
    """Whether `true()` becomes true within `seconds`; meanwhile other processes may have this core."""
    if true():
        return True
    began = time.monotonic()
    while not true():
        passed = time.monotonic() - began
        if passed > seconds:
            return False
        if passed < SPIN_SECONDS:
            os.sched_yield()
        else:
            time.sleep(SLEEP_SECONDS)
    return True
