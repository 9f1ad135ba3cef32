"""Padding in CUDA, along all axes in one launch."""

import numpy as np

from gpucnn.backend import Array, empty
from gpucnn.geometry import Sides
from gpucnn.kernels import numpy
from gpucnn.kernels.cuda import program
from gpucnn.kernels.plans import cached_by_shape

AXES = 5
BORDERS = np.dtype([(name, np.int64, AXES) for name in ("size", "before", "after")] + [("mode", np.int64)])
MODES = ("constant", "replicate", "reflect")  # in the order of source/padding.cu


class Padding(numpy.Padding):
    def pad(self, x: Array, sides: Sides, mode: str, value: float) -> Array:
        if x.ndim > AXES or x.dtype.name not in program.REALS:
            return super().pad(x, sides, mode, value)
        out = empty(tuple(size + sum(pair) for size, pair in zip(x.shape, sides, strict=True)), x)
        program.run("padding", "pad", x.dtype, out.size, _borders(x.shape, sides, mode), float(value), x, out)
        return out

    def pad_backward(self, grad: Array, sides: Sides, mode: str, shape: tuple[int, ...]) -> Array:
        if grad.ndim > AXES:
            return super().pad_backward(grad, sides, mode, shape)
        out = empty(shape, grad)
        program.run("padding", "pad_backward", grad.dtype, out.size, _borders(shape, sides, mode), grad, out)
        return out


@cached_by_shape
def _borders(shape: tuple[int, ...], sides: Sides, mode: str) -> np.ndarray:
    """The Borders of source/padding.cu, of an array of `shape`."""
    missing = AXES - len(shape)
    pairs = [(0, 0)] * missing + list(sides)
    return np.array([([1] * missing + list(shape), *zip(*pairs, strict=True), MODES.index(mode))], BORDERS)
