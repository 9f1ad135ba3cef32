"""ReLU runs as one with the layer before it or the max-pooling behind it; nothing else may change by that."""

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


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (lambda: nn.Conv2d(2, 5, 3, padding=1), (3, 2, 7, 6)),
        (lambda: nn.Conv2d(4, 4, 3, stride=2, groups=2, bias=False), (2, 4, 7, 6)),
        (lambda: nn.Conv1d(2, 3, 5), (70, 2, 9)),
        (lambda: nn.Linear(300, 7), (65, 300)),
        (lambda: nn.Linear(6, 4, bias=False), (3, 5, 6)),
        (lambda: nn.BatchNorm2d(5), (3, 5, 7, 6)),
        (lambda: nn.BatchNorm2d(5).eval(), (3, 5, 7, 6)),
        (lambda: nn.BatchNorm1d(4), (1201, 4)),
    ],
)
def test_a_layer_and_the_relu_behind_it(layer, shape, rng):
    """What is not a number stays so, and goes on."""
    inner = layer()
    array = rng.standard_normal(shape).astype(np.float32)
    array.flat[0] = np.nan
    together, apart = Tensor(array, requires_grad=True), Tensor(array, requires_grad=True)
    found, expected = nn.Sequential(inner, nn.ReLU())(together), nn.ReLU()(inner(apart))
    np.testing.assert_array_equal(found.numpy(), expected.numpy())
    assert np.isnan(found.numpy()).any()
    assert (found.numpy() == 0).any()
    grad = Tensor(rng.standard_normal(found.shape).astype(np.float32))
    results = []
    for output, x in ((found, together), (expected, apart)):
        inner.zero_grad()
        output.backward(grad)
        results.append([x.grad.numpy(), *(parameter.grad.numpy().copy() for parameter in inner.parameters())])
    for one, other in zip(*results, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("relu", [True, False])
def test_a_convolution_and_the_pooling_behind_it_are_one_operation(relu):
    """With the ReLU between them, if there is one."""
    ran = []
    conv, pool = nn.Conv2d(1, 2, 3), nn.MaxPool2d(2)
    conv.forward_pooled = lambda x, *given: ran.append(given)
    nn.Sequential(conv, *[nn.ReLU()] * relu, pool)(Tensor(np.zeros((1, 1, 6, 6), np.float32)))
    assert ran == [(pool, relu)]


def test_a_layer_with_a_forward_of_its_own_is_asked_for_it():
    class Doubled(nn.Linear):
        def forward(self, x):
            return super().forward(x) * 2.0

    layer, x = Doubled(3, 4), Tensor(np.ones((2, 3), np.float32))
    np.testing.assert_array_equal(nn.Sequential(layer, nn.ReLU())(x).numpy(), nn.ReLU()(layer(x)).numpy())
