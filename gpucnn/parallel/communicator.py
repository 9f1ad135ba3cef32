"""What processes that train together send each other. One process is the trivial case."""

import contextlib
import socket
import sys
import threading
from collections.abc import Iterator
from typing import NoReturn, Protocol, TypeVar

from gpucnn.backend import Array
from gpucnn.errors import TrainingError

T = TypeVar("T")


class Pending(Protocol):
    """A sum that is under way."""

    def wait(self) -> None:
        """Wait until the array holds the sum. Raises TrainingError if a process does not answer in time."""


class Communicator:
    """Processes numbered by `rank`, from 0 to `size` - 1. This class is the case of one process.

    All of them call the same methods in the same order; each call waits for the others, at most `timeout` seconds, then
    raises TrainingError, which names those that did not answer. Every process gets the same results, to the bit, and
    from run to run.
    """

    rank = 0
    size = 1
    local_rank = 0  # among the processes of one machine
    timeout = 300.0  # seconds

    def start_sum(self, array: Array) -> Pending:
        """Begin to replace `array`, contiguous, by its sum over all processes; leave it alone until `wait` returns."""
        return _Done()

    def sum(self, array: Array) -> Array:
        """`array`, contiguous, after it was replaced by its sum over all processes."""
        self.start_sum(array).wait()
        return array

    def gather(self, value: T) -> list[T]:
        """The value of every process, in the order of their ranks; anything that can be pickled."""
        return [value]

    def broadcast(self, value: T) -> T:
        """The value of rank 0; anything that can be pickled."""
        return value

    def all_failed(self, error: BaseException) -> bool:
        """Whether every process calls this within seconds: one that fails by itself leaves the others waiting."""
        return True

    def abort(self, code: int) -> NoReturn:
        """End all processes at once, with this exit code."""
        sys.exit(code)

    def name(self, rank: int) -> str:
        """A process in words, such as `rank 1 of 4 (node7)`."""
        return f"rank {rank} of {self.size} ({socket.gethostname()})"

    def command(self) -> list[str]:
        """What starts gpucnn in so many processes."""
        return ["gpucnn"]


class UnansweredError(TrainingError):
    """Others did not answer: waiting for them once more is no use."""


class _Done:
    """A sum over one process."""

    def wait(self) -> None:
        """Return at once."""


ALONE = Communicator()
_now = threading.local()  # the communicator of the step under way; per thread, since each runs its own


@contextlib.contextmanager
def sharing(communicator: Communicator) -> Iterator[None]:
    """Inside, `current` returns `communicator`: the processes that share the batch under way."""
    before = current()
    _now.communicator = communicator
    try:
        yield
    finally:
        _now.communicator = before


def current() -> Communicator:
    """The processes that share the batch under way in this thread; ALONE outside `sharing`."""
    return getattr(_now, "communicator", ALONE)
