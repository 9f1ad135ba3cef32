"""Padding: a border of zeros, of the nearest pixel, or of the mirrored image."""

from collections.abc import Sequence
from typing import Literal

from gpucnn.backend import Array
from gpucnn.errors import InputError, ShapeError
from gpucnn.geometry import Sides, is_count
from gpucnn.kernels.dispatch import kernels_of
from gpucnn.tensor import Function, Tensor

__all__ = ["PadMode", "pad"]

PadMode = Literal["zeros", "replicate", "reflect", "constant"]


class Pad(Function):
    layout = "batch_last"

    def forward(self, x: Array, sides: Sides, mode: str, value: float) -> Array:
        self.shape, self.sides, self.mode = x.shape, sides, mode
        return kernels_of(type(x)).padding.pad(x, sides, mode, value)

    def backward(self, grad: Array) -> Array:
        return kernels_of(type(grad)).padding.pad_backward(grad, self.sides, self.mode, self.shape)


def pad(x: Tensor, pad: Sequence[int], mode: PadMode = "zeros", value: float = 0.0) -> Tensor:
    """x with a border; `pad` begins at the last axis, as in PyTorch: (left, right, top, bottom) for (N, C, H, W).

    `mode` is "zeros" ("constant": `value`), "replicate" (the nearest pixel) or "reflect" (mirrored, without the border
    pixel; less than the axis's size). Raises ShapeError for padding that does not fit, InputError for another mode.
    """
    if len(pad) % 2 or not 2 <= len(pad) <= 2 * x.ndim or not all(is_count(p, 0) for p in pad):
        raise ShapeError(
            f"pad: pad is {tuple(pad)}; expected whole numbers of at least 0, two per axis from the last axis on: "
            f"(left, right, top, bottom); x {x.shape}"
        )
    sides = _by_memory_axis(x, pad)
    if mode in ("zeros", "constant"):
        return Pad.apply(x, sides=sides, mode="constant", value=value)
    if mode not in ("replicate", "reflect"):
        raise InputError(f"pad: mode is {mode!r}; expected zeros, constant, replicate or reflect")
    for size, around in zip((*x.shape[1:], x.shape[0]), sides, strict=True):
        if any(around) and (size == 0 or (mode == "reflect" and max(around) >= size)):
            raise ShapeError(
                f"pad: {max(around)} pixels cannot be mirrored on an axis of {size}: x {x.shape}. "
                f"Give at most {size - 1}"
            )
    return Pad.apply(x, sides=sides, mode=mode, value=value)


def _by_memory_axis(x: Tensor, pad: Sequence[int]) -> Sides:
    """PyTorch's flat padding, last axis first, as one (before, after) pair per axis of batch-last memory."""
    pairs = [(0, 0)] * x.ndim
    for i in range(len(pad) // 2):
        axis = x.ndim - 1 - i  # the logical axis
        pairs[(axis - 1) % x.ndim] = (pad[2 * i], pad[2 * i + 1])
    return tuple(pairs)
