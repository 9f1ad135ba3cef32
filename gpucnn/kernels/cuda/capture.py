"""Work on a GPU captured once as a CUDA graph, and launched many times: one launch in place of dozens.

A graph holds launches with their arguments, so addresses and numbers that the host gave stay the same: what changes
from one launch of the graph to the next must lie in device memory.
"""

import contextlib
import weakref
from collections.abc import Callable
from typing import Any

from gpucnn.backend import load_cupy
from gpucnn.kernels.interface import CaptureError


def new_stream() -> Any:
    """A stream that work can be captured on; `with stream:` makes it the current one."""
    return load_cupy().cuda.Stream(non_blocking=True)


class Replay:
    """Captured work: a call launches it on its stream. Its graph and then the graph's memory are freed with it."""

    def __init__(self, graph: Any, stream: Any, pool: Any) -> None:
        cuda = load_cupy().cuda
        self._held, self._stream = [graph], stream
        device = cuda.Device(cuda.runtime.getDevice())
        weakref.finalize(self, _release, self._held, pool, device).atexit = False  # exiting frees everything

    def __call__(self) -> None:
        self._held[0].launch(self._stream)


def capture(work: Callable[[], Any], stream: Any) -> Replay:
    """Capture what `work` launches on the current `stream`. `work` is called once, and nothing runs yet.

    Arrays that `work` makes lie in memory that the returned Replay owns; the caller keeps the arrays made before that
    `work` uses. Raises CaptureError, with the cause.
    """
    pool = load_cupy().cuda.MemoryPool()
    try:
        graph = _graph(work, stream, pool)
    except Exception as error:  # CuPy raises its own classes for each library it calls
        raise CaptureError(f"{type(error).__name__}: {error}") from error
    return Replay(graph, stream, pool)


def _graph(work: Callable[[], Any], stream: Any, pool: Any) -> Any:
    stream.begin_capture()
    try:
        with load_cupy().cuda.using_allocator(pool.malloc):
            work()
        return stream.end_capture()
    except BaseException:
        with contextlib.suppress(Exception):  # ending a broken capture raises once more
            stream.end_capture()
        pool.free_all_blocks()
        raise


def _release(held: list[Any], pool: Any, device: Any) -> None:
    """Free the graph in `held` and then its memory, which CuPy's pool would not free by itself."""
    held.clear()
    with device:
        pool.free_all_blocks()
