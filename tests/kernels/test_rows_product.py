"""Products of rows by rows: a linear map's gradient by its weight, and a pointwise convolution's."""

from functools import partial

import numpy as np
import pytest

from gpucnn import functional as F
from gpucnn.kernels.c import gemm, library
from gpucnn.threads import thread_count
from tests.judges import agrees_with_numpys_kernels, close

SMALL = [(1, 1, 2), (2, 5, 3), (6, 16, 16), (7, 17, 9), (13, 33, 40)]  # rows, what is summed, columns
LONG = [(3, 255, 18), (131, 256, 33), (6, 257, 16), (20, 5000, 19), (129, 20000, 7)]  # strips, groups of rows, parts


def product(rows: int, summed: int, columns: int, dtype: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Two factors, and where their product goes, which holds what is no number."""
    rng = np.random.default_rng(rows)
    a, b = (rng.standard_normal(shape).astype(dtype) for shape in ((rows, summed), (columns, summed)))
    return a, b, np.full((rows, columns), np.nan, dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("sizes", SMALL)
def test_small_products_are_sums_over_loops(compiled_c, sizes, dtype):
    a, b, out = product(*sizes, dtype)
    compiled_c.gemm.matmul(a, b.T, out)
    expected = np.zeros(out.shape)
    for r in range(len(a)):
        for c in range(len(b)):
            for s in range(a.shape[1]):
                expected[r, c] += float(a[r, s]) * float(b[c, s])
    close(out, expected.astype(dtype), "product", a.shape[1])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("sizes", LONG)
def test_long_products_are_numpys_on_any_threads(compiled_c, sizes, dtype):
    a, b, out = product(*sizes, dtype)
    found = []
    try:
        for count in (1, 2, 3, 5):
            library.c.set_threads(count)
            gemm.rows_product(a, b, out)
            found.append(out.copy())
    finally:
        library.c.set_threads(thread_count())
    close(out, (a.astype(float) @ b.astype(float).T).astype(dtype), "product", a.shape[1])
    assert all(np.array_equal(one, found[0]) for one in found)


def test_nothing_to_sum_up_gives_zeros(compiled_c):
    a, b, out = product(3, 0, 4, "float32")
    compiled_c.gemm.matmul(a, b.T, out)
    assert not out.any()


@pytest.mark.parametrize("images", [1, 16, 64, 100])
@pytest.mark.parametrize("options", [{}, {"groups": 2}, {"stride": 2}, {"padding": 1}])
def test_a_pointwise_convolution_has_numpys_gradients(compiled_c, options, images, rng):
    groups = options.get("groups", 1)
    x, w, b = (rng.standard_normal(s) for s in ((images, 6, 9, 7), (10, 6 // groups, 1, 1), (10,)))
    agrees_with_numpys_kernels(partial(F.conv2d, **options), x, w, b, terms=x.size)


@pytest.mark.parametrize("images", [63, 64, 65, 128, 300])
def test_a_channel_of_its_own_is_convolved_in_longer_blocks(compiled_c, images, rng):
    x, w, b = (rng.standard_normal(s) for s in ((images, 5, 6, 4), (5, 1, 3, 3), (5,)))
    agrees_with_numpys_kernels(partial(F.conv2d, groups=5, padding=1), x, w, b, terms=9 * images)
