"""A pool of threads that compute tiles of work; BLAS is limited to one thread meanwhile.

NumPy's loops and BLAS release Python's lock, so tiles run in parallel. How work is cut into tiles depends on shapes
alone, and partial sums are added in the tiles' order, so results do not depend on the number of threads. Idle threads
sleep. BLAS's own threads would spin while they wait, which costs milliseconds per product on a busy machine.
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


@functools.cache  # the pool is made for this many
def thread_count() -> int:
    """The number of computing threads: GPUCNN_THREADS, or the cores this process may use. Raises InputError."""
    given = os.environ.get("GPUCNN_THREADS")
    if given is None:
        return usable_cores()
    if not given.isdecimal() or not 1 <= int(given) <= MOST_THREADS:
        raise InputError(f"GPUCNN_THREADS is {given!r}; expected 1 to {MOST_THREADS}, or leave it unset")
    return int(given)


def usable_cores() -> int:
    """The number of cores this process may use: its CPU affinity, or its control group's quota if that is less."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with contextlib.suppress(OSError, ValueError):  # there may be no such file; a quota of "max" is not a number
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        cores = min(cores, max(1, int(quota) // int(period)))
    return cores


def run(task: Task, count: int, like: Array) -> None:
    """Call task(0) ... task(count - 1), each once, on the pool's threads, with BLAS limited to one thread.

    If `like` is on a GPU the calls are made one after the other, since they only queue work there. Raises the first
    exception of a task.
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
        except BaseException as error:  # raised by the thread that called run
            failure = error
        del task, indices  # an idle thread keeps no arrays alive
        done.put(failure)


def one_blas_thread() -> AbstractContextManager[None]:
    """A context manager that limits BLAS to one thread, so that `run` inside it need not do so each time."""
    return _blas


class _OneBlasThread(AbstractContextManager[None]):
    """Limits BLAS to one thread, in the whole process, while any thread is inside."""

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
                # threadpoolctl 3.8 accepts calls of its first thread only; this object's lock serialises ours.
                getattr(library, "_real_set_num_threads", library.set_num_threads)(count)


def _begin() -> None:
    """Reset the state: at import, and in a forked child, which has none of its parent's threads."""
    global _pool, _pool_lock, _blas
    _pool, _pool_lock, _blas = None, threading.Lock(), _OneBlasThread()


_pool: "queue.SimpleQueue[Any] | None"  # the jobs of the pool's threads; None until the first one
_pool_lock: threading.Lock  # held while the pool is started
_blas: _OneBlasThread  # one for the process, as BLAS's setting is
_begin()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin)
