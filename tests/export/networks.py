"""Random networks of random layers, each made from its index alone; and trained runs' parts around a network."""

from typing import Any

import numpy as np

import gpucnn
from gpucnn import nn
from gpucnn.data import Dataset, Fingerprint, Normalizer, Pipeline
from gpucnn.errors import ShapeError
from gpucnn.runs import Classifier
from gpucnn.training.evaluation import outputs_of

CLASSES = 3
LARGEST = {1: 24, 2: 12, 3: 6}  # pixels of a side
CONVOLUTIONS = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
POOLS = {1: (nn.MaxPool1d, nn.AvgPool1d), 2: (nn.MaxPool2d, nn.AvgPool2d), 3: (nn.MaxPool3d, nn.AvgPool3d)}
GLOBAL_POOLS = {
    1: (nn.GlobalAvgPool1d, nn.GlobalMaxPool1d),
    2: (nn.GlobalAvgPool2d, nn.GlobalMaxPool2d),
    3: (nn.GlobalAvgPool3d, nn.GlobalMaxPool3d),
}
BATCH_NORMS = {2: nn.BatchNorm1d, 3: nn.BatchNorm2d, 4: nn.BatchNorm3d}
ACTIVATIONS = (nn.ReLU, nn.LeakyReLU, nn.Tanh, nn.ScaledTanh, nn.Sigmoid, lambda: nn.LeakyReLU(0.3))


def one_of(rng: np.random.Generator, values: Any) -> Any:
    return values[rng.integers(len(values))]


def random_layer(rng: np.random.Generator, shape: tuple[int, ...]) -> nn.Layer:
    """A layer of any kind for an input of `shape`; it may not fit."""
    axes = len(shape) - 1
    makers = [lambda: one_of(rng, ACTIVATIONS)(), lambda: _batch_norm(rng, shape), lambda: nn.Dropout(0.3)]
    makers.append(lambda: one_of(rng, (nn.Softmax, nn.LogSoftmax))(int(rng.integers(1, len(shape) + 1))))
    if axes:
        makers += 2 * [lambda: _convolution(rng, shape)] + 2 * [lambda: _pool(rng, axes)]
        makers += [lambda: _residual(rng, shape)]
    if axes == 2:
        makers += [
            lambda: one_of(rng, (nn.ZeroPad2d, nn.ReplicationPad2d, nn.ReflectionPad2d))(
                tuple(map(int, rng.integers(0, 3, 4)))
            ),
            lambda: _subsample(rng, shape),
        ]
    if axes:
        makers += [lambda: one_of(rng, GLOBAL_POOLS[axes])()]
    if not axes:
        makers += [lambda: nn.Linear(shape[0], int(rng.integers(2, 9)), bias=bool(rng.random() < 0.7))]
    return one_of(rng, makers)()


def random_network(index: int) -> tuple[nn.Sequential, tuple[int, ...]]:
    """A network and the shape of its images: three to eight layers, then flatten and linear, at times softmax."""
    rng = np.random.default_rng([17, index])
    gpucnn.manual_seed(index)
    axes = one_of(rng, (1, 2, 2, 3))
    shape = (int(rng.integers(1, 4)), *map(int, rng.integers(3, LARGEST[axes], axes)))
    layers, now = random_layers(rng, shape, int(rng.integers(3, 8)))
    if len(now) > 1:
        layers.append(nn.Flatten())
        now = (int(np.prod(now)),)
    layers.append(nn.Linear(now[0], CLASSES))
    layers += one_of(rng, ([], [], [nn.Softmax()], [nn.LogSoftmax()]))
    return nn.Sequential(*layers).eval(), shape


def random_layers(
    rng: np.random.Generator, shape: tuple[int, ...], count: int
) -> tuple[list[nn.Layer], tuple[int, ...]]:
    layers: list[nn.Layer] = []
    while len(layers) < count:
        layer = random_layer(rng, shape)
        try:
            after = layer.output_shape(shape)
        except ShapeError:
            continue
        if all(after) and not _sees_padding_alone(layer, shape):
            layers.append(layer)
            shape = after
    return layers, shape


