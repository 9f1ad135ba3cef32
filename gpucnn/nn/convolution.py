"""Layers with weights that slide or map: convolutions and the linear layer."""

import math
from collections.abc import Callable
from typing import ClassVar

from gpucnn import functional as F
from gpucnn.errors import ShapeError
from gpucnn.functional.convolution import convolution_relu, linear_relu
from gpucnn.geometry import Padding, PerAxis, Sizes, Window, make_window, per_axis
from gpucnn.nn import init as initial
from gpucnn.nn.init import Init
from gpucnn.nn.layer import Layer, check_count
from gpucnn.nn.module import Parameter
from gpucnn.tensor import Tensor


class Convolution(Layer):
    """What convolutions in one, two and three dimensions share: `axes` dimensions, and the `operation` over them."""

    axes: ClassVar[int]
    operation: ClassVar[Callable[..., Tensor]]
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
        self.kernel_size, self.stride, self.padding, self.dilation = kernel, stride, padding, dilation
        self.weight_shape = (out_channels, in_channels // groups, *kernel)
        self._draw(bias, initial.checked(init or "default", self.weight_shape))

    def _draw(self, bias: bool, rule: Init) -> None:
        fan_in = math.prod(self.weight_shape[1:])
        fan_out = self.out_channels // self.groups * math.prod(self.kernel_size)
        self.weight = Parameter(initial.weights(rule, self.weight_shape, fan_in, fan_out).astype("float32"))
        self.bias = Parameter(initial.biases(rule, self.out_channels, fan_in).astype("float32")) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        """(N, O, outputs...)"""
        return self.operation(x, self.weight, self.bias, self.stride, self.padding, self.dilation, self.groups)

    def forward_relu(self, x: Tensor) -> Tensor:
        """relu(forward(x)), in one pass."""
        options = self.stride, self.padding, self.dilation, self.groups
        return convolution_relu(self.kind, self.axes, x, self.weight, self.bias, *options)

    def output_shape(self, shape: Sizes) -> Sizes:
        """(O, outputs...) for (I, sizes...)."""
        if len(shape) != self.axes + 1:
            raise ShapeError(
                f"{self.kind}: expected {self.axes + 1} axes (channels and {self.axes} sizes), given {shape}"
            )
        if shape[0] != self.in_channels:
            raise ShapeError(
                f"{self.kind}: input has {shape[0]} channels, weight expects {self.in_channels}: x {shape}, "
                f"w {self.weight_shape}. Give in_channels={shape[0]} or change the layer before"
            )
        return (self.out_channels, *self.window(shape).output_sizes(shape[1:]))

    def multiply_adds(self, shape: Sizes) -> int:
        """One for each weight at each place."""
        return math.prod(self.weight_shape) * math.prod(self.output_shape(shape)[1:])

    def window(self, shape: Sizes) -> Window:
        """The kernel's window."""
        return make_window(self.kind, shape[1:], self.kernel_size, self.stride, self.padding, self.dilation)


class Conv1d(Convolution):
    """Convolution over (N, I, W); see functional.conv1d. Weight (O, I / groups, k), bias (O,)."""

    kind, axes, operation = "conv1d", 1, staticmethod(F.conv1d)


class Conv2d(Convolution):
    """Convolution over (N, I, H, W); see functional.conv2d. Weight (O, I / groups, kh, kw), bias (O,)."""

    kind, axes, operation = "conv2d", 2, staticmethod(F.conv2d)


class Conv3d(Convolution):
    """Convolution over (N, I, D, H, W); see functional.conv3d. Weight (O, I / groups, kd, kh, kw), bias (O,)."""

    kind, axes, operation = "conv3d", 3, staticmethod(F.conv3d)


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
        """(N, O)"""
        return F.linear(x, self.weight, self.bias)

    def forward_relu(self, x: Tensor) -> Tensor:
        """relu(forward(x)), in one pass."""
        return linear_relu(x, self.weight, self.bias)

    def output_shape(self, shape: Sizes) -> Sizes:
        """(O,) for (F,)."""
        if len(shape) != 1:
            raise ShapeError(f"linear: expected an input of one axis, given {shape}. Put a flatten layer before it")
        if shape[0] != self.in_features:
            raise ShapeError(
                f"linear: input has {shape[0]} features, weight expects {self.in_features}. Give in_features={shape[0]}"
            )
        return (self.out_features,)

    def multiply_adds(self, shape: Sizes) -> int:
        """One for each weight."""
        return self.in_features * self.out_features
