"""A trained network as a list of steps, which every exporter reads: sizes, windows and weights, and no layer's options.

Values are numbered: 0 is the network's input, n the result of step n. A step reads earlier values only. Shapes omit the
axis of images.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, dataclass_transform

import numpy as np

from gpucnn import nn
from gpucnn.errors import InputError
from gpucnn.functional.interpolation import interpolated
from gpucnn.functional.padding import PadMode
from gpucnn.functional.transposed_convolution import transposed_window
from gpucnn.geometry import Sides, Sizes, Window, per_axis, sides_of

Function = Literal[
    "relu", "leaky_relu", "sigmoid", "scaled_tanh", "gelu", "gelu_tanh", "silu", "elu", "hardswish", "softplus"
]


@dataclass_transform(frozen_default=True, eq_default=False, kw_only_default=True)
@dataclass(frozen=True, eq=False, kw_only=True)
class Step:
    """One operation. layer, kind: the name and the kind of the layer that it belongs to, such as 3.1 and conv2d.

    sources: the numbers of the values that it reads. given, shape: of the first of them, and of the result.
    """

    layer: str
    kind: str
    sources: tuple[int, ...]
    given: Sizes
    shape: Sizes

    def __init_subclass__(cls) -> None:
        """As Step, every kind of step is a dataclass."""
        dataclass(frozen=True, eq=False, kw_only=True)(cls)


class Convolution(Step):
    """Cross-correlation with weight (O, I / groups, kernel...), plus bias (O,)."""

    window: Window
    groups: int
    weight: np.ndarray
    bias: np.ndarray | None


class TransposedConvolution(Step):
    """The gradient by the input of a convolution by `window`, with weight (I, O / groups, kernel...), plus bias (O,).

    more: what is added to the output at its end, along each axis.
    """

    window: Window
    more: Sizes
    groups: int
    weight: np.ndarray
    bias: np.ndarray | None


class Linear(Step):
    """x · weightᵀ + bias; weight (O, F), bias (O,)."""

    weight: np.ndarray
    bias: np.ndarray | None


class MaxPool(Step):
    """The largest value under the window; padding never is."""

    window: Window


class AveragePool(Step):
    """The mean under the window, over the taps that lie on the input or on the `counted` part of the padding, zeros."""

    window: Window
    counted: Sides


class Pad(Step):
    """A border around (C, H, W), (before, after) for H and W."""

    sides: Sides
    mode: PadMode


class Resize(Step):
    """Maps of other sizes, as functional.interpolate makes them; factors: those that were given, else None each."""

    factors: tuple[float | None, ...]
    linear: bool
    align_corners: bool


class Normalise(Step):
    """(x - mean) / sqrt(variance + eps) · weight + bias, per channel; each (C,)."""

    mean: np.ndarray
    variance: np.ndarray
    weight: np.ndarray
    bias: np.ndarray
    eps: float

    @property
    def factor(self) -> np.ndarray:
        """What x is multiplied by, (C,) float64."""
        return self.weight / np.sqrt(self.variance.astype(np.float64) + self.eps)

    @property
    def summand(self) -> np.ndarray:
        """What is added then, (C,) float64."""
        return self.bias - self.mean * self.factor


class GroupNorm(Step):
    """Each image's groups of channels by their own mean and variance, · weight + bias, each (C,)."""

    groups: int
    weight: np.ndarray
    bias: np.ndarray
    eps: float


class LayerNorm(Step):
    """The last axes, those of `weight` and `bias`, by their own mean and variance, · weight + bias."""

    weight: np.ndarray
    bias: np.ndarray
    eps: float


class Activation(Step):
    """A function of each number, and its numbers.

    leaky_relu: the slope below 0; scaled_tanh: amplitude and slope, both 1 for tanh; elu: alpha; softplus: beta and
    threshold.
    """

    function: Function
    numbers: tuple[float, ...] = ()


class PReLU(Step):
    """x where it is above 0, else weight · x; weight (1,) or (C,)."""

    weight: np.ndarray


class Softmax(Step):
    """Along `axis`, counted with that of images, which is 0; `log`: its logarithm."""

    axis: int
    log: bool


class Flatten(Step):
    """(C, H, W) as (C·H·W,)."""


class Add(Step):
    """The sum of both values."""


class Concatenate(Step):
    """The channels of all values."""


def steps_of(net: nn.Sequential, shape: Sizes) -> list[Step]:
    """The steps of a network in evaluation mode, for images of `shape` (C, H, W), with float32 weights.

    A dropout layer has none, a subsample layer two. Raises InputError for a layer that is not one of `nn.LAYERS`.
    """
    writer = _Writer(shape)
    writer.layers(net, "")
    return writer.steps


