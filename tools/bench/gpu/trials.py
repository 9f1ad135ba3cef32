"""Libraries choose among algorithms by trying them: one process at a time, or they would measure one another."""

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

LOCK = "GPUCNN_BENCH_TRIALS"  # in the environment, the path of the file that is locked

_waited = 0.0


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """Within the block no other contestant tries anything."""
    global _waited
    if not (path := os.environ.get(LOCK)):
        yield
        return
    start = time.perf_counter()
    with Path(path).open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # given back where the file is closed, or the process ends
        _waited += time.perf_counter() - start
        yield


def waited() -> float:
    """Seconds that this process has waited for others, in all."""
    return _waited
