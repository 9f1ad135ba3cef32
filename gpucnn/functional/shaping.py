"""Operations that move values without changing them: flatten and padding."""

from collections.abc import Sequence
from typing import Literal

import numpy as np

from gpucnn.autograd import Tensor
from gpucnn.backend import Array
from gpucnn.errors import InputError, ShapeError
from gpucnn.function import Function
from gpucnn.geometry import Sides, is_count
from gpucnn.kernels.reference import padding

PadMode = Literal["zeros", "replicate", "reflect", "constant"]
SOURCES = {"replicate": padding.replicate_sources, "reflect": padding.reflect_sources}


class Flatten(Function):
    """x (C, H, W, N) as (C·H·W, N): the same memory"""

    layout = "batch_last"

    def forward(self, x: Array) -> Array:
        self.shape = x.shape
        return x.reshape(-1, x.shape[-1])

    def backward(self, grad: Array) -> Array:
        return grad.reshape(self.shape)


class ConstantPad(Function):
    layout = "batch_last"

    def forward(self, x: Array, sides: Sides, value: float) -> Array:
        self.shape, self.sides = x.shape, sides
        return padding.constant(x, sides, value)

    def backward(self, grad: Array) -> Array:
        return padding.constant_backward(grad, self.sides, self.shape)


class GatherPad(Function):
    """Padding by pixels of x itself"""

    layout = "batch_last"

    def forward(self, x: Array, sources: dict[int, np.ndarray]) -> Array:
        self.shape, self.sources = x.shape, sources
        return padding.gather(x, sources)

    def backward(self, grad: Array) -> Array:
        return padding.gather_backward(grad, self.sources, self.shape)


def flatten(x: Tensor, start_dim: int = 1) -> Tensor:
    """x (N, C, H, W) as (N, C·H·W): the axes from `start_dim` on become one. Raises ShapeError where there is none."""
    if not -x.ndim <= start_dim < x.ndim:
        raise ShapeError(f"flatten: start_dim is {start_dim}, but the input has {x.ndim} axes: x {x.shape}")
    start = start_dim % x.ndim
    return Flatten.apply(x) if start == 1 else x.reshape((*x.shape[:start], -1))


def pad(x: Tensor, pad: Sequence[int], mode: PadMode = "zeros", value: float = 0.0) -> Tensor:
    """x with a border; `pad` counts from the last axis, as in PyTorch: (left, right, top, bottom) for (N, C, H, W).

    `mode` is "zeros" ("constant": `value`), "replicate" (the nearest pixel) or "reflect" (mirrored, without the border
    pixel; less than the axis is long). Raises ShapeError for padding that does not fit, InputError for another mode.
    """
    if len(pad) % 2 or not 2 <= len(pad) <= 2 * x.ndim or not all(is_count(p, 0) for p in pad):
        raise ShapeError(
            f"pad: pad is {tuple(pad)}; expected whole numbers of at least 0, two per axis from the last axis on: "
            f"(left, right, top, bottom); x {x.shape}"
        )
    sides = _by_memory_axis(x, pad)
    if mode in ("zeros", "constant"):
        return ConstantPad.apply(x, sides=sides, value=value)
    if mode not in SOURCES:
        raise InputError(f"pad: mode is {mode!r}; expected zeros, constant, replicate or reflect")
    shape = (*x.shape[1:], x.shape[0])
    sources = {}
    for axis, (before, after) in enumerate(sides):
        if before or after:
            if shape[axis] == 0 or (mode == "reflect" and max(before, after) >= shape[axis]):
                raise ShapeError(
                    f"pad: {max(before, after)} pixels cannot be mirrored on an axis of {shape[axis]}: x {x.shape}. "
                    f"Give at most {shape[axis] - 1}"
                )
            sources[axis] = SOURCES[mode](shape[axis], before, after)
    return GatherPad.apply(x, sources=sources)


def _by_memory_axis(x: Tensor, pad: Sequence[int]) -> Sides:
    """PyTorch's flat padding, last axis first, as a (before, after) pair for each axis of batch-last memory."""
    pairs = [(0, 0)] * x.ndim
    for i in range(len(pad) // 2):
        axis = x.ndim - 1 - i  # the logical axis
        pairs[(axis - 1) % x.ndim] = (pad[2 * i], pad[2 * i + 1])
    return tuple(pairs)
