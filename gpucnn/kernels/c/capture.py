"""Work on the CPU captured once as a program of kernel calls, and run again by one call without Python.

A program holds calls with their arguments, so addresses and numbers that Python gave stay the same: what changes from
one run to the next must lie in arrays. Work that is not done by recorded kernels cannot be captured, and shows: while
work is captured its arrays are read-only to NumPy, and a kernel refuses to read what no recorded kernel wrote.
"""

import math
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from gpucnn import backend
from gpucnn.backend import Array, aligned_memory, allocating
from gpucnn.generators import generator
from gpucnn.kernels.c import library
from gpucnn.kernels.interface import CaptureError

_one_at_a_time = threading.Lock()  # a second thread that captures waits


class Memory:
    """Memory of captured work, which nobody else uses: an array that is freed leaves its memory to a later one.

    Several programs may share it if they never run at once and none reads what another left.
    """

    def __init__(self) -> None:
        self.free: list[Any] = []

    def take(self, nbytes: int) -> "_Loan":
        """The smallest unused memory of at least `nbytes`, or new memory."""
        fitting = [index for index, block in enumerate(self.free) if len(block) >= nbytes]
        best = min(fitting, key=lambda index: len(self.free[index]), default=None)
        block = aligned_memory(nbytes) if best is None else self.free.pop(best)
        loan = _Loan(len(block), np.uint8, block)
        loan.memory = self
        return loan


class _Loan(np.ndarray):
    """Memory of one array, returned when the array and all its views are freed."""

    memory: Memory | None = None

    def __del__(self) -> None:
        if self.memory is not None:
            self.memory.free.append(self.base)


class Replay:
    """A captured program; its memory is freed with it."""

    def __init__(self, program: Any, memory: Memory) -> None:
        self._program, self._memory = program, memory

    def __len__(self) -> int:
        """The number of kernel calls."""
        return len(self._program)

    def __call__(self, times: int = 1, halt: Array | None = None) -> int:
        """Run it so many times, and return how often it ran: it ends early once halt, (1,) float64, is not 0."""
        with generator().bit_generator.lock:  # dropout draws from it
            return self._program.run(times, halt)


def capture(work: Callable[[], Any], known: Iterable[Array], memory: Memory | None = None) -> Replay:
    """Call `work`, and record the kernels that it runs.

    `known` are the arrays made before that it may read and write; the caller does not replace their memory later.
    Raises CaptureError, with the cause; what `work` did until then is done.
    """
    memory, program, known = memory or Memory(), library.c.Program(), list(known)

    def allocate(shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
        loan = memory.take(max(1, math.prod(shape) * dtype.itemsize))
        program.know(loan.base, False)
        array = np.ndarray(shape, dtype, loan)
        if backend.fill_with_nan and dtype.kind == "f":
            array.fill(math.nan)
        array.flags.writeable = False
        return array

    with _one_at_a_time, _read_only(known), allocating(allocate):
        program.begin()
        try:
            for array in known:
                program.know(array, True)
            work()
        except Exception as error:
            raise CaptureError(f"{type(error).__name__}: {error}") from error
        finally:
            program.end()
    return Replay(program, memory)


@contextmanager
def _read_only(arrays: list[Array]) -> Iterator[None]:
    """Inside, NumPy refuses to change the arrays. A view comes after the array that it is of."""
    writeable = [array for array in arrays if array.flags.writeable]
    try:
        for array in writeable:
            array.flags.writeable = False
        yield
    finally:
        for array in writeable:
            array.flags.writeable = True
