"""Pooling: the largest value or the average under a window, or over the whole map."""

import math

from gpucnn.backend import Array, empty
from gpucnn.errors import ShapeError
from gpucnn.functional.checks import check_floating
from gpucnn.geometry import Padding, PerAxis, Sides, Sizes, Window, make_window, sides_of
from gpucnn.kernels.choice import kernels_of
from gpucnn.tensor import Function, Tensor


class MaxPool(Function):
    """x (C, spatial..., N)"""

    layout = "batch_last"
    least = -math.inf  # of the result

    def forward(self, x: Array, window: Window) -> Array:
        self.shape, self.window = x.shape, window
        out = empty((x.shape[0], *window.output_sizes(x.shape[1:-1]), x.shape[-1]), x)
        if self.needs[0]:
            self.winners = kernels_of(x).pool.max_forward_winners(x, window, self.least, out)
        else:
            kernels_of(x).pool.max_forward(x, window, self.least, out)
        return out

    def backward(self, grad: Array) -> Array:
        out = empty(self.shape, grad)
        kernels_of(grad).pool.max_backward(grad, self.winners, self.window, out)
        return out


class MaxPoolReLU(MaxPool):
    """relu of the pooling"""

    least = 0.0


class AveragePool(Function):
    """x (C, spatial..., N), divided by counts (outputs..., 1)"""

    layout = "batch_last"

    def forward(self, x: Array, window: Window, counted: Sides) -> Array:
        self.shape, self.window = x.shape, window
        outputs = window.output_sizes(x.shape[1:-1])
        out = empty((x.shape[0], *outputs, x.shape[-1]), x)
        self.counts = kernels_of(x).pool.tap_counts(window, counted, x.shape[1:-1], outputs, x)
        kernels_of(x).pool.average_forward(x, window, self.counts, out)
        return out

    def backward(self, grad: Array) -> Array:
        out = empty(self.shape, grad)
        kernels_of(grad).pool.average_backward(grad, self.window, self.counts, out)
        return out


class GlobalAveragePool(Function):
    """x (C, H, W, N): the mean of each map, (C, 1, 1, N)"""

    layout = "batch_last"

    def forward(self, x: Array) -> Array:
        self.shape = x.shape
        out = empty((x.shape[0], 1, 1, x.shape[-1]), x)
        kernels_of(x).pool.global_average_forward(x, out)
        return out

    def backward(self, grad: Array) -> Array:
        out = empty(self.shape, grad)
        kernels_of(grad).pool.global_average_backward(grad, out)
        return out


class GlobalMaxPool(Function):
    """x (C, H, W, N): the largest value of each map, (C, 1, 1, N); of equal ones the first has the gradient"""

    layout = "batch_last"

    def forward(self, x: Array) -> Array:
        self.shape, out = x.shape, empty((x.shape[0], 1, 1, x.shape[-1]), x)
        self.winners = kernels_of(x).pool.global_max_forward(x, out)
        return out

    def backward(self, grad: Array) -> Array:
        out = empty(self.shape, grad)
        kernels_of(grad).pool.global_max_backward(grad, self.winners, out)
        return out


def max_pool1d(
    x: Tensor,
    kernel_size: PerAxis,
    stride: PerAxis | None = None,
    padding: Padding = 0,
    dilation: PerAxis = 1,
    ceil_mode: bool = False,
) -> Tensor:
    """As max_pool2d, over x (N, C, W)."""
    return _max_pool("max_pool1d", 1, x, kernel_size, stride, padding, dilation, ceil_mode)


def max_pool2d(
    x: Tensor,
    kernel_size: PerAxis,
    stride: PerAxis | None = None,
    padding: Padding = 0,
    dilation: PerAxis = 1,
    ceil_mode: bool = False,
) -> Tensor:
    """The largest value under each window of x (N, C, H, W): (N, C, OH, OW). Padding is -inf; ties go to the first.

    `stride` is `kernel_size` unless given; `padding` as for conv2d; with `ceil_mode` a partial last window counts.
    Raises ShapeError where the window does not fit.
    """
    return _max_pool("max_pool2d", 2, x, kernel_size, stride, padding, dilation, ceil_mode)


def max_pool3d(
    x: Tensor,
    kernel_size: PerAxis,
    stride: PerAxis | None = None,
    padding: Padding = 0,
    dilation: PerAxis = 1,
    ceil_mode: bool = False,
) -> Tensor:
    """As max_pool2d, over x (N, C, D, H, W)."""
    return _max_pool("max_pool3d", 3, x, kernel_size, stride, padding, dilation, ceil_mode)


