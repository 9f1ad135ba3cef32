"""Compiled padding against the reference: any sides of up to five axes, and its gradient."""

import numpy as np
import pytest

from gpucnn.kernels.numpy import kernels as reference
from tests.judges import close

CASES = [
    ((3, 4, 5, 2), ((0, 0), (1, 2), (3, 0), (0, 0))),
    ((2, 6, 3), ((0, 0), (5, 5), (0, 0))),
    ((2, 3, 4, 5, 3), ((0, 0), (1, 2), (0, 3), (2, 2), (0, 0))),
    ((4, 3), ((2, 1), (1, 2))),
    ((2, 2, 2, 2, 2, 2), ((0, 1),) * 6),
    ((5,), ((0, 0),)),
]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("mode", ["constant", "replicate", "reflect"])
@pytest.mark.parametrize(("shape", "sides"), CASES)
def test_padding_and_its_gradient_are_the_references(compiled, shape, sides, mode, dtype, rng):
    x = rng.standard_normal(shape).astype(dtype)
    found, expected = (kernels.padding.pad(x, sides, mode, 7.0) for kernels in (compiled, reference))
    assert np.array_equal(found, expected)
    grad = rng.standard_normal(expected.shape).astype(dtype)
    found, expected = (kernels.padding.pad_backward(grad, sides, mode, shape) for kernels in (compiled, reference))
    close(found, expected, terms=9)


def test_whole_numbers_are_padded_too(compiled):
    found = compiled.padding.pad(np.array([[1, 2], [3, 4]]), ((1, 0), (0, 1)), "constant", 9)
    assert found.tolist() == [[9, 9, 9], [1, 2, 9], [3, 4, 9]]
