"""Pooling against the naive loops and PyTorch, over random configurations; faults of peers; its errors."""

from functools import partial

import numpy as np
import pytest

import gpucnn
from gpucnn import Tensor
from gpucnn import functional as F
from gpucnn.errors import ShapeError
from tests import references
from tests.configurations import COUNT, Configuration, pooling
from tests.judges import agrees, close, forward_backward, has_right_slopes, torch_forward_backward, upstream
from tests.test_references import torch_takes

pytestmark = [pytest.mark.usefixtures("device"), pytest.mark.parametrize("kind", ["max", "avg"])]

CONFIGURATIONS = {kind: [pooling(index, kind) for index in range(COUNT)] for kind in ("max", "avg")}


def ours(kind: str, config: Configuration):
    return partial(getattr(F, f"{kind}_pool{config.axes}d"), **config.options)


def expected(kind: str, x: np.ndarray, dtype="float64", **options) -> list[np.ndarray]:
    """The naive output, and gradient by x, where `upstream` flows into it."""
    y = getattr(references, f"{kind}_pool")(x, **options)
    return [y, getattr(references, f"{kind}_pool_gradient")(x, upstream(y.shape, dtype), **options)]


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_random_configurations_equal_the_naive_loops(kind, dtype):
    for config in CONFIGURATIONS[kind]:
        x = config.arrays[0].astype(dtype)
        naive = expected(kind, x.astype("float64"), dtype, **config.options)
        agrees(forward_backward(ours(kind, config), x), naive, config)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_random_configurations_equal_pytorch(torch, kind, dtype):
    for config in filter(torch_takes, CONFIGURATIONS[kind]):
        x = config.arrays[0].astype(dtype)
        theirs = partial(getattr(torch.nn.functional, f"{kind}_pool{config.axes}d"), **config.options)
        agrees(forward_backward(ours(kind, config), x), torch_forward_backward(torch, theirs, x), config)


def test_random_configurations_have_the_right_slopes(kind):
    for config in CONFIGURATIONS[kind]:
        has_right_slopes(ours(kind, config), *config.arrays, what=config)


def test_random_configurations_pass_the_gradient_check(kind):
    for config in CONFIGURATIONS[kind]:
        gpucnn.check_gradients(ours(kind, config), [Tensor(a, requires_grad=True) for a in config.arrays], elements=0)


def test_a_window_that_is_not_square(kind, rng):
    """A peer averaged with the wrong divisor."""
    x = rng.standard_normal((2, 3, 6, 8))
    for window in [(2, 4), (3, 1), (1, 3)]:
        found = forward_backward(lambda x, window=window: getattr(F, f"{kind}_pool2d")(x, window), x)
        agrees(found, expected(kind, x, kernel_size=window), window)


def test_negative_values_with_padding(kind, rng):
    """A peer padded max-pooling with zeros, which beat every negative value."""
    x = -1 - rng.random((2, 3, 5, 6))
    found = forward_backward(lambda x: getattr(F, f"{kind}_pool2d")(x, 3, 2, 1), x)
    agrees(found, expected(kind, x, kernel_size=3, stride=2, padding=1))
    assert found[0].max() < 0


def test_ties_give_the_gradient_that_the_loops_give(kind):
    """Equal values everywhere: max-pooling gives all to the first in window order, averaging to all alike."""
    for options in [
        {"kernel_size": 2},
        {"kernel_size": 3, "stride": 1},
        {"kernel_size": 3, "stride": 2, "padding": 1},
    ]:
        x = np.ones((2, 2, 6, 6))
        found = forward_backward(partial(getattr(F, f"{kind}_pool2d"), **options), x)
        agrees(found, expected(kind, x, **options), options)


@pytest.mark.parametrize("smaller", [1, 3, 7])
def test_the_last_smaller_batch_gives_the_rows_of_the_whole(kind, smaller, rng):
    x = rng.standard_normal((8, 3, 6, 5))
    pool = getattr(F, f"{kind}_pool2d")
    close(pool(Tensor(x[:smaller]), 2).numpy(), pool(Tensor(x), 2).numpy()[:smaller])


def test_ceil_mode_counts_windows_as_pytorch_does(torch, kind):
    """Every size, window, stride and padding of one axis, up to 6: the sizes of the outputs."""
    for size, kernel, stride, padding in np.ndindex(6, 4, 4, 3):
        sizes, options = size + 1, (kernel + 1, stride + 1, min(padding, (kernel + 1) // 2))
        if sizes + 2 * options[2] < options[0]:
            continue
        x = np.zeros((1, 1, sizes))
        theirs = getattr(torch.nn.functional, f"{kind}_pool1d")(torch.tensor(x), *options, ceil_mode=True)
        assert getattr(F, f"{kind}_pool1d")(Tensor(x), *options, ceil_mode=True).shape == theirs.shape, (
            sizes,
            options,
        )


def test_nan_is_not_hidden(kind):
    x = np.zeros((1, 1, 2, 4))
    x[0, 0, 1, 1] = np.nan
    found = getattr(F, f"{kind}_pool2d")(Tensor(x), 2).numpy()
    np.testing.assert_array_equal(np.isnan(found), [[[[True, False]]]])


@pytest.mark.parametrize(
    ("shape", "options", "words"),
    [
        ((2, 3, 5), {"kernel_size": 2}, ["(2, 3, 5)", "images, channels"]),
        ((2, 3, 5, 5), {"kernel_size": 6}, ["6", "5", "smaller kernel_size"]),
        ((2, 3, 5, 5), {"kernel_size": 0}, ["kernel_size", "0"]),
        ((2, 3, 5, 5), {"kernel_size": (2, 2, 2)}, ["kernel_size", "(2, 2, 2)"]),
        ((2, 3, 5, 5), {"kernel_size": 2, "stride": 0}, ["stride", "0"]),
        ((2, 3, 5, 5), {"kernel_size": 2, "padding": 2}, ["padding", "2"]),
        ((2, 3, 5, 5), {"kernel_size": 2, "padding": -1}, ["padding", "-1"]),
    ],
)
def test_errors_speak(kind, shape, options, words):
    with pytest.raises(ShapeError) as error:
        getattr(F, f"{kind}_pool2d")(Tensor(np.zeros(shape)), **options)
    missing = [word for word in [f"{kind}_pool2d", *words] if word not in str(error.value)]
    assert missing == [], str(error.value)