def _sees_padding_alone(layer: nn.Layer, shape: tuple[int, ...]) -> bool:
    """Whether a window of pooling lies in the padding, where its largest value is no number, or its mean 0 / 0."""
    if not isinstance(layer, tuple(kind for kinds in POOLS.values() for kind in kinds)):
        return False
    window = layer.window(shape)
    for axis, count in enumerate(window.output_sizes(shape[1:])):
        first = np.arange(count)[:, None] * window.stride[axis] - window.padding[axis][0]
        taps = first + np.arange(window.kernel[axis]) * window.dilation[axis]
        if not ((taps >= 0) & (taps < shape[1 + axis])).any(axis=1).all():
            return True
    return False


def _convolution(rng: np.random.Generator, shape: tuple[int, ...]) -> nn.Layer:
    axes, groups = len(shape) - 1, one_of(rng, (1, 1, shape[0]))
    outputs = groups * int(rng.integers(1, 4)) if groups > 1 else int(rng.integers(1, 6))
    kernel = tuple(map(int, rng.integers(1, 4, axes)))
    padding = one_of(rng, (0, 1, "same", tuple((int(rng.integers(3)), int(rng.integers(3))) for _ in range(axes))))
    stride, dilation = (tuple(map(int, rng.integers(1, most, axes))) for most in (3, 3))
    return CONVOLUTIONS[axes](
        shape[0], outputs, kernel, stride, padding, dilation, groups=groups, bias=bool(rng.random() < 0.7)
    )


def _pool(rng: np.random.Generator, axes: int) -> nn.Layer:
    largest, average = POOLS[axes]
    kernel = tuple(map(int, rng.integers(1, 4, axes)))
    padding = one_of(rng, (0, 0, "same", tuple((int(rng.integers(k)), int(rng.integers(k))) for k in kernel)))
    stride, ceil = one_of(rng, (None, 1, 2)), bool(rng.random() < 0.5)
    if rng.random() < 0.5:
        return largest(kernel, stride, padding, one_of(rng, (1, 1, 2)), ceil)
    return average(kernel, stride, padding, ceil, bool(rng.random() < 0.5))


def _batch_norm(rng: np.random.Generator, shape: tuple[int, ...]) -> nn.Layer:
    kind = one_of(rng, (nn.BatchNorm, BATCH_NORMS.get(len(shape), nn.BatchNorm)))
    layer = kind(shape[0], eps=one_of(rng, (1e-5, 1e-3)), affine=bool(rng.random() < 0.7))
    numbers = {name: _about(rng, value) for name, value in layer.state_dict().items() if value.ndim}
    layer.load_state_dict(layer.state_dict() | numbers)
    return layer


def _subsample(rng: np.random.Generator, shape: tuple[int, ...]) -> nn.Layer:
    layer = nn.Subsample2d(shape[0], int(rng.integers(1, 3)))
    layer.load_state_dict({name: _about(rng, value) for name, value in layer.state_dict().items()})
    return layer


def _about(rng: np.random.Generator, value: Any) -> np.ndarray:
    return (np.asarray(value) + rng.uniform(0.1, 0.6, value.shape)).astype(np.float32)


def _residual(rng: np.random.Generator, shape: tuple[int, ...]) -> nn.Layer:
    axes = len(shape) - 1
    inner = [CONVOLUTIONS[axes](shape[0], shape[0], 3, padding="same"), one_of(rng, ACTIVATIONS)()]
    if rng.random() < 0.3:
        inner.append(nn.Residual(CONVOLUTIONS[axes](shape[0], shape[0], 1)))
    return nn.Residual(*inner)


def classifier_of(
    net: nn.Sequential,
    shape: tuple[int, ...],
    images: np.ndarray | None = None,
    normalize: str = "standard",
    invert: bool = False,
) -> Classifier:
    """A network with the pipeline of images (N, *shape): by default noise from 0 to 255, uint8."""
    if images is None:
        images = np.random.default_rng(0).integers(0, 256, (12, *shape), np.uint8)
    classes, *maps = net.output_shape(shape)
    outputs = outputs_of(net)
    if maps:  # a picture, or a class for each pixel
        outputs = "pictures" if (classes, *maps) == shape else "pixel_logits"
    train = Dataset(images, np.arange(len(images)) % classes, tuple(f"class {n}" for n in range(classes)))
    pipeline = Pipeline.of(train, Fingerprint.of("noise", {"train": train}), outputs, invert=invert)
    return Classifier(net, pipeline, Normalizer.fit(normalize, train))
