"""Sizes and receptive fields against PyTorch and against brute force."""

import itertools

import numpy as np
import pytest

from gpucnn import Tensor, nn
from gpucnn import functional as F
from gpucnn.errors import ShapeError
from gpucnn.geometry import ReceptiveField, make_window, split, unpadded_places

GRID = list(itertools.product(range(1, 9), range(1, 5), range(1, 5), range(3), range(1, 4)))


@pytest.mark.parametrize("ceil_mode", [False, True])
def test_output_sizes_are_pytorchs(torch, ceil_mode):
    """Every size to 8, kernel and stride to 4, padding to 2 and dilation to 3 that PyTorch takes."""
    judged = 0
    for size, kernel, stride, padding, dilation in GRID:
        extent = dilation * (kernel - 1) + 1
        if 2 * padding > kernel or size + 2 * padding < extent:
            continue
        options = (kernel, stride, padding, dilation, ceil_mode)
        expected = torch.nn.functional.max_pool1d(torch.zeros(1, 1, size), *options).shape[2:]
        found = make_window("max_pool1d", (size,), *options).output_sizes((size,))
        assert found == expected, (size, options)
        judged += 1
    assert judged > 500


@pytest.mark.parametrize(("size", "stride"), list(itertools.product(range(1, 12), range(1, 5))))
def test_same_gives_ceil_of_size_over_stride_the_odd_pixel_after(size, stride):
    for kernel, dilation in itertools.product(range(1, 6), range(1, 4)):
        window = make_window("conv1d", (size,), kernel, stride, "same", dilation)
        assert window.output_sizes((size,)) == (-(-size // stride),)
        ((before, after),) = window.padding
        assert after - before in (0, 1)


def test_every_spelling_of_the_same_padding():
    spelled = [1, (1, 1), ((1, 1), (1, 1)), [[1, 1], [1, 1]], [1, 1], (1, (1, 1))]
    assert {make_window("conv2d", (5, 5), 3, padding=padding).padding for padding in spelled} == {((1, 1), (1, 1))}
    assert make_window("conv2d", (5, 5), 3, padding="valid") == make_window("conv2d", (5, 5), 3, padding=0)
    assert make_window("conv2d", (5, 5), 3, padding=(1, 2)).padding == ((1, 1), (2, 2))


@pytest.mark.parametrize("length", range(8))
def test_split_covers_everything_once(length):
    for parts in range(1, 10):
        ranges = split(length, parts)
        assert [i for start, stop in ranges for i in range(start, stop)] == list(range(length))
        assert len(ranges) <= parts and len({stop - start for start, stop in ranges}) <= 2


def test_unpadded_places_meet_where_a_window_reads():
    """Of every window, each tap and output: the pixel it reads, or none in the padding."""
    for size, kernel, stride, padding, dilation in GRID:
        if size + 2 * padding < dilation * (kernel - 1) + 1:
            continue
        window = make_window("conv1d", (size,), kernel, stride, padding, dilation)
        (outputs,) = window.output_sizes((size,))
        for tap in range(kernel):
            (inside,), (places,) = unpadded_places(window, (size,), (outputs,))[tap]
            reads = [(o, o * stride + tap * dilation - padding) for o in range(outputs)]
            expected = [(o, pixel) for o, pixel in reads if 0 <= pixel < size]
            found = zip(range(outputs)[places], range(size)[inside], strict=True)
            assert list(found) == expected, (window, tap)


# Receptive fields


def convolution(kernel, **options):
    """All weights are one: whatever a unit sees reaches it."""
    return lambda x: F.conv2d(x, Tensor(np.ones((1, 1, *kernel))), **options), (kernel, options)


def pooling(kernel, **options):
    return lambda x: F.max_pool2d(x, kernel, **options), (kernel, {"stride": kernel, **options})


NETWORKS = {
    "LeNet's": [convolution((5, 5), padding="same"), pooling((2, 2)), convolution((5, 5)), pooling((2, 2))],
    "strides, padding": [
        convolution((3, 3), stride=2, padding=1),
        convolution((3, 3), stride=(1, 2), padding=(1, 2)),
    ],
    "dilation": [convolution((3, 2)), convolution((3, 3), dilation=2), convolution((2, 2), dilation=(3, 1))],
    "overlapping pooling": [
        pooling((3, 3), stride=2, padding=1),
        convolution((2, 3)),
        pooling((3, 2), stride=1),
    ],
    "four sides": [
        convolution((3, 3), padding=((2, 0), (0, 1))),
        convolution((2, 2), stride=2, padding="same"),
    ],
    "ceil mode": [pooling((2, 2), ceil_mode=True), pooling((3, 3), stride=2, ceil_mode=True)],
}


@pytest.mark.parametrize("network", NETWORKS)
def test_receptive_fields_are_what_changes_a_unit(network):
    """One image per pixel, which alone is lit: a unit sees the pixels of the images that light it."""
    sizes = (17, 15) if network != "LeNet's" else (20, 21)
    pixels = sizes[0] * sizes[1]
    y, field, extent = Tensor(np.eye(pixels).reshape(pixels, 1, *sizes)), ReceptiveField.of_input(2), sizes
    for layer, (kernel, options) in NETWORKS[network]:
        window = make_window("layer", extent, kernel, **options)
        y, field, extent = layer(y), field.through(window), window.output_sizes(extent)
    seen = y.numpy().reshape(*sizes, *extent) > 0
    for unit in np.ndindex(*extent):
        for axis, place in enumerate(unit):
            lit = np.flatnonzero(seen[(..., *unit)].any(axis=1 - axis))
            first = field.start[axis] + place * field.jump[axis]
            expected = max(first, 0), min(first + field.size[axis], sizes[axis])
            assert (lit[0], lit[-1] + 1) == expected, (network, unit)


def test_a_layers_window_is_the_one_it_uses():
    """What `summary` prints rests on it."""
    window = nn.Conv2d(1, 6, 5, stride=2, padding="same", dilation=2).window((1, 28, 29))
    assert window.output_sizes((28, 29)) == (14, 15)
    assert nn.MaxPool2d(3, 2, 1).window((1, 28, 28)).output_sizes((28, 28)) == (14, 14)
    assert nn.ReLU().window((1, 28, 28)) is None


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"kernel": 6}, ["6", "5"]),
        ({"kernel": 3, "dilation": 3}, ["7", "5", "dilation"]),
        ({"kernel": 3, "padding": (1, 1, 1)}, ["padding", "(1, 1, 1)", "same", "valid"]),
        ({"kernel": 3, "padding": ((1, 1), (1, -1))}, ["padding", "-1"]),
        ({"kernel": 3, "padding": True}, ["padding", "True"]),
        ({"kernel": 3, "stride": 0}, ["stride", "0"]),
        ({"kernel": "3"}, ["kernel_size", "'3'"]),
    ],
)
def test_errors_speak(options, words):
    with pytest.raises(ShapeError) as error:
        make_window("conv2d", (5, 5), **options)
    assert [word for word in ["conv2d", *words] if word not in str(error.value)] == [], str(error.value)


