"""A linear map's products, whose sums are cut into parts where they are long, and whose blocks are tall where few
images fill one vector."""

from functools import partial

import numpy as np
import pytest

from gpucnn import functional as F
from gpucnn.kernels.c import library, plans
from gpucnn.threads import thread_count
from tests.judges import agrees_with_numpys_kernels, close

LONG = [(7, 1536, 3), (13, 2313, 16), (5, 1600, 1), (1, 4000, 70), (128, 5000, 64), (20, 20000, 19)]
FORMS = [(relu, bias) for relu in (False, True) for bias in (False, True)]


def factors(rows: int, summed: int, columns: int, dtype: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """w (rows, summed), x (summed, columns) and a bias (rows,)."""
    rng = np.random.default_rng(rows)
    w, x, bias = (rng.standard_normal(shape).astype(dtype) for shape in ((rows, summed), (summed, columns), (rows,)))
    return w, x, bias


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("relu", "has_bias"), FORMS)
@pytest.mark.parametrize("sizes", LONG)
def test_long_sums_are_numpys_on_any_threads(compiled_c, sizes, relu, has_bias, dtype):
    w, x, bias = factors(*sizes, dtype)
    expected = w.astype(float) @ x.astype(float) + (bias[:, None] if has_bias else 0)
    expected = np.maximum(expected, 0) if relu else expected
    for lying in (w, np.asfortranarray(w)):  # as stored, and as the gradient by the input reads it
        found = []
        try:
            for count in (1, 2, 3, 5):
                library.c.set_threads(count)
                out = np.full(expected.shape, np.nan, dtype)
                compiled_c.gemm.matmul(lying, x, out, bias if has_bias else None, relu)
                found.append(out)
        finally:
            library.c.set_threads(thread_count())
        close(found[0], expected.astype(dtype), "product", w.shape[1])
        assert all(np.array_equal(one, found[0]) for one in found)


def test_the_sums_above_are_of_one_part_and_of_more():
    parts = {plans.product(*sizes, sizes[1], 1)[1] for sizes in LONG}
    assert 2 in parts and max(parts) == plans.LEAST_TASKS
    assert plans.product(100, 784, 256, 784, 1)[1] == 1


def test_what_is_no_number_stays_so_in_a_long_sum(compiled_c):
    w, x, bias = factors(3, 1600, 4, "float32")
    x[1500, 2] = np.nan
    out = np.empty((3, 4), np.float32)
    compiled_c.gemm.matmul(w, x, out, bias, True)
    assert np.isnan(out[:, 2]).all() and np.isfinite(np.delete(out, 2, axis=1)).all()


@pytest.mark.parametrize("outs", [1, 6, 7, 8, 9, 13, 16, 17, 25])
@pytest.mark.parametrize("size", [(1, 9, 11), (2, 7, 12), (3, 6, 5), (1, 9, 20)])
def test_few_images_fill_tall_blocks(compiled_c, outs, size, rng):
    images, height, width = size
    x, w, b = (rng.standard_normal(s) for s in ((images, 3, height, width), (outs, 3, 3, 2), (outs,)))
    agrees_with_numpys_kernels(partial(F.conv2d, padding=1), x, w, b, terms=x.size)
