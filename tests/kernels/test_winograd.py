"""3 x 3 convolutions with fewer products: the direct convolution in NumPy is the judge, in float64."""

import contextlib
from functools import partial
from unittest import mock

import numpy as np
import pytest

from gpucnn import functional as F
from gpucnn.geometry import Sliding, make_window
from gpucnn.kernels import dispatch
from gpucnn.kernels.c import library, winograd
from tests.judges import agrees, forward_backward

LOST = 4  # times the terms: sums of larger numbers lose more digits


def draw(index: int):
    """Shapes of x, w and b, and options: any channels, sizes, padding and batch."""
    rng = np.random.default_rng([3, index])
    groups, ins, outs = (int(rng.integers(1, most)) for most in (3, 21, 27))
    sizes = rng.integers(1, 10, 2)
    padding = tuple((int(rng.integers(1, 5)), int(rng.integers(1, 4))) for _ in range(2))
    images = int(rng.choice([1, 3, 16, 17, 33, 64, 100]))
    shapes = (images, groups * ins, *sizes), (groups * outs, ins, 3, 3), (groups * outs,)
    return shapes, {"padding": padding, "groups": groups}


@pytest.fixture
def everywhere(compiled_c, monkeypatch):
    """The C kernels of one set after the other, which take even the smallest work this way."""
    for name in ("LEAST_CHANNELS", "LEAST_FILLED", "LEAST_IMAGES"):
        monkeypatch.setattr(winograd, name, 0)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("index", range(30))
def test_any_shape_gives_the_direct_result(everywhere, index, dtype, rng):
    shapes, options = draw(index)
    arrays = [rng.standard_normal(shape) for shape in shapes]
    function = partial(F.conv2d, **options)
    found = forward_backward(function, *(array.astype(dtype) for array in arrays))
    dispatch.choose("numpy")
    expected = [array.astype(dtype) for array in forward_backward(function, *arrays)]
    agrees(found, expected, (shapes, options), terms=LOST * arrays[0].size)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shapes", [((16, 32, 28, 28), (64, 32, 3, 3)), ((70, 40, 11, 13), (23, 40, 3, 3))])
def test_large_work_is_done_right_and_the_same_on_any_threads(compiled_c, monkeypatch, shapes, dtype, rng):
    x, w = (rng.standard_normal(shape) for shape in shapes)
    function, found = partial(F.conv2d, padding=1), []
    calls = {name: mock.Mock(wraps=getattr(winograd, name)) for name in ("_memory", "_weight_memory")}
    for name, call in calls.items():
        monkeypatch.setattr(winograd, name, call)
    for count in (1, 2, 3, 5):
        with of_threads(monkeypatch, count):
            found.append(forward_backward(function, x.astype(dtype), w.astype(dtype)))
    assert [call.call_count for call in calls.values()] == [8, 4]
    for others in found[1:]:
        assert [array.tobytes() for array in others] == [array.tobytes() for array in found[0]]
    dispatch.choose("numpy")
    expected = [array.astype(dtype) for array in forward_backward(function, x, w)]
    agrees(found[0], expected, shapes, terms=LOST * x.size)


@contextlib.contextmanager
def of_threads(monkeypatch, count: int):
    """Kernels on so many threads, and plans that are made for them."""

    def forget_plans() -> None:
        winograd._plan.cache_clear()
        winograd._weight_plan.cache_clear()

    forget_plans()
    with monkeypatch.context() as patch:
        patch.setattr(winograd.threads, "thread_count", lambda: count)
        library.c.set_threads(count)
        yield
    library.c.set_threads(winograd.threads.thread_count())
    forget_plans()


@pytest.mark.parametrize("channels", [(32, 64, 28), (128, 128, 8)])
def test_float32_loses_less_than_a_digit_and_a_half(compiled_c, channels, rng):
    """Against float64, beside what the direct convolution in float32 loses; root mean squares of a layer's numbers."""
    ins, outs, size = channels
    x, w = np.maximum(rng.standard_normal((16, ins, size, size)), 0), rng.standard_normal((outs, ins, 3, 3)) / ins
    function = partial(F.conv2d, padding=1)
    exact = forward_backward(function, x, w)
    found = forward_backward(function, x.astype("float32"), w.astype("float32"))
    for part, a, b in zip(("outputs", "by input", "by weight"), found, exact, strict=True):
        assert np.sqrt(np.mean((a - b) ** 2) / np.mean(b**2)) < 5e-6, part


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_finite_stays_in_its_image_and_near_its_pixel(everywhere, value, rng):
    """Within the tiles of 4 x 4 that read it, whatever the direct convolution made of it there."""
    x, w = rng.standard_normal((20, 16, 9, 10)), rng.standard_normal((16, 16, 3, 3))
    clean = forward_backward(partial(F.conv2d, padding=1), x, w)[0]
    x[7, 3, 4, 4] = value
    y = forward_backward(partial(F.conv2d, padding=1), x, w)[0]
    touched = np.zeros(y.shape, bool)
    touched[7, :, :8, :8] = True
    assert (y[~touched] == clean[~touched]).all()
    assert not np.isfinite(y[7, :, 3:6, 3:6]).any()


def test_relu_keeps_what_is_not_a_number(everywhere, rng):
    x, w = rng.standard_normal((2, 2, 4, 4)), rng.standard_normal((2, 2, 3, 3))
    x[1, 0, 1, 1] = np.nan
    y = forward_backward(lambda x, w: F.convolution.convolve("conv2d", 2, x, w, None, Sliding(1, 1), relu=True), x, w)[
        0
    ]
    assert np.isnan(y[1, :, :3, :3]).all()
    assert (y[0] >= 0).all()


@pytest.mark.parametrize(
    ("kernel", "options", "channels", "size", "images", "pays"),
    [
        (3, {"padding": 1}, (32, 64), 28, 64, True),
        (3, {"padding": 1}, (1, 32), 28, 64, False),
        (3, {"padding": 1}, (16, 16), 28, 64, True),
        (3, {"padding": 1}, (15, 32), 28, 64, False),
        (3, {"padding": 1}, (32, 15), 28, 64, False),
        (3, {"padding": 1}, (32, 64), 7, 64, True),
        (3, {"padding": 1}, (32, 64), 5, 64, False),
        (3, {"padding": 1}, (32, 64), 28, 8, False),
        (3, {"stride": 2}, (32, 64), 28, 64, False),
        (3, {"dilation": 2}, (32, 64), 28, 64, False),
        (5, {}, (32, 64), 28, 64, False),
    ],
)
def test_work_that_it_does_not_pay_for_is_done_directly(kernel, options, channels, size, images, pays):
    window = make_window("conv2d", (size, size), kernel, **options)
    out = (channels[1], *window.output_sizes((size, size)), images)
    assert winograd.pays(window, 1, out, channels[0]) is pays
