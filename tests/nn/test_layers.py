"""Every layer: its shape before it runs, multiply-adds counted by hand, arguments and errors."""

import numpy as np
import pytest

from gpucnn import Tensor, nn
from gpucnn.errors import InputError, ShapeError
from gpucnn.generators import generator_state
from gpucnn.nn.activation import OTHERS
from gpucnn.nn.layer import undrawn
from tests.nn.more_layers import MORE_LAYERS

pytestmark = pytest.mark.usefixtures("device")

IMAGE, ROW, LINE = (4, 9, 8), (12,), (4, 11)
# layer, input shape, output shape, multiply-adds, each counted by hand
LAYERS = [
    (lambda: nn.Conv2d(4, 6, 3), IMAGE, (6, 7, 6), 6 * 7 * 6 * 4 * 9),
    (lambda: nn.Conv2d(4, 6, (3, 2), (2, 1), "same", bias=False), IMAGE, (6, 5, 8), 6 * 5 * 8 * 4 * 6),
    (lambda: nn.Conv2d(4, 8, 3, 2, 1, 2, 4), IMAGE, (8, 4, 3), 8 * 4 * 3 * 9),
    (lambda: nn.Conv2d(4, 6, 3, padding=((2, 0), (1, 3))), IMAGE, (6, 9, 10), 6 * 9 * 10 * 4 * 9),
    (lambda: nn.Conv1d(4, 6, 3, 2, 1), LINE, (6, 6), 6 * 6 * 4 * 3),
    (lambda: nn.Conv3d(2, 3, 2), (2, 4, 5, 3), (3, 3, 4, 2), 3 * 3 * 4 * 2 * 2 * 8),
    (lambda: nn.Linear(12, 5), ROW, (5,), 60),
    (lambda: nn.BatchNorm2d(4), IMAGE, IMAGE, None),
    (lambda: nn.BatchNorm1d(12), ROW, ROW, None),
    (lambda: nn.BatchNorm(4), IMAGE, IMAGE, None),
    (lambda: nn.BatchNorm(12), ROW, ROW, None),
    (lambda: nn.BatchNorm3d(2), (2, 4, 5, 3), (2, 4, 5, 3), None),
    *(
        (layer, shape, shape, 0)
        for layer in (nn.ReLU, nn.LeakyReLU, nn.Tanh, nn.ScaledTanh, nn.Sigmoid, nn.Dropout)
        for shape in (IMAGE, ROW)
    ),
    (nn.Softmax, ROW, ROW, 0),
    (nn.LogSoftmax, ROW, ROW, 0),
    (nn.Flatten, IMAGE, (288,), 0),
    (nn.Flatten, ROW, ROW, 0),
    (lambda: nn.MaxPool2d(2), IMAGE, (4, 4, 4), None),
    (lambda: nn.MaxPool2d(3, 2, 1, 1, True), IMAGE, (4, 5, 5), None),
    (lambda: nn.AvgPool2d(2, ceil_mode=True), IMAGE, (4, 5, 4), None),
    (lambda: nn.AvgPool2d((3, 2), (2, 1), (1, 0)), IMAGE, (4, 5, 7), None),
    (lambda: nn.MaxPool1d(3, 2, 1), LINE, (4, 6), None),
    (lambda: nn.AvgPool1d(2), LINE, (4, 5), None),
    (lambda: nn.MaxPool3d(2, 1), (2, 4, 5, 3), (2, 3, 4, 2), None),
    (lambda: nn.AvgPool3d((2, 5, 3)), (2, 4, 5, 3), (2, 2, 1, 1), None),
    *(
        (layer, shape, (shape[0], *(1 for _ in shape[1:])), None)
        for shape, layers in (
            (LINE, (nn.GlobalAvgPool1d, nn.GlobalMaxPool1d)),
            (IMAGE, (nn.GlobalAvgPool2d, nn.GlobalMaxPool2d)),
            ((2, 4, 5, 3), (nn.GlobalAvgPool3d, nn.GlobalMaxPool3d)),
        )
        for layer in layers
    ),
    (lambda: nn.Subsample2d(4), IMAGE, (4, 4, 4), None),
    (lambda: nn.Subsample2d(4, (3, 2)), IMAGE, (4, 3, 4), None),
    (lambda: nn.ZeroPad2d(1), IMAGE, (4, 11, 10), 0),
    (lambda: nn.ReplicationPad2d((1, 2, 3, 0)), IMAGE, (4, 12, 11), 0),
    (lambda: nn.ReflectionPad2d((0, 1, 2, 3)), IMAGE, (4, 14, 9), 0),
    (lambda: nn.Residual(nn.Conv2d(4, 4, 3, padding=1), nn.ReLU()), IMAGE, IMAGE, 4 * 9 * 8 * 4 * 9),
    (lambda: nn.Sequential(nn.Flatten(), nn.Linear(288, 10), nn.Linear(10, 2)), IMAGE, (2,), 2880 + 20),
    *((layer, IMAGE, IMAGE, None) for layer in OTHERS.values()),
    *MORE_LAYERS,
]


def speaks(error, words) -> None:
    """The message has all these words."""
    assert [word for word in words if word not in str(error.value)] == [], str(error.value)


@pytest.mark.parametrize(("make", "shape", "expected", "products"), LAYERS)
def test_shapes_before_running_are_the_shapes_of_running(make, shape, expected, products, rng):
    layer, x = make(), Tensor(rng.standard_normal((3, *shape)).astype("float32"))
    assert layer.output_shape(shape) == expected
    assert layer(x).shape == (3, *expected)
    assert layer(x).dtype == np.float32
    if products is not None:
        assert layer.multiply_adds(shape) == products


