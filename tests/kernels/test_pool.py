"""Compiled pooling against the reference: any window, batches that fill vectors and that do not, ties and NaN."""

import itertools
import math

import numpy as np
import pytest

from gpucnn.functional.pooling import pooling_window
from gpucnn.geometry import Sliding, make_window, sides_of
from gpucnn.kernels.cuda import program
from gpucnn.kernels.numpy import kernels as reference
from tests.configurations import COUNT, pooling
from tests.judges import close

DTYPES = ["float32", "float64"]
BATCHES = (1, 2, 3, 7, 16, 21, 64, 85)


def cases(kind, dtype):
    """Windows with an input of whole numbers, so that ties and zeros occur, and a gradient of the output's shape."""
    for index in range(COUNT):
        config = pooling(index, kind)
        rng, images = np.random.default_rng(index), BATCHES[index % len(BATCHES)]
        options = {"stride": None, "padding": 0, "dilation": 1, "ceil_mode": False, **config.options}
        kernel, included = options.pop("kernel_size"), options.pop("count_include_pad", True)
        shape = config.arrays[0].shape
        options["stride"] = kernel if options["stride"] is None else options["stride"]
        window = pooling_window(str(config), config.axes, shape, kernel, Sliding(**options))
        x = rng.integers(-3, 4, (*shape[1:], images)).astype(dtype)  # (C, spatial..., N)
        outputs = (shape[1], *window.output_sizes(shape[2:]), images)
        counted = sides_of("", window, shape[2:], options["padding"] if included else 0)
        yield config, window, counted, x, rng.standard_normal(outputs).astype(dtype)


def single(shape):
    """The shape with a single number for each map."""
    return (shape[0], *(1 for _ in shape[1:-1]), shape[-1])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("relu", [False, True])
def test_the_maximum_and_its_gradient(compiled, relu, dtype):
    for config, window, _, x, grad in cases("max", dtype):
        results = []
        for pool in (compiled.pool, reference.pool):
            alone, y, by_x = np.full_like(grad, np.nan), np.full_like(grad, np.nan), np.full_like(x, np.nan)
            pool.max_forward(x, window, relu, alone)
            winners = pool.max_forward_winners(x, window, relu, y)
            pool.max_backward(grad, winners, window, by_x)
            assert np.array_equal(alone, y), config
            results.append((y, by_x))
        assert np.array_equal(results[0][0], results[1][0]), config
        close(results[0][1], results[1][1], config)


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_average_and_its_gradient(compiled, dtype):
    for config, window, counted, x, grad in cases("avg", dtype):
        results = []
        for pool in (compiled.pool, reference.pool):
            y, by_x = np.full_like(grad, np.nan), np.full_like(x, np.nan)
            counts = pool.tap_counts(window, counted, x.shape[1:-1], grad.shape[1:-1], x)
            pool.average_forward(x, window, counts, y)
            pool.average_backward(grad, window, counts, by_x)
            results.append((y, by_x))
        close(results[0][0], results[1][0], config)
        close(results[0][1], results[1][1], config)


@pytest.mark.parametrize("images", [1, 5, 64])
def test_a_nan_is_the_largest_and_has_no_gradient_behind_relu(compiled, images):
    x = np.zeros((1, 4, images), "float32")
    x[0, 1], x[0, 2:] = np.nan, 1
    window = make_window("pool", (4,), 2, 2)
    for relu, gradient in ((False, [0, 5, 5, 0]), (True, [0, 0, 5, 0])):
        y, by_x = np.empty((1, 2, images), "float32"), np.empty_like(x)
        winners = compiled.pool.max_forward_winners(x, window, relu, y)
        compiled.pool.max_backward(np.full_like(y, 5), winners, window, by_x)
        assert np.isnan(y[0, 0]).all() and (y[0, 1] == 1).all()
        assert (by_x[0] == np.array(gradient)[:, None]).all()


