"""Convolution in one, two and three dimensions, and the linear map."""

import functools
import math

from gpucnn.backend import Array, empty
from gpucnn.errors import ShapeError
from gpucnn.functional.checks import check_floating
from gpucnn.geometry import Padding, PerAxis, Sizes, Window, make_window
from gpucnn.kernels.choice import kernels_of
from gpucnn.tensor import Function, Tensor


class Convolution(Function):
    """x (I, spatial..., N), weight (O, I / groups, kernel...), bias (O,) or none."""

    layout = "batch_last"
    least = -math.inf  # of the result

    def forward(self, x: Array, weight: Array, *bias: Array, window: Window, groups: int) -> Array:
        self.x, self.weight, self.window, self.groups = x, weight, window, groups
        out = empty((weight.shape[0], *window.output_sizes(x.shape[1:-1]), x.shape[-1]), x)
        kernels_of(x).conv.forward(x, weight, bias[0] if bias else None, window, groups, self.least, out)
        return out

    def backward(self, grad: Array) -> tuple[Array | None, ...]:
        kernels = kernels_of(grad).conv
        by_x = empty(self.x.shape, grad) if self.needs[0] else None
        by_weight = self.gradient_memory(1, grad) if self.needs[1] else None
        by_bias = self.gradient_memory(2, grad) if any(self.needs[2:]) else None
        if by_x is not None:
            kernels.backward_input(self.weight, grad, self.window, self.groups, by_x)
        if by_weight is not None:
            kernels.backward_weight(self.x, grad, self.window, self.groups, by_weight, by_bias)
        elif by_bias is not None:
            kernels.backward_bias(grad, by_bias)
        return (by_x, by_weight, by_bias)[: len(self.needs)]


class ConvolutionReLU(Convolution):
    """relu of the convolution"""

    least = 0.0

    def forward(self, x: Array, weight: Array, *bias: Array, window: Window, groups: int) -> Array:
        self.y = super().forward(x, weight, *bias, window=window, groups=groups)
        return self.y

    def backward(self, grad: Array) -> tuple[Array | None, ...]:
        return super().backward(_passed(grad, self.y))


class Linear(Function):
    """x (..., F, N), weight (O, F), bias (O,) or none; the result is (..., O, N)."""

    layout = "batch_last"
    least = -math.inf  # of the result

    def forward(self, x: Array, weight: Array, *bias: Array) -> Array:
        self.x, self.weight = x, weight
        out = empty((*x.shape[:-2], weight.shape[0], x.shape[-1]), x)
        kernels_of(x).gemm.matmul(weight, x, out, bias[0] if bias else None, self.least)
        return out

    def backward(self, grad: Array) -> tuple[Array | None, ...]:
        by_x = empty(self.x.shape, grad) if self.needs[0] else None
        by_weight = self.gradient_memory(1, grad) if self.needs[1] else None
        by_bias = self.gradient_memory(2, grad) if any(self.needs[2:]) else None
        gemm = kernels_of(grad).gemm
        if by_x is not None:
            gemm.matmul(self.weight.T, grad, by_x)
        if by_weight is not None and by_bias is not None and grad.ndim == 2:
            gemm.matmul_and_row_sums(grad, self.x.T, by_weight, by_bias)
        else:
            self._sum_products(grad, by_weight)
            self._sum_images(grad, by_bias)
        return (by_x, by_weight, by_bias)[: len(self.needs)]

    def _sum_products(self, grad: Array, out: Array | None) -> None:
        """The gradient by the weight (O, F): grad (..., O, N) @ x (..., F, N)ᵀ, summed over the leading axes."""
        if out is None:
            return
        products = out if grad.ndim == 2 else empty((*grad.shape[:-2], *self.weight.shape), grad)
        kernels_of(grad).gemm.matmul(grad, self.x.swapaxes(-1, -2), products)
        if products is not out:
            products.sum(axis=tuple(range(grad.ndim - 2)), out=out)

    def _sum_images(self, grad: Array, out: Array | None) -> None:
        """The gradient by the bias (O,): grad (..., O, N) summed over all but its rows."""
        if out is not None:
            rows = grad if grad.ndim == 2 else grad.sum(axis=tuple(range(grad.ndim - 2)))
            kernels_of(grad).sums.row_sums(rows, out)


class LinearReLU(Linear):
    """relu of the linear map"""

    least = 0.0

    def forward(self, x: Array, weight: Array, *bias: Array) -> Array:
        self.y = super().forward(x, weight, *bias)
        return self.y

    def backward(self, grad: Array) -> tuple[Array | None, ...]:
        return super().backward(_passed(grad, self.y))


def _passed(grad: Array, y: Array) -> Array:
    """What of `grad` ReLU passes on, whose result was y."""
    out = empty(grad.shape, grad)
    kernels_of(grad).activation.relu_backward(grad, y, out)
    return out


def conv1d(
    x: Tensor,
    w: Tensor,
    b: Tensor | None = None,
    stride: PerAxis = 1,
    padding: Padding = 0,
    dilation: PerAxis = 1,
    groups: int = 1,
) -> Tensor:
    """As conv2d, over x (N, I, W) with w (O, I / groups, k): the result is (N, O, OW)."""
    return _convolve("conv1d", 1, x, w, b, stride, padding, dilation, groups)