class _Writer:
    """Appends steps; `value` is the number of the last, of shape `shape`."""

    def __init__(self, shape: Sizes) -> None:
        self.steps: list[Step] = []
        self.value, self.shape = 0, shape

    def layers(self, net: nn.Sequential, prefix: str) -> None:
        for number, layer in enumerate(net.layers):
            name = f"{prefix}{number}"
            if type(layer) is nn.Branches:
                self.branches(layer, name)
            elif type(layer) is nn.Residual:
                begin = self.value
                self.layers(layer, f"{name}.")
                self.add(Add, (name, layer.kind), self.shape, sources=(self.value, begin))
            elif type(layer) is nn.Sequential:
                self.layers(layer, f"{name}.")
            elif type(layer) in TRANSLATED:
                TRANSLATED[type(layer)](self, layer, (name, getattr(layer, "kind", "identity")))
            else:
                raise InputError(
                    f"layer {name} ({getattr(layer, 'kind', type(layer).__name__)}) cannot be exported; layers of "
                    f"these kinds can: {', '.join(sorted(nn.LAYERS))}"
                )

    def branches(self, layer: nn.Branches, name: str) -> None:
        begin, ends = (self.value, self.shape), []
        for number, path in enumerate(layer.paths):
            self.value, self.shape = begin
            self.layers(path, f"{name}.{number}.")
            ends.append((self.value, self.shape))
        if layer.merge == "concat":
            self.shape = ends[0][1]
            sources = tuple(value for value, _ in ends)
            self.add(Concatenate, (name, layer.kind), layer.output_shape(begin[1]), sources=sources)
            return
        self.value, self.shape = ends[0]
        for value, _ in ends[1:]:
            self.add(Add, (name, layer.kind), self.shape, sources=(self.value, value))

    def add(
        self,
        kind: type[Step],
        layer: tuple[str, str],
        shape: Sizes,
        sources: tuple[int, ...] | None = None,
        **parts: Any,
    ) -> None:
        sources = (self.value,) if sources is None else sources
        self.steps.append(kind(layer=layer[0], kind=layer[1], sources=sources, given=self.shape, shape=shape, **parts))
        self.value, self.shape = len(self.steps), shape


Name = tuple[str, str]


def _convolution(to: _Writer, layer: Any, name: Name) -> None:
    parts: dict[str, Any] = {"weight": _float32(layer.weight), "bias": _bias(layer)}
    window = layer.window(to.shape)
    to.add(Convolution, name, layer.output_shape(to.shape), window=window, groups=layer.groups, **parts)


def _transposed_convolution(to: _Writer, layer: Any, name: Name) -> None:
    parts: dict[str, Any] = {"weight": _float32(layer.weight), "bias": _bias(layer)}
    window, sizes = transposed_window(layer.kind, layer.axes, (1, *to.shape), layer.weight_shape, layer.spreading)
    more = per_axis(layer.kind, "output_padding", layer.output_padding, layer.axes, 0)
    shape = (layer.out_channels, *sizes)
    to.add(TransposedConvolution, name, shape, window=window, more=more, groups=layer.groups, **parts)


def _linear(to: _Writer, layer: Any, name: Name) -> None:
    to.add(Linear, name, layer.output_shape(to.shape), weight=_float32(layer.weight), bias=_bias(layer))


def _max_pool(to: _Writer, layer: Any, name: Name) -> None:
    to.add(MaxPool, name, layer.output_shape(to.shape), window=layer.window(to.shape))


def _average_pool(to: _Writer, layer: Any, name: Name) -> None:
    window, sizes = layer.window(to.shape), to.shape[1:]
    padding = layer.padding if getattr(layer, "count_include_pad", False) else 0
    counted = sides_of(layer.kind, window, sizes, padding)
    to.add(AveragePool, name, layer.output_shape(to.shape), window=window, counted=counted)


def _adaptive_pool(to: _Writer, layer: Any, name: Name) -> None:
    if layer.window(to.shape) is None:
        raise InputError(
            f"layer {name[0]} ({name[1]}) cannot be exported: its windows over maps of {to.shape[1:]} are not of one "
            "size; give an output_size that divides these"
        )
    (_average_pool if "avg" in layer.kind else _max_pool)(to, layer, name)


def _upsample(to: _Writer, layer: Any, name: Name) -> None:
    shape, linear = layer.output_shape(to.shape), layer.mode != "nearest"
    _, factors = interpolated(to.shape, layer.size, layer.scale_factor, layer.mode, layer.align_corners)
    to.add(Resize, name, shape, factors=factors, linear=linear, align_corners=bool(layer.align_corners))


def _pad(to: _Writer, layer: Any, name: Name) -> None:
    to.add(Pad, name, layer.output_shape(to.shape), sides=layer.window(to.shape).padding, mode=layer.mode)


def _affine(layer: Any, shape: Sizes) -> dict[str, Any]:
    """The weight and the bias of a normalisation; ones and zeros where it has none."""
    weight = np.ones(shape, np.float32) if layer.weight is None else _float32(layer.weight)
    return {"weight": weight, "bias": np.zeros(shape, np.float32) if layer.bias is None else _float32(layer.bias)}


def _batch_norm(to: _Writer, layer: Any, name: Name) -> None:
    running: dict[str, Any] = {"mean": _float32(layer.running_mean), "variance": _float32(layer.running_var)}
    to.add(Normalise, name, to.shape, eps=layer.eps, **running, **_affine(layer, to.shape[:1]))


