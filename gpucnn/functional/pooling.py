"""Pooling: the largest value or the average under a window, or over the whole map; behind a convolution too."""

import functools
from collections.abc import Callable

import numpy as np

from gpucnn.backend import Array, empty, written_by
from gpucnn.errors import ShapeError
from gpucnn.functional.checks import check_dtypes, check_floating, no_tensor
from gpucnn.functional.convolution import Weighted, window_of
from gpucnn.functional.dimensions import over
from gpucnn.geometry import Padding, PerAxis, Sides, Sizes, Sliding, Window, hashable, make_window, sides_of
from gpucnn.kernels.dispatch import kernels_of
from gpucnn.kernels.interface import Windows
from gpucnn.tensor import Function, Tensor
from gpucnn.tensor.interluded import interluded

__all__ = [
    "avg_pool1d",
    "avg_pool2d",
    "avg_pool3d",
    "global_avg_pool1d",
    "global_avg_pool2d",
    "global_avg_pool3d",
    "global_max_pool1d",
    "global_max_pool2d",
    "global_max_pool3d",
    "max_pool1d",
    "max_pool2d",
    "max_pool3d",
]


class MaxPool(Function):
    """x (C, spatial..., N); `relu`: apply ReLU to the result."""

    layout = "batch_last"

    def forward(self, x: Array, window: Window, relu: bool) -> Array:
        self.shape, self.window = x.shape, window
        out = empty((x.shape[0], *window.output_sizes(x.shape[1:-1]), x.shape[-1]), x)
        if self.needs[0]:
            self.winners = kernels_of(type(x)).pool.max_forward_winners(x, window, relu, out)
        else:
            kernels_of(type(x)).pool.max_forward(x, window, relu, out)
        return out

    def backward(self, grad: Array) -> Array:
        return written_by(kernels_of(type(grad)).pool.max_backward, self.shape, grad, self.winners, self.window)


class PooledConvolution(Weighted):
    """As Convolution, and then max-pooling; `relu`: apply ReLU, between them or behind, which gives the same."""

    def forward(self, x: Array, weight: Array, *bias: Array, windows: Windows, relu: bool) -> Array:
        self.x, self.weight, self.windows = x, weight, windows
        sizes = windows.pooling.output_sizes(windows.convolution.output_sizes(x.shape[1:-1]))
        out = empty((weight.shape[0], *sizes, x.shape[-1]), x)
        kernels, given = kernels_of(type(x)).conv_pool, (x, weight, bias[0] if bias else None)
        self.winners = kernels.forward(*given, windows, relu, True in self.needs, out)
        return out

    def backward(self, grad: Array) -> tuple[Array | None, ...]:
        found = self._memory(grad)
        kernels = kernels_of(type(grad)).conv_pool
        kernels.backward(self.x, self.weight, grad, self.winners, self.windows, found)
        return found[: len(self.needs)]


class AveragePool(Function):
    """x (C, spatial..., N), divided by counts (outputs..., 1)."""

    layout = "batch_last"

    def forward(self, x: Array, window: Window, counted: Sides) -> Array:
        self.shape, self.window = x.shape, window
        outputs = window.output_sizes(x.shape[1:-1])
        kernels = kernels_of(type(x)).pool
        self.counts = kernels.tap_counts(window, counted, x.shape[1:-1], outputs, x)
        shape = (x.shape[0], *outputs, x.shape[-1])
        return written_by(kernels.average_forward, shape, x, window, self.counts)

    def backward(self, grad: Array) -> Array:
        return written_by(kernels_of(type(grad)).pool.average_backward, self.shape, grad, self.window, self.counts)


class GlobalAveragePool(Function):
    """x (C, spatial..., N): the mean of each map, (C, ones..., N)."""

    layout = "batch_last"

    def forward(self, x: Array) -> Array:
        self.shape = x.shape
        return written_by(kernels_of(type(x)).pool.global_average_forward, _single(x.shape), x)

    def backward(self, grad: Array) -> Array:
        return written_by(kernels_of(type(grad)).pool.global_average_backward, self.shape, grad)


@interluded  # in C no kernel counts so many taps
class GlobalMaxPool(Function):
    """x (C, spatial..., N): the largest value of each map, (C, ones..., N); of equal ones the first wins."""

    layout = "batch_last"

    def forward(self, x: Array) -> Array:
        self.shape, out = x.shape, empty(_single(x.shape), x)
        self.winners = kernels_of(type(x)).pool.global_max_forward(x, out)
        return out

    def backward(self, grad: Array) -> Array:
        return written_by(kernels_of(type(grad)).pool.global_max_backward, self.shape, grad, self.winners)


def max_pool(
    axes: int,
    x: Tensor,
    kernel_size: PerAxis,
    stride: PerAxis | None = None,
    padding: Padding = 0,
    dilation: PerAxis = 1,
    ceil_mode: bool = False,
) -> Tensor:
    """The largest value under each window of x (N, C, H, W): (N, C, OH, OW). Padding is -inf; ties go to the first.

    `stride` defaults to `kernel_size`; `padding` as for conv2d; with `ceil_mode` a partial last window counts.
    Raises ShapeError where the window does not fit.
    """
    return max_pooling(axes, x, hashable(kernel_size), _sliding(kernel_size, stride, padding, dilation, ceil_mode))


