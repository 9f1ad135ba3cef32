"""What the machine can do at most: arithmetic on registers alone, and copying memory."""

import os
import shutil
import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

SOURCE = Path(__file__).with_name("peak.c")
FLAGS = ("-O3", "-march=native", "-ffp-contract=fast", "-pthread")
COPIED = 64 << 20  # bytes: beyond the caches
COPIES = 15


def measure(threads: int) -> dict[str, float | None]:
    """Both, of so many threads."""
    return {"gflops": peak_gflops(threads), "copy_gbytes": copy_gbytes(threads)}


def peak_gflops(threads: int) -> float | None:
    """The most GFLOP/s of `threads` threads; None where there is no C compiler to measure it with."""
    compiler = shutil.which(os.environ.get("CC") or "cc")
    if compiler is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        program = str(Path(folder) / "peak")
        subprocess.run([compiler, *FLAGS, str(SOURCE), "-o", program], check=True)
        found = subprocess.run([program, str(threads)], check=True, capture_output=True, text=True)
    return float(found.stdout)


def copy_gbytes(threads: int) -> float:
    """GB/s of the best of several copies of 64 MiB, which read as much as they write; both count."""
    source, target = np.ones(COPIED, np.uint8), np.zeros(COPIED, np.uint8)
    parts = list(zip(np.array_split(target, threads), np.array_split(source, threads), strict=True))
    times = []
    with ThreadPoolExecutor(threads) as pool:
        for _ in range(COPIES):
            start = time.perf_counter()
            list(pool.map(lambda part: np.copyto(*part), parts))  # NumPy copies without Python's lock
            times.append(time.perf_counter() - start)
    return 2 * COPIED / min(times) / 1e9
