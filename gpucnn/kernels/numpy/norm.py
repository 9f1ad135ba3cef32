"""Batch normalisation in NumPy and CuPy.

Kept for the backward: the normalised x, the inverse of the standard deviation, the weight, and with ReLU the result.
"""

from typing import Any

from gpucnn.backend import Array, empty, module_of
from gpucnn.kernels.interface import Running


class Norm:
    """Batch normalisation over (C, L): each channel is one contiguous row of places and images.

    S. Ioffe, C. Szegedy, Batch Normalization, 2015, arXiv:1502.03167.
    """

    def training_forward(
        self, x: Array, weight: Array, bias: Array, eps: float, running: Running, relu: bool, out: Array
    ) -> Any:
        """out = (x - mean) / sqrt(variance + eps) · weight + bias, by each row's own mean and (biased) variance.

        With `relu` what is below 0 becomes 0. The running statistics move towards these. Returns `kept`, which
        training_backward takes.
        """
        xp = module_of(x)
        mean = x.mean(axis=1, keepdims=True)
        normalised = xp.subtract(x, mean, out=empty(x.shape, x))
        squares = xp.multiply(normalised, normalised, out=empty(x.shape, x))
        variance = squares.mean(axis=1, keepdims=True)
        inverse = 1 / xp.sqrt(variance + eps)
        normalised *= inverse
        _scale(normalised, weight, bias, relu, out)
        running.move(mean[:, 0], variance[:, 0], x.shape[1])
        return normalised, inverse, weight, out if relu else None

    def training_backward(self, grad: Array, kept: Any, grad_weight: Array, grad_bias: Array, out: Array) -> None:
        """out = the gradient by x, where mean and variance depend on x; grad_weight and grad_bias (C,) their own.

        With g the gradient by x̂, the normalised x, it is (g - mean(g) - x̂ · mean(g · x̂)) / sqrt(variance + eps).
        """
        xp, (normalised, inverse, weight, y) = module_of(grad), kept
        grad = grad if y is None else grad * (y > 0)
        scaled = grad * weight[:, None]
        xp.multiply(scaled, normalised, out=out)
        along = out.mean(axis=1, keepdims=True)  # (C, 1)
        xp.multiply(normalised, along, out=out)
        xp.subtract(scaled, out, out=out)
        xp.subtract(out, scaled.mean(axis=1, keepdims=True), out=out)
        xp.multiply(out, inverse, out=out)
        xp.sum(grad * normalised, axis=1, out=grad_weight)
        xp.sum(grad, axis=1, out=grad_bias)

    def fixed_forward(
        self, x: Array, mean: Array, variance: Array, weight: Array, bias: Array, eps: float, relu: bool, out: Array
    ) -> Any:
        """As training_forward, by the given mean and variance (C,); returns `kept`, which fixed_backward takes."""
        xp = module_of(x)
        inverse = (1 / xp.sqrt(variance + eps))[:, None].astype(x.dtype)
        normalised = xp.subtract(x, mean[:, None], out=empty(x.shape, x))
        normalised *= inverse
        _scale(normalised, weight, bias, relu, out)
        return normalised, inverse, weight, out if relu else None

    def fixed_backward(self, grad: Array, kept: Any, grad_weight: Array, grad_bias: Array, out: Array) -> None:
        """As training_backward, where mean and variance do not depend on x."""
        xp, (normalised, inverse, weight, y) = module_of(grad), kept
        grad = grad if y is None else grad * (y > 0)
        xp.multiply(grad, weight[:, None] * inverse, out=out)
        xp.sum(grad * normalised, axis=1, out=grad_weight)
        xp.sum(grad, axis=1, out=grad_bias)


def _scale(x: Array, weight: Array, bias: Array, relu: bool, out: Array) -> None:
    """out (C, L) = x · weight + bias, for weight and bias (C,); with `relu` no less than 0."""
    module_of(out).multiply(x, weight[:, None], out=out)
    out += bias[:, None]
    if relu:
        module_of(out).maximum(out, 0, out=out)
