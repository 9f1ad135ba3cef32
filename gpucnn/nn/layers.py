"""Convolution, linear, pooling, padding and flatten layers."""

import math
from typing import ClassVar

import numpy as np

from gpucnn import functional as F
from gpucnn.errors import ShapeError
from gpucnn.functional.convolution import check_linear, convolution_window, convolve
from gpucnn.functional.pooling import (
    average_pooling,
    avg_pool,
    convolve_pooled,
    global_avg_pool,
    global_max_pool,
    max_pool,
    max_pooling,
    pooling_window,
)
from gpucnn.geometry import Padding, PerAxis, Sizes, Sliding, Window, hashable, make_window, per_axis
from gpucnn.nn import init as initial
from gpucnn.nn.init import Init
from gpucnn.nn.layer import Layer, check_count, keeping_options
from gpucnn.nn.module import Parameter
from gpucnn.tensor import Tensor

__all__ = [
    "AvgPool1d",
    "AvgPool2d",
    "AvgPool3d",
    "Conv1d",
    "Conv2d",
    "Conv3d",
    "Flatten",
    "GlobalAvgPool1d",
    "GlobalAvgPool2d",
    "GlobalAvgPool3d",
    "GlobalMaxPool1d",
    "GlobalMaxPool2d",
    "GlobalMaxPool3d",
    "Linear",
    "MaxPool1d",
    "MaxPool2d",
    "MaxPool3d",
    "ReflectionPad2d",
    "ReplicationPad2d",
    "ZeroPad2d",
]