def _instance_norm(to: _Writer, layer: Any, name: Name) -> None:
    if layer.track_running_stats:
        _batch_norm(to, layer, name)
    else:
        to.add(GroupNorm, name, to.shape, groups=to.shape[0], eps=layer.eps, **_affine(layer, to.shape[:1]))


def _group_norm(to: _Writer, layer: Any, name: Name) -> None:
    to.add(GroupNorm, name, to.shape, groups=layer.num_groups, eps=layer.eps, **_affine(layer, to.shape[:1]))


def _layer_norm(to: _Writer, layer: Any, name: Name) -> None:
    to.add(LayerNorm, name, to.shape, eps=layer.eps, **_affine(layer, layer.normalized_shape))


def _subsample(to: _Writer, layer: Any, name: Name) -> None:
    window, zeros = layer.window(to.shape), np.zeros(layer.num_features, np.float32)
    to.add(AveragePool, name, layer.output_shape(to.shape), window=window, counted=((0, 0), (0, 0)))
    trained: dict[str, Any] = {"weight": _float32(layer.coefficient), "bias": _float32(layer.bias)}
    to.add(Normalise, name, to.shape, mean=zeros, variance=zeros + 1, eps=0.0, **trained)


def _activation(function: Function, *numbers: float) -> Callable[[_Writer, Any, Name], None]:
    return lambda to, layer, name: to.add(Activation, name, to.shape, function=function, numbers=numbers)


def _activation_of(function: Function, *options: str) -> Callable[[_Writer, Any, Name], None]:
    """As _activation, with the layer's options of those names."""
    return lambda to, layer, name: to.add(
        Activation, name, to.shape, function=function, numbers=tuple(getattr(layer, option) for option in options)
    )


def _gelu(to: _Writer, layer: Any, name: Name) -> None:
    to.add(Activation, name, to.shape, function="gelu" if layer.approximate == "none" else "gelu_tanh")


def _prelu(to: _Writer, layer: Any, name: Name) -> None:
    to.add(PReLU, name, layer.output_shape(to.shape), weight=_float32(layer.weight))


def _softmax(to: _Writer, layer: Any, name: Name) -> None:
    to.add(Softmax, name, to.shape, axis=layer.dim % (len(to.shape) + 1), log=isinstance(layer, nn.LogSoftmax))


def _flatten(to: _Writer, layer: Any, name: Name) -> None:
    to.add(Flatten, name, layer.output_shape(to.shape))


def _nothing(to: _Writer, layer: Any, name: Name) -> None:
    """No step: what does nothing in evaluation."""


TRANSLATED: dict[type, Callable[[_Writer, Any, Name], None]] = {
    **dict.fromkeys((nn.Conv1d, nn.Conv2d, nn.Conv3d), _convolution),
    **dict.fromkeys((nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d), _transposed_convolution),
    nn.Linear: _linear,
    **dict.fromkeys((nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d), _max_pool),
    **dict.fromkeys((nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d), _average_pool),
    **dict.fromkeys((nn.GlobalMaxPool1d, nn.GlobalMaxPool2d, nn.GlobalMaxPool3d), _max_pool),
    **dict.fromkeys((nn.GlobalAvgPool1d, nn.GlobalAvgPool2d, nn.GlobalAvgPool3d), _average_pool),
    **dict.fromkeys((nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d), _adaptive_pool),
    **dict.fromkeys((nn.AdaptiveMaxPool1d, nn.AdaptiveMaxPool2d, nn.AdaptiveMaxPool3d), _adaptive_pool),
    nn.Upsample: _upsample,
    **dict.fromkeys((nn.ZeroPad2d, nn.ReplicationPad2d, nn.ReflectionPad2d), _pad),
    **dict.fromkeys((nn.BatchNorm, nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d), _batch_norm),
    **dict.fromkeys((nn.InstanceNorm, nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d), _instance_norm),
    nn.GroupNorm: _group_norm,
    nn.LayerNorm: _layer_norm,
    nn.Subsample2d: _subsample,
    nn.ReLU: _activation("relu"),
    nn.LeakyReLU: _activation_of("leaky_relu", "negative_slope"),
    nn.GELU: _gelu,
    nn.SiLU: _activation("silu"),
    nn.ELU: _activation_of("elu", "alpha"),
    nn.Hardswish: _activation("hardswish"),
    nn.Softplus: _activation_of("softplus", "beta", "threshold"),
    nn.PReLU: _prelu,
    nn.Sigmoid: _activation("sigmoid"),
    nn.Tanh: _activation("scaled_tanh", 1.0, 1.0),
    nn.ScaledTanh: _activation("scaled_tanh", 1.7159, 2 / 3),
    **dict.fromkeys((nn.Softmax, nn.LogSoftmax), _softmax),
    nn.Flatten: _flatten,
    **dict.fromkeys((nn.Dropout, nn.Identity), _nothing),
}


def _float32(tensor: Any) -> np.ndarray:
    return np.ascontiguousarray(tensor.numpy(), np.float32)


def _bias(layer: Any) -> np.ndarray | None:
    return None if layer.bias is None else _float32(layer.bias)
