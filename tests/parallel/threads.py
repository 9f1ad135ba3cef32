"""Processes that train together, played by threads of one process, where MPI need not be installed."""

import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from gpucnn.parallel import Communicator, Pending

SECONDS = 60.0


class _Table:
    """Where threads put what they send, by the number of the call."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.changed = threading.Condition()
        self.calls: dict[int, dict[int, Any]] = {}


class Threads(Communicator):
    """One of `size` threads that share a table. `log` holds ("begin" or "end", elements) of each sum, in order."""

    def __init__(self, rank: int, table: _Table) -> None:
        self.rank, self.size, self._table, self._calls = rank, table.size, table, 0
        self.log: list[tuple[str, int]] = []

    def start_sum(self, array: np.ndarray) -> Pending:
        assert array.flags.c_contiguous
        self.log.append(("begin", array.size))
        return _Sum(self, array, self._put(array.copy()))

    def gather(self, value: Any) -> list[Any]:
        return self.take(self._put(value))

    def broadcast(self, value: Any) -> Any:
        return self.take(self._put(value))[0]

    def _put(self, value: Any) -> int:
        number, self._calls = self._calls, self._calls + 1
        with self._table.changed:
            self._table.calls.setdefault(number, {})[self.rank] = value
            self._table.changed.notify_all()
        return number

    def take(self, number: int) -> list[Any]:
        """What all threads sent in that call."""
        with self._table.changed:
            sent = self._table.calls[number]
            assert self._table.changed.wait_for(lambda: len(sent) == self.size, SECONDS), "another thread is missing"
            return [sent[rank] for rank in range(self.size)]


class _Sum:
    def __init__(self, owner: Threads, array: np.ndarray, number: int) -> None:
        self._owner, self._array, self._number = owner, array, number

    def wait(self) -> None:
        sent = self._owner.take(self._number)
        assert len({array.shape for array in sent}) == 1, "the threads sum different arrays"
        self._array[...] = sum(sent[1:], start=sent[0])
        self._owner.log.append(("end", self._array.size))


def together(size: int, work: Callable[[Threads], Any]) -> list[Any]:
    """What `work` returns in each of `size` threads. The first error is raised here."""
    table, results, errors = _Table(size), [None] * size, []

    def run(rank: int) -> None:
        try:
            results[rank] = work(Threads(rank, table))
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(rank,)) for rank in range(size)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return results
