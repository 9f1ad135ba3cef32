"""Dropout: how many elements fall, how the others are scaled, and that the backward drops the same."""

import numpy as np
import pytest

import gpucnn
from gpucnn import Tensor
from gpucnn import functional as F
from gpucnn.errors import InputError

pytestmark = pytest.mark.usefixtures("device")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_drops_a_share_and_scales_the_rest(p, dtype):
    y = F.dropout(Tensor(np.ones((100, 1000), dtype)), p).numpy()
    np.testing.assert_allclose(np.unique(y), [0, 1 / (1 - p)], rtol=1e-6)
    # Five standard deviations of a binomial share of 100,000
    assert abs((y == 0).mean() - p) < 5 * np.sqrt(p * (1 - p) / y.size)
    assert abs(np.corrcoef(y[:, :-1].ravel(), y[:, 1:].ravel())[0, 1]) < 0.02, "neighbours fall together"


def test_the_gradient_is_dropped_and_scaled_alike():
    x = Tensor(np.ones((20, 3, 4, 5)), requires_grad=True)
    y = F.dropout(x, 0.3)
    y.sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), y.numpy())


def test_does_nothing_in_evaluation_or_without_a_share(rng):
    x = rng.standard_normal((4, 5))
    np.testing.assert_array_equal(F.dropout(Tensor(x), 0.5, training=False).numpy(), x)
    np.testing.assert_array_equal(F.dropout(Tensor(x), 0.0).numpy(), x)


def test_the_seed_decides():
    x = Tensor(np.ones((50, 50)))

    def draw(seed):
        gpucnn.manual_seed(seed)
        return F.dropout(x).numpy()

    np.testing.assert_array_equal(draw(1), draw(1))
    assert (draw(1) != draw(2)).any()
    gpucnn.manual_seed(1)
    assert (F.dropout(x).numpy() != F.dropout(x).numpy()).any(), "every call draws anew"


@pytest.mark.parametrize("p", [-0.1, 1.0, 1.1])
def test_a_share_out_of_range_is_refused(p):
    with pytest.raises(InputError, match=rf"dropout.*{p}"):
        F.dropout(Tensor(np.ones(3)), p)
