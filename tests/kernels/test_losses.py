"""Compiled losses against loops in float64 and the reference: rows of any length, weights, classes left out."""

import math

import numpy as np
import pytest

from gpucnn.kernels.numpy import kernels as reference
from tests.judges import close

DTYPES = ["float32", "float64"]
SHAPES = [(1,), (7,), (1, 1), (3, 16), (10, 64), (4, 17), (2, 3, 5), (7, 6001)]


def softplus(x):
    return max(x, 0.0) + math.log1p(math.exp(-abs(x)))


def naive(name, x, target, options, row):
    """One loss, by its definition."""
    d = abs(x - target)
    if name == "logit_loss":
        positive, weight = (1.0 if each is None else float(each[row]) for each in options)
        return weight * (positive * target * softplus(-x) + (1 - target) * softplus(x))
    if name == "smooth_error":
        return d * d / (2 * options[0]) if d < options[0] else d - options[0] / 2
    return {"squared_error": d * d, "absolute_error": d}[name]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("name", ["squared_error", "absolute_error", "smooth_error", "logit_loss", "weighted"])
def test_losses_are_the_loops(compiled, name, shape, dtype, rng):
    x, target = (3 * rng.standard_normal((2, *shape))).astype(dtype)
    rows = shape[0] if len(shape) > 1 else 1
    options = {"smooth_error": (0.7,), "logit_loss": (None, None)}.get(name, ())
    if name == "weighted":
        name, options = "logit_loss", tuple(rng.random((2, rows)).astype(dtype) + 0.5)
    if name == "logit_loss":
        target = (target > 0).astype(dtype)
    pairs = zip(x.reshape(rows, -1).tolist(), target.reshape(rows, -1).tolist(), strict=True)
    expected = sum(
        naive(name, a, b, options, r) for r, (xs, ts) in enumerate(pairs) for a, b in zip(xs, ts, strict=True)
    )
    gradient, by_reference = np.full_like(x, 5), np.full_like(x, 7)
    total = compiled.losses.total(name, x, target, options, 0.25, gradient)
    np.testing.assert_allclose(total, expected / 4, rtol=1e-5 if dtype == "float32" else 1e-12)
    reference.losses.total(name, x, target, options, 0.25, by_reference)
    close(gradient, by_reference)
    assert total.shape == () and np.array_equal(compiled.losses.total(name, x, target, options, 0.25, None), total)


def test_a_loss_of_large_logits_is_finite_and_of_nan_is_nan(compiled):
    x, target = np.array([[500.0, -500, 0]], "f"), np.array([[0.0, 1, 1]], "f")
    gradient = np.empty_like(x)
    total = compiled.losses.total("logit_loss", x, target, (None, None), 1.0, gradient)
    np.testing.assert_allclose(total, 1000 + math.log(2), rtol=1e-6)
    np.testing.assert_allclose(gradient, [[1, -1, -0.5]], atol=1e-6)
    x[0, 1] = np.nan
    assert np.isnan(compiled.losses.total("logit_loss", x, target, (None, None), 1.0, gradient))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("places", [1, 5, 64, 100, 2000])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_cross_entropy_with_targets_is_the_loops(compiled, smoothing, weighted, places, dtype, rng):
    logits, target = (3 * rng.standard_normal((2, 7, places))).astype(dtype)
    target = abs(target)
    weight = (rng.random(7) + 0.5).astype(dtype) if weighted else None
    gradient, losses = np.full_like(logits, 5), np.full(places, 5, dtype)
    total = compiled.targets.cross_entropy(logits, target, (weight, smoothing, 0.5), gradient, losses)
    exact = target.astype(float) * (1 - smoothing) + smoothing / 7
    exact *= 1 if weight is None else weight.astype(float)[:, None]
    tolerance = {"rtol": 3e-5, "atol": 3e-5} if dtype == "float32" else {"rtol": 1e-11, "atol": 1e-12}
    for place in range(places):
        whole = sum(math.exp(x) for x in logits[:, place].tolist())
        logarithms = [x - math.log(whole) for x in logits[:, place].tolist()]
        loss = -sum(t * q for t, q in zip(exact[:, place].tolist(), logarithms, strict=True))
        np.testing.assert_allclose(losses[place], loss, **tolerance)
        slopes = [
            0.5 * (math.exp(q) * exact[:, place].sum() - t) for t, q in zip(exact[:, place], logarithms, strict=True)
        ]
        np.testing.assert_allclose(gradient[:, place], slopes, **tolerance)
    np.testing.assert_allclose(total, losses.sum(dtype=float) / 2, rtol=1e-5)


def test_a_masked_class_costs_nothing_where_its_target_is_0(compiled):
    logits, target = np.array([[1.0], [-np.inf], [0.0]], "f"), np.array([[1.0], [0.0], [0.0]], "f")
    losses, gradient = np.empty(1, "f"), np.empty_like(logits)
    compiled.targets.cross_entropy(logits, target, (None, 0.0, 1.0), gradient, losses)
    np.testing.assert_allclose(losses, math.log1p(math.exp(-1)), rtol=1e-6)
    assert np.isfinite(gradient).all()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("mean", [False, True])
@pytest.mark.parametrize("shape", [(1,), (9,), (3, 5)], ids=str)
def test_targets_of_classes_are_the_loops(compiled, shape, mean, dtype, rng):
    labels, weight = rng.integers(0, 4, shape), (rng.random(4) + 0.5).astype(dtype)
    labels.flat[-1] = 3  # which is left out
    labels.flat[0] = 2 if labels.size > 1 else 3
    found = compiled.targets.class_targets(labels, weight, 3, 0.2, mean)
    sums = sum(weight[label] for label in labels.ravel() if label != 3) if mean else 1
    expected = np.zeros((4, *shape))
    for place in np.ndindex(*shape):
        for c in range(4 if labels[place] != 3 else 0):
            expected[(c, *place)] = weight[c] * (0.8 * (labels[place] == c) + 0.05) / sums
    if mean and labels.size == 1:
        expected[:] = np.nan  # the mean of none
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert found.dtype == weight.dtype


def test_sums_along_rows_are_added(compiled, rng):
    for shape in ((1, 1), (5, 3), (4, 3, 17), (3, 50_000)):
        out, values = rng.standard_normal(shape).astype("f"), rng.standard_normal(shape[0]).astype("f")
        expected = out + values.reshape(-1, *(1,) * (len(shape) - 1))
        compiled.arithmetic.add_to_rows(values, out)
        np.testing.assert_array_equal(out, expected)
