"""Convolution with max-pooling, in one launch and on tensor cores, against the reference.

Inputs are small whole numbers: all sums are exact, in TF32 too, so that results are equal and ties occur.
"""

import itertools

import numpy as np
import pytest

from gpucnn.geometry import Window, make_window
from gpucnn.kernels.cuda import conv_pool, plans, precision, program, tensor
from gpucnn.kernels.interface import Windows
from gpucnn.kernels.numpy import kernels as reference
from tests.judges import close

HALVING = conv_pool.HALVING
OTHERS = [
    make_window("pool", (5, 5), kernel, stride) for kernel, stride in (((2, 2), 1), ((3, 3), 2), ((1, 2), (1, 2)))
]


@pytest.fixture
def launched(monkeypatch):
    """The names of the kernels that were launched, in their order."""
    names, launch = [], program.launch
    monkeypatch.setattr(program, "launch", lambda *given: names.append(given[1]) or launch(*given))
    return names


def whole_numbers(rng, shape, dtype="float32"):
    return rng.integers(-3, 4, shape).astype(dtype)


def judge(kernels, shape, weight, window, groups, pooling, relu, biased, dtype="float32", first=False):
    """x of `shape` (I, H, W, N) by a weight of the shape `weight`; the results of both sets are the same numbers.

    A layer that is `first` has no gradient by x.
    """
    rng, windows = np.random.default_rng(shape), Windows(window, groups, pooling)
    x, w = whole_numbers(rng, shape, dtype), whole_numbers(rng, weight, dtype)
    bias = whole_numbers(rng, len(w), dtype) if biased else None
    sizes = pooling.output_sizes(window.output_sizes(shape[1:-1]))
    grad = whole_numbers(rng, (len(w), *sizes, shape[-1]), dtype)
    results = []
    for conv_pool_set in (kernels.conv_pool, reference.conv_pool):
        out, alone = np.full_like(grad, np.nan), np.full_like(grad, np.nan)
        found = [np.full_like(x, np.nan), np.full_like(w, np.nan), np.full_like(bias, np.nan) if biased else None]
        found[0] = None if first else found[0]
        winners = conv_pool_set.forward(x, w, bias, windows, relu, True, out)
        assert conv_pool_set.forward(x, w, bias, windows, relu, False, alone) is None
        assert np.array_equal(out, alone)
        conv_pool_set.backward(x, w, grad, winners, windows, found)
        results.append([out, *found])
    for name, found, expected in zip(("out", "by x", "by weight", "by bias"), *results, strict=True):
        assert found is expected is None or np.array_equal(found, expected), f"{name}: {shape}, {weight}, {windows}"


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("images", [1, 2, 15, 17, 64, 600])
def test_first_layers_of_any_batch(compiled, images, dtype):
    """Few images fill vectors by neighbouring places; of many, some places and outs are pooled at a time."""
    apart = make_window("pool", (9, 13), (2, 3), 3, (1, 1))
    for pooling, relu, outs in itertools.product((HALVING, apart, *OTHERS), (False, True), (5, 14)):
        window = make_window("conv", (9, 13), 3, 1, 1)
        judge(compiled, (2, 9, 13, images), (outs, 2, 3, 3), window, 1, pooling, relu, False, dtype, first=True)


@pytest.mark.parametrize("pooling", [HALVING, *OTHERS])
def test_every_set(compiled, pooling):
    """By 2 x 2, which a set may do in one pass, and otherwise."""
    for relu, biased in itertools.product((False, True), repeat=2):
        judge(compiled, (2, 7, 8, 4), (3, 2, 3, 2), make_window("conv", (7, 8), (3, 2)), 1, pooling, relu, biased)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("high", "gradient_high"), [(16, 8), (8, 8), (4, 2)])  # plans.POOLED and UNPOOLED
@pytest.mark.parametrize("most_slices", [1, 8])
def test_tiles_of_one_launch(cuda, launched, monkeypatch, high, gradient_high, most_slices, dtype):
    """Full and in part; odd sizes, whose last row and column are in no window; batches that fill a warp and not."""
    monkeypatch.setattr(plans, "POOLED", (high,))
    monkeypatch.setattr(plans, "UNPOOLED", (gradient_high,))
    monkeypatch.setattr(plans, "MOST_SLICES", most_slices)
    monkeypatch.setattr(plans, "BUSY", 10**7)
    for cached in (plans.forward_pooled, plans.backward):
        cached.cache_clear()
    for groups, images, (size, padding) in itertools.product((1, 2), (4, 32, 36), (((6, 7), 1), ((9, 5), (0, 2)))):
        window = make_window("conv", size, (3, 2), padding=padding)
        weight, shape = ((high - 1 or 1) * groups, 5, 3, 2), (5 * groups, *size, images)
        judge(cuda, shape, weight, window, groups, HALVING, images > 4, groups > 1, dtype)
    for cached in (plans.forward_pooled, plans.backward):
        cached.cache_clear()
    assert set(launched) >= {f"contract_pooled_{high}x4", f"contract_unpooled_{gradient_high}x4"}
    assert "max_forward_4" not in launched and "max_backward_4" not in launched