@pytest.mark.parametrize("kernel", [255, 256, 300])
def test_windows_of_more_taps_than_a_byte_can_number(compiled, kernel, rng):
    x, window = rng.standard_normal((2, 310, 3)), make_window("pool", (310,), kernel, 4)
    y = np.empty((2, *window.output_sizes((310,)), 3))
    by_x = np.empty_like(x)
    winners = compiled.pool.max_forward_winners(x, window, False, y)
    compiled.pool.max_backward(np.ones_like(y), winners, window, by_x)
    assert np.array_equal(y[:, 0], x[:, :kernel].max(axis=1))
    assert by_x.sum() == y.size and (x[by_x > 0] >= y.min()).all()


def test_large_pooling_is_shared_among_threads_and_stays_the_same(compiled, rng):
    """More numbers than one thread is given, with fewer rows than tasks and with more."""
    for shape in ((3, 40, 40, 64), (40, 16, 16, 32), (1, 400, 3, 128)):
        x, window = rng.standard_normal(shape).astype("float32"), make_window("pool", shape[1:-1], 2, 2)
        expected = np.empty((shape[0], *window.output_sizes(shape[1:-1]), shape[-1]), "float32")
        y, by_x, by_reference = np.empty_like(expected), np.empty_like(x), np.empty_like(x)
        reference.pool.max_backward(
            expected, reference.pool.max_forward_winners(x, window, False, expected), window, by_reference
        )
        compiled.pool.max_backward(expected, compiled.pool.max_forward_winners(x, window, False, y), window, by_x)
        assert np.array_equal(y, expected)
        assert np.array_equal(by_x, by_reference)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(3, 5, 7, 4), (1, 1, 1, 1), (70, 2, 3, 65), (3, 11, 4), (2, 3, 4, 5, 7)])
def test_the_average_of_whole_maps(compiled, shape, dtype, rng):
    spatial = tuple(range(1, len(shape) - 1))
    x, grad = rng.standard_normal(shape).astype(dtype), rng.standard_normal(single(shape)).astype(dtype)
    y, by_x = np.full_like(grad, np.nan), np.full_like(x, np.nan)
    compiled.pool.global_average_forward(x, y)
    compiled.pool.global_average_backward(grad, by_x)
    close(y, x.mean(axis=spatial, keepdims=True, dtype="float64").astype(dtype))
    close(by_x, np.broadcast_to(grad / math.prod(shape[1:-1]), shape))


def test_arrays_that_need_wide_indices(cuda, monkeypatch):
    """The kernels for more than 2**31 numbers, held against those for fewer."""
    for kind, dtype in (("max", "float32"), ("avg", "float64")):
        for config, window, counted, x, grad in itertools.islice(cases(kind, dtype), 40):
            results = []
            for most in (2**31 - 1, 0):
                monkeypatch.setattr(program, "MOST_INT", most)
                y, by_x = np.full_like(grad, np.nan), np.full_like(x, np.nan)
                if kind == "max":
                    winners = cuda.pool.max_forward_winners(x, window, True, y)
                    cuda.pool.max_backward(grad, winners, window, by_x)
                else:
                    cuda.pool.average_forward(x, window, counted, y)
                    cuda.pool.average_backward(grad, window, counted, by_x)
                results.append((y, by_x))
            for narrow, wide in zip(*results, strict=True):
                assert np.array_equal(narrow, wide), config


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    "shape", [(3, 5, 7, 4), (1, 1, 1, 1), (2, 20, 15, 3), (3, 11, 4), (2, 300, 3), (2, 3, 4, 5, 7)]
)
def test_the_largest_of_whole_maps(compiled, shape, dtype, rng):
    x, grad = rng.integers(-3, 4, shape).astype(dtype), rng.standard_normal(single(shape)).astype(dtype)
    results = []
    for pool in (compiled.pool, reference.pool):
        y, by_x = np.full_like(grad, np.nan), np.full_like(x, np.nan)
        pool.global_max_backward(grad, pool.global_max_forward(x, y), by_x)
        results.append((y, by_x))
    for found, expected in zip(*results, strict=True):
        assert np.array_equal(found, expected)