def avg_pool(
    axes: int,
    x: Tensor,
    kernel_size: PerAxis,
    stride: PerAxis | None = None,
    padding: Padding = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:
    """The average under each window of x (N, C, H, W): (N, C, OH, OW).

    The padding's zeros count as values unless `count_include_pad` is False; cells added by `ceil_mode` never count.
    `stride` defaults to `kernel_size`; `padding` as for conv2d. Raises ShapeError where the window does not fit.
    """
    sliding = _sliding(kernel_size, stride, padding, 1, ceil_mode)
    return average_pooling(axes, x, hashable(kernel_size), sliding, count_include_pad)


max_pool1d = over(1, max_pool, "As max_pool2d, over x (N, C, W).")
max_pool2d = over(2, max_pool)
max_pool3d = over(3, max_pool, "As max_pool2d, over x (N, C, D, H, W).")
avg_pool1d = over(1, avg_pool, "As avg_pool2d, over x (N, C, W).")
avg_pool2d = over(2, avg_pool)
avg_pool3d = over(3, avg_pool, "As avg_pool2d, over x (N, C, D, H, W).")


def global_avg_pool(axes: int, x: Tensor) -> Tensor:
    """The average of each map of x (N, C, H, W): (N, C, 1, 1). Raises ShapeError for another number of axes."""
    return _of_maps(GlobalAveragePool, f"global_avg_pool{axes}d", axes, x)


def global_max_pool(axes: int, x: Tensor) -> Tensor:
    """The largest value of each map of x (N, C, H, W): (N, C, 1, 1). Raises ShapeError for another number of axes."""
    return _of_maps(GlobalMaxPool, f"global_max_pool{axes}d", axes, x)


global_avg_pool1d = over(1, global_avg_pool, "As global_avg_pool2d, over x (N, C, W).")
global_avg_pool2d = over(2, global_avg_pool)
global_avg_pool3d = over(3, global_avg_pool, "As global_avg_pool2d, over x (N, C, D, H, W).")
global_max_pool1d = over(1, global_max_pool, "As global_max_pool2d, over x (N, C, W).")
global_max_pool2d = over(2, global_max_pool)
global_max_pool3d = over(3, global_max_pool, "As global_max_pool2d, over x (N, C, D, H, W).")


def _of_maps(function: type[Function], name: str, axes: int, x: Tensor) -> Tensor:
    check_axes(name, axes, x.shape)
    check_floating(name, x)
    return function.apply(x)


def _single(shape: Sizes) -> Sizes:
    """(C, 1, ..., 1, N) for (C, spatial..., N)."""
    return (shape[0], *(1 for _ in shape[1:-1]), shape[-1])


def _sliding(kernel: PerAxis, stride: PerAxis | None, padding: Padding, dilation: PerAxis, ceil_mode: bool) -> Sliding:
    return Sliding(kernel if stride is None else stride, padding, dilation, ceil_mode).hashable()


def max_pooling(axes: int, x: Tensor, kernel: PerAxis, sliding: Sliding, relu: bool = False) -> Tensor:
    """max_pool1d, 2d or 3d (`axes`); with `relu`, followed by ReLU in one pass (ReLU before pooling gives the same)."""
    if not isinstance(x, Tensor):
        raise no_tensor(f"max_pool{axes}d", x)
    window = pooling_window(f"max_pool{axes}d", axes, x.shape, kernel, sliding, x.memory.dtype)
    return MaxPool.apply(x, window=window, relu=relu)


def convolve_pooled(
    name: str,
    axes: int,
    x: Tensor,
    w: Tensor,
    b: Tensor | None,
    sliding: Sliding,
    groups: int,
    relu: bool,
    pooling: Callable[[Sizes, np.dtype], Window],
) -> Tensor:
    """As convolve, followed by max-pooling: `pooling` returns its window for a convolution's shape and dtype."""
    window = window_of(name, axes, x, w, b, sliding, groups)
    pooled = pooling((x.shape[0], w.shape[0], *window.output_sizes(x.shape[2:])), x.memory.dtype)
    inputs = (x, w) if b is None else (x, w, b)
    return PooledConvolution.apply(*inputs, windows=Windows(window, groups, pooled), relu=relu)


def average_pooling(axes: int, x: Tensor, kernel: PerAxis, sliding: Sliding, count_include_pad: bool) -> Tensor:
    """avg_pool1d, 2d or 3d (`axes`)."""
    name = f"avg_pool{axes}d"
    if not isinstance(x, Tensor):
        raise no_tensor(name, x)
    window = pooling_window(name, axes, x.shape, kernel, sliding, x.memory.dtype)
    counted = sides_of(name, window, x.shape[2:], sliding.padding if count_include_pad else 0)
    return AveragePool.apply(x, window=window, counted=counted)


@functools.lru_cache(maxsize=1024, typed=True)  # every step of a training asks for the same few
def pooling_window(
    name: str, axes: int, shape: Sizes, kernel: PerAxis, sliding: Sliding, dtype: np.dtype | None = None
) -> Window:
    """The window over an input of `shape`. Raises ShapeError unless its padding is smaller than its extent."""
    check_dtypes(name, dtype)
    check_axes(name, axes, shape)
    window = make_window(name, shape[2:], kernel, *sliding)
    for extent, sides in zip(window.extent, window.padding, strict=True):
        if max(sides) >= extent:
            raise ShapeError(
                f"{name}: padding is {sliding.padding!r}, as wide as the window, which reaches over {extent} "
                f"pixels: a window would see padding alone. Give less padding than that"
            )
    return window


def check_axes(name: str, axes: int, shape: Sizes) -> None:
    """Raises ShapeError unless `shape` is (images, channels, `axes` sizes)."""
    if len(shape) != axes + 2 or 0 in shape:
        raise ShapeError(
            f"{name}: expected x (images, channels, {axes} sizes), {axes + 2} axes, none of them empty: x {shape}"
        )