def test_numpys_integers_are_integers():
    assert make_window("conv2d", (5, 5), np.int64(3), np.int32(2)) == make_window("conv2d", (5, 5), 3, 2)


GROWING = {
    "nearest": [nn.Upsample(scale_factor=2)],
    "nearest to any size": [nn.Upsample((25, 11))],
    "linear": [nn.Upsample((25, 11), mode="bilinear")],
    "linear by corners": [nn.Upsample((25, 11), mode="bilinear", align_corners=True)],
    "a factor": [nn.Upsample(scale_factor=1.7, mode="bilinear")],
    "a convolution behind": [nn.Upsample(scale_factor=3), nn.Conv2d(1, 1, 3, padding=1, bias=False)],
    "transposed": [nn.ConvTranspose2d(1, 1, 3, 2, 1, bias=False)],
    "transposed, and smaller": [nn.ConvTranspose2d(1, 1, (4, 2), 2, bias=False), nn.AvgPool2d(3, 2)],
    "adaptive": [nn.AdaptiveAvgPool2d((5, 4))],
    "adaptive, more": [nn.AdaptiveAvgPool2d((20, 9)), nn.AvgPool2d(2)],
}


@pytest.mark.parametrize("layers", GROWING.values(), ids=GROWING)
def test_receptive_fields_behind_layers_of_other_ratios(layers):
    """As above: no more, and no less, than what changes a unit, where no map was made smaller before."""
    sizes, net = (13, 7), nn.Sequential(*layers)
    for parameter in net.parameters():
        parameter.data = Tensor(np.ones(parameter.shape, np.float32))
    pixels = sizes[0] * sizes[1]
    seen = net(Tensor(np.eye(pixels, dtype=np.float32).reshape(pixels, 1, *sizes))).numpy()
    field, extent = net.receptive_field((1, *sizes)), seen.shape[2:]
    seen, most = seen.reshape(*sizes, *extent) > 1e-6, [0, 0]
    for unit in np.ndindex(*extent):
        for axis, told in enumerate(field.of(unit, sizes)):
            lit = np.flatnonzero(seen[(..., *unit)].any(axis=1 - axis))
            assert (lit[0], lit[-1] + 1) == (told.start, told.stop), (unit, axis)
            most[axis] = max(most[axis], told.stop - told.start)
    assert tuple(most) == field.pixels


def test_receptive_fields_behind_smaller_and_larger_maps_hold_all_that_is_seen():
    net = nn.Sequential(nn.AvgPool2d(2), nn.Upsample(scale_factor=2), nn.AvgPool2d(3, 1))
    seen = net(Tensor(np.eye(80, dtype=np.float32).reshape(80, 1, 8, 10))).numpy()
    field = net.receptive_field((1, 8, 10))
    seen = seen.reshape(8, 10, *seen.shape[2:]) > 0
    for unit in np.ndindex(*seen.shape[2:]):
        rows, columns = field.of(unit, (8, 10))
        lit = seen[(..., *unit)].copy()
        lit[rows, columns] = False
        assert not lit.any(), unit
    assert field.facts() == {"size": (5, 5), "jump": (1, 1), "start": (-1, -1)}
