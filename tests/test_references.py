"""The naive references against PyTorch: a judge that is wrong judges nothing."""

from functools import partial

import numpy as np
import pytest

from tests import references
from tests.configurations import COUNT, convolution, pooling
from tests.judges import torch_forward_backward, upstream


def equal(actual, expected, what) -> None:
    np.testing.assert_allclose(actual, expected, rtol=1e-11, atol=1e-11, err_msg=str(what))


def torch_pads(torch, x, padding, value=0.0):
    """x padded by (before, after) of every axis: PyTorch's own operations take one number per axis."""
    return torch.nn.functional.pad(x, [side for both in reversed(padding) for side in both], value=value)


def torch_conv(torch, axes, stride, padding, dilation, groups, kernel):
    """The convolution of a configuration as PyTorch does it."""
    conv = [torch.conv1d, torch.conv2d, torch.conv3d][axes - 1]
    strides, dilations = (references.per_axis(value, axes) for value in (stride, dilation))

    def function(x, w, b=None):
        around = references.sides(padding, x.shape[2:], kernel, strides, dilations)
        return conv(torch_pads(torch, x, around), w, b, stride, 0, dilation, groups)

    return function


def test_convolution(torch):
    for config in map(convolution, range(COUNT)):
        x, w, *bias = config.arrays
        theirs = torch_conv(torch, config.axes, **config.options, kernel=w.shape[2:])
        y, *gradients = torch_forward_backward(torch, theirs, *config.arrays)
        equal(references.conv(*config.arrays, **config.options), y, config)
        ours = references.conv_gradients(x, w, upstream(y.shape), **config.options)
        for a, b in zip(ours[: len(gradients)], gradients, strict=True):
            equal(a, b, config)


def torch_takes(config) -> bool:
    """PyTorch pads a pooling by the same on both sides, by half a window at most, and not to a whole one."""
    options, sizes = config.options, config.arrays[0].shape[2:]
    kernel, padding = (references.per_axis(options[name], config.axes) for name in ("kernel_size", "padding"))
    return all(isinstance(p, int) and 2 * p <= k <= n for n, p, k in zip(sizes, padding, kernel, strict=True))


@pytest.mark.parametrize("kind", ["max", "avg"])
def test_pooling(torch, kind):
    forward = getattr(references, f"{kind}_pool")
    backward = getattr(references, f"{kind}_pool_gradient")
    judged = 0
    for config in (pooling(index, kind) for index in range(COUNT)):
        if not torch_takes(config):
            continue
        theirs = partial(getattr(torch.nn.functional, f"{kind}_pool{config.axes}d"), **config.options)
        y, gradient = torch_forward_backward(torch, theirs, *config.arrays)
        equal(forward(*config.arrays, **config.options), y, config)
        equal(backward(*config.arrays, upstream(y.shape), **config.options), gradient, config)
        judged += 1
    assert judged > COUNT // 2


@pytest.mark.parametrize("kind", ["max", "avg"])
def test_pooling_with_its_own_padding_for_each_side(torch, kind, rng):
    """What PyTorch does not take as it is: the same after padding with what the operation pads with."""
    x, padding = rng.standard_normal((2, 2, 5, 7)), ((2, 0), (1, 2))
    value = {"max": -np.inf, "avg": 0.0}[kind]
    theirs = getattr(torch.nn.functional, f"{kind}_pool2d")
    theirs = theirs(torch_pads(torch, torch.tensor(x), padding, value), 3, 2)
    equal(getattr(references, f"{kind}_pool")(x, 3, 2, padding), theirs, kind)


def test_same_padding_follows_tensorflow():
    """tf.nn.convolution's documentation: ceil(size / stride) outputs, the odd pixel after."""
    assert references.same_sides(5, 2, 1, 1) == (0, 1)
    assert references.same_sides(28, 5, 1, 1) == (2, 2)
    assert references.same_sides(28, 5, 2, 1) == (1, 2)
    assert references.same_sides(13, 6, 5, 1) == (1, 2)
    assert references.same_sides(3, 1, 2, 1) == (0, 0)


MODES = [("zeros", "constant"), ("replicate", "replicate"), ("reflect", "reflect")]


@pytest.mark.parametrize(("mode", "theirs"), MODES)
def test_pad(torch, mode, theirs, rng):
    x, amounts = rng.standard_normal((2, 3, 4, 5)), (1, 4, 3, 0)
    equal(references.pad(x, amounts, mode), torch.nn.functional.pad(torch.tensor(x), amounts, theirs), mode)


def test_pad_with_a_value(torch, rng):
    x = rng.standard_normal((2, 3, 4))
    theirs = torch.nn.functional.pad(torch.tensor(x), (1, 2), value=7.0)
    equal(references.pad(x, (1, 2), value=7.0), theirs, "a value")


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("shape", [(4, 3), (4, 3, 5), (2, 3, 4, 5)])
def test_batch_norm(torch, training, shape, rng):
    x, (mean, variance, weight, bias) = rng.standard_normal(shape), rng.random((4, 3))
    running = torch.tensor(mean), torch.tensor(variance)
    affine = torch.tensor(weight), torch.tensor(bias)
    theirs = torch.nn.functional.batch_norm(torch.tensor(x), *running, *affine, training, 0.3, 1e-3)
    ours = references.batch_norm(x, mean, variance, weight, bias, training, 0.3, 1e-3)
    for a, b in zip(ours, (theirs, *running), strict=True):
        equal(a, b, shape)


def test_softmax_linear_and_losses(torch, rng):
    rows, w, b = 3 * rng.standard_normal((6, 4)), rng.standard_normal((3, 4)), rng.standard_normal(3)
    labels, soft = rng.integers(0, 4, 6), rng.dirichlet(np.ones(4), 6)
    functional, tensor = torch.nn.functional, torch.tensor
    equal(references.softmax(rows), tensor(rows).softmax(1), "softmax")
    equal(references.log_softmax(rows), tensor(rows).log_softmax(1), "log softmax")
    equal(references.linear(rows, w, b), functional.linear(tensor(rows), tensor(w), tensor(b)), "linear")
    for reduction in ("mean", "sum"):
        mse = functional.mse_loss(tensor(rows), tensor(soft), reduction=reduction)
        equal(references.mse(rows, soft, reduction), mse, reduction)
        for target in (labels, references.one_hot(labels, 4), soft):
            for smoothing in (0.0, 0.1):
                options = {"reduction": reduction, "label_smoothing": smoothing}
                theirs = functional.cross_entropy(tensor(rows), tensor(target), **options)
                equal(references.cross_entropy(rows, target, **options), theirs, options)
