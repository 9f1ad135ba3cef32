"""Padding in CUDA, along all axes in one launch. Arguments as in numpy/padding.py."""

import functools

import numpy as np

from gpucnn.backend import Array, empty
from gpucnn.geometry import Sides
from gpucnn.kernels.cuda import program
from gpucnn.kernels.numpy import padding as reference

AXES = 5
BORDERS = np.dtype([(name, np.int64, AXES) for name in ("size", "before", "after")] + [("mode", np.int64)])
MODES = ("constant", "replicate", "reflect")  # in the order of source/padding.cu


def pad(x: Array, sides: Sides, mode: str, value: float) -> Array:
    """x with (before, after) more elements along each of its axes."""
    if x.ndim > AXES or x.dtype.name not in program.REALS:
        return reference.pad(x, sides, mode, value)
    out = empty(tuple(size + sum(pair) for size, pair in zip(x.shape, sides, strict=True)), x)
    program.run("padding", "pad", x.dtype, out.size, _borders(x.shape, sides, mode), float(value), x, out)
    return out


def pad_backward(grad: Array, sides: Sides, mode: str, shape: tuple[int, ...]) -> Array:
    """The gradient by x, of `shape`: for each of its elements the sum over the places that repeat it."""
    if grad.ndim > AXES:
        return reference.pad_backward(grad, sides, mode, shape)
    out = empty(shape, grad)
    program.run("padding", "pad_backward", grad.dtype, out.size, _borders(shape, sides, mode), grad, out)
    return out


@functools.lru_cache(maxsize=256)
def _borders(shape: tuple[int, ...], sides: Sides, mode: str) -> np.ndarray:
    """The Borders of source/padding.cu, of an array of `shape`."""
    missing = AXES - len(shape)
    pairs = [(0, 0)] * missing + list(sides)
    return np.array([([1] * missing + list(shape), *zip(*pairs, strict=True), MODES.index(mode))], BORDERS)
