"""Batch normalisation against the naive loops: outputs and running statistics; its errors."""

import numpy as np
import pytest

from gpucnn import Tensor
from gpucnn import functional as F
from gpucnn.errors import ShapeError
from tests import references
from tests.judges import close

pytestmark = pytest.mark.usefixtures("device")


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("shape", [(4, 3), (4, 3, 5), (2, 3, 4, 5), (2, 3, 2, 3, 4), (1, 3, 2, 2)])
@pytest.mark.parametrize(("momentum", "eps"), [(0.1, 1e-5), (0.3, 1e-2), (1.0, 1e-5)])
def test_equals_the_naive_loops(training, shape, momentum, eps, rng):
    x, statistics = 3 + 2 * rng.standard_normal(shape), rng.random((4, 3))
    mean, variance, weight, bias = map(Tensor, statistics)
    y = F.batch_norm(Tensor(x), mean, variance, weight, bias, training, momentum, eps)
    expected = references.batch_norm(x, *statistics, training, momentum, eps)
    for found, wanted in zip((y, mean, variance), expected, strict=True):
        close(found.numpy(), wanted)


def test_defaults_are_pytorchs(torch, rng):
    x, ours, theirs = rng.standard_normal((4, 3)), np.ones((2, 3)), torch.ones(2, 3, dtype=torch.float64)
    mean, variance = map(Tensor, ours)
    for training in (True, False):
        y = F.batch_norm(Tensor(x), mean, variance, training=training)
        close(y.numpy(), torch.nn.functional.batch_norm(torch.tensor(x), *theirs, training=training))
        close(np.stack([mean.numpy(), variance.numpy()]), theirs)


def test_evaluation_changes_no_statistics(rng):
    mean, variance = Tensor(np.ones(3)), Tensor(np.full(3, 2.0))
    F.batch_norm(Tensor(rng.standard_normal((4, 3))), mean, variance)
    assert mean.numpy().tolist() == [1, 1, 1] and variance.numpy().tolist() == [2, 2, 2]


def test_a_large_mean_costs_no_precision():
    """The mean of squares minus the square of the mean would leave nothing here in float32."""
    x = (10_000 + np.linspace(-1, 1, 64)).astype(np.float32).reshape(64, 1)
    exact = x.astype(np.float64)
    y = F.batch_norm(Tensor(x), None, None, training=True)
    expected = (exact - exact.mean()) / np.sqrt(exact.var() + 1e-5)
    np.testing.assert_allclose(y.numpy(), expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    ("shape", "length", "words"),
    [
        ((4, 3, 2, 2), 5, ["batch_norm", "3", "5"]),
        ((1, 3), 3, ["batch_norm", "(1, 3)", "one value"]),
        ((3,), 3, ["(3,)"]),
    ],
)
def test_errors_speak(shape, length, words):
    with pytest.raises(ShapeError) as error:
        F.batch_norm(Tensor(np.zeros(shape)), Tensor(np.zeros(length)), Tensor(np.ones(length)), training=True)
    assert [word for word in words if word not in str(error.value)] == [], str(error.value)
