"""Compiled softmax, and cross-entropy of class numbers, against the reference, and the definition in float64."""

import numpy as np
import pytest

from gpucnn.errors import InputError
from gpucnn.kernels.numpy import kernels as reference
from tests import references
from tests.judges import close

SHAPES = [(1, 1), (2, 1), (3, 5), (10, 64), (10, 67), (7, 16), (130, 83), (20, 1100), (4, 3, 5, 17)]


def both(kernels, logits, labels, smoothing=0.0, scale=1.0):
    """losses, their scaled sum, and the gradient."""
    losses, gradient = np.full_like(logits[0], np.nan), np.full_like(logits, np.nan)
    total = kernels.softmax.cross_entropy(logits, labels, smoothing, scale, gradient, losses)
    alone = np.empty_like(losses)
    again = kernels.softmax.cross_entropy(logits, labels, smoothing, scale, None, alone)
    assert np.array_equal(again, total, equal_nan=True)
    assert np.array_equal(alone, losses, equal_nan=True)
    return losses, np.asarray(total), gradient


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("smoothing", [0.0, 0.1, 1.0])
def test_it_is_the_reference(compiled, shape, smoothing, dtype, rng):
    logits = (4 * rng.standard_normal(shape)).astype(dtype)
    labels = rng.integers(0, shape[0], shape[1:]).astype(rng.choice(["uint8", "int32", "int64"]))
    found = both(compiled, logits, labels, smoothing, scale=0.25)
    for ours, expected in zip(found, both(reference, logits, labels, smoothing, scale=0.25), strict=True):
        close(ours, expected, terms=logits[0].size)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_exponentials_are_right_to_the_last_places_over_their_whole_range(compiled, dtype):
    """Two classes x apart: the gradient by the second is e**-x / (1 + e**-x)."""
    least = {"float32": -86, "float64": -707}[dtype]
    x = np.concatenate([np.linspace(least, 0, 20_011), [-np.inf, -1e30, 0]]).astype(dtype)
    _, _, gradient = both(compiled, np.stack([np.zeros_like(x), x]), np.zeros(len(x), int))
    exact = np.exp(x.astype(np.longdouble))
    np.testing.assert_allclose(gradient[1], exact / (1 + exact), rtol=5 * np.finfo(dtype).eps)


def test_it_is_the_definition(compiled, rng):
    logits, labels = rng.standard_normal((5, 9)), rng.integers(0, 5, 9)
    losses, _, gradient = both(compiled, logits, labels)
    close(losses.mean(), references.cross_entropy(logits.T, labels, "mean", 0.0))
    close(gradient.T, references.softmax(logits.T) - references.one_hot(labels, 5))


@pytest.mark.parametrize("images", [1, 3, 16, 70])
def test_extreme_and_masked_logits(compiled, images):
    logits = np.tile(np.array([[1e4], [-np.inf], [0.0], [-1e4]], "float32"), images)
    losses, _, gradient = both(compiled, logits, np.full(images, 2))
    assert (losses == 1e4).all()
    assert (gradient == np.array([[1], [0], [-1], [0]])).all()
    assert np.isinf(both(compiled, logits, np.full(images, 1))[0]).all()
    assert np.isnan(both(compiled, np.full_like(logits, np.nan), np.full(images, 1))[0]).all()


@pytest.mark.parametrize("wrong", [-1, 3, 2**40])
@pytest.mark.parametrize("place", [0, 5, 18])
def test_a_label_out_of_range_is_named_and_nothing_beyond_the_array_is_read(compiled_c, wrong, place):
    labels = np.zeros(19, np.int64)
    labels[place] = wrong
    with pytest.raises(InputError, match=f"label {wrong} is out of range; expected 0 to 2"):
        both(compiled_c, np.zeros((3, 19), "float32"), labels)


@pytest.mark.parametrize("wrong", [-1, 3, 2**40])
def test_on_a_gpu_a_label_out_of_range_makes_the_loss_nan(cuda, wrong):
    labels = np.zeros(19, np.int64)
    labels[5] = wrong
    losses, total, _ = both(cuda, np.zeros((3, 19), "float32"), labels)
    assert np.isnan(total) and np.isnan(losses[5])
    np.testing.assert_allclose(np.delete(losses, 5), np.log(3), rtol=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(10, 64), (3, 1), (1, 5), (2, 3, 4, 5), (37, 2, 1), (6, 1500), (2, 9000), (5, 2000)])
def test_softmax_along_any_axis_is_the_references(compiled, shape, dtype, rng):
    x, grad = (3 * rng.standard_normal(shape).astype(dtype) for _ in range(2))
    for axis in range(-1, len(shape)):
        for name, *arrays in [
            ("softmax", x),
            ("log_softmax", x),
            ("log_softmax_backward", grad, reference.softmax.log_softmax(x, axis)),
            ("softmax_backward", grad, np.exp(reference.softmax.log_softmax(x, axis))),
        ]:
            found, expected = (getattr(kernels.softmax, name)(*arrays, axis) for kernels in (compiled, reference))
            close(found, expected, (name, axis), terms=shape[axis])


def test_the_order_of_a_sum_is_that_of_its_shape(compiled, rng):
    """Many blocks give the same bits each time, whatever their order."""
    logits, labels = rng.standard_normal((10, 5000)).astype("float32"), rng.integers(0, 10, 5000)
    totals = {float(both(compiled, logits, labels, scale=1 / 5000)[1]) for _ in range(3)}
    assert len(totals) == 1
