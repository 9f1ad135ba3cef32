"""Batch normalisation in CUDA: x, its mean, the inverse of its deviation, the weight, and a ReLU's result are kept."""

from typing import Any

import numpy as np

from gpucnn.backend import Array, empty, written_by
from gpucnn.kernels import numpy
from gpucnn.kernels.cuda import program
from gpucnn.kernels.cuda.activation import Activation
from gpucnn.kernels.interface import Running
from gpucnn.kernels.plans import cached_by_shape

ROWS = np.dtype([(name, np.int64) for name in ("length", "part", "parts")])
EACH = 8  # numbers that a thread takes
WHOLE = 1 << 13  # numbers that are one part: in as many as EACH allows a block's most threads
PART = program.THREADS * EACH


class Norm(numpy.Norm):
    def training_forward(
        self, x: Array, weight: Array, bias: Array, eps: float, running: Running, relu: bool, out: Array
    ) -> Any:
        mean, inverse = empty((len(x),), x), empty((len(x),), x)
        sums, moving = _sums("moments", x, x), (running.mean, running.variance)
        foreign = any(array is not None and array.dtype != x.dtype for array in moving)
        variance, moving = (empty((len(x),), x), (None, None)) if foreign else (None, moving)
        given = (x, sums, weight, bias, float(eps))
        _launch("training_forward", x, *given, mean, inverse, variance, *moving, float(running.momentum), out)
        if variance is not None:
            running.move(mean, variance, x.shape[1])
        return x, mean, inverse, weight, _rectified(relu, out)

    def training_backward(self, grad: Array, kept: Any, grad_weight: Array, grad_bias: Array, out: Array) -> None:
        _backward(grad, kept, 1, grad_weight, grad_bias, out)

    def fixed_forward(
        self, x: Array, mean: Array, variance: Array, weight: Array, bias: Array, eps: float, relu: bool, out: Array
    ) -> Any:
        mean, variance = (program.contiguous(given.astype(x.dtype, copy=False)) for given in (mean, variance))
        inverse = empty((len(x),), x)
        _launch("fixed_forward", x, x, mean, variance, weight, bias, float(eps), inverse, out)
        return x, mean, inverse, weight, _rectified(relu, out)

    def fixed_backward(self, grad: Array, kept: Any, grad_weight: Array, grad_bias: Array, out: Array) -> None:
        _backward(grad, kept, 0, grad_weight, grad_bias, out)


def _rectified(relu: bool, out: Array) -> Array | None:
    """`out` with what is below 0 replaced by 0, where `relu` asks for that."""
    if not relu:
        return None
    Activation().relu(out, out)
    return out


def _backward(grad: Array, kept: Any, own: int, grad_weight: Array, grad_bias: Array, out: Array) -> None:
    x, mean, inverse, weight, y = kept
    if y is not None:
        grad = written_by(Activation().relu_backward, grad.shape, grad, y)
    sums = _sums("gradient_sums", grad, grad, x, mean)
    _launch("backward", grad, grad, x, sums, mean, inverse, weight, own, grad_weight, grad_bias, out)


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


@cached_by_shape
def _rows(count: int, length: int) -> tuple[np.ndarray, int, int]:
    """The Rows of source/norm.cu, and how many blocks of how many threads they take."""
    if length <= WHOLE:
        part, threads = length, max(32, 1 << (-(-length // EACH) - 1).bit_length())
    else:  # no more parts than threads, which then combine them
        part, threads = max(PART, -(-length // program.THREADS)), program.THREADS
    parts = -(-length // part) if length else 0
    return np.array([(length, part, parts)], ROWS), count * parts, threads
