"""Work on a GPU captured once, as a CUDA graph, and launched again and again: one launch in place of dozens.

What is captured is launches with their arguments, so addresses and numbers given by the host stay what they were: what
changes from one launch of the graph to the next must lie in device memory.
"""

import contextlib
import weakref
from collections.abc import Callable
from typing import Any

from gpucnn.backend import load_cupy


class CaptureError(RuntimeError):
    """Work that cannot be captured: it waits for the device, or copies from or to the host."""


def new_stream() -> Any:
    """A stream that work can be captured on: `with stream:` makes it the one that all is launched on."""
    return load_cupy().cuda.Stream(non_blocking=True)


class Replay:
    """Captured work: a call launches it on its stream. When this goes, its graph and then the graph's memory go."""

    def __init__(self, graph: Any, stream: Any, pool: Any) -> None:
        cuda = load_cupy().cuda
        self._held, self._stream = [graph], stream
        device = cuda.Device(cuda.runtime.getDevice())
        weakref.finalize(self, _release, self._held, pool, device).atexit = False  # what a process has ends with it

    def __call__(self) -> None:
        self._held[0].launch(self._stream)


def capture(work: Callable[[], Any], stream: Any) -> Replay:
    """What launches all that `work` launches on the current `stream`; `work` is called once here, and launches nothing.

    Arrays that it makes lie in memory of their own, which what is returned keeps; those made before, which it uses, are
    to be kept by the caller. Raises CaptureError, with the cause.
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
        with contextlib.suppress(Exception):  # the capture is broken, and says so again
            stream.end_capture()
        pool.free_all_blocks()
        raise


def _release(held: list[Any], pool: Any, device: Any) -> None:
    """Let the graph in `held` go, and then give back its memory, which CuPy's pool would not do by itself."""
    held.clear()
    with device:
        pool.free_all_blocks()
