"""Pools of device memory, as CuPy has them: they say what was taken and given back; the numbers themselves NumPy holds.

A pool keeps what it was given back, for whoever asks next, until `free_all_blocks`. As in CuPy 14, the device loses
what a pool keeps that goes itself: free chunks and their list hold one another. CuPy's limits and errors hold.
"""

import contextlib
import gc
import threading
import weakref
from collections.abc import Callable, Iterator

UNIT = 512  # bytes; CuPy hands out whole multiples
DEVICE_BYTES = 1 << 30
_local = threading.local()
_lock = threading.RLock()  # a block may be given back while another is taken
_taken = 0  # bytes of the device that pools have


class OutOfMemoryError(MemoryError):
    """CuPy's, in its words."""

    def __init__(self, size: int, total: int, limit: int = 0) -> None:
        limited = f", limit set to: {limit:,} bytes" if limit else ""
        super().__init__(f"Out of memory allocating {size:,} bytes (allocated so far: {total:,} bytes{limited}).")


class Block:
    """A piece of a pool's memory, which goes back to the pool, or to the device, when nobody holds it."""

    def __init__(self, pool: "MemoryPool", size: int) -> None:
        self.size, self._pool = size, weakref.ref(pool)

    def __del__(self) -> None:
        with _lock:
            if pool := self._pool():
                pool._used -= self.size
            else:
                _take(-self.size)


class MemoryPool:
    """CuPy's pool. `calls` are the names of its methods in the order in which they were called."""

    def __init__(self, allocator: Callable[[int], object] | None = None) -> None:
        self.calls: list[str] = []
        self._used = self._total = self._limit = 0

    def malloc(self, size: int) -> Block:
        """Raises OutOfMemoryError beyond the pool's limit or what the device has."""
        self.calls.append("malloc")
        size = -(-size // UNIT) * UNIT
        with _lock:
            if not self._fits(size):
                self._trim()
                gc.collect()
                self._trim()
            if not self._fits(size):
                raise OutOfMemoryError(size, self._total, self._limit)
            self._used += size
            _take(max(0, self._used - self._total))
            self._total = max(self._total, self._used)
        return Block(self, size)

    def free_all_blocks(self, stream: object = None) -> None:
        """Give back to the device what nobody holds."""
        self.calls.append("free_all_blocks")
        self._trim()

    def used_bytes(self) -> int:
        """What is held."""
        return self._used

    def free_bytes(self) -> int:
        """What was given back and is kept."""
        return self._total - self._used

    def total_bytes(self) -> int:
        """Both."""
        return self._total

    def set_limit(self, size: int | None = None, fraction: float | None = None) -> None:
        """How much the pool may take of the device; 0 or nothing: all."""
        self._limit = int(fraction * DEVICE_BYTES) if fraction is not None else size or 0

    def get_limit(self) -> int:
        """0 where there is none."""
        return self._limit

    def _fits(self, size: int) -> bool:
        more = max(0, self._used + size - self._total)
        return more <= free_bytes() and (not self._limit or self._total + more <= self._limit)

    def _trim(self) -> None:
        with _lock:
            _take(self._used - self._total)
            self._total = self._used


_default_pool = MemoryPool()


def get_default_memory_pool() -> MemoryPool:
    """The one that serves unless another is asked for."""
    return _default_pool


def alloc(size: int) -> object:
    """Memory of this thread's allocator."""
    return getattr(_local, "allocator", _default_pool.malloc)(size)


@contextlib.contextmanager
def using_allocator(allocator: Callable[[int], object]) -> Iterator[None]:
    """Within the block this thread's arrays are of `allocator`'s memory."""
    before = getattr(_local, "allocator", _default_pool.malloc)
    _local.allocator = allocator
    try:
        yield
    finally:
        _local.allocator = before


def free_bytes() -> int:
    """What no pool has of the device."""
    return DEVICE_BYTES - _taken


def mem_get_info() -> tuple[int, int]:
    """CUDA's cudaMemGetInfo: free and total bytes of the device."""
    return free_bytes(), DEVICE_BYTES


def _take(size: int) -> None:
    global _taken
    _taken += size
