"""Convolution in one, two and three dimensions, the linear map, and flatten, which goes between them."""

import functools
import math
from typing import Any

import numpy as np

from gpucnn.backend import Array, empty, written_by
from gpucnn.errors import ShapeError
from gpucnn.functional.checks import check_dtypes, no_tensor
from gpucnn.functional.dimensions import over
from gpucnn.geometry import Padding, PerAxis, Sizes, Sliding, Window, make_window
from gpucnn.kernels.dispatch import kernels_of
from gpucnn.kernels.interface import Gradients
from gpucnn.tensor import Function, Tensor

__all__ = ["conv1d", "conv2d", "conv3d", "flatten", "linear"]


class Weighted(Function):
    """What convolution and the linear map share: x, weight, and optional bias."""

    layout = "batch_last"
    x: Array
    weight: Array

    def _memory(self, grad: Array) -> Gradients:
        """Memory for the gradients by x, weight and bias: None where not needed."""
        by_x = empty(self.x.shape, grad) if self.needs[0] else None
        by_weight = self.gradient_memory(1, grad) if self.needs[1] else None
        return by_x, by_weight, self.gradient_memory(2, grad) if True in self.needs[2:] else None


class Convolution(Weighted):
    """x (I, spatial..., N), weight (O, I / groups, kernel...), optional bias (O,); `relu`: apply ReLU to the result."""

    def forward(self, x: Array, weight: Array, *bias: Array, window: Window, groups: int, relu: bool) -> Array:
        self.x, self.weight, self.window, self.groups = x, weight, window, groups
        out = empty((weight.shape[0], *window.output_sizes(x.shape[1:-1]), x.shape[-1]), x)
        kernels_of(type(x)).conv.forward(x, weight, bias[0] if bias else None, window, groups, relu, out)
        self.y = out if relu else None
        return out

    def backward(self, grad: Array) -> tuple[Array | None, ...]:
        if self.y is not None:
            grad = written_by(kernels_of(type(grad)).activation.relu_backward, grad.shape, grad, self.y)
        by_x, by_weight, by_bias = self._memory(grad)
        kernels = kernels_of(type(grad)).conv
        if by_x is not None:
            kernels.backward_input(self.weight, grad, self.window, self.groups, by_x)
        if by_weight is not None:
            kernels.backward_weight(self.x, grad, self.window, self.groups, by_weight, by_bias)
        elif by_bias is not None:
            kernels.backward_bias(grad, by_bias)
        return (by_x, by_weight, by_bias)[: len(self.needs)]


class Linear(Weighted):
    """x (F, N), weight (O, F), optional bias (O,): (O, N); `relu`: apply ReLU to the result."""

    def forward(self, x: Array, weight: Array, *bias: Array, relu: bool) -> Array:
        self.x, self.weight = x, weight
        out = empty((weight.shape[0], x.shape[-1]), x)
        kernels_of(type(x)).gemm.matmul(weight, x, out, bias[0] if bias else None, relu)
        self.y = out if relu else None
        return out

    def backward(self, grad: Array) -> tuple[Array | None, ...]:
        found = self._memory(grad)
        kernels_of(type(grad)).linear.backward(self.x, self.weight, self.y, grad, found)
        return found[: len(self.needs)]


class Flatten(Function):
    """x (C, H, W, N) as (C·H·W, N), a view."""

    layout = "batch_last"

    def forward(self, x: Array) -> Array:
        self.shape = x.shape
        return x.reshape(-1, x.shape[-1])

    def backward(self, grad: Array) -> Array:
        return grad.reshape(self.shape)


