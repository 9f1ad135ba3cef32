"""Buffers that are reused from step to step.

Every step of a training loop asks for the same arrays in the same order. Inside `with arena.step(key):` the n-th
request gets the n-th buffer of the last step with that key again, so nothing is allocated, and addresses stay. Outside
the block `empty` allocates as usual: what a user keeps is never overwritten.
"""

import contextlib
import math
import os
import threading
from collections.abc import Hashable, Iterator
from sys import getrefcount
from typing import Any

import numpy as np

from gpucnn.backend import Array, module_of

SMALL = 1 << 13  # elements: to align a small array outside a step takes longer than it gains
ALIGNMENT = 64  # bytes: a cache line and the widest vector register; alignment can change the last bits of a sum


class Arena:
    """The buffers of one training loop, in one thread.

    With `debug` (or GPUCNN_DEBUG_ARENA=1) buffers come filled with NaN, so that whatever reads what it did not write,
    or keeps what a step lent it, shows.
    """

    def __init__(self, debug: bool | None = None) -> None:
        self._debug = os.environ.get("GPUCNN_DEBUG_ARENA") == "1" if debug is None else debug
        self._buffers: dict[Hashable, list[Array]] = {}
        self._lent: list[Array] = []
        self._next = 0

    @contextlib.contextmanager
    def step(self, key: Hashable = None) -> Iterator[None]:
        """Serve this thread's `empty` from the buffers of the steps with the same `key` (the input's shape, say)."""
        outer, before = getattr(_active, "arena", None), (self._lent, self._next)
        self._lent, self._next = self._buffers.setdefault(key, []), 0
        _active.arena = self
        try:
            yield
        finally:
            _active.arena, (self._lent, self._next) = outer, before

    def lend(self, shape: tuple[int, ...], like: Array, dtype: Any) -> Array:
        """The next buffer; a new one if this step asks for something else than the last, or the old one is in use.

        It is in use where somebody beside the arena holds it, or a view of its memory: what a module keeps of its
        last input, say, or the buffers of a step within a step.
        """
        if self._next == len(self._lent):
            self._lent.append(_allocate(shape, like, dtype))
        buffer = self._lent[self._next]
        fits = buffer.shape == shape and buffer.dtype == dtype and type(buffer) is type(like)
        if not fits or _in_use(buffer):
            buffer = self._lent[self._next] = _allocate(shape, like, dtype)
        self._next += 1
        if self._debug and buffer.dtype.kind == "f":
            buffer.fill(math.nan)
        return buffer

    @property
    def nbytes(self) -> int:
        """Bytes held by all buffers."""
        return sum(buffer.nbytes for buffers in self._buffers.values() for buffer in buffers)


_active = threading.local()


def _in_use(buffer: Array) -> bool:
    """Whether somebody beside the arena holds the buffer, or (NumPy's views name their memory) a view of it."""
    if getrefcount(buffer) > 4:  # the arena's list, its variable, this argument and the call's
        return True
    return buffer.base is not None and getrefcount(buffer.base) > 2  # the buffer, and the call's argument


def empty(shape: tuple[int, ...], like: Array, dtype: Any = None) -> Array:
    """A C-contiguous array of `shape`, contents undefined, on the device of `like` and of its dtype unless given."""
    dtype = like.dtype if dtype is None else np.dtype(dtype)
    arena = getattr(_active, "arena", None)
    if arena is not None:
        return arena.lend(tuple(shape), like, dtype)
    if isinstance(like, np.ndarray) and math.prod(shape) <= SMALL:
        return np.empty(shape, dtype)
    return _allocate(shape, like, dtype)


def zeros(shape: tuple[int, ...], like: Array) -> Array:
    """As `empty`, filled with zeros."""
    array = empty(shape, like)
    array.fill(0)
    return array


def _allocate(shape: tuple[int, ...], like: Array, dtype: Any) -> Array:
    xp = module_of(like)
    if xp is not np:
        return xp.empty(shape, dtype)  # CuPy's memory pool aligns to 512 bytes
    dtype = np.dtype(dtype)
    memory = np.empty(math.prod(shape) * dtype.itemsize + ALIGNMENT, np.uint8)
    start = -memory.__array_interface__["data"][0] % ALIGNMENT  # in a third of the time of memory.ctypes.data
    return np.ndarray(shape, dtype, memory, start)


def scratch(shape: tuple[int, ...], like: Array) -> Array:
    """A C-contiguous array for use within one tile of one kernel: each thread has one, and each call takes it again."""
    if module_of(like) is not np:
        return _allocate(shape, like, like.dtype)
    count = math.prod(shape)
    memory = getattr(_active, "scratch", None)
    if memory is None or memory.nbytes < count * like.dtype.itemsize:
        memory = _active.scratch = _allocate((count * like.dtype.itemsize,), like, np.dtype(np.uint8))
    return memory[: count * like.dtype.itemsize].view(like.dtype).reshape(shape)
