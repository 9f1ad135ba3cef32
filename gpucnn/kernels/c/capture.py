"""Work on the CPU captured once as a program of kernel calls, and run again by one call without Python.

A program holds calls with their arguments, so addresses and numbers that Python gave stay the same: what changes from
one run to the next must lie in arrays. Work that is not done by recorded kernels cannot be captured, and shows: while
work is captured its arrays are read-only to NumPy, and a kernel refuses to read what no recorded kernel wrote. Python
may do what it likes between kernels, in interludes: there a program is cut. What an interlude computes is copied to
memory of the program, the same one in each run.
"""

import math
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np

from gpucnn import backend
from gpucnn.backend import Array, aligned_memory, allocating
from gpucnn.generators import generator
from gpucnn.kernels.c import library
from gpucnn.kernels.interface import CaptureError
from gpucnn.parallel import interludes_to
from gpucnn.parallel.interlude import Action, Arrays

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

    def __init__(self, program: Any, interludes: list[tuple[int, Action]], memory: Memory) -> None:
        self._program, self._memory = program, memory
        stops, actions = zip(*interludes, (len(program), _nothing), strict=True)
        self._parts = list(
            zip((0, *stops), stops, actions, strict=False)
        )  # calls from the first to the second, an action

    def __len__(self) -> int:
        """The number of kernel calls."""
        return len(self._program)

    def __call__(self, times: int = 1, halt: Array | None = None) -> int:
        """Run it so many times, and return how often it ran: it ends early once halt, (1,) float64, is not 0."""
        if len(self._parts) == 1:
            return self._run(0, len(self), times, halt)
        for done in range(times):
            for start, stop, action in self._parts:
                if halt is not None and halt[0]:
                    return done
                self._run(start, stop, 1, halt)
                action()
        return times

    def _run(self, start: int, stop: int, times: int, halt: Array | None) -> int:
        with generator().bit_generator.lock:  # dropout draws from it
            return self._program.run(start, stop, times, halt)


def capture(work: Callable[[], Any], known: Iterable[Array], memory: Memory | None = None) -> Replay:
    """Call `work`, and record the kernels that it runs.

    `known` are the arrays made before that it may read and write; the caller does not replace their memory later.
    Raises CaptureError, with the cause; what `work` did until then is done. An interlude's error is raised as it is.
    """
    memory, program, known = memory or Memory(), library.c.Program(), list(known)
    recording = _Recording(program, known, memory)
    for array in known:
        program.know(array, True)
    try:
        with recording:
            work()
    except Exception as error:
        if recording.paused:
            raise
        raise CaptureError(f"{type(error).__name__}: {error}") from error
    return Replay(program, recording.interludes, memory)


def _nothing() -> None:
    pass


class _Recording:
    """Inside, a program records the kernels that this thread runs, except in interludes, which are kept beside it."""

    def __init__(self, program: Any, known: list[Array], memory: Memory) -> None:
        self._program, self._known, self._memory = program, known, memory
        self.interludes: list[tuple[int, Action]] = []  # each with the number of calls before it
        self.paused = False  # by an interlude
        self._open = ExitStack()

    def __enter__(self) -> None:
        with ExitStack() as opened:
            opened.enter_context(_one_at_a_time)
            opened.enter_context(_read_only(self._known))
            opened.enter_context(allocating(self._allocate))
            opened.enter_context(interludes_to(self))
            self._program.begin()
            opened.callback(self._program.end)
            self._open = opened.pop_all()

    def __exit__(self, *failure: Any) -> None:
        self._open.close()

    def interlude(self, action: Action) -> None:
        """See `parallel.interlude`."""
        self.interludes.append((len(self._program), action))
        with self._pause():
            action()

    def computed(self, make: Callable[[], Arrays], read: Arrays) -> Arrays:
        """See `parallel.computed`. Raises RuntimeError for arrays that the program does not compute anew."""
        for number, array in enumerate(read):
            if array.size and not self._program.holds(array):
                raise RuntimeError(f"array {number} of what Python computes is memory that no recorded kernel wrote")
        with self._pause():
            made = make()
        arrays = [None if array is None else self._allocate(array.shape, array.dtype) for array in made]
        memory: list[Any] = [None if array is None else _writeable(array) for array in arrays]
        _copy(made, memory)
        for copy in memory:
            if copy is not None:
                self._program.know(copy.base, True)
        self.interludes.append((len(self._program), lambda: _copy(make(), memory)))
        return arrays

    @contextmanager
    def _pause(self) -> Iterator[None]:
        """Inside, Python does what it likes; an error leaves the recording paused."""
        self._open.close()
        self.paused = True
        yield
        self.paused = False
        self.__enter__()

    def _allocate(self, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
        loan = self._memory.take(max(1, math.prod(shape) * dtype.itemsize))
        self._program.know(loan.base, False)
        array = np.ndarray(shape, dtype, loan)
        if backend.fill_with_nan and dtype.kind == "f":
            array.fill(math.nan)
        array.flags.writeable = False
        return array


def _writeable(array: np.ndarray) -> np.ndarray:
    """The same array of a program, writeable; it does not keep the memory from later arrays of the program."""
    return np.ndarray(array.shape, array.dtype, array.base.base)  # type: ignore[union-attr]


def _copy(made: Arrays, memory: Arrays) -> None:
    for array, copy in zip(made, memory, strict=True):
        if copy is not None:
            np.copyto(copy, array)


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
