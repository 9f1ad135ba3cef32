"""Batch normalisation in C: x itself is kept, its mean, the inverse of its deviation, weight, bias, and `relu`."""

from typing import Any

import numpy as np

from gpucnn.backend import Array, empty
from gpucnn.kernels import numpy
from gpucnn.kernels.c import library
from gpucnn.kernels.interface import Running


class Norm(numpy.Norm):
    def training_forward(
        self, x: Array, weight: Array, bias: Array, eps: float, running: Running, relu: bool, out: Array
    ) -> Any:
        mean, variance = empty(weight.shape, x), empty(weight.shape, x)
        library.c.norm_statistics(x, *x.shape, mean, variance)
        if any(kept is not None and kept.dtype != x.dtype for kept in running[:2]):
            running.move(mean, variance, x.shape[1])
        else:
            _move(running.mean, mean, 1.0, running.momentum)
            _move(running.variance, variance, x.shape[1] / (x.shape[1] - 1), running.momentum)  # unbiased
        return self.fixed_forward(x, mean, variance, weight, bias, eps, relu, out)

    def training_backward(self, grad: Array, kept: Any, grad_weight: Array, grad_bias: Array, out: Array) -> None:
        _backward(grad, kept, True, grad_weight, grad_bias, out)

    def fixed_forward(
        self, x: Array, mean: Array, variance: Array, weight: Array, bias: Array, eps: float, relu: bool, out: Array
    ) -> Any:
        mean, variance = np.ascontiguousarray(mean, x.dtype), np.ascontiguousarray(variance, x.dtype)
        inverse = empty(variance.shape, x)
        library.c.norm_inverse(variance, eps, inverse)
        library.c.norm_forward(x, mean, inverse, weight, bias, relu, *x.shape, out)
        return x, mean, inverse, weight, bias, relu

    def fixed_backward(self, grad: Array, kept: Any, grad_weight: Array, grad_bias: Array, out: Array) -> None:
        _backward(grad, kept, False, grad_weight, grad_bias, out)


def _move(running: Array | None, batch: Array, factor: float, momentum: float) -> None:
    """Move a running statistic towards factor · batch by the fraction `momentum`."""
    if running is not None:
        library.c.norm_move(batch, factor, momentum, running)


def _backward(grad: Array, kept: Any, own: bool, grad_weight: Array, grad_bias: Array, out: Array) -> None:
    library.c.norm_backward(grad, *kept, own, *grad.shape, grad_weight, grad_bias, out)
