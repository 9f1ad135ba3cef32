"""Work on a GPU captured once, as a CUDA graph, and launched again and again: one launch in place of dozens.

What is captured is launches with their arguments, so addresses and numbers given by the host stay what they were: what
changes from one launch of the graph to the next must lie in device memory.
"""

import contextlib
from collections.abc import Callable
from typing import Any

from gpucnn.backend import load_cupy


class CaptureError(RuntimeError):
    """Work that cannot be captured: it waits for the device, or copies from or to the host."""


def new_stream() -> Any:
    """A stream that work can be captured on: `with stream:` makes it the one that all is launched on."""
    return load_cupy().cuda.Stream(non_blocking=True)


def capture(work: Callable[[], Any], stream: Any) -> Callable[[], None]:
    """What launches all that `work` launches on the current `stream`; `work` is called once here, and launches nothing.

    Arrays that it makes lie in memory of their own, which what is returned keeps; those made before, which it uses, are
    to be kept by the caller. Raises CaptureError, with the cause.
    """
    cuda = load_cupy().cuda
    pool = cuda.MemoryPool()
    stream.begin_capture()
    try:
        with cuda.using_allocator(pool.malloc):
            work()
    except Exception as error:  # CuPy raises its own classes for each library it calls
        with contextlib.suppress(Exception):  # the capture is broken, and says so again
            stream.end_capture()
        raise CaptureError(f"{type(error).__name__}: {error}") from error
    graph = stream.end_capture()

    def replay(_memory: Any = pool) -> None:
        graph.launch(stream)

    return replay
