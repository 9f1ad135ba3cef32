"""Transposed convolution layers."""

import math
from fractions import Fraction
from typing import ClassVar

from gpucnn.errors import ShapeError
from gpucnn.functional.transposed_convolution import Spreading, spread, transposed_window
from gpucnn.geometry import PerAxis, Reach, Sizes, hashable, per_axis
from gpucnn.nn import init as initial
from gpucnn.nn.init import Init
from gpucnn.nn.layer import Layer, check_count
from gpucnn.nn.module import Parameter
from gpucnn.tensor import Tensor

__all__ = ["ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d"]


class ConvTranspose(Layer):
    """Base of the transposed convolutions in one, two and three dimensions (`axes`)."""

    axes: ClassVar[int]
    inferred = "in_channels"

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: PerAxis,
        stride: PerAxis = 1,
        padding: PerAxis = 0,
        output_padding: PerAxis = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: PerAxis = 1,
        init: Init | None = None,
    ) -> None:
        self.in_channels = check_count(self.kind, "in_channels", in_channels)
        self.out_channels = check_count(self.kind, "out_channels", out_channels)
        if groups < 1 or in_channels % groups or out_channels % groups:
            raise ShapeError(
                f"{self.kind}: groups is {groups}, which does not divide the {in_channels} channels of the input "
                f"and the {out_channels} of the output"
            )
        self.kernel_size = per_axis(self.kind, "kernel_size", kernel_size, self.axes, least=1)
        self.stride, self.padding, self.output_padding = map(hashable, (stride, padding, output_padding))
        self.groups, self.dilation = groups, hashable(dilation)
        self.weight_shape = (in_channels, out_channels // groups, *self.kernel_size)
        self._draw(bias, initial.checked(init or "default", self.weight_shape))

    def _draw(self, bias: bool, rule: Init) -> None:
        """As PyTorch, which takes what an input spreads to for what an output is the sum of."""
        fan_in, fan_out = (
            math.prod(self.weight_shape[1:]),
            self.in_channels // self.groups * math.prod(self.kernel_size),
        )
        self.weight = Parameter(initial.weights(rule, self.weight_shape, fan_in, fan_out).astype("float32"))
        self.bias = Parameter(initial.biases(rule, self.out_channels, fan_in).astype("float32")) if bias else None

    @property
    def spreading(self) -> Spreading:
        """How the inputs are laid out."""
        return Spreading(self.stride, self.padding, self.output_padding, self.groups, self.dilation)

    def forward(self, x: Tensor) -> Tensor:
        """(N, O, outputs...)."""
        return spread(self.kind, self.axes, x, self.weight, self.bias, self.spreading)

    def output_shape(self, shape: Sizes) -> Sizes:
        """(O, outputs...) for (I, sizes...)."""
        _, sizes = transposed_window(self.kind, self.axes, (1, *shape), self.weight_shape, self.spreading)
        return (self.out_channels, *sizes)

    def multiply_adds(self, shape: Sizes) -> int:
        """One for each weight at each place of the input."""
        return math.prod(self.weight_shape) * math.prod(shape[1:])

    def reach(self, shape: Sizes) -> tuple[Reach, ...]:
        """What an output reads: the inputs whose kernels lie on it."""
        window, _ = transposed_window(self.kind, self.axes, (1, *shape), self.weight_shape, self.spreading)
        return tuple(
            Reach(Fraction(1, stride), Fraction(before - extent + 1, stride), Fraction(before, stride))
            for stride, extent, (before, _) in zip(window.stride, window.extent, window.padding, strict=True)
        )


class ConvTranspose1d(ConvTranspose):
    """Over (N, I, W); see functional.conv_transpose1d. Weight (I, O / groups, k), bias (O,)."""

    kind, axes = "conv_transpose1d", 1


class ConvTranspose2d(ConvTranspose):
    """Over (N, I, H, W); see functional.conv_transpose2d. Weight (I, O / groups, kh, kw), bias (O,)."""

    kind, axes = "conv_transpose2d", 2


class ConvTranspose3d(ConvTranspose):
    """Over (N, I, D, H, W); see functional.conv_transpose3d. Weight (I, O / groups, kd, kh, kw), bias (O,)."""

    kind, axes = "conv_transpose3d", 3
