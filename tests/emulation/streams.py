"""Streams, and the capture of what is put on one: nothing computes meanwhile, and the graph's launch computes it."""

import contextlib
import itertools
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

_local = threading.local()
_addresses = itertools.count(0x5000, 0x10)


class CUDARuntimeError(RuntimeError):
    """What CuPy raises when CUDA refuses."""


class Recorded(NamedTuple):
    """What is to be done when a graph is launched, and the arrays it uses, which are to be there then."""

    call: Callable[[], object]
    uses: list[weakref.ref]


class Graph:
    """What a stream captured; `kept` are the arrays made meanwhile."""

    def __init__(self, work: list[Recorded], kept: list[object]) -> None:
        self._work, self._kept = work, kept

    def launch(self, stream: "Stream | None" = None) -> None:
        """Do it all again, in its order. Raises AssertionError where memory was given back that it reads or writes."""
        refuse_during_capture("a graph's launch")
        for call, uses in self._work:
            assert all(use() is not None for use in uses), "the graph uses an array that is there no more"
            call()

    def upload(self, stream: "Stream | None" = None) -> None:
        """As CuPy has it."""


class Stream:
    """In a `with` block, the stream that work is put on."""

    null: "Stream"

    def __init__(self, null: bool = False, non_blocking: bool = False) -> None:
        self.is_non_blocking = non_blocking
        self.ptr = 0 if null else next(_addresses)
        self.work: list[Recorded] | None = None
        self.kept: list[object] = []
        self._before: list[Stream] = []

    def __enter__(self) -> "Stream":
        self._before.append(current_stream())
        return self.use()

    def __exit__(self, *_: object) -> None:
        self._before.pop().use()

    def use(self) -> "Stream":
        """Put this thread's work on this stream from now on."""
        _local.stream = self
        return self

    def synchronize(self) -> None:
        """Work is done when it is put here."""
        refuse_during_capture("synchronising")

    def wait_event(self, event: "Event") -> None:
        """As synchronize, for the GPU."""

    def record(self, event: "Event | None" = None) -> "Event":
        """Let an event know when this stream is that far."""
        event = event or Event()
        event.record(self)
        return event

    def is_capturing(self) -> bool:
        """Between begin_capture and end_capture."""
        return self.work is not None

    def begin_capture(self, mode: int | None = None) -> None:
        """From now on work is remembered, not done."""
        if not self.is_non_blocking:
            raise CUDARuntimeError("cudaErrorStreamCaptureUnsupported: operation not permitted when stream is blocking")
        if self.is_capturing():
            raise CUDARuntimeError("cudaErrorIllegalState: the stream is capturing already")
        self.work, self.kept = [], []

    def end_capture(self) -> Graph:
        """What was remembered."""
        if self.work is None:
            raise CUDARuntimeError("cudaErrorIllegalState: the stream is not capturing")
        graph = Graph(self.work, self.kept)
        self.work, self.kept = None, []
        return graph


Stream.null = Stream(null=True)


class Event:
    """A moment of a stream."""

    def __init__(self, block: bool = False, disable_timing: bool = False) -> None:
        self.moment = 0.0

    def record(self, stream: Stream | None = None) -> None:
        """The moment is now."""
        self.moment = time.perf_counter()

    def synchronize(self) -> None:
        """Work is done when it is put on a stream."""
        refuse_during_capture("synchronising")


def get_elapsed_time(start_event: Event, end_event: Event) -> float:
    """Milliseconds between two moments."""
    return (end_event.moment - start_event.moment) * 1000


def current_stream() -> Stream:
    """The one that this thread's work is put on."""
    return getattr(_local, "stream", Stream.null)


def recording() -> bool:
    """Whether work is remembered, not done."""
    return current_stream().is_capturing()


def put(call: Callable[[], Any], uses: Iterable[object] = ()) -> None:
    """Do it now, or when the graph that is being captured is launched; the call must not hold the arrays it uses."""
    work = current_stream().work
    if work is None:
        call()
    else:
        work.append(Recorded(call, [weakref.ref(array) for array in uses]))


def keep_with_graph(array: object) -> None:
    """An array made during a capture lies in the graph's memory pool."""
    if recording():
        current_stream().kept.append(array)


def refuse_during_capture(what: str) -> None:
    """Raises CUDARuntimeError while the current stream captures."""
    if recording():
        raise CUDARuntimeError(
            f"cudaErrorStreamCaptureUnsupported: operation not permitted when stream is capturing: {what}"
        )


class Counter:
    """How often the host waited for the device."""

    def __init__(self) -> None:
        self.count = 0


_counters: list[Counter] = []


@contextlib.contextmanager
def synchronisations() -> Iterator[Counter]:
    """Counts them within the block."""
    counter = Counter()
    _counters.append(counter)
    try:
        yield counter
    finally:
        _counters.remove(counter)


def synchronise(what: str) -> None:
    """The host waits for the device; never during a capture."""
    refuse_during_capture(what)
    for counter in _counters:
        counter.count += 1
