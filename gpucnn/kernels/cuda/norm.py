"""Batch normalisation in CUDA: nothing is kept but x itself. Shapes as in numpy/norm.py."""

import functools
from typing import Any

import numpy as np

from gpucnn.backend import Array, empty
from gpucnn.kernels.cuda import program
from gpucnn.kernels.numpy.norm import Running

ROWS = np.dtype([(name, np.int64) for name in ("length", "part", "parts")])
EACH = 8  # numbers that a thread takes
WHOLE = 1 << 13  # numbers that are one part: in as many as EACH allows a block's most threads
PART = program.THREADS * EACH


def training_forward(x: Array, weight: Array, bias: Array, eps: float, running: Running, out: Array) -> Any:
    """out = (x - mean) / sqrt(variance + eps) · weight + bias, by each row's own mean and (biased) variance.

    The running statistics move towards these. Returns what training_backward asks for.
    """
    mean, inverse = empty((len(x),), x), empty((len(x),), x)
    sums, moving = _sums("moments", x, x), (running.mean, running.variance)
    foreign = any(array is not None and array.dtype != x.dtype for array in moving)
    variance, moving = (empty((len(x),), x), (None, None)) if foreign else (None, moving)
    given = (x, sums, weight, bias, float(eps))
    _launch("training_forward", x, *given, mean, inverse, variance, *moving, float(running.momentum), out)
    if variance is not None:
        running.move(mean, variance, x.shape[1])
    return x, mean, inverse, weight


def training_backward(grad: Array, kept: Any, by_weight: Array, by_bias: Array, out: Array) -> None:
    """out = the gradient by x, where mean and variance depend on x; by_weight and by_bias (C,) those by these."""
    _backward(grad, kept, 1, by_weight, by_bias, out)


def fixed_forward(x: Array, mean: Array, variance: Array, weight: Array, bias: Array, eps: float, out: Array) -> Any:
    """As training_forward, by the given mean and variance (C,); returns what fixed_backward asks for."""
    mean, variance = (program.contiguous(given.astype(x.dtype, copy=False)) for given in (mean, variance))
    inverse = empty((len(x),), x)
    _launch("fixed_forward", x, x, mean, variance, weight, bias, float(eps), inverse, out)
    return x, mean, inverse, weight


def fixed_backward(grad: Array, kept: Any, by_weight: Array, by_bias: Array, out: Array) -> None:
    """out = the gradient by x; by_weight and by_bias (C,) those by these."""
    _backward(grad, kept, 0, by_weight, by_bias, out)


def scale(x: Array, weight: Array, bias: Array, out: Array) -> None:
    """out (C, L) = x · weight + bias, for weight and bias (C,)."""
    _launch("scale", x, x, weight, bias, out)


def _backward(grad: Array, kept: Any, own: int, by_weight: Array, by_bias: Array, out: Array) -> None:
    x, mean, inverse, weight = kept
    sums = _sums("gradient_sums", grad, grad, x, mean)
    _launch("backward", grad, grad, x, sums, mean, inverse, weight, own, by_weight, by_bias, out)


def _sums(name: str, like: Array, *arrays: Array) -> Array | None:
    """What a kernel sums up of the parts of rows (C, L), two numbers a part; None where a row is one part."""
    parts = _rows(*like.shape)[1] // max(1, len(like))
    if parts <= 1:
        return None
    sums = empty((len(like), parts, 2), like, np.float64)
    _launch(name, like, *arrays, sums)
    return sums


def _launch(name: str, like: Array, *arguments: Any) -> None:
    rows, blocks, threads = _rows(*like.shape)
    if blocks:
        program.launch("norm", name, like.dtype, (blocks,), (threads,), rows, *arguments)


@functools.lru_cache(maxsize=1024)
def _rows(count: int, length: int) -> tuple[np.ndarray, int, int]:
    """The Rows of source/norm.cu, and how many blocks of how many threads they take."""
    if length <= WHOLE:
        part, threads = length, max(32, 1 << (-(-length // EACH) - 1).bit_length())
    else:  # no more parts than threads, which then combine them
        part, threads = max(PART, -(-length // program.THREADS)), program.THREADS
    parts = -(-length // part) if length else 0
    return np.array([(length, part, parts)], ROWS), count * parts, threads
