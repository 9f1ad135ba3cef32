"""Batch normalisation in C: nothing is kept but x itself. Shapes as in numpy/norm.py."""

from typing import Any

import numpy as np

from gpucnn.backend import Array, empty
from gpucnn.kernels.c import library
from gpucnn.kernels.numpy.norm import Running, scale

__all__ = ["fixed_backward", "fixed_forward", "scale", "training_backward", "training_forward"]


def training_forward(x: Array, weight: Array, bias: Array, eps: float, running: Running, out: Array) -> Any:
    """out = (x - mean) / sqrt(variance + eps) · weight + bias, by each row's own mean and (biased) variance.

    The running statistics move towards these. Returns what training_backward asks for.
    """
    mean, variance = empty(weight.shape, x), empty(weight.shape, x)
    library.c.norm_statistics(x, *x.shape, mean, variance)
    running.move(mean, variance, x.shape[1])
    return fixed_forward(x, mean, variance, weight, bias, eps, out)


def training_backward(grad: Array, kept: Any, by_weight: Array, by_bias: Array, out: Array) -> None:
    """out = the gradient by x, where mean and variance depend on x; by_weight and by_bias (C,) those by these."""
    _backward(grad, kept, True, by_weight, by_bias, out)


def fixed_forward(x: Array, mean: Array, variance: Array, weight: Array, bias: Array, eps: float, out: Array) -> Any:
    """As training_forward, by the given mean and variance (C,); returns what fixed_backward asks for."""
    mean = np.ascontiguousarray(mean, x.dtype)
    inverse = np.ascontiguousarray(1 / np.sqrt(variance + eps), x.dtype)
    library.c.norm_forward(x, mean, inverse, weight, bias, *x.shape, out)
    return x, mean, inverse, weight


def fixed_backward(grad: Array, kept: Any, by_weight: Array, by_bias: Array, out: Array) -> None:
    """out = the gradient by x; by_weight and by_bias (C,) those by these."""
    _backward(grad, kept, False, by_weight, by_bias, out)


def _backward(grad: Array, kept: Any, own: bool, by_weight: Array, by_bias: Array, out: Array) -> None:
    library.c.norm_backward(grad, *kept, own, *grad.shape, by_weight, by_bias, out)
