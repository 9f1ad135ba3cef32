"""Batch normalisation in C against the reference, in rows of any length; and far from 0, where digits are lost."""

import numpy as np
import pytest

from gpucnn.kernels import reference
from tests.judges import close

SHAPES = [(1, 2), (3, 5), (4, 64), (7, 83), (6, 4096), (5, 12_301), (2, 40_000), (3, 60_001)]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", SHAPES)
def test_training_and_evaluation_are_the_references(compiled, shape, dtype, rng):
    x, grad = (2 + 3 * rng.standard_normal(shape)).astype(dtype), rng.standard_normal(shape).astype(dtype)
    weight, bias, mean, variance = (rng.uniform(0.5, 2, shape[0]).astype(dtype) for _ in range(4))
    results = []
    for norm in (compiled.norm, reference.norm):
        trained, fixed, by_trained, by_fixed = (np.full_like(x, np.nan) for _ in range(4))
        *statistics, kept = norm.training_forward(x, weight, bias, 1e-5, trained)
        gradients = norm.training_backward(grad, kept, by_trained)
        kept = norm.fixed_forward(x, mean, variance, weight, bias, 1e-3, fixed)
        gradients += norm.fixed_backward(grad, kept, by_fixed)
        results.append([*statistics, trained, by_trained, fixed, by_fixed, *gradients])
    for position, (found, expected) in enumerate(zip(*results, strict=True)):
        close(found, expected, position, terms=shape[1] if found.ndim == 1 else 16)


def test_the_variance_of_large_numbers_near_each_other(compiled, rng):
    x = (1e4 + rng.standard_normal((3, 30_000))).astype("float32")
    out = np.empty_like(x)
    one = np.ones(3, "float32")
    mean, variance, _ = compiled.norm.training_forward(x, one, 0 * one, 1e-5, out)
    exact = x.astype("float64")
    np.testing.assert_allclose(mean, exact.mean(axis=1), rtol=1e-7)
    np.testing.assert_allclose(variance, exact.var(axis=1), rtol=1e-4)
