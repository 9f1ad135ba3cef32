"""One pool of threads for tiles of work, asleep while idle, and BLAS held to one thread beside it.

NumPy's loops and BLAS release Python's lock, so tiles truly run side by side. How work is cut into tiles depends on
shapes alone and partial sums are added in the tiles' order: results do not depend on the number of threads. BLAS's own
threads would wait for each other spinning, which costs milliseconds a product where another program has a core.
"""

import contextlib
import functools
import os
import queue
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from operator import methodcaller
from pathlib import Path
from typing import Any

import numpy as np

from gpucnn.backend import Array, module_of
from gpucnn.errors import InputError

MOST_THREADS = 1024
Task = Callable[[int], None]


@functools.cache
def thread_count() -> int:
    """Threads that compute: GPUCNN_THREADS (a whole number, else InputError), or the cores this process may use."""
    given = os.environ.get("GPUCNN_THREADS")
    if given is None:
        return usable_cores()
    if not given.isdecimal() or not 1 <= int(given) <= MOST_THREADS:
        raise InputError(f"GPUCNN_THREADS is {given!r}; expected 1 to {MOST_THREADS}, or leave it unset")
    return int(given)


def usable_cores() -> int:
    """Cores this process may use: those it may be scheduled on, or its control group's quota where that is less."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with contextlib.suppress(OSError, ValueError):  # there may be no such file; a quota of "max" is not a number
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        cores = min(cores, max(1, int(quota) // int(period)))
    return cores


def run(task: Task, count: int, like: Array) -> None:
    """Call task(0) ... task(count - 1), each once, on the pool's threads, BLAS held to one; raises what a task raised.

    Where `like` lives on a GPU the calls are made in turn: the work they ask for queues up there.
    """
    indices = iter(range(count))  # shared: next() on it is atomic
    helpers = min(thread_count(), count) - 1 if module_of(like) is np else 0
    with _blas:
        if helpers > 0:
            _run_with(helpers, task, indices)
        else:
            for index in indices:
                task(index)


def _run_here(task: Task, indices: Any) -> None:
    for index in indices:
        task(index)


def _run_with(helpers: int, task: Task, indices: Any) -> None:
    done: queue.SimpleQueue[BaseException | None] = queue.SimpleQueue()
    jobs = _jobs()
    for _ in range(helpers):
        jobs.put((task, indices, done))
    try:
        _run_here(task, indices)
    finally:
        failures = [failure for failure in (done.get() for _ in range(helpers)) if failure]
    if failures:
        raise failures[0]


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
            _run_here(task, indices)
        except BaseException as error:  # handed to the thread that called run, which raises it
            failure = error
        del task, indices  # an idle thread keeps no arrays alive
        done.put(failure)


def one_blas_thread() -> AbstractContextManager[None]:
    """`with one_blas_thread():` holds BLAS to one thread throughout, and saves `run` from doing so time and again."""
    return _blas


class _OneBlasThread(AbstractContextManager[None]):
    """BLAS held to one thread, in the whole process, while any thread is inside."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._counts: list[int] = []

    @functools.cached_property
    def _libraries(self) -> list[Any]:
        from threadpoolctl import ThreadpoolController  # looks through the loaded libraries: when first needed

        return ThreadpoolController().select(user_api="blas").lib_controllers

    def __enter__(self) -> None:
        with self._lock:
            if self._inside == 0:
                self._counts = list(map(methodcaller("get_num_threads"), self._libraries))
                if max(self._counts, default=1) > 1:
                    self._set([1] * len(self._counts))
            self._inside += 1

    def __exit__(self, *failure: object) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0 and max(self._counts, default=1) > 1:
                self._set(self._counts)

    def _set(self, counts: list[int]) -> None:
        for library, count, current in zip(self._libraries, counts, self._counts, strict=True):
            if current > 1:
                # threadpoolctl 3.8 obeys only the thread that came first; the lock keeps ours from quarrelling.
                getattr(library, "_real_set_num_threads", library.set_num_threads)(count)


def _begin() -> None:
    """Start anew: at first, and in a forked child, which has none of its parent's threads."""
    global _pool, _pool_lock, _blas
    _pool, _pool_lock, _blas = None, threading.Lock(), _OneBlasThread()


_pool: "queue.SimpleQueue[Any] | None"
_pool_lock: threading.Lock
_blas: _OneBlasThread
_begin()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin)
