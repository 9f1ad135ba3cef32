"""Time and memory, measured from inside a process."""

import resource
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

WARM_UP = 0.25  # of the time that is measured
FEWEST = 5  # steps, however long they take
KIB_PER_MIB = 1024


def median_seconds(step: Callable[[], Any], seconds: float) -> float:
    """The median time of a step, of as many as fit into `seconds`, after a warm-up."""
    _times(step, WARM_UP * seconds)
    return statistics.median(_times(step, seconds))


def _times(step: Callable[[], Any], seconds: float) -> list[float]:
    times: list[float] = []
    end = time.perf_counter() + seconds
    while (start := time.perf_counter()) < end or len(times) < FEWEST:
        step()
        times.append(time.perf_counter() - start)
    return times


def peak_memory() -> float:
    """The most memory that this process has held, in MiB.

    Linux counts in getrusage what the parent process held before it started this one; the status file does not.
    """
    status = Path("/proc/self/status")
    if status.exists():
        lines = [line for line in status.read_text().splitlines() if line.startswith("VmHWM:")]
        if lines:
            return int(lines[0].split()[1]) / KIB_PER_MIB
    return rusage_mib(resource.getrusage(resource.RUSAGE_SELF))


def rusage_mib(usage: resource.struct_rusage) -> float:
    """The peak memory that a process's usage tells, in MiB: macOS counts bytes, others KiB."""
    return usage.ru_maxrss / KIB_PER_MIB / (KIB_PER_MIB if sys.platform == "darwin" else 1)