def conv2d(
    x: Tensor,
    w: Tensor,
    b: Tensor | None = None,
    stride: PerAxis = 1,
    padding: Padding = 0,
    dilation: PerAxis = 1,
    groups: int = 1,
) -> Tensor:
    """Cross-correlation of x (N, I, H, W) with w (O, I / groups, kh, kw), plus b (O,): the result is (N, O, OH, OW).

    `padding` is a number, one number per axis, a (before, after) pair per axis ((top, bottom), (left, right)), "valid",
    or "same" (ceil(size / stride) outputs, the odd pixel at the end). `groups` splits the channels, up to depthwise.
    Raises ShapeError where shapes or options do not fit.
    """
    return _convolve("conv2d", 2, x, w, b, stride, padding, dilation, groups)


def conv3d(
    x: Tensor,
    w: Tensor,
    b: Tensor | None = None,
    stride: PerAxis = 1,
    padding: Padding = 0,
    dilation: PerAxis = 1,
    groups: int = 1,
) -> Tensor:
    """As conv2d, over x (N, I, D, H, W) with w (O, I / groups, kd, kh, kw): the result is (N, O, OD, OH, OW)."""
    return _convolve("conv3d", 3, x, w, b, stride, padding, dilation, groups)


def convolution_relu(
    name: str,
    axes: int,
    x: Tensor,
    w: Tensor,
    b: Tensor | None = None,
    stride: PerAxis = 1,
    padding: Padding = 0,
    dilation: PerAxis = 1,
    groups: int = 1,
) -> Tensor:
    """relu of conv1d, conv2d or conv3d (`axes`), in one pass; `name` is for messages."""
    return _convolve(name, axes, x, w, b, stride, padding, dilation, groups, ConvolutionReLU)


def _convolve(
    name: str,
    axes: int,
    x: Tensor,
    w: Tensor,
    b: Tensor | None,
    stride: PerAxis,
    padding: Padding,
    dilation: PerAxis,
    groups: int,
    function: type[Function] = Convolution,
) -> Tensor:
    check_floating(name, x, w, b)
    _check_shapes(name, axes, x.shape, w.shape, None if b is None else b.shape, groups)
    window = make_window(name, x.shape[2:], w.shape[2:], stride, padding, dilation)
    return function.apply(x, w, *([] if b is None else [b]), window=window, groups=groups)


@functools.lru_cache(maxsize=1024)  # every step of a training asks the same
def _check_shapes(name: str, axes: int, x: Sizes, w: Sizes, b: Sizes | None, groups: int) -> None:
    shapes = f"x {x}, w {w}"
    if len(x) != axes + 2 or len(w) != axes + 2:
        raise ShapeError(
            f"{name}: expected x (images, channels, {axes} sizes) and w (out_channels, in_channels / groups, {axes} "
            f"sizes), that is {axes + 2} axes each: {shapes}. One image needs an axis of size 1 in front"
        )
    if groups < 1 or x[1] % groups or w[0] % groups:
        raise ShapeError(
            f"{name}: groups is {groups}, which does not divide the {x[1]} channels of the input and the "
            f"{w[0]} of the output: {shapes}"
        )
    if x[1] != w[1] * groups:
        raise ShapeError(
            f"{name}: input has {x[1]} channels, weight expects {w[1] * groups}: {shapes}. "
            f"Give in_channels={x[1]} or change the layer before"
        )
    if b is not None and b != (w[0],):
        raise ShapeError(f"{name}: bias has shape {b}; expected ({w[0]},), one number per output channel")
    if x[0] == 0:
        raise ShapeError(f"{name}: the batch is empty: {shapes}. Give at least one image")


def linear(x: Tensor, w: Tensor, b: Tensor | None = None) -> Tensor:
    """x @ wᵀ + b for x (N, ..., F), w (O, F), b (O,): (N, ..., O). Raises ShapeError where they do not fit."""
    return _map(x, w, b, Linear)


def linear_relu(x: Tensor, w: Tensor, b: Tensor | None = None) -> Tensor:
    """relu of linear, in one pass."""
    return _map(x, w, b, LinearReLU)


def _map(x: Tensor, w: Tensor, b: Tensor | None, function: type[Function]) -> Tensor:
    _check_linear(x.shape, w.shape, None if b is None else b.shape)
    check_floating("linear", x, w, b)
    if x.ndim == 1:  # one image without an axis of images
        return _map(x.reshape(1, -1), w, b, function).reshape(-1)
    return function.apply(x, w, *([] if b is None else [b]))


@functools.lru_cache(maxsize=1024)
def _check_linear(x: Sizes, w: Sizes, b: Sizes | None) -> None:
    if len(x) < 1 or len(w) != 2 or x[-1] != w[1]:
        features = x[-1] if x else 0
        raise ShapeError(
            f"linear: input has {features} features, weight expects {w[-1]}: x {x}, w {w}. "
            f"Give in_features={features or 1}, or put a flatten layer before it"
        )
    if b is not None and b != (w[0],):
        raise ShapeError(f"linear: bias has shape {b}; expected ({w[0]},), one number per output")
