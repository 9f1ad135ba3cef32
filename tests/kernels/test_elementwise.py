"""Compiled activations and sums against the reference: any length, and numbers that are not."""

import numpy as np
import pytest

from gpucnn.kernels.numpy import kernels as reference
from tests.judges import close

DTYPES = ["float32", "float64"]
LENGTHS = [1, 2, 7, 16, 63, 100, 8191, 8192, 150_001]  # vectors and pieces, whole and in part


def numbers(length, dtype):
    """Normal ones, and as many of the others as there is room for."""
    x = np.random.default_rng(length).standard_normal(length).astype(dtype)
    others = [0.0, -0.0, np.inf, -np.inf, np.nan][: length // 7]
    x[length - len(others) :] = others
    return x


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("length", LENGTHS)
def test_activations_are_the_references(compiled, length, dtype):
    x, grad = numbers(length, dtype), np.random.default_rng(0).standard_normal(length).astype(dtype)
    for name, *arguments in [
        ("relu", x),
        ("relu_backward", grad, x),
        ("leaky_relu", x, 0.01),
        ("leaky_relu_backward", grad, x, 0.3),
    ]:
        found, expected = np.full_like(x, 5), np.full_like(x, 7)
        getattr(compiled.activation, name)(*arguments, found)
        getattr(reference.activation, name)(*arguments, expected)
        assert np.array_equal(found, expected, equal_nan=True), name


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("length", LENGTHS)
def test_multiples_are_the_references(compiled, length, dtype):
    x, factor = numbers(length, dtype), np.array(0.3, dtype)
    found, expected = np.full_like(x, 5), np.full_like(x, 7)
    compiled.arithmetic.scale(x, factor, found)
    reference.arithmetic.scale(x, factor, expected)
    assert np.array_equal(found, expected, equal_nan=True)
    compiled.arithmetic.scale(x, factor, x)
    assert np.array_equal(x, expected, equal_nan=True)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("length", LENGTHS)
def test_sigmoids_are_the_references(compiled, length, dtype):
    x, grad = 9 * numbers(length, dtype), np.random.default_rng(0).standard_normal(length).astype(dtype)
    results = []
    for kernels in (compiled.activation, reference.activation):
        tanh, scaled, by_scaled, sigmoid, by_sigmoid = (np.full_like(x, 5) for _ in range(5))
        with np.errstate(all="ignore"):
            kernels.scaled_tanh(x, 1.7, 0.6, tanh, scaled)
            kernels.scaled_tanh_backward(grad, tanh, 1.02, by_scaled)
            kernels.sigmoid(x, sigmoid)
            kernels.sigmoid_backward(grad, sigmoid, by_sigmoid)
        results.append((tanh, scaled, by_scaled, sigmoid, by_sigmoid))
    for found, expected in zip(*results, strict=True):
        close(found, expected)


CURVES = {
    "gelu": (),
    "gelu_tanh": (),
    "silu": (),
    "elu": (0.7,),
    "hardswish": (),
    "softplus": (1.5, 4.0),
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("name", CURVES)
def test_curves_are_the_references(compiled, name, length, dtype):
    x, grad = 4 * numbers(length, dtype), np.random.default_rng(0).standard_normal(length).astype(dtype)
    with np.errstate(all="ignore"):
        close(compiled.curves.forward(name, x, CURVES[name]), reference.curves.forward(name, x, CURVES[name]))
        found, expected = (kernels.curves.backward(name, grad, x, CURVES[name]) for kernels in (compiled, reference))
    close(found, expected)


@pytest.mark.parametrize("dtype", [*DTYPES, "float16", ">f4", "int64", "uint8", "bool"])
@pytest.mark.parametrize("shape", [(), (1,), (0,), (64, 64), (3, 5, 7)])
def test_the_sum_of_all_elements_is_the_references(compiled, dtype, shape, rng):
    x = np.asarray(7 * rng.random(shape)).astype(dtype)
    found, expected = compiled.gemm.total(x), reference.gemm.total(x)
    assert found.shape == () and found.dtype == expected.dtype.newbyteorder("=")
    np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(1, 1), (5, 3), (120, 64), (70, 33), (6, 50_176), (1, 300_007), (65, 1030), (3, 0)])
def test_sums_of_rows(compiled, shape, dtype, rng):
    rows = (rng.standard_normal(shape) + 1).astype(dtype)
    out = np.full(shape[0], np.nan, dtype)
    compiled.gemm.row_sums(rows, out)
    exact = rows.sum(axis=1, dtype=np.longdouble)
    np.testing.assert_allclose(out, exact, rtol=2e-6 if dtype == "float32" else 1e-14)
    expected = np.empty_like(out)
    reference.gemm.row_sums(rows, expected)
    close(out, expected, terms=shape[1])


def test_a_sum_does_not_depend_on_what_stands_beside_it(compiled, rng):
    """The order of a row's additions is its length's, whatever the number of rows."""
    rows = rng.standard_normal((100, 33_000)).astype("float32")
    whole, one = np.empty(100, "float32"), np.empty(1, "float32")
    compiled.gemm.row_sums(rows, whole)
    for row in (0, 63, 64, 99):
        compiled.gemm.row_sums(rows[row : row + 1], one)
        assert one == whole[row]
