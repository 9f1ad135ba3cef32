"""How many threads compute: BLAS's, bounded by what this process may use."""

import contextlib
import functools
import os
from pathlib import Path

from gpucnn.errors import InputError


@functools.cache
def thread_count() -> int:
    """Threads that compute: GPUCNN_THREADS (a whole number, else InputError), or the cores this process may use."""
    given = os.environ.get("GPUCNN_THREADS")
    if given is None:
        return usable_cores()
    if not given.isdecimal() or int(given) < 1:
        raise InputError(f"GPUCNN_THREADS is {given!r}; expected a whole number of at least 1, or leave it unset")
    return int(given)


def usable_cores() -> int:
    """Cores this process may use: those it may be scheduled on, or its control group's quota where that is less."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with contextlib.suppress(OSError, ValueError):  # there may be no such file; a quota of "max" is not a number
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        cores = min(cores, max(1, int(quota) // int(period)))
    return cores


@functools.cache
def bound_blas() -> None:
    """Let BLAS compute on at most `thread_count` threads from now on: it knows nothing of quotas."""
    from threadpoolctl import ThreadpoolController  # looks through the loaded libraries: not before there are any

    for library in ThreadpoolController().select(user_api="blas").lib_controllers:
        if library.get_num_threads() > thread_count():
            library.set_num_threads(thread_count())
