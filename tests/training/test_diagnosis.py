"""Where a number that is not finite first appears."""

import numpy as np
import pytest

from gpucnn import Tensor, nn
from gpucnn.data.loader import Batch
from gpucnn.training.diagnosis import first_not_finite

BATCH = Batch(np.ones((4, 2), np.float32), np.array([0, 1]))  # (F, N): batch-last


def overflowing(net, layer, value=3e38):
    net[layer].weight.data[...] = value
    return net


@pytest.mark.parametrize("value", [3e38, -3e38])
def test_the_layer_that_overflows_is_named_and_not_the_one_behind_its_relu(value):
    """ReLU runs within the layer before it: of minus infinity that gives 0, and of infinity the next layer NaN."""
    net = overflowing(nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 3)), 0, value)
    net(Tensor.from_batch_last(BATCH.images))  # fused from here on
    assert "output of layer 0 (Linear) is the first that is not" in first_not_finite(net, BATCH)


def test_within_a_residual_block_and_before_pooling():
    block = nn.Residual(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4))
    overflowing(block, 0)
    assert "layer 0.0 (Linear)" in first_not_finite(nn.Sequential(block, nn.Linear(4, 3)), BATCH)
    net = nn.Sequential(nn.Conv2d(1, 2, 2), nn.ReLU(), nn.MaxPool2d(1), nn.Flatten(), nn.Linear(2, 3))
    overflowing(net, 0)
    assert "layer 0 (Conv2d)" in first_not_finite(net, Batch(np.ones((1, 2, 2, 2), np.float32), BATCH.labels))


def test_afterwards_the_network_runs_as_before():
    net = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 3))
    before = net(Tensor.from_batch_last(BATCH.images)).numpy()
    assert "the loss of them is not" in first_not_finite(net, BATCH)
    assert net(Tensor.from_batch_last(BATCH.images)).numpy().tobytes() == before.tobytes()
    net[2].weight.data[0, 0] = np.nan
    assert "parameter 2.weight is the first" in first_not_finite(net, BATCH)