class Convolution(Layer):
    """Base of the convolutions in one, two and three dimensions (`axes`)."""

    axes: ClassVar[int]
    inferred = "in_channels"

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: PerAxis,
        stride: PerAxis = 1,
        padding: Padding = 0,
        dilation: PerAxis = 1,
        groups: int = 1,
        bias: bool = True,
        init: Init | None = None,
    ) -> None:
        check_count(self.kind, "in_channels", in_channels)
        check_count(self.kind, "out_channels", out_channels)
        kernel = per_axis(self.kind, "kernel_size", kernel_size, self.axes, least=1)
        if groups < 1 or in_channels % groups or out_channels % groups:
            raise ShapeError(
                f"{self.kind}: groups is {groups}, which does not divide the {in_channels} channels of the input "
                f"and the {out_channels} of the output"
            )
        self.in_channels, self.out_channels, self.groups = in_channels, out_channels, groups
        self.kernel_size = kernel
        self.stride, self.padding, self.dilation = map(hashable, (stride, padding, dilation))
        self.weight_shape = (out_channels, in_channels // groups, *kernel)
        self._draw(bias, initial.checked(init or "default", self.weight_shape))

    def _draw(self, bias: bool, rule: Init) -> None:
        fan_in = math.prod(self.weight_shape[1:])
        fan_out = self.out_channels // self.groups * math.prod(self.kernel_size)
        self.weight = Parameter(initial.weights(rule, self.weight_shape, fan_in, fan_out).astype("float32"))
        self.bias = Parameter(initial.biases(rule, self.out_channels, fan_in).astype("float32")) if bias else None

    @property
    def sliding(self) -> Sliding:
        """How the kernel moves."""
        return Sliding(self.stride, self.padding, self.dilation)

    def forward(self, x: Tensor) -> Tensor:
        """(N, O, outputs...)."""
        return convolve(self.kind, self.axes, x, self.weight, self.bias, self.sliding, self.groups)

    def forward_relu(self, x: Tensor) -> Tensor:
        """relu(forward(x)), in one pass."""
        return convolve(self.kind, self.axes, x, self.weight, self.bias, self.sliding, self.groups, relu=True)

    def forward_pooled(self, x: Tensor, pool: "MaxPool", relu: bool) -> Tensor:
        """pool(forward(x)), or with `relu` pool(relu(forward(x))): one operation, so that a set may take one pass."""
        options = (x, self.weight, self.bias, self.sliding, self.groups, relu)
        return convolve_pooled(self.kind, self.axes, *options, pool.window_over)

    def output_shape(self, shape: Sizes) -> Sizes:
        """(O, outputs...) for (I, sizes...)."""
        if len(shape) != self.axes + 1:
            raise ShapeError(
                f"{self.kind}: expected {self.axes + 1} axes (channels and {self.axes} sizes), given {shape}"
            )
        return (self.out_channels, *self.window(shape).output_sizes(shape[1:]))

    def multiply_adds(self, shape: Sizes) -> int:
        """One for each weight at each place."""
        return math.prod(self.weight_shape) * math.prod(self.output_shape(shape)[1:])

    def window(self, shape: Sizes) -> Window:
        """The kernel's window."""
        shapes = (1, *shape), self.weight_shape, None
        return convolution_window(self.kind, self.axes, shapes, (), self.groups, self.sliding)


class Conv1d(Convolution):
    """Convolution over (N, I, W); see functional.conv1d. Weight (O, I / groups, k), bias (O,)."""

    kind, axes = "conv1d", 1


class Conv2d(Convolution):
    """Convolution over (N, I, H, W); see functional.conv2d. Weight (O, I / groups, kh, kw), bias (O,)."""

    kind, axes = "conv2d", 2


class Conv3d(Convolution):
    """Convolution over (N, I, D, H, W); see functional.conv3d. Weight (O, I / groups, kd, kh, kw), bias (O,)."""

    kind, axes = "conv3d", 3


class Linear(Layer):
    """x @ weightᵀ + bias over (N, F); weight (O, F), bias (O,)."""

    kind, inferred = "linear", "in_features"

    def __init__(self, in_features: int, out_features: int, bias: bool = True, init: Init | None = None) -> None:
        self.in_features = check_count("linear", "in_features", in_features)
        self.out_features = check_count("linear", "out_features", out_features)
        self.weight_shape = (out_features, in_features)
        self._draw(bias, initial.checked(init or "default", self.weight_shape))

    def _draw(self, bias: bool, rule: Init) -> None:
        fan_in, fan_out = self.in_features, self.out_features
        self.weight = Parameter(initial.weights(rule, self.weight_shape, fan_in, fan_out).astype("float32"))
        self.bias = Parameter(initial.biases(rule, fan_out, fan_in).astype("float32")) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        """(N, O)."""
        return F.linear(x, self.weight, self.bias)

    def forward_relu(self, x: Tensor) -> Tensor:
        """relu(forward(x)), in one pass."""
        return F.linear(x, self.weight, self.bias, relu=True)

    def output_shape(self, shape: Sizes) -> Sizes:
        """(O,) for (F,)."""
        if len(shape) != 1:
            raise ShapeError(f"linear: expected an input of one axis, given {shape}. Put a flatten layer before it")
        check_linear((1, *shape), self.weight_shape, None)
        return (self.out_features,)

    def multiply_adds(self, shape: Sizes) -> int:
        """One for each weight."""
        return self.in_features * self.out_features


class _Windowed(Layer):
    """A layer that keeps its channels and slides its `window` over them, along so many `axes`."""

    axes: ClassVar[int]

    def output_shape(self, shape: Sizes) -> Sizes:
        """(C, outputs...) for (C, sizes...)."""
        return (shape[0], *self.window(shape).output_sizes(shape[1:]))

    def window(self, shape: Sizes) -> Window:
        """The window over an input of `shape`. Each layer defines it."""
        raise NotImplementedError

    def _check_map(self, shape: Sizes) -> None:
        if len(shape) != self.axes + 1:
            sizes = ", ".join(("depth", "height", "width")[-self.axes :])
            raise ShapeError(
                f"{self.kind}: expected an input of {self.axes + 1} axes (channels, {sizes}), given {shape}"
            )


class _Pool(_Windowed):
    """Base of pooling in one, two and three dimensions (`axes`)."""

    kernel_size: PerAxis
    stride: PerAxis | None
    padding: Padding
    dilation: PerAxis = 1
    ceil_mode: bool

    @property
    def sliding(self) -> Sliding:
        """How the window moves; the stride defaults to the kernel's size."""
        stride = self.kernel_size if self.stride is None else self.stride
        return Sliding(stride, self.padding, self.dilation, self.ceil_mode)

    def window(self, shape: Sizes) -> Window:
        """The pooling window."""
        return pooling_window(self.kind, self.axes, (1, *shape), self.kernel_size, self.sliding)


class MaxPool(_Pool):
    """Base of max-pooling in one, two and three dimensions."""

    __init__ = keeping_options(max_pool, inputs=2)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, outputs...)."""
        return max_pooling(self.axes, x, self.kernel_size, self.sliding)

    def window_over(self, shape: Sizes, dtype: np.dtype) -> Window:
        """The window over (N, C, sizes...). Raises ShapeError, InputError as `forward`."""
        return pooling_window(self.kind, self.axes, shape, self.kernel_size, self.sliding, dtype)

    def forward_of_relu(self, x: Tensor) -> Tensor:
        """forward(relu(x)) in one pass, bit for bit: ReLU keeps the order of numbers, so it may follow the maximum.

        The gradients agree too: where ReLU passes none, pooling's gradient is 0.
        """
        return max_pooling(self.axes, x, self.kernel_size, self.sliding, relu=True)


class MaxPool1d(MaxPool):
    """The largest value under each window of (N, C, W); see functional.max_pool1d."""

    kind, axes = "max_pool1d", 1


class MaxPool2d(MaxPool):
    """The largest value under each window of (N, C, H, W); see functional.max_pool2d."""

    kind, axes = "max_pool2d", 2


class MaxPool3d(MaxPool):
    """The largest value under each window of (N, C, D, H, W); see functional.max_pool3d."""

    kind, axes = "max_pool3d", 3


class _AvgPool(_Pool):
    __init__ = keeping_options(avg_pool, inputs=2)
    count_include_pad: bool

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, outputs...)."""
        return average_pooling(self.axes, x, self.kernel_size, self.sliding, self.count_include_pad)