def conv(
    axes: int,
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
    Raises ShapeError where shapes or options do not fit, InputError for dtypes that differ or are not floating.
    """
    return convolve(f"conv{axes}d", axes, x, w, b, Sliding(stride, padding, dilation).hashable(), groups)


conv1d = over(1, conv, "As conv2d, over x (N, I, W) with w (O, I / groups, k): the result is (N, O, OW).")
conv2d = over(2, conv)
conv3d = over(
    3, conv, "As conv2d, over x (N, I, D, H, W) with w (O, I / groups, kd, kh, kw): the result is (N, O, OD, OH, OW)."
)


def convolve(
    name: str,
    axes: int,
    x: Tensor,
    w: Tensor,
    b: Tensor | None,
    sliding: Sliding,
    groups: int = 1,
    relu: bool = False,
) -> Tensor:
    """conv1d, conv2d or conv3d (`axes`); with `relu`, followed by ReLU in one pass. `name` is for messages."""
    window = window_of(name, axes, x, w, b, sliding, groups)
    inputs = (x, w) if b is None else (x, w, b)
    return Convolution.apply(*inputs, window=window, groups=groups, relu=relu)


def window_of(name: str, axes: int, x: Tensor, w: Tensor, b: Tensor | None, sliding: Sliding, groups: int) -> Window:
    """As convolution_window, from Tensors."""
    if not isinstance(x, Tensor):
        raise no_tensor(name, x)
    shapes = x.shape, w.shape, None if b is None else b.shape
    dtypes = x.memory.dtype, w.memory.dtype, None if b is None else b.memory.dtype
    return convolution_window(name, axes, shapes, dtypes, groups, sliding)


@functools.lru_cache(maxsize=1024, typed=True)  # every step of a training asks for the same few
def convolution_window(name: str, axes: int, shapes: Any, dtypes: Any, groups: int, sliding: Sliding) -> Window:
    """The window of a convolution, from the shapes and the dtypes of x, w and b (or None).

    Raises ShapeError where shapes and options do not fit, InputError for dtypes that differ or are not floating.
    """
    check_dtypes(name, *dtypes)
    x, w, b = shapes
    given = f"x {x}, w {w}"
    if len(x) != axes + 2 or len(w) != axes + 2:
        raise ShapeError(
            f"{name}: expected x (images, channels, {axes} sizes) and w (out_channels, in_channels / groups, {axes} "
            f"sizes), that is {axes + 2} axes each: {given}. One image needs an axis of size 1 in front"
        )
    if groups < 1 or x[1] % groups or w[0] % groups:
        raise ShapeError(
            f"{name}: groups is {groups}, which does not divide the {x[1]} channels of the input and the "
            f"{w[0]} of the output: {given}"
        )
    if x[1] != w[1] * groups:
        raise ShapeError(
            f"{name}: input has {x[1]} channels, weight expects {w[1] * groups}: {given}. "
            f"Give in_channels={x[1]} or change the layer before"
        )
    if b is not None and b != (w[0],):
        raise ShapeError(f"{name}: bias has shape {b}; expected ({w[0]},), one number per output channel")
    if x[0] == 0:
        raise ShapeError(f"{name}: the batch is empty: {given}. Give at least one image")
    return make_window(name, x[2:], w[2:], *sliding)


def linear(x: Tensor, w: Tensor, b: Tensor | None = None, relu: bool = False) -> Tensor:
    """x @ wᵀ + b for x (N, ..., F) or (F,), w (O, F), b (O,): (N, ..., O) or (O,); with `relu`, then ReLU, in one pass.

    Raises ShapeError where shapes do not fit, InputError for dtypes that differ or are not floating.
    """
    inputs = (x, w) if b is None else (x, w, b)
    if not isinstance(x, Tensor):
        raise no_tensor("linear", x)
    shapes = x.shape, w.shape, None if b is None else b.shape
    check_linear(*shapes, x.memory.dtype, w.memory.dtype, None if b is None else b.memory.dtype)
    if x.ndim == 2:
        return Linear.apply(*inputs, relu=relu)
    rows = x.reshape(math.prod(x.shape[:-1]), x.shape[-1])  # (N, ..., F) -> (N·..., F)
    return linear(rows, w, b, relu).reshape(*x.shape[:-1], w.shape[0])


@functools.lru_cache(maxsize=1024)  # every step of a training asks for the same few
def check_linear(x: Sizes, w: Sizes, b: Sizes | None, *dtypes: np.dtype | None) -> None:
    """Raises ShapeError where the shapes of x, w and b (or None) do not fit, InputError for dtypes."""
    check_dtypes("linear", *dtypes)
    if len(x) < 1 or len(w) != 2 or x[-1] != w[1]:
        features = x[-1] if x else 0
        raise ShapeError(
            f"linear: input has {features} features, weight expects {w[-1]}: x {x}, w {w}. "
            f"Give in_features={features or 1}, or put a flatten layer before it"
        )
    if b is not None and b != (w[0],):
        raise ShapeError(f"linear: bias has shape {b}; expected ({w[0]},), one number per output")


def flatten(x: Tensor, start_dim: int = 1) -> Tensor:
    """x (N, C, H, W) as (N, C·H·W): the axes from `start_dim` on become one. Raises ShapeError if it does not exist."""
    if not isinstance(x, Tensor):
        raise no_tensor("flatten", x)
    axes = x.memory.ndim
    if not -axes <= start_dim < axes:
        raise ShapeError(f"flatten: start_dim is {start_dim}, but the input has {axes} axes: x {x.shape}")
    return Flatten.apply(x) if start_dim % axes == 1 else x.reshape((*x.shape[: start_dim % axes], -1))