def test_nan_is_the_largest(cuda):
    x, out = np.ones((1, 4, 4, 4), "float32"), np.empty((1, 2, 2, 4), "float32")
    x[0, 1, 1, 2] = np.nan
    windows = Windows(make_window("conv", (4, 4), (1, 1)), 1, HALVING)
    cuda.conv_pool.forward(x, np.ones((1, 1, 1, 1), "float32"), None, windows, True, True, out)
    expected = np.ones_like(out)
    expected[0, 0, 0, 2] = np.nan
    assert np.array_equal(out, expected, equal_nan=True)


WINDOWS = [
    make_window("conv", (6, 7), (3, 3), padding=1),
    make_window("conv", (6, 7), (2, 3), stride=(2, 1), padding=1, dilation=(3, 2)),
    make_window("conv", (6, 7), (3, 2), stride=2, padding=1, dilation=(2, 4)),
    make_window("conv", (6, 7), (1, 1)),
]


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize(("outs", "ins", "groups"), [(32, 33, 1), (70, 18, 1), (33, 64, 2)])
def test_convolutions_on_tensor_cores(cuda, launched, monkeypatch, outs, ins, groups, window):
    """Tiles full and in part, channels that fill a stage and not, groups, and batches of one place and of several."""
    precision.set("tf32")
    monkeypatch.setattr(tensor, "PAYING_COLUMNS", 1)
    for images, pooled in ((4, False), (4, True), (12, True)):
        shape, weight = (ins * groups, 6, 7, images), (outs * groups, ins, *window.kernel)
        if pooled:
            judge(cuda, shape, weight, window, groups, HALVING, images == 4, True)
            continue
        rng = np.random.default_rng(0)
        x, w, bias = (whole_numbers(rng, shape) for shape in (shape, weight, outs * groups))
        grad = whole_numbers(rng, (len(w), *window.output_sizes(shape[1:-1]), images))
        results = []
        for conv in (cuda.conv, reference.conv):
            found = [np.full_like(like, np.nan) for like in (grad, x, w, bias)]
            conv.forward(x, w, bias, window, groups, True, found[0])
            conv.backward_input(w, grad, window, groups, found[1])
            conv.backward_weight(x, grad, window, groups, found[2], found[3])
            results.append(found)
        for name, found, expected in zip(("out", "by x", "by weight", "by bias"), *results, strict=True):
            assert np.array_equal(found, expected), f"{name}: {shape}, {weight}, {window}"
    assert {"gradient_tensor", "gradient_pooled_tensor"} <= set(launched)
    assert not {name for name in launched if "tensor" not in name}


@pytest.mark.parametrize("precise", ["tf32", "bf16"])
def test_factors_are_rounded_and_sums_are_not(cuda, precise, rng):
    """Factors have 11 significant bits: their errors are up to a part in 2,048, not in 16 million as in float32."""
    precision.set(precise)
    window = make_window("conv", (4, 4), (3, 3), padding=1)
    x, w = rng.standard_normal((32, 4, 4, 8)).astype("float32"), rng.standard_normal((32, 32, 3, 3)).astype("float32")
    found, exact = np.empty((32, 4, 4, 8), "float32"), np.empty((32, 4, 4, 8))
    cuda.conv.forward(x, w, None, window, 1, False, found)
    reference.conv.forward(x.astype("float64"), w.astype("float64"), None, window, 1, False, exact)
    error = np.abs(found - exact).max() / np.sqrt(w[0].size)
    assert 1e-5 < error < 1e-3


def test_a_gpu_without_tf32_multiplies_by_cublas(cuda, launched, monkeypatch):
    precision.set("tf32")
    monkeypatch.setattr(tensor, "_capable", lambda device: False)
    window = make_window("conv", (4, 4), (3, 3))
    x, out = np.ones((32, 4, 4, 4), "float32"), np.empty((32, 2, 2, 4), "float32")
    cuda.conv.forward(x, np.ones((32, 32, 3, 3), "float32"), None, window, 1, False, out)
    assert (out == 288).all() and launched == ["to_columns_4"]


@pytest.mark.parametrize("side", [8, 16, 32])
@pytest.mark.parametrize("shape", [(1, 1, 1), (10, 84, 64), (33, 50, 13)])
def test_the_gradients_of_a_linear_layer(compiled, monkeypatch, shape, side, rng):
    """With ReLU and without, with bias and without; each gradient asked for or not."""
    from gpucnn.kernels.cuda import gemm

    monkeypatch.setattr(gemm, "SIDES", (side,))
    monkeypatch.setattr(gemm, "ENOUGH_BLOCKS", 0)
    outs, features, images = shape
    x, weight, y, grad = (rng.standard_normal(s) for s in ((features, images), (outs, features), *[(outs, images)] * 2))
    for relu, by_x, by_weight, by_bias in itertools.product((False, True), repeat=4):
        asked = (by_x, by_weight, by_bias)
        results = []
        for kernels in (compiled.linear, reference.linear):
            found = [
                np.full_like(a, np.nan) if ask else None for a, ask in zip((x, weight, y[:, 0]), asked, strict=True)
            ]
            kernels.backward(x, weight, y if relu else None, grad, found)
            results.append(found)
        for found, expected in zip(*results, strict=True):
            assert found is expected is None or close(found, expected, asked, terms=max(shape)) is None


def test_a_window_is_that_of_the_kernels():
    assert HALVING == Window((2, 2), (2, 2), ((0, 0), (0, 0)), (1, 1)) == make_window("pool", (4, 4), (2, 2), (2, 2))
