"""Every operation that a network may hold, captured on a GPU: launched again it computes with what is there then."""

import functools

import numpy as np
import pytest

from gpucnn import Tensor, nn
from gpucnn import functional as F
from gpucnn.backend import to_device, to_host
from gpucnn.kernels.cuda.capture import capture, new_stream
from gpucnn.optim import clip_grad_value_, clip_norm

SHAPE = (5, 3, 6, 7)
OPERATIONS = {
    "relu": F.relu,
    "leaky_relu": F.leaky_relu,
    "tanh": F.tanh,
    "scaled_tanh": F.scaled_tanh,
    "sigmoid": F.sigmoid,
    "softmax": F.softmax,
    "log_softmax along the last axis": lambda x: F.log_softmax(x, 3),
    "max_pool": lambda x: F.max_pool2d(x, 3, 2, 1, ceil_mode=True),
    "max_pool of many taps": lambda x: F.max_pool1d(F.flatten(x, 2).reshape(5, 3, 42), 42, padding=20),
    "avg_pool": lambda x: F.avg_pool2d(x, 3, 2, 1, count_include_pad=False),
    "global_avg_pool1d": lambda x: F.global_avg_pool1d(F.flatten(x, 2)),
    "global_avg_pool2d": F.global_avg_pool2d,
    "global_avg_pool3d": lambda x: F.global_avg_pool3d(x.reshape(5, 3, 2, 3, 7)),
    "global_max_pool1d": lambda x: F.global_max_pool1d(F.flatten(x, 2)),
    "global_max_pool2d": F.global_max_pool2d,
    "global_max_pool3d": lambda x: F.global_max_pool3d(x.reshape(5, 3, 2, 3, 7)),
    "pad": lambda x: F.pad(x, (1, 2, 0, 1), value=3.0),
    "replicate": lambda x: F.pad(x, (1, 2, 0, 1), "replicate"),
    "reflect": lambda x: F.pad(x, (1, 2, 0, 1), "reflect"),
    "batch_norm": lambda x: F.batch_norm(x, None, None, training=True),
    "mse_loss": lambda x: F.mse_loss(x, F.relu(x)),
    "arithmetic": lambda x: (2 * x + 1) ** 2 / (x * x + 1),
}
LOSSES = {
    "cross_entropy": lambda x, labels: F.cross_entropy(x, labels, label_smoothing=0.1),
    "losses one by one": lambda x, labels: F.cross_entropy(x, labels, "none"),
}


def captured_and_not(work, change):
    """What `work` returns, launched as a graph after `change`; and computed piece by piece after it."""
    kept, stream = {}, new_stream()

    def step():
        kept["arrays"] = work()

    with stream:
        step()
        step()
        replay = capture(step, stream)
        graphs = kept["arrays"]
        change()
        replay()
        found = [to_host(array).copy() for array in graphs]
        step()
        return found, [to_host(array) for array in kept["arrays"]]


@pytest.mark.parametrize("name", [*OPERATIONS, *LOSSES])
def test_an_operation_and_its_gradient(gpu, name, rng):
    before, after = rng.standard_normal((2, *SHAPE)).astype("float32")
    x, other = Tensor(before, requires_grad=True), Tensor(after)
    labels = to_device(rng.integers(0, 3, (5, 6, 7)))
    function = OPERATIONS.get(name) or functools.partial(LOSSES[name], labels=labels)
    upstream = to_device(rng.standard_normal(function(x).shape).astype("float32"))

    def work():
        x.grad = None
        y = function(x)
        (y if y.ndim == 0 else (y * upstream).sum()).backward()
        return y.memory, x.grad.memory

    def change():
        x.memory[...] = other.memory

    found, expected = captured_and_not(work, change)
    for position, (a, b) in enumerate(zip(found, expected, strict=True)):
        assert np.array_equal(a, b), position


@pytest.mark.parametrize("clip", [lambda net: clip_norm(net, 0.5), lambda net: clip_grad_value_(net, 0.1)])
def test_clipping(gpu, clip, rng):
    before, after = rng.standard_normal((2, 4, 3)).astype("float32")
    weight, x = nn.Parameter(before), Tensor(before)

    def work():
        weight.grad = None
        (weight * x).sum().backward()
        clip([weight])
        return (weight.grad.memory,)

    def change():
        x.memory[...] = to_device(after)

    (found,), (expected,) = captured_and_not(work, change)
    assert np.array_equal(found, expected)
    assert abs(found).max() < abs(after).max()
