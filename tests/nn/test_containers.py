"""ReLU and max-pooling run as one inside Sequential; nothing else may change by it."""

import numpy as np
import pytest

from gpucnn import Tensor, nn

pytestmark = pytest.mark.usefixtures("device")


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize(
    "pool", [{"kernel_size": 2}, {"kernel_size": 3, "stride": 2}, {"kernel_size": 2, "padding": 1}]
)
def test_values_and_gradients_are_those_of_the_layers_in_turn_to_the_bit(seed, pool):
    """Whole numbers, so that ties, zeros and windows without a positive pixel all occur."""
    rng = np.random.default_rng(seed)
    array = rng.integers(-2, 3, (3, 2, 7, 6)).astype(np.float32)
    relu, pooling = nn.ReLU(), nn.MaxPool2d(**pool)
    together, apart = Tensor(array, requires_grad=True), Tensor(array, requires_grad=True)
    found, expected = nn.Sequential(relu, pooling)(together), pooling(relu(apart))
    np.testing.assert_array_equal(found.numpy(), expected.numpy())
    grad = Tensor(rng.standard_normal(found.shape).astype(np.float32))
    found.backward(grad)
    expected.backward(grad)
    np.testing.assert_array_equal(together.grad.numpy(), apart.grad.numpy())
