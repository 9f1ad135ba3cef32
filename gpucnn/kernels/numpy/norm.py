"""Batch normalisation over (C, L): each channel is one contiguous row of places and images.

S. Ioffe, C. Szegedy, Batch Normalization, 2015, arXiv:1502.03167. What a forward keeps for its backward is its own
business: the normalised x, the inverse of the standard deviation, and the weight.
"""

from typing import Any, NamedTuple

from gpucnn.backend import Array, empty, module_of


class Running(NamedTuple):
    """Statistics (C,) that move towards those of each batch by the fraction `momentum`; None where none are kept."""

    mean: Array | None
    variance: Array | None
    momentum: float

    def move(self, mean: Array, variance: Array, length: int) -> None:
        """Let them move towards the mean and the variance (C,) of rows of `length`: made unbiased, as in PyTorch."""
        unbiased = variance * (length / (length - 1))
        for running, batch in ((self.mean, mean), (self.variance, unbiased)):
            if running is not None:
                running += (batch - running) * self.momentum


def training_forward(x: Array, weight: Array, bias: Array, eps: float, running: Running, out: Array) -> Any:
    """out = (x - mean) / sqrt(variance + eps) · weight + bias, by each row's own mean and (biased) variance.

    The running statistics move towards these. Returns what training_backward asks for.
    """
    xp = module_of(x)
    mean = x.mean(axis=1, keepdims=True)
    normalised = xp.subtract(x, mean, out=empty(x.shape, x))
    squares = xp.multiply(normalised, normalised, out=empty(x.shape, x))
    variance = squares.mean(axis=1, keepdims=True)
    inverse = 1 / xp.sqrt(variance + eps)
    normalised *= inverse
    scale(normalised, weight, bias, out)
    running.move(mean[:, 0], variance[:, 0], x.shape[1])
    return normalised, inverse, weight


def training_backward(grad: Array, kept: Any, by_weight: Array, by_bias: Array, out: Array) -> None:
    """out = the gradient by x, where mean and variance depend on x; by_weight and by_bias (C,) those by these.

    With g the gradient by x̂, the normalised x: inverse · (g - mean(g) - x̂ · mean(g · x̂)).
    """
    xp, (normalised, inverse, weight) = module_of(grad), kept
    scaled = grad * weight[:, None]
    xp.multiply(scaled, normalised, out=out)
    along = out.mean(axis=1, keepdims=True)  # (C, 1)
    xp.multiply(normalised, along, out=out)
    xp.subtract(scaled, out, out=out)
    xp.subtract(out, scaled.mean(axis=1, keepdims=True), out=out)
    xp.multiply(out, inverse, out=out)
    module_of(grad).sum(grad * normalised, axis=1, out=by_weight)
    module_of(grad).sum(grad, axis=1, out=by_bias)


def fixed_forward(x: Array, mean: Array, variance: Array, weight: Array, bias: Array, eps: float, out: Array) -> Any:
    """As training_forward, by the given mean and variance (C,); returns what fixed_backward asks for."""
    inverse = (1 / module_of(x).sqrt(variance + eps))[:, None].astype(x.dtype)
    normalised = module_of(x).subtract(x, mean[:, None], out=empty(x.shape, x))
    normalised *= inverse
    scale(normalised, weight, bias, out)
    return normalised, inverse, weight


def fixed_backward(grad: Array, kept: Any, by_weight: Array, by_bias: Array, out: Array) -> None:
    """out = the gradient by x; by_weight and by_bias (C,) those by these."""
    normalised, inverse, weight = kept
    module_of(grad).multiply(grad, weight[:, None] * inverse, out=out)
    module_of(grad).sum(grad * normalised, axis=1, out=by_weight)
    module_of(grad).sum(grad, axis=1, out=by_bias)


def scale(x: Array, weight: Array, bias: Array, out: Array) -> None:
    """out (C, L) = x · weight + bias, for weight and bias (C,)."""
    module_of(out).multiply(x, weight[:, None], out=out)
    out += bias[:, None]
