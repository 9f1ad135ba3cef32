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
        running.move(mean, variance, x.shape[1])
        return self.fixed_forward(x, mean, variance, weight, bias, eps, relu, out)

    def training_backward(self, grad: Array, kept: Any, grad_weight: Array, grad_bias: Array, out: Array) -> None:
        _backward(grad, kept, True, grad_weight, grad_bias, out)

    def fixed_forward(
        self, x: Array, mean: Array, variance: Array, weight: Array, bias: Array, eps: float, relu: bool, out: Array
    ) -> Any:
        mean = np.ascontiguousarray(mean, x.dtype)
        inverse = np.ascontiguousarray(1 / np.sqrt(variance + eps), x.dtype)
        library.c.norm_forward(x, mean, inverse, weight, bias, relu, *x.shape, out)
        return x, mean, inverse, weight, bias, relu

    def fixed_backward(self, grad: Array, kept: Any, grad_weight: Array, grad_bias: Array, out: Array) -> None:
        _backward(grad, kept, False, grad_weight, grad_bias, out)


def _backward(grad: Array, kept: Any, own: bool, grad_weight: Array, grad_bias: Array, out: Array) -> None:
    library.c.norm_backward(grad, *kept, own, *grad.shape, grad_weight, grad_bias, out)
