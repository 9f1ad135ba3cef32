"""Hand-made data files, healthy and hostile, for the tests of their readers."""

import contextlib
import gzip
import os
import struct
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

needs_real_data = pytest.mark.skipif(
    not (Path(os.environ.get("GPUCNN_DATA_DIR", "")) / "mnist" / "t10k-images-idx3-ubyte.gz").exists(),
    reason="GPUCNN_DATA_DIR names no folder with mnist/",
)


def idx_bytes(array: np.ndarray, kind: int = 8, dimensions: tuple[int, ...] | None = None) -> bytes:
    """`array` (bytes) as IDX; `kind` and `dimensions` may lie."""
    dimensions = array.shape if dimensions is None else dimensions
    header = struct.pack(f">HBB{len(dimensions)}I", 0, kind, len(dimensions), *dimensions)
    return header + array.astype(np.uint8).tobytes()


def write_mnist_like(folder: Path, n_train: int = 20, n_test: int = 10, side: int = 28) -> dict[str, np.ndarray]:
    """Four gzipped IDX files of random images, called as MNIST's are; returns the arrays that went in."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(7)
    arrays = {}
    for part, n in (("train", n_train), ("t10k", n_test)):
        arrays[f"{part}-images-idx3-ubyte"] = rng.integers(0, 256, (n, side, side), dtype=np.uint8)
        arrays[f"{part}-labels-idx1-ubyte"] = (np.arange(n) % 10).astype(np.uint8)
    for name, array in arrays.items():
        (folder / f"{name}.gz").write_bytes(gzip.compress(idx_bytes(array), mtime=0))
    return arrays


@contextlib.contextmanager
def memory_below(limit: int) -> Iterator[None]:
    """Hold that the block never has more than `limit` bytes of its own in memory."""
    tracemalloc.start()
    try:
        yield
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < limit
