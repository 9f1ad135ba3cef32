"""Pooling layers and padding layers: windows without weights."""

from collections.abc import Callable
from typing import ClassVar

from gpucnn import functional as F
from gpucnn.errors import ShapeError
from gpucnn.functional.pooling import max_pool_relu, pooling_window
from gpucnn.geometry import Padding, PerAxis, Sizes, Window, make_window, per_axis
from gpucnn.nn.layer import Layer
from gpucnn.tensor import Tensor


class _Windowed(Layer):
    """A layer that keeps its channels and slides its `window` over them."""

    def output_shape(self, shape: Sizes) -> Sizes:
        """(C, outputs...) for (C, sizes...)."""
        return (shape[0], *self.window(shape).output_sizes(shape[1:]))

    def window(self, shape: Sizes) -> Window:
        """The window over an input of `shape`. To be written by each layer."""
        raise NotImplementedError

    def _check_map(self, shape: Sizes) -> None:
        if len(shape) != 3:
            raise ShapeError(f"{self.kind}: expected an input of 3 axes (channels, height, width), given {shape}")


class _Pool(_Windowed):
    """What pooling in one, two and three dimensions shares: `axes` dimensions, and the `operation` over them."""

    axes: ClassVar[int]
    operation: ClassVar[Callable[..., Tensor]]
    kernel_size: PerAxis
    stride: PerAxis | None
    padding: Padding
    dilation: PerAxis = 1
    ceil_mode: bool

    def window(self, shape: Sizes) -> Window:
        """The pooling window."""
        return pooling_window(
            self.kind,
            self.axes,
            (1, *shape),
            self.kernel_size,
            self.stride,
            self.padding,
            self.dilation,
            self.ceil_mode,
        )


class MaxPool(_Pool):
    """What max-pooling in one, two and three dimensions shares."""

    def __init__(
        self,
        kernel_size: PerAxis,
        stride: PerAxis | None = None,
        padding: Padding = 0,
        dilation: PerAxis = 1,
        ceil_mode: bool = False,
    ) -> None:
        self.kernel_size, self.stride, self.padding = kernel_size, stride, padding
        self.dilation, self.ceil_mode = dilation, ceil_mode

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, outputs...)"""
        return self.operation(x, self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode)

    def forward_of_relu(self, x: Tensor) -> Tensor:
        """forward(relu(x)), to the bit, in one pass: both keep the order of numbers, so the maximum may be taken first.

        Where ReLU passes no gradient (at 0) pooling has none to hand on.
        """
        return max_pool_relu(self.axes, x, self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode)


class MaxPool1d(MaxPool):
    """The largest value under each window of (N, C, W); see functional.max_pool1d."""

    kind, axes, operation = "max_pool1d", 1, staticmethod(F.max_pool1d)


class MaxPool2d(MaxPool):
    """The largest value under each window of (N, C, H, W); see functional.max_pool2d."""

    kind, axes, operation = "max_pool2d", 2, staticmethod(F.max_pool2d)


class MaxPool3d(MaxPool):
    """The largest value under each window of (N, C, D, H, W); see functional.max_pool3d."""

    kind, axes, operation = "max_pool3d", 3, staticmethod(F.max_pool3d)


class _AvgPool(_Pool):
    def __init__(
        self,
        kernel_size: PerAxis,
        stride: PerAxis | None = None,
        padding: Padding = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        self.kernel_size, self.stride, self.padding = kernel_size, stride, padding
        self.ceil_mode, self.count_include_pad = ceil_mode, count_include_pad

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, outputs...)"""
        return self.operation(x, self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad)


class AvgPool1d(_AvgPool):
    """The average under each window of (N, C, W); see functional.avg_pool1d."""

    kind, axes, operation = "avg_pool1d", 1, staticmethod(F.avg_pool1d)


class AvgPool2d(_AvgPool):
    """The average under each window of (N, C, H, W); see functional.avg_pool2d."""

    kind, axes, operation = "avg_pool2d", 2, staticmethod(F.avg_pool2d)


class AvgPool3d(_AvgPool):
    """The average under each window of (N, C, D, H, W); see functional.avg_pool3d."""

    kind, axes, operation = "avg_pool3d", 3, staticmethod(F.avg_pool3d)


class _GlobalPool(_Windowed):
    def window(self, shape: Sizes) -> Window:
        """A window over the whole map."""
        self._check_map(shape)
        return make_window(self.kind, shape[1:], shape[1:])


class GlobalAvgPool2d(_GlobalPool):
    """The average of each map of (N, C, H, W)."""

    kind = "global_avg_pool2d"

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, 1, 1)"""
        return F.global_avg_pool2d(x)


class GlobalMaxPool2d(_GlobalPool):
    """The largest value of each map of (N, C, H, W)."""

    kind = "global_max_pool2d"

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, 1, 1)"""
        return F.global_max_pool2d(x)


class _Pad2d(_Windowed):
    """A border around (N, C, H, W); `padding` is one number or (left, right, top, bottom)."""

    mode: ClassVar[F.PadMode]

    def __init__(self, padding: PerAxis) -> None:
        self.padding = per_axis(self.kind, "padding", padding, 4, least=0)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, top + H + bottom, left + W + right)"""
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
