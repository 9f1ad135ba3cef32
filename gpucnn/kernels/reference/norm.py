"""Batch normalisation over (C, ..., N): each channel is one contiguous row of places and images.

S. Ioffe, C. Szegedy, Batch Normalization, 2015, arXiv:1502.03167.
"""

from gpucnn.arena import empty
from gpucnn.backend import Array, module_of


def centre(x: Array, centred: Array) -> tuple[Array, Array]:
    """centred = x - mean, for x (C, L); returns each row's mean and (biased) variance, (C, 1) each."""
    xp = module_of(x)
    mean = x.mean(axis=1, keepdims=True)
    xp.subtract(x, mean, out=centred)
    squares = xp.multiply(centred, centred, out=empty(x.shape, x))
    return mean, squares.mean(axis=1, keepdims=True)


def scale(normalised: Array, weight: Array, bias: Array, out: Array) -> None:
    """out (C, L) = normalised · weight + bias, for weight and bias (C,)."""
    module_of(out).multiply(normalised, weight[:, None], out=out)
    out += bias[:, None]


def backward(grad: Array, normalised: Array, inverse: Array, out: Array) -> None:
    """out = the gradient by x, where mean and variance depend on x: inverse · (g - mean(g) - x̂ · mean(g · x̂)).

    All of shape (C, L) but inverse (C, 1); grad is the gradient by x̂ = normalised.
    """
    xp = module_of(grad)
    xp.multiply(grad, normalised, out=out)
    along = out.mean(axis=1, keepdims=True)  # (C, 1)
    xp.multiply(normalised, along, out=out)
    xp.subtract(grad, out, out=out)
    xp.subtract(out, grad.mean(axis=1, keepdims=True), out=out)
    xp.multiply(out, inverse, out=out)
