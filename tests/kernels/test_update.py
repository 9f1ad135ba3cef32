"""Optimizer steps in C against the reference, over several steps and any length."""

import numpy as np
import pytest

from gpucnn.kernels import reference
from gpucnn.kernels.reference.update import Rates

STEPS = {
    "sgd": (0, lambda count: (Rates(0.1 / count), 0.01)),
    "momentum": (1, lambda count: (Rates(0.1 / count), 0.9, 0.01)),
    "nesterov": (1, lambda count: (Rates(0.1), 0.9, 0.0)),
    "adam": (2, lambda count: (Rates(0.01 * count, 1 / count, 1 - 0.01 * count), (0.9, 0.999), 1e-6, 0.01)),
}


def trained(update, name, length, dtype):
    """Parameters and state after five steps."""
    rng = np.random.default_rng(length)
    slots, arguments = STEPS[name]
    arrays = [rng.standard_normal(length).astype(dtype), *(np.zeros(length, dtype) for _ in range(slots))]
    for count in range(1, 6):
        gradient = rng.standard_normal(length).astype(dtype)
        before = gradient.copy()
        getattr(update, name)(arrays[0], gradient, *arrays[1:], *arguments(count))
        assert np.array_equal(gradient, before)
    return arrays


@pytest.mark.parametrize("name", STEPS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("length", [1, 5, 16, 61, 8192, 61_706, 150_001])
def test_steps_are_the_references(compiled, name, length, dtype):
    found, expected = (trained(kernels.update, name, length, dtype) for kernels in (compiled, reference))
    tolerance = 20 * np.finfo(dtype).eps  # several roundings in each of five steps
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("name", STEPS)
def test_a_parameter_moves_alike_wherever_it_stands(compiled, name):
    """In a vector, in what is left of one, and in another thread's piece."""
    slots, arguments = STEPS[name]
    values = [np.full(150_003, number, "float32") for number in (0.7, -0.3, *([0.2] * slots))]
    getattr(compiled.update, name)(*values, *arguments(3))
    for array in values:
        assert (array == array[0]).all()
