"""Compiled batch normalisation against the reference, in rows of any length; and far from 0, where digits are lost."""

import numpy as np
import pytest

from gpucnn.kernels.interface import Running
from gpucnn.kernels.numpy import kernels as reference
from tests.judges import close


def forward(norm, x, weight, bias, out, relu=False):
    """Mean and variance of the rows, which is where running ones come to at a momentum of 1; and what is kept."""
    mean, variance = np.zeros_like(weight), np.zeros_like(weight)
    kept = norm.training_forward(x, weight, bias, 1e-5, Running(mean, variance, 1.0), relu, out)
    return mean, variance * ((x.shape[1] - 1) / x.shape[1]), kept


SHAPES = [(1, 2), (3, 5), (4, 64), (7, 83), (6, 4096), (5, 12_301), (2, 40_000), (3, 60_001)]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("relu", [False, True])
def test_training_and_evaluation_are_the_references(compiled, shape, dtype, relu, rng):
    x, grad = (2 + 3 * rng.standard_normal(shape)).astype(dtype), rng.standard_normal(shape).astype(dtype)
    weight, bias, mean, variance = (rng.uniform(0.5, 2, shape[0]).astype(dtype) for _ in range(4))
    results = []
    for norm in (compiled.norm, reference.norm):
        trained, fixed, by_trained, by_fixed = (np.full_like(x, np.nan) for _ in range(4))
        *statistics, kept = forward(norm, x, weight, bias, trained, relu)
        gradients = [np.full_like(weight, np.nan) for _ in range(4)]
        norm.training_backward(grad, kept, *gradients[:2], by_trained)
        kept = norm.fixed_forward(x, mean, variance, weight, bias, 1e-3, relu, fixed)
        norm.fixed_backward(grad, kept, *gradients[2:], by_fixed)
        results.append([*statistics, trained, by_trained, fixed, by_fixed, *gradients])
    for position, (found, expected) in enumerate(zip(*results, strict=True)):
        close(found, expected, position, terms=shape[1] if found.ndim == 1 else 16)


def test_the_variance_of_large_numbers_near_each_other(compiled, rng):
    x = (1e4 + rng.standard_normal((3, 30_000))).astype("float32")
    out = np.empty_like(x)
    one = np.ones(3, "float32")
    mean, variance, _ = forward(compiled.norm, x, one, 0 * one, out)
    exact = x.astype("float64")
    np.testing.assert_allclose(mean, exact.mean(axis=1), rtol=1e-7)
    np.testing.assert_allclose(variance, exact.var(axis=1), rtol=1e-4)


def test_parts_of_a_row_that_differ_much(compiled, rng):
    """Long rows are cut up on a GPU: what their parts' means add to the variance is seen."""
    x = rng.standard_normal((2, 50_176)).astype("float32")
    x += np.repeat(rng.uniform(-1000, 1000, 64), 784).astype("float32")
    one, out = np.ones(2, "float32"), np.empty_like(x)
    mean, variance, _ = forward(compiled.norm, x, one, 0 * one, out)
    exact = x.astype("float64")
    np.testing.assert_allclose(mean, exact.mean(axis=1), rtol=1e-5, atol=1e-4)
    np.testing.assert_allclose(variance, exact.var(axis=1), rtol=1e-5)
    np.testing.assert_allclose(out.mean(axis=1, dtype="float64"), 0, atol=1e-6)
    np.testing.assert_allclose(out.std(axis=1, dtype="float64"), 1, rtol=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_running_statistics_of_any_dtype_move(compiled, dtype, rng):
    for shape in [(30, 50), (3, 20_000)]:
        x, out = (4 + rng.standard_normal(shape)).astype("float32"), np.empty(shape, "float32")
        one = np.ones(shape[0], "float32")
        mean, variance = x.mean(axis=1), x.var(axis=1, ddof=1)
        for kernels in (compiled, reference):
            running = Running(np.full(shape[0], 2, dtype), np.full(shape[0], 3, dtype), 0.1)
            kernels.norm.training_forward(x, one, one, 1e-5, running, False, out)
            np.testing.assert_allclose(running.mean, 1.8 + 0.1 * mean, rtol=1e-5)
            np.testing.assert_allclose(running.variance, 2.7 + 0.1 * variance, rtol=1e-5)
            kernels.norm.training_forward(x, one, one, 1e-5, Running(None, None, 0.1), False, out)
