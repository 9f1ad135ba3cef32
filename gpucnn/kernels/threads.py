"""One pool of threads for tiles of work, asleep while idle, and BLAS held to one thread beside it.

NumPy's loops and BLAS release Python's lock, so tiles truly run side by side. How work is cut into tiles depends on
shapes alone and partial sums are added in the tiles' order: results do not depend on the number of threads.
"""

import contextlib
import functools
import os
import queue
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import ThreadpoolController

from gpucnn.backend import Array, module_of
from gpucnn.errors import InputError

Task = Callable[[int], None]


@functools.cache
def thread_count() -> int:
    """Threads that compute: GPUCNN_THREADS, or else the cores this process may use, quotas included."""
    given = os.environ.get("GPUCNN_THREADS")
    if given is None:
        return usable_cores()
    if not given.isdecimal() or int(given) < 1:
        raise InputError(f"GPUCNN_THREADS is {given!r}; expected a whole number of at least 1, or leave it unset")
    return int(given)


def usable_cores() -> int:
    """Cores this process may use: those it may be scheduled on, or its control group's quota where that is less."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with contextlib.suppress(OSError, ValueError):  # no such file where there are no control groups
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        cores = min(cores, max(1, int(quota) // int(period)))  # a quota of "max" is not a number
    return cores


def run(task: Task, count: int, like: Array) -> None:
    """Call task(0) ... task(count - 1) in any order on the pool's threads; on a GPU, where work queues up, in turn."""
    helpers = min(thread_count(), count) - 1 if module_of(like) is np else 0
    if helpers < 1:
        for index in range(count):
            task(index)
        return
    with single_threaded_blas():
        _run_with(helpers, task, count)


def _run_with(helpers: int, task: Task, count: int) -> None:
    indices = iter(range(count))  # shared: next() on it is atomic
    done: queue.SimpleQueue[BaseException | None] = queue.SimpleQueue()
    jobs = _jobs()
    for _ in range(helpers):
        jobs.put((task, indices, done))
    try:
        for index in indices:
            task(index)
    finally:
        failures = [failure for failure in (done.get() for _ in range(helpers)) if failure]
    if failures:
        raise failures[0]


_pool: queue.SimpleQueue[Any] | None = None
_pool_lock = threading.Lock()


def _jobs() -> "queue.SimpleQueue[Any]":
    """The queue that the pool's threads take jobs from; the threads start with the first job."""
    global _pool
    with _pool_lock:
        if _pool is None:
            _pool = queue.SimpleQueue()
            for _ in range(thread_count() - 1):
                threading.Thread(target=_work, args=(_pool,), name="gpucnn", daemon=True).start()
        return _pool


def _work(jobs: "queue.SimpleQueue[Any]") -> None:
    while True:
        task, indices, done = jobs.get()
        failure = None
        try:
            for index in indices:
                task(index)
        except BaseException as error:  # handed to the thread that called run, which raises it
            failure = error
        del task, indices  # an idle thread keeps no arrays alive
        done.put(failure)


def _forget_pool() -> None:
    """A forked child has none of its parent's threads."""
    global _pool, _pool_lock, _blas
    _pool, _pool_lock, _blas = None, threading.Lock(), _BlasLimit()


class _BlasLimit:
    """BLAS held to one thread while any thread of the process is inside."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._depth = 0
        self._threads: list[int] = []

    @functools.cached_property
    def _libraries(self) -> list[Any]:
        return ThreadpoolController().select(user_api="blas").lib_controllers

    def __enter__(self) -> None:
        with self._lock:
            if self._depth == 0:
                self._threads = [library.get_num_threads() for library in self._libraries]
                for library in self._libraries:
                    library.set_num_threads(1)
            self._depth += 1

    def __exit__(self, *failure: object) -> None:
        with self._lock:
            self._depth -= 1
            if self._depth == 0:
                for library, threads in zip(self._libraries, self._threads, strict=True):
                    library.set_num_threads(threads)


_blas = _BlasLimit()


@contextlib.contextmanager
def single_threaded_blas() -> Iterator[None]:
    """Hold BLAS to one thread, in the whole process, until the outermost such block ends."""
    with _blas:
        yield


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_pool)
