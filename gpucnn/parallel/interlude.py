"""What Python does between the kernels of a step, such as a message to other processes."""

import contextlib
import threading
from collections.abc import Callable, Iterator

Action = Callable[[], None]
_recording = threading.local()  # who takes the interludes of the work that this thread captures


def interlude(action: Action) -> None:
    """Do `action`; where work is being captured, also at this place whenever what was captured runs again."""
    getattr(_recording, "take", _do)(action)


@contextlib.contextmanager
def interludes_to(take: Callable[[Action], None]) -> Iterator[None]:
    """Inside, in this thread, `interlude` calls take(action), which does it now and keeps it."""
    _recording.take = take
    try:
        yield
    finally:
        del _recording.take


def _do(action: Action) -> None:
    action()
