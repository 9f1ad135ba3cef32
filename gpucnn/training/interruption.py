"""Handling Ctrl-C between two training steps instead of within one."""

import signal
import threading
from types import FrameType, TracebackType


class Interruption:
    """Inside `with Interruption() as interruption:` the first Ctrl-C only sets `interruption.requested`.

    The loop checks it when a checkpoint can be written; otherwise KeyboardInterrupt is raised at the end of the block.
    A second Ctrl-C raises at once. Nothing changes outside the main thread, or if Ctrl-C is ignored or already has
    another handler. SIGTERM is treated alike where it raises KeyboardInterrupt too: mpirun sends it for Ctrl-C.
    """

    def __init__(self) -> None:
        self.requested = False
        self._handling: list[signal.Signals] = []

    def __enter__(self) -> "Interruption":
        in_main = threading.current_thread() is threading.main_thread()
        for number in (signal.SIGINT, signal.SIGTERM) if in_main else ():
            if signal.getsignal(number) is signal.default_int_handler:
                signal.signal(number, self._note)
                self._handling.append(number)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number in self._handling:
            signal.signal(number, signal.default_int_handler)
        if self.requested and kind is None:
            raise KeyboardInterrupt

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.requested = True
        signal.signal(number, signal.default_int_handler)
