"""Activations and dropout in C, each in one pass; those with exponentials are the reference's.

Arguments as in numpy/activation.py.
"""

from gpucnn.backend import Array
from gpucnn.generators import fill_uniform
from gpucnn.kernels.c import library
from gpucnn.kernels.numpy.activation import scaled_tanh, scaled_tanh_backward, sigmoid, sigmoid_backward

__all__ = [
    "dropout",
    "dropout_backward",
    "leaky_relu",
    "leaky_relu_backward",
    "relu",
    "relu_backward",
    "scaled_tanh",
    "scaled_tanh_backward",
    "sigmoid",
    "sigmoid_backward",
]


def relu(x: Array, out: Array) -> None:
    """out = max(x, 0)."""
    library.c.relu(x, out)


def relu_backward(grad: Array, y: Array, out: Array) -> None:
    """out = grad where relu's result y is above 0, else 0."""
    library.c.relu_backward(grad, y, out)


def leaky_relu(x: Array, slope: float, out: Array) -> None:
    """out = x where x > 0, else slope · x."""
    library.c.leaky_relu(x, x, slope, out)


def leaky_relu_backward(grad: Array, x: Array, slope: float, out: Array) -> None:
    """out = grad where x > 0, else slope · grad."""
    library.c.leaky_relu(grad, x, slope, out)


def dropout(x: Array, scales: Array, p: float, out: Array) -> None:
    """out = x · scales, where each of `scales`, undefined before, becomes 0 (by chance p) or 1 / (1 - p)."""
    fill_uniform(scales)
    library.c.dropout(x, p, 1 / (1 - p), scales, out)


def dropout_backward(grad: Array, scales: Array, out: Array) -> None:
    """out = grad · scales."""
    library.c.multiply(grad, scales, out)
