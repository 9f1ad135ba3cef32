"""Convolution against the naive loops and PyTorch, over random configurations; its errors."""

from functools import partial

import numpy as np
import pytest

import gpucnn
from gpucnn import Tensor, nn, optim
from gpucnn import functional as F
from gpucnn.errors import ShapeError
from tests import references
from tests.configurations import COUNT, Configuration, convolution
from tests.judges import agrees, close, forward_backward, has_right_slopes, torch_forward_backward, upstream
from tests.test_references import torch_conv

pytestmark = pytest.mark.usefixtures("device")

CONFIGURATIONS = [convolution(index) for index in range(COUNT)]


def ours(config: Configuration):
    return partial([F.conv1d, F.conv2d, F.conv3d][config.axes - 1], **config.options)


def terms(config: Configuration, outputs: np.ndarray) -> int:
    """The most products that one number of the output or of a gradient sums."""
    x, w, *_ = config.arrays
    return max(outputs.size // len(w), w.size)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_random_configurations_equal_the_naive_loops(dtype):
    for config in CONFIGURATIONS:
        x, w, *_ = arrays = [a.astype(dtype).astype("float64") for a in config.arrays]
        y = references.conv(*arrays, **config.options)
        gradients = references.conv_gradients(x, w, upstream(y.shape, dtype), **config.options)
        found = forward_backward(ours(config), *(a.astype(dtype) for a in arrays))
        agrees(found, [y, *gradients[: len(arrays)]], config, terms(config, y))


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_random_configurations_equal_pytorch(torch, dtype):
    for config in CONFIGURATIONS:
        arrays = [a.astype(dtype) for a in config.arrays]
        theirs = torch_conv(torch, config.axes, **config.options, kernel=arrays[1].shape[2:])
        expected = torch_forward_backward(torch, theirs, *arrays)
        agrees(forward_backward(ours(config), *arrays), expected, config, terms(config, expected[0]))


def test_random_configurations_have_the_right_slopes():
    for config in CONFIGURATIONS:
        has_right_slopes(ours(config), *config.arrays, what=config)


def test_random_configurations_pass_the_gradient_check():
    for config in CONFIGURATIONS:
        gpucnn.check_gradients(ours(config), [Tensor(a, requires_grad=True) for a in config.arrays], elements=0)


def images(*shape: int, dtype="float64") -> np.ndarray:
    return np.random.default_rng(len(shape)).standard_normal(shape).astype(dtype)


def test_gradients_at_stride_2_with_padding():
    """A peer had them right for stride 1 without padding only."""
    x, w, options = images(2, 3, 7, 8), images(4, 3, 3, 3), {"stride": 2, "padding": 1}
    y, *gradients = forward_backward(partial(F.conv2d, **options), x, w)
    expected = references.conv_gradients(x, w, upstream(y.shape), **options)[:2]
    agrees([y, *gradients], [references.conv(x, w, **options), *expected])


@pytest.mark.parametrize("smaller", [1, 3, 7])
def test_the_last_smaller_batch_gives_the_rows_of_the_whole(smaller):
    x, w = images(8, 3, 6, 5), images(4, 3, 3, 3)
    whole = F.conv2d(Tensor(x), Tensor(w), padding=1).numpy()
    close(F.conv2d(Tensor(x[:smaller]), Tensor(w), padding=1).numpy(), whole[:smaller])


@pytest.mark.parametrize("sizes", [(28, 28), (13, 7), (5, 1)])
@pytest.mark.parametrize("kernel", [(5, 5), (2, 4), (3, 1)])
@pytest.mark.parametrize("stride", [1, 2, 3])
def test_same_padding_gives_ceil_of_size_over_stride(sizes, kernel, stride):
    y = F.conv2d(Tensor(images(2, 1, *sizes)), Tensor(images(1, 1, *kernel)), stride=stride, padding="same")
    assert y.shape == (2, 1, *(-(-size // stride) for size in sizes))


def test_many_tiles_sum_to_the_same(torch):
    """Columns of 16 MB do not fit one tile: forward and both gradients are put together from many."""
    arrays = images(16, 8, 40, 41), images(12, 4, 5, 5), images(12)
    theirs = torch_forward_backward(torch, lambda x, w, b: torch.conv2d(x, w, b, 1, 2, groups=2), *arrays)
    agrees(forward_backward(lambda x, w, b: F.conv2d(x, w, b, padding=2, groups=2), *arrays), theirs)


def test_takes_any_memory_order(rng):
    x, w = images(4, 3, 6, 5), images(2, 3, 3, 3)
    expected = references.conv(x, w)
    for order in [np.asfortranarray, lambda a: a[:, :, ::-1][:, :, ::-1], lambda a: np.repeat(a, 2, 0)[::2]]:
        close(F.conv2d(Tensor(order(x)), Tensor(order(w))).numpy(), expected)


X, W = (4, 6, 12, 12), (50, 3, 5, 5)


@pytest.mark.parametrize(
    ("x", "w", "options", "words"),
    [
        (X, W, {}, ["conv2d", "6 channels", "expects 3", str(X), str(W)]),
        ((6, 12, 12), W, {}, ["conv2d", "(6, 12, 12)", "images, channels"]),
        (X, (50, 6, 5), {}, ["conv2d", "(50, 6, 5)"]),
        (X, (50, 3, 5, 5), {"groups": 4}, ["conv2d", "groups", "4", "6"]),
        (X, (50, 2, 5, 5), {"groups": 3}, ["conv2d", "groups", "3", "50"]),
        (X, (50, 6, 5, 5), {"groups": 0}, ["conv2d", "groups", "0"]),
        (X, (50, 6, 13, 5), {}, ["conv2d", "13", "12", "smaller kernel_size"]),
        (X, (50, 6, 5, 5), {"dilation": 3}, ["conv2d", "13", "12", "dilation"]),
        (X, (50, 6, 5, 5), {"stride": 0}, ["conv2d", "stride", "0"]),
        (X, (50, 6, 5, 5), {"stride": (1, 2, 3)}, ["conv2d", "stride", "(1, 2, 3)"]),
        (X, (50, 6, 5, 5), {"stride": 1.5}, ["conv2d", "stride", "1.5"]),
        (X, (50, 6, 5, 5), {"padding": -1}, ["conv2d", "padding", "-1"]),
        (X, (50, 6, 5, 5), {"padding": "full"}, ["conv2d", "padding", "full", "same", "valid"]),
        (X, (50, 6, 5, 5), {"padding": (1, 2, 3)}, ["conv2d", "padding", "(1, 2, 3)"]),
        (X, (50, 6, 5, 5), {"dilation": 0}, ["conv2d", "dilation", "0"]),
    ],
)
def test_errors_speak(x, w, options, words):
    with pytest.raises(ShapeError) as error:
        F.conv2d(Tensor(np.zeros(x)), Tensor(np.zeros(w)), **options)
    assert [word for word in words if word not in str(error.value)] == [], str(error.value)


def test_a_bias_of_the_wrong_length_is_named():
    with pytest.raises(ShapeError, match=r"bias.*\(7,\)"):
        F.conv2d(Tensor(np.zeros(X)), Tensor(np.zeros((5, 6, 3, 3))), Tensor(np.zeros(7)))


def test_a_gradient_is_written_where_the_optimizer_wants_it(rng):
    """Straight into the flat bank, with nothing copied; a weight used twice still has the sum."""
    layer = nn.Conv2d(2, 2, 3, padding=1)
    optimizer = optim.SGD(layer.parameters(), lr=0.1)
    x = Tensor(rng.standard_normal((3, 2, 5, 5)).astype("float32"))
    y = layer(x)
    _, by_weight, by_bias = y._creator.backward(y.memory)
    assert by_weight is layer.weight._grad_buffer and by_bias is layer.bias._grad_buffer
    layer(x).sum().backward()
    weight = layer.weight
    assert weight.grad.memory is weight._grad_buffer
    once = weight.grad.numpy()
    optimizer.zero_grad()
    (layer(x) + layer(x)).sum().backward()
    close(weight.grad.numpy(), 2 * once, terms=75)


def test_a_tensor_convolved_with_itself_has_both_gradients(rng):
    x = rng.standard_normal((2, 2, 3, 3))
    ours = Tensor(x, requires_grad=True)
    optim.SGD([ours], lr=0.1)
    F.conv2d(ours, ours, padding=1).sum().backward()
    apart = [Tensor(x, requires_grad=True), Tensor(x, requires_grad=True)]
    F.conv2d(*apart, padding=1).sum().backward()
    close(ours.grad.numpy(), apart[0].grad.numpy() + apart[1].grad.numpy())


@pytest.mark.parametrize(
    "shapes", [((3, 2, 5, 4), (6, 2, 3, 2), (6,)), ((3, 7), (6, 7), (6,)), ((3, 2, 7), (6, 7), (6,))]
)
def test_frozen_inputs_leave_the_others_gradients_as_they_are(shapes, rng):
    """The gradients by weight and bias may come from one kernel: either can be asked for alone."""
    function = F.conv2d if len(shapes[0]) == 4 else F.linear
    arrays = [rng.standard_normal(shape) for shape in shapes]
    y, *expected = forward_backward(function, *arrays)
    for asked in range(1, 8):
        inputs = [Tensor(array, requires_grad=bool(asked >> i & 1)) for i, array in enumerate(arrays)]
        function(*inputs).backward(Tensor(upstream(y.shape)))
        for i, (given, gradient) in enumerate(zip(inputs, expected, strict=True)):
            assert (given.grad is not None) == given.requires_grad
            if given.requires_grad:
                close(given.grad.numpy(), gradient, f"input {i} of {asked:03b}")
