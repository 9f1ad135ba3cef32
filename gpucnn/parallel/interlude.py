"""What Python does between the kernels of a step: a message to other processes, or what no kernel computes."""

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

Action = Callable[[], None]
Arrays = Sequence[Any]  # NumPy's or CuPy's, or None
_recording = threading.local()  # who takes the interludes of the work that this thread captures


class Recorder(Protocol):
    """What captures work: it does what it is given, and keeps it to do it again."""

    def interlude(self, action: Action) -> None:
        """See `interlude`."""

    def computed(self, make: Callable[[], Arrays], read: Arrays) -> Arrays:
        """See `computed`."""


def interlude(action: Action) -> None:
    """Do `action`; where work is being captured, also at this place whenever what was captured runs again."""
    recorder: Recorder | None = getattr(_recording, "recorder", None)
    if recorder is None:
        action()
    else:
        recorder.interlude(action)


def computed(make: Callable[[], Arrays], *read: Any) -> Arrays:
    """The arrays that make() returns, which it computes from the arrays `read` and from what never changes.

    Where work is being captured they are copies, of the captured work's memory, and are computed anew whenever it runs
    again: `make` must not keep numbers of the first time. None stands for no array.
    """
    recorder: Recorder | None = getattr(_recording, "recorder", None)
    return make() if recorder is None else recorder.computed(make, read)


@contextlib.contextmanager
def interludes_to(recorder: Recorder) -> Iterator[None]:
    """Inside, in this thread, the recorder does and keeps what `interlude` and `computed` are given."""
    _recording.recorder = recorder
    try:
        yield
    finally:
        del _recording.recorder
