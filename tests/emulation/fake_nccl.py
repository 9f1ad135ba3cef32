"""NCCL as CuPy has it, for the emulated GPU: each process is a thread, and a sum is done when all have asked for it."""

import ctypes
import itertools
import threading
from typing import Any

import numpy as np

from tests.emulation import streams

available = True
NCCL_SUM, NCCL_FLOAT32, NCCL_FLOAT64 = 0, 7, 8
SECONDS = 60.0
_kinds = {NCCL_FLOAT32: ctypes.c_float, NCCL_FLOAT64: ctypes.c_double}
_numbers = itertools.count()


class NcclError(RuntimeError):
    """What CuPy raises when NCCL refuses."""


def get_version() -> int:
    return 22809


def get_unique_id() -> tuple[int, ...]:
    """128 numbers, as CuPy has it."""
    return (next(_numbers), *[0] * 127)


class _Meeting:
    """The calls of one identity: what each thread's memory held."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.calls: dict[int, dict[int, np.ndarray]] = {}


_meetings: dict[tuple[int, ...], _Meeting] = {}
_lock = threading.Lock()


class NcclCommunicator:
    """One of `ndev` threads."""

    def __init__(self, ndev: int, commId: tuple[int, ...], rank: int) -> None:  # noqa: N803  (CuPy's name)
        if not 0 <= rank < ndev or len(commId) != 128:
            raise NcclError("NCCL_ERROR_INVALID_ARGUMENT: invalid argument")
        with _lock:
            self._meeting = _meetings.setdefault(commId, _Meeting())
        self._size, self._rank, self._calls = ndev, rank, 0
        self.streams: set[int] = set()  # the sums were put on
        self.captured = 0  # sums

    def allReduce(self, sendbuf: int, recvbuf: int, count: int, datatype: int, op: int, stream: int) -> None:  # noqa: N802
        """Wait for the others, and write the sum of all to `recvbuf`; captured, whenever the graph is launched."""
        if op != NCCL_SUM or datatype not in _kinds:
            raise NcclError("NCCL_ERROR_INVALID_ARGUMENT: invalid argument")
        self.streams.add(stream)
        self.captured += streams.recording()
        streams.put(lambda: self._sum(sendbuf, recvbuf, count, datatype))

    def _sum(self, sendbuf: int, recvbuf: int, count: int, datatype: int) -> None:
        number, self._calls = self._calls, self._calls + 1
        mine, out = (_memory(address, count, datatype) for address in (sendbuf, recvbuf))
        with self._meeting.changed:
            sent = self._meeting.calls.setdefault(number, {})
            sent[self._rank] = mine.copy()
            self._meeting.changed.notify_all()
            if not self._meeting.changed.wait_for(lambda: len(sent) == self._size, SECONDS):
                raise NcclError("NCCL_ERROR_SYSTEM_ERROR: another rank is missing")
        if len({(part.size, part.dtype) for part in sent.values()}) > 1:
            raise NcclError("NCCL_ERROR_INVALID_USAGE: the ranks sum different arrays")
        out[...] = sum((sent[rank] for rank in range(1, self._size)), start=sent[0])


def _memory(address: int, count: int, datatype: int) -> Any:
    return np.ctypeslib.as_array((_kinds[datatype] * count).from_address(address))
