"""What warps write to and read from shared memory at once lies in different banks, or at most two deep in one."""

import re

import numpy as np
import pytest

from gpucnn.kernels.cuda import program
from tests.emulation import compiler, fake_cupy

WARP, BANKS, WORD = 32, 32, 4  # threads; banks of so many bytes
TILES = dict(re.findall(r"^GRADIENT_KERNEL\((\w+),.*(Tile<.*>)\)", program.text("gradient"), re.MULTILINE))
TILES |= {
    f"matmul_{side}": tile for tile, side in re.findall(r"typedef (Tile<[^>]*>) Tile(\d+);", program.text("gemm"))
}
ROOM = 1 << 16  # numbers
# Every number that is stored names its writer, and every one that is read its place: put and get do the rest.
OBSERVER = """
template <class T, int SIZE> __device__ void observe_stores(bool along, REAL *found) {
    alignas(16) __shared__ REAL shared[Stage<T, SIZE>::ROOM];
    Stage<T, SIZE> stage;
    for (int i = 0; i < stage.COUNT; i++)
        for (int k = 0; k < T::RUN; k++) stage.runs[i].at[k] = (i * T::RUN + k) * T::THREADS + threadIdx.x;
    stage.put(shared, along);
    __syncthreads();
    for (int n = threadIdx.x; n < stage.ROOM; n += T::THREADS) found[n] = shared[n];
}

template <class T, int SIZE, int LINES> __device__ void observe_loads(int line, REAL *found) {
    alignas(16) __shared__ REAL shared[Stage<T, SIZE>::ROOM];
    for (int n = threadIdx.x; n < Stage<T, SIZE>::ROOM; n += T::THREADS) shared[n] = n;
    __syncthreads();
    for (int k = slice_of_tile<T>(), step = 0; k < T::DEPTH; k += T::SLICES, step++)
        for (int l = 0; l < LINES; l++)
            found[(step * T::THREADS + threadIdx.x) * LINES + l] =
                Stage<T, SIZE>::template get<LINES>(shared, line, k).at[l];
}

typedef TILE Observed;

KERNEL observe(Integer along, REAL *row_stores, REAL *column_stores, REAL *row_loads, REAL *column_loads) {
    observe_stores<Observed, Observed::ROWS>(along, row_stores);
    observe_stores<Observed, Observed::COLUMNS>(along, column_stores);
    observe_loads<Observed, Observed::ROWS, Observed::HIGH>(row_in_tile<Observed>(), row_loads);
    observe_loads<Observed, Observed::COLUMNS, Observed::WIDE>(column_in_tile<Observed>(), column_loads);
}
"""


@pytest.mark.skipif(compiler.COMPILER is None, reason="there is no g++ to compile the CUDA sources for the CPU")
@pytest.mark.parametrize("dtype", program.REALS)
@pytest.mark.parametrize("kernel", TILES)
def test_warps_of_products(kernel, dtype):
    """The stores of whole runs and of single numbers, along the depth or not; and the loads of packs."""
    code = program.text("gradient") + OBSERVER.replace("TILE", TILES[kernel])
    observe = fake_cupy.RawModule(code=code, options=program.options(dtype)).get_function("observe")
    *_, high, wide, _, _ = sizes = list(map(int, re.findall(r"\d+", TILES[kernel])))
    threads = sizes[0] // high * (sizes[1] // wide) * sizes[5]
    for along in (1, 0) if kernel.startswith("matmul") else (1,):
        found = [fake_cupy.full(ROOM, np.nan, dtype) for _ in range(4)]
        observe((1,), (threads,), (along, *found))
        *stores, rows, columns = (array.get() for array in found)
        for places in stores:
            assert deepest(stored_at(places, threads), 1, dtype) <= 2
        for places, lines in ((rows, high), (columns, wide)):
            read = places[~np.isnan(places)].astype(int).reshape(-1, threads, lines)
            width = min(lines, 16 // np.dtype(dtype).itemsize)
            for first in range(0, lines, width):
                assert (np.diff(read[..., first : first + width]) == 1).all()  # one access
                assert deepest(read[..., first], width, dtype) <= 2


def stored_at(shared, threads):
    """Where each thread stores: (stores, threads), from what shared memory holds."""
    (places,) = np.nonzero(~np.isnan(shared))
    writers = shared[places].astype(int)
    assert np.array_equal(np.sort(writers), np.arange(len(writers)))  # each number is there once
    return places[np.argsort(writers)].reshape(-1, threads)


def deepest(places, width, dtype):
    """The most words of one bank that a warp asks for at once, of accesses (any number, threads) of `width` numbers.

    A warp is served 128 bytes at a time: all its threads, or the halves or quarters of it where each asks for more.
    """
    words = width * np.dtype(dtype).itemsize // WORD
    starts = (places * np.dtype(dtype).itemsize // WORD).reshape(-1, WARP // words, 1)
    return max(np.bincount(np.unique(asked) % BANKS).max() for asked in starts + np.arange(words))


def test_the_depth_that_is_found():
    lanes = np.arange(WARP)[None]
    assert deepest(lanes, 1, "float32") == deepest(lanes * 0, 1, "float32") == 1
    assert deepest(lanes * 2, 1, "float32") == 2
    assert deepest(lanes * 2, 2, "float32") == deepest(lanes * 4, 4, "float32") == deepest(lanes, 1, "float64") == 1
    assert deepest(lanes * 16, 4, "float32") == 4
    assert deepest(lanes * 32, 1, "float32") == 32
