"""Reading ahead: the next items are made in a thread while the current one is used."""

import queue
import threading
from collections.abc import Iterator
from typing import Any, TypeVar

T = TypeVar("T")

DEPTH = 1  # items that wait to be used, beside the one that is being made
_PATIENCE = 0.1  # seconds until the thread looks whether anybody still waits for items


def ahead(items: Iterator[T], depth: int = DEPTH) -> Iterator[T]:
    """The items, made in a thread that is at most `depth` of them ahead. Raises what making them raises."""
    made: queue.Queue[tuple[str, Any]] = queue.Queue(depth)
    abandoned = threading.Event()
    thread = threading.Thread(target=_make, args=(items, made, abandoned), daemon=True)
    thread.start()
    try:
        while True:
            what, item = made.get()
            if what == "end":
                return
            if what == "error":
                raise item
            yield item
    finally:
        abandoned.set()
        thread.join()


def _make(items: Iterator[Any], made: "queue.Queue[tuple[str, Any]]", abandoned: threading.Event) -> None:
    last: tuple[str, Any] = ("end", None)
    try:
        for item in items:
            if not _put(made, ("item", item), abandoned):
                return
    except BaseException as error:
        last = ("error", error)
    _put(made, last, abandoned)


def _put(made: "queue.Queue[tuple[str, Any]]", item: tuple[str, Any], abandoned: threading.Event) -> bool:
    """Whether the item was taken into the queue before it was abandoned."""
    while not abandoned.is_set():
        try:
            made.put(item, timeout=_PATIENCE)
            return True
        except queue.Full:
            continue
    return False
