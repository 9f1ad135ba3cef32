"""3 x 3 convolutions with fewer products: the direct convolution in NumPy is the judge, in float64."""

from functools import partial

import numpy as np
import pytest

from gpucnn import functional as F
from gpucnn.geometry import Sliding, make_window
from gpucnn.kernels import dispatch
from gpucnn.kernels.c import library, winograd
from tests.judges import agrees, forward_backward


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
    for name in ("LEAST_CHANNELS", "LEAST_PRODUCTS", "LEAST_SIZE", "LEAST_IMAGES"):
        monkeypatch.setattr(winograd, name, 1)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("index", range(30))
def test_any_shape_gives_the_direct_result(everywhere, index, dtype, rng):
    shapes, options = draw(index)
    arrays = [rng.standard_normal(shape) for shape in shapes]
    function = partial(F.conv2d, **options)
    found = forward_backward(function, *(array.astype(dtype) for array in arrays))
    dispatch.choose("numpy")
    expected = [array.astype(dtype) for array in forward_backward(function, *arrays)]
    agrees(found, expected, (shapes, options), terms=arrays[0].size)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shapes", [((16, 32, 28, 28), (64, 32, 3, 3)), ((70, 40, 11, 13), (23, 40, 3, 3))])
def test_large_work_is_done_right_and_the_same_on_any_threads(compiled_c, monkeypatch, shapes, dtype, rng):
    x, w = (rng.standard_normal(shape) for shape in shapes)
    function, calls = partial(F.conv2d, padding=1), []
    monkeypatch.setattr(winograd, "_memory", lambda *a, known=winograd._memory: calls.append(a) or known(*a))
    found = []
    for count in (1, 2, 5):
        library.c.set_threads(count)
        found.append(forward_backward(function, x.astype(dtype), w.astype(dtype)))
    library.c.set_threads(dispatch.library.threads.thread_count())
    assert len(calls) == 6
    for others in found[1:]:
        assert [array.tobytes() for array in others] == [array.tobytes() for array in found[0]]
    dispatch.choose("numpy")
    expected = [array.astype(dtype) for array in forward_backward(function, x, w)]
    agrees(found[0], expected, shapes, terms=x.size)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_finite_stays_in_its_image_and_near_its_pixel(everywhere, value, rng):
    """Within the tiles that read it, whatever the direct convolution made of it there."""
    x, w = rng.standard_normal((20, 16, 9, 10)), rng.standard_normal((16, 16, 3, 3))
    clean = forward_backward(partial(F.conv2d, padding=1), x, w)[0]
    x[7, 3, 4, 4] = value
    y = forward_backward(partial(F.conv2d, padding=1), x, w)[0]
    touched = np.zeros(y.shape, bool)
    touched[7, :, 2:6, 2:6] = True
    assert (y[~touched] == clean[~touched]).all()
    assert not np.isfinite(y[7, :, 3:6, 3:6]).any()


def test_relu_keeps_what_is_not_a_number(everywhere, rng):
    x, w = rng.standard_normal((2, 2, 4, 4)), rng.standard_normal((2, 2, 3, 3))
    x[1, 0, 1, 1] = np.nan
    y = forward_backward(lambda x, w: F.convolution.convolve("conv2d", 2, x, w, None, Sliding(1, 1), relu=True), x, w)[
        0
    ]
    assert np.isnan(y[1, :, :2, :2]).all()
    assert (y[0] >= 0).all()


@pytest.mark.parametrize(
    ("kernel", "options", "channels", "size", "images", "pays"),
    [
        (3, {"padding": 1}, (32, 64), 28, 64, True),
        (3, {"padding": 1}, (1, 32), 28, 64, False),
        (3, {"padding": 1}, (16, 16), 28, 64, False),
        (3, {"padding": 1}, (32, 64), 7, 64, False),
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