class AvgPool1d(_AvgPool):
    """The average under each window of (N, C, W); see functional.avg_pool1d."""

    kind, axes = "avg_pool1d", 1


class AvgPool2d(_AvgPool):
    """The average under each window of (N, C, H, W); see functional.avg_pool2d."""

    kind, axes = "avg_pool2d", 2


class AvgPool3d(_AvgPool):
    """The average under each window of (N, C, D, H, W); see functional.avg_pool3d."""

    kind, axes = "avg_pool3d", 3


class _GlobalPool(_Windowed):
    """Base of pooling of whole maps in one, two and three dimensions (`axes`)."""

    def window(self, shape: Sizes) -> Window:
        """A window over the whole map."""
        self._check_map(shape)
        return make_window(self.kind, shape[1:], shape[1:])


class _GlobalAvgPool(_GlobalPool):
    def forward(self, x: Tensor) -> Tensor:
        """(N, C, 1, ...)."""
        return global_avg_pool(self.axes, x)


class GlobalAvgPool1d(_GlobalAvgPool):
    """The average of each line of (N, C, W)."""

    kind, axes = "global_avg_pool1d", 1


class GlobalAvgPool2d(_GlobalAvgPool):
    """The average of each map of (N, C, H, W)."""

    kind, axes = "global_avg_pool2d", 2


class GlobalAvgPool3d(_GlobalAvgPool):
    """The average of each volume of (N, C, D, H, W)."""

    kind, axes = "global_avg_pool3d", 3


class _GlobalMaxPool(_GlobalPool):
    def forward(self, x: Tensor) -> Tensor:
        """(N, C, 1, ...)."""
        return global_max_pool(self.axes, x)


class GlobalMaxPool1d(_GlobalMaxPool):
    """The largest value of each line of (N, C, W)."""

    kind, axes = "global_max_pool1d", 1


class GlobalMaxPool2d(_GlobalMaxPool):
    """The largest value of each map of (N, C, H, W)."""

    kind, axes = "global_max_pool2d", 2


class GlobalMaxPool3d(_GlobalMaxPool):
    """The largest value of each volume of (N, C, D, H, W)."""

    kind, axes = "global_max_pool3d", 3


class _Pad2d(_Windowed):
    """A border around (N, C, H, W); `padding` is one number or (left, right, top, bottom)."""

    axes = 2
    mode: ClassVar[F.PadMode]

    def __init__(self, padding: PerAxis) -> None:
        self.padding = per_axis(self.kind, "padding", padding, 4, least=0)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, top + H + bottom, left + W + right)."""
        return F.pad(x, self.padding, self.mode)

    def window(self, shape: Sizes) -> Window:
        """One pixel, over the padded map."""
        self._check_map(shape)
        left, right, top, bottom = self.padding
        if self.mode == "reflect" and (max(top, bottom) >= shape[1] or max(left, right) >= shape[2]):
            raise ShapeError(f"{self.kind}: padding {self.padding} mirrors more than the map {shape} has. Give less")
        return Window((1, 1), (1, 1), ((top, bottom), (left, right)), (1, 1))


class ZeroPad2d(_Pad2d):
    """A border of zeros."""

    kind, mode = "zero_pad2d", "zeros"


class ReplicationPad2d(_Pad2d):
    """A border that repeats the nearest pixel."""

    kind, mode = "replication_pad2d", "replicate"


class ReflectionPad2d(_Pad2d):
    """A border that mirrors the map without its outermost pixel."""

    kind, mode = "reflection_pad2d", "reflect"


class Flatten(Layer):
    """(N, C, H, W) as (N, C·H·W)."""

    kind = "flatten"

    forward = staticmethod(F.flatten)

    def output_shape(self, shape: Sizes) -> Sizes:
        """(C·H·W,)."""
        return (math.prod(shape),)

    def window(self, shape: Sizes) -> Window | None:
        """The whole map: every output after flatten may depend on every pixel."""
        if len(shape) < 2:
            return None
        sizes = shape[1:]
        return Window(sizes, (1,) * len(sizes), ((0, 0),) * len(sizes), (1,) * len(sizes))