def max_pool_relu(
    axes: int,
    x: Tensor,
    kernel_size: PerAxis,
    stride: PerAxis | None = None,
    padding: Padding = 0,
    dilation: PerAxis = 1,
    ceil_mode: bool = False,
) -> Tensor:
    """relu of max_pool1d, 2d or 3d (`axes`), which is that pooling of relu, in one pass."""
    return _max_pool(f"max_pool{axes}d", axes, x, kernel_size, stride, padding, dilation, ceil_mode, MaxPoolReLU)


def avg_pool1d(
    x: Tensor,
    kernel_size: PerAxis,
    stride: PerAxis | None = None,
    padding: Padding = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:
    """As avg_pool2d, over x (N, C, W)."""
    return _average_pool("avg_pool1d", 1, x, kernel_size, stride, padding, ceil_mode, count_include_pad)


def avg_pool2d(
    x: Tensor,
    kernel_size: PerAxis,
    stride: PerAxis | None = None,
    padding: Padding = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:
    """The average under each window of x (N, C, H, W): (N, C, OH, OW).

    The padding's zeros count unless `count_include_pad` is False; what `ceil_mode` adds beyond it never does.
    `stride` is `kernel_size` unless given; `padding` as for conv2d. Raises ShapeError where the window does not fit.
    """
    return _average_pool("avg_pool2d", 2, x, kernel_size, stride, padding, ceil_mode, count_include_pad)


def avg_pool3d(
    x: Tensor,
    kernel_size: PerAxis,
    stride: PerAxis | None = None,
    padding: Padding = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:
    """As avg_pool2d, over x (N, C, D, H, W)."""
    return _average_pool("avg_pool3d", 3, x, kernel_size, stride, padding, ceil_mode, count_include_pad)


def global_avg_pool2d(x: Tensor) -> Tensor:
    """The average of each map of x (N, C, H, W): (N, C, 1, 1)."""
    check_axes("global_avg_pool2d", 2, x.shape)
    check_floating("global_avg_pool2d", x)
    return GlobalAveragePool.apply(x)


def global_max_pool2d(x: Tensor) -> Tensor:
    """The largest value of each map of x (N, C, H, W): (N, C, 1, 1)."""
    check_axes("global_max_pool2d", 2, x.shape)
    check_floating("global_max_pool2d", x)
    return GlobalMaxPool.apply(x)


def _max_pool(
    name: str,
    axes: int,
    x: Tensor,
    kernel: PerAxis,
    stride: PerAxis | None,
    padding: Padding,
    dilation: PerAxis,
    ceil_mode: bool,
    function: type[Function] = MaxPool,
) -> Tensor:
    check_floating(name, x)
    window = pooling_window(name, axes, x.shape, kernel, stride, padding, dilation, ceil_mode)
    return function.apply(x, window=window)


def _average_pool(
    name: str,
    axes: int,
    x: Tensor,
    kernel: PerAxis,
    stride: PerAxis | None,
    padding: Padding,
    ceil_mode: bool,
    count_include_pad: bool,
) -> Tensor:
    check_floating(name, x)
    window = pooling_window(name, axes, x.shape, kernel, stride, padding, 1, ceil_mode)
    counted = sides_of(name, window, x.shape[2:], padding if count_include_pad else 0)
    return AveragePool.apply(x, window=window, counted=counted)


def pooling_window(
    name: str,
    axes: int,
    shape: Sizes,
    kernel: PerAxis,
    stride: PerAxis | None,
    padding: Padding,
    dilation: PerAxis,
    ceil_mode: bool,
) -> Window:
    """The window over an x of `shape`, checked: with less padding than it reaches over, so that it sees a pixel."""
    check_axes(name, axes, shape)
    window = make_window(name, shape[2:], kernel, kernel if stride is None else stride, padding, dilation, ceil_mode)
    for extent, sides in zip(window.extent, window.padding, strict=True):
        if max(sides) >= extent:
            raise ShapeError(
                f"{name}: padding is {padding!r}, as wide as the window, which reaches over {extent} pixels: "
                f"a window would see padding alone. Give less padding than that"
            )
    return window


def check_axes(name: str, axes: int, shape: Sizes) -> None:
    """Raises ShapeError unless `shape` is (images, channels, `axes` sizes)."""
    if len(shape) != axes + 2 or 0 in shape:
        raise ShapeError(
            f"{name}: expected x (images, channels, {axes} sizes), {axes + 2} axes, none of them empty: x {shape}"
        )
