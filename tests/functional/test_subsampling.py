"""LeNet-5's subsampling against the naive loops; by hand; its errors."""

import numpy as np
import pytest

from gpucnn import Tensor, nn
from gpucnn import functional as F
from gpucnn.errors import ShapeError
from tests import references
from tests.judges import agrees, forward_backward, upstream

pytestmark = pytest.mark.usefixtures("device")


def naive(x, coefficient, bias, kernel_size):
    """The output, and the gradients by x, coefficient and bias where `upstream` flows into it."""
    mean, y = references.avg_pool(x, kernel_size), references.subsample(x, coefficient, bias, kernel_size)
    grad = upstream(y.shape)
    scaled = np.stack([grad[:, c] * coefficient[c] for c in range(x.shape[1])], axis=1)
    by_coefficient = np.array([(grad[:, c] * mean[:, c]).sum() for c in range(x.shape[1])])
    return [y, references.avg_pool_gradient(x, scaled, kernel_size), by_coefficient, grad.sum(axis=(0, 2, 3))]


@pytest.mark.parametrize("shape", [(2, 3, 4, 6), (1, 1, 5, 7), (4, 2, 2, 2)])
@pytest.mark.parametrize("kernel", [1, 2, (1, 2), (2, 1)])
def test_equals_the_naive_loops(shape, kernel, rng):
    arrays = [rng.standard_normal(shape), rng.standard_normal(shape[1]), rng.standard_normal(shape[1])]
    found = forward_backward(lambda *inputs: F.subsample2d(*inputs, kernel), *arrays)
    agrees(found, naive(*arrays, kernel), (shape, kernel), terms=arrays[0].size)


def test_by_hand():
    x = Tensor(np.array([[[[1.0, 2.0], [3.0, 6.0]], [[0.0, 4.0], [4.0, 0.0]]]]))
    y = F.subsample2d(x, Tensor(np.array([2.0, 10.0])), Tensor(np.array([0.5, -1.0])))
    assert y.numpy().tolist() == [[[[6.5]], [[19.0]]]]  # means 3 and 2


def test_a_new_layer_takes_the_mean_and_has_lenets_parameters(rng):
    layer = nn.Subsample2d(6)
    assert [(name, p.shape) for name, p in layer.named_parameters()] == [("coefficient", (6,)), ("bias", (6,))]
    assert sum(p.size for p in layer.parameters()) == 12  # LeCun et al. 1998: "Layer S2 has 12 trainable parameters"
    x = rng.standard_normal((2, 6, 28, 28)).astype("float32")
    means = x.reshape(2, 6, 14, 2, 14, 2).mean(axis=(3, 5))
    np.testing.assert_allclose(layer(Tensor(x)).numpy(), means, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("wrong", ["coefficient", "bias"])
def test_errors_speak(wrong):
    vectors = {name: Tensor(np.ones(5 if name == wrong else 3)) for name in ("coefficient", "bias")}
    with pytest.raises(
        ShapeError, match=rf"subsample2d: input has 3 channels, {wrong} has shape \(5,\).*num_features=3"
    ):
        F.subsample2d(Tensor(np.ones((2, 3, 4, 4))), **vectors)