@pytest.mark.parametrize(
    ("kind", "options", "shape"),
    [(nn.Conv2d, (4, 6, 3, 2, 1), IMAGE), (nn.Conv1d, (4, 6, 3), LINE), (nn.Linear, (12, 5), ROW), (nn.ReLU, (), ROW)],
)
def test_undrawn_layers_answer_as_drawn_ones_do_and_draw_nothing(kind, options, shape):
    before = generator_state()
    layer = undrawn(kind)(*options)
    assert generator_state() == before
    assert list(layer.parameters()) == []
    drawn = kind(*options)
    assert layer.output_shape(shape) == drawn.output_shape(shape)
    assert layer.multiply_adds(shape) == drawn.multiply_adds(shape)
    assert layer.window(shape) == drawn.window(shape)


def test_every_layer_of_the_yaml_is_tested():
    """An activation that nn makes a layer of by itself is in `LAYERS` by itself."""
    tested = {type(make()) for make, *_ in LAYERS}
    assert set(nn.LAYERS.values()) - tested == set()


def test_names_in_the_yaml_are_the_classes_names_in_snake_case():
    expected = {
        "conv2d",
        "linear",
        "batch_norm2d",
        "relu",
        "leaky_relu",
        "max_pool2d",
        "zero_pad2d",
        "residual",
        "flatten",
    }
    assert expected <= set(nn.LAYERS)
    assert nn.LAYERS["max_pool2d"] is nn.MaxPool2d and nn.LAYERS["leaky_relu"] is nn.LeakyReLU
    for name, layer in nn.LAYERS.items():
        assert name.replace("_", "") == layer.__name__.lower()


@pytest.mark.parametrize(
    ("layer", "argument"),
    [
        *((layer, "in_channels") for layer in (nn.Conv1d, nn.Conv2d, nn.Conv3d)),
        (nn.Linear, "in_features"),
        *((layer, "num_features") for layer in (nn.BatchNorm1d, nn.BatchNorm2d, nn.Subsample2d)),
        *((layer, None) for layer in (nn.ReLU, nn.Flatten, nn.MaxPool2d, nn.Dropout)),
    ],
)
def test_which_argument_is_inferred(layer, argument):
    assert layer.inferred == argument


@pytest.mark.parametrize(
    ("layer", "shape", "words"),
    [
        (lambda: nn.Conv2d(3, 6, 3), (4, 9, 8), ["conv2d", "4", "3"]),
        (lambda: nn.Conv2d(4, 6, 10), (4, 9, 8), ["conv2d", "10", "9"]),
        (lambda: nn.Conv2d(4, 6, 3), (12,), ["conv2d", "(12,)"]),
        (lambda: nn.Linear(3, 6), (4,), ["linear", "4", "3"]),
        (lambda: nn.Linear(3, 6), (3, 9, 8), ["linear", "(3, 9, 8)", "flatten"]),
        (lambda: nn.BatchNorm2d(3), (4, 9, 8), ["batch_norm", "4", "3"]),
        (lambda: nn.MaxPool2d(10), (4, 9, 8), ["max_pool2d", "10", "9"]),
        (lambda: nn.AvgPool2d(2), (4,), ["avg_pool2d", "4"]),
        (lambda: nn.Subsample2d(3), (4, 9, 8), ["subsample2d", "4 channels", "num_features=4"]),
        (lambda: nn.Subsample2d(4, 10), (4, 9, 8), ["subsample2d", "10", "9"]),
        (lambda: nn.GlobalAvgPool2d(), (4,), ["global_avg_pool2d", "3 axes (channels, height, width)", "(4,)"]),
        (lambda: nn.GlobalMaxPool1d(), (4, 9, 8), ["global_max_pool1d", "2 axes (channels, width)", "(4, 9, 8)"]),
        (lambda: nn.GlobalMaxPool3d(), (4, 9, 8), ["global_max_pool3d", "(channels, depth, height, width)"]),
        (lambda: nn.ReflectionPad2d((8, 0, 0, 0)), (4, 9, 8), ["8"]),
        (lambda: nn.ReflectionPad2d((0, 0, 0, 9)), (4, 9, 8), ["9"]),
    ],
)
def test_shapes_that_do_not_fit_are_told_before_running(layer, shape, words):
    with pytest.raises(ShapeError) as error:
        layer().output_shape(shape)
    speaks(error, words)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: nn.Conv2d(4, 6, 3, groups=3), ["groups", "3", "4"]),
        (lambda: nn.Conv2d(0, 6, 3), ["in_channels", "0"]),
        (lambda: nn.Conv2d(4, -1, 3), ["out_channels", "-1"]),
        (lambda: nn.Linear(0, 4), ["in_features", "0"]),
        (lambda: nn.Linear(4, 0), ["out_features", "0"]),
        (lambda: nn.BatchNorm2d(0), ["num_features", "0"]),
        (lambda: nn.Subsample2d(0), ["subsample2d", "num_features", "0"]),
        (lambda: nn.Dropout(1.5), ["1.5"]),
    ],
)
def test_constructors_refuse_what_cannot_be(make, words):
    with pytest.raises(InputError) as error:
        make()
    speaks(error, words)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: nn.Conv2d(4, 6, 0), ["kernel_size", "0"]),
        (lambda: nn.Conv2d(4, 6, 3, stride=0), ["stride", "0"]),
        (lambda: nn.Conv2d(4, 6, 3, padding="full"), ["padding", "full"]),
        (lambda: nn.MaxPool2d(0), ["kernel_size", "0"]),
        (lambda: nn.MaxPool2d(2, padding=2), ["padding", "2"]),
    ],
)
def test_windows_that_cannot_be_are_told_before_running(make, words):
    with pytest.raises(InputError) as error:
        make().output_shape(IMAGE)
    speaks(error, words)
