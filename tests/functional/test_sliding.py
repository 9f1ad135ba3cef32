"""What sliding means: a kernel that delays, and translation equivariance: the input moved is the output moved."""

import numpy as np
import pytest

from gpucnn import Tensor, nn
from gpucnn import functional as F
from gpucnn.geometry import ReceptiveField, Window, make_window
from tests.configurations import COUNT, convolution, pooling
from tests.judges import close

pytestmark = pytest.mark.usefixtures("device")

CONVOLUTIONS = [F.conv1d, F.conv2d, F.conv3d]
POOLINGS = {
    "max": [F.max_pool1d, F.max_pool2d, F.max_pool3d],
    "average": [F.avg_pool1d, F.avg_pool2d, F.avg_pool3d],
}


# The delay: only the kernel's first tap is 1, so an output is the input at the window's beginning.


@pytest.mark.parametrize(
    ("padding", "expected"),
    [
        (((2, 0),), [0, 0, 1, 2, 3]),  # all of it before: late by two, and no output sees what is to come
        ("same", [0, 1, 2, 3, 4]),  # half of it before: late by one
        (1, [0, 1, 2, 3, 4]),
        (((0, 2),), [1, 2, 3, 4, 5]),  # none of it before: not late
        ("valid", [1, 2, 3]),  # none at all: not late, and the last two windows do not fit
    ],
)
@pytest.mark.parametrize("axes", [1, 2, 3])
def test_the_delay_and_its_paddings(axes, padding, expected):
    """In two and three dimensions along the last axis, through the same windows."""
    others = (1,) * (axes - 1)
    sides = (*((0, 0),) * (axes - 1), *(padding if isinstance(padding, tuple) else ((padding, padding),)))
    x = Tensor(np.arange(1.0, 6).reshape(1, 1, *others, 5), requires_grad=True)
    delay = Tensor(np.array([1.0, 0, 0]).reshape(1, 1, *others, 3))
    y = CONVOLUTIONS[axes - 1](x, delay, padding=padding if isinstance(padding, str) else sides)
    assert y.numpy().ravel().tolist() == expected
    y.sum().backward()
    assert x.grad.numpy().ravel().tolist() == [float(value in expected) for value in range(1, 6)]


def test_delays_follow_each_other():
    x, delay = Tensor(np.arange(1.0, 8).reshape(1, 1, 7)), Tensor(np.array([[[1.0, 0, 0]]]))
    once = F.conv1d(x, delay, padding=((2, 0),))
    assert F.conv1d(once, delay, padding=((2, 0),)).numpy().ravel().tolist() == [0, 0, 0, 0, 1, 2, 3]
    slow = F.conv1d(x, delay, padding=((6, 0),), dilation=3)  # taps three apart: late by six
    assert slow.numpy().ravel().tolist() == [0, 0, 0, 0, 0, 0, 1]


# Translation equivariance


def test_convolutions_of_a_moved_input_are_moved():
    for index in range(COUNT):
        config = convolution(index)
        _, w, *b = config.arrays
        sliding, options, groups = CONVOLUTIONS[config.axes - 1], dict(config.options), config.options["groups"]
        del options["groups"]

        def function(x, sliding=sliding, w=w, b=b, options=config.options):
            return sliding(x, *map(Tensor, (w, *b)), **options)

        follows(function, config, groups * w.shape[1], {"kernel": w.shape[2:], **options})


@pytest.mark.parametrize("kind", POOLINGS)
def test_poolings_of_a_moved_input_are_moved(kind):
    for index in range(COUNT):
        config = pooling(index, "max" if kind == "max" else "average")
        options = {name: value for name, value in config.options.items() if name != "count_include_pad"}
        kernel = options.pop("kernel_size")
        options["stride"] = options["stride"] or kernel

        def function(x, sliding=POOLINGS[kind][config.axes - 1], options=config.options):
            return sliding(x, **options)

        follows(function, config, config.arrays[0].shape[1], {"kernel": kernel, **options})


def follows(function, config, channels: int, options: dict) -> None:
    """The input moved by one or two strides along every axis moves the outputs by one or two, away from borders."""
    rng = np.random.default_rng([3, config.index])
    room = make_window("x", (99,) * config.axes, **{**options, "padding": 0, "ceil_mode": False})
    sizes = tuple(e + 5 * s + int(rng.integers(s)) for e, s in zip(room.extent, room.stride, strict=True))
    places = tuple(int(rng.integers(1, 3)) for _ in sizes)
    by = tuple(p * s for p, s in zip(places, room.stride, strict=True))
    scene = rng.standard_normal((2, channels, *(size + b for size, b in zip(sizes, by, strict=True))))
    before = scene[(..., *(slice(b, None) for b in by))]
    after = scene[(..., *(slice(size) for size in sizes))]
    inside = [away_from_borders(*axis) for axis in axes_of(make_window("x", sizes, **options), sizes)]
    compare(function(Tensor(before)).numpy(), function(Tensor(after)).numpy(), inside, places, config)


def axes_of(window: Window, sizes: tuple[int, ...]):
    """(size, padding before, extent, stride) of every axis."""
    return zip(sizes, [side[0] for side in window.padding], window.extent, window.stride, strict=True)


def away_from_borders(size: int, before: int, extent: int, stride: int) -> range:
    """The outputs whose windows lie in the input."""
    return range(-(-before // stride), (size + before - extent) // stride + 1)


def compare(still: np.ndarray, moved: np.ndarray, inside: list[range], by: tuple[int, ...], what) -> None:
    """Outputs `inside` are found again `by` places further, as far as they are inside there too."""
    assert all(len(places) > step for places, step in zip(inside, by, strict=True)), f"nothing to compare: {what}"
    old = (..., *(slice(places.start, places.stop - step) for places, step in zip(inside, by, strict=True)))
    new = (..., *(slice(places.start + step, places.stop) for places, step in zip(inside, by, strict=True)))
    close(moved[new], still[old], what, terms=100)


def test_a_network_moves_as_its_strides_multiply(rng):
    """And not before: moved by less, another pixel leads every window."""
    net = nn.Sequential(
        nn.Conv2d(1, 4, 5, padding="same"), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(4, 3, 3, stride=(1, 2)), nn.Tanh()
    ).astype("float64")
    shape, field = (1, 30, 31), ReceptiveField.of_input(2)
    for layer, at in zip(net, net.shapes(shape), strict=False):
        field = field.through(window) if (window := layer.window(at)) else field
    assert field.jump == (2, 4)
    scene, outputs = rng.standard_normal((1, 1, 34, 39)), net.output_shape(shape)[1:]
    still = net(Tensor(scene[..., 4:, 8:])).numpy()
    inside = [
        range(-(-max(0, -start) // jump), min(count, (size - start - reach) // jump + 1))
        for start, jump, reach, size, count in zip(field.start, field.jump, field.size, shape[1:], outputs, strict=True)
    ]
    compare(still, net(Tensor(scene[..., :30, :31])).numpy(), inside, (2, 2), "two places")
    almost = net(Tensor(scene[..., 1:31, 4:35])).numpy()  # three rows: a place and a half
    assert not np.allclose(almost[..., 3:9, 3:5], still[..., 2:8, 2:4])
