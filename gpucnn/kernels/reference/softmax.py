"""Softmax and its logarithm along one axis."""

from gpucnn.arena import empty
from gpucnn.backend import Array, module_of


def log_softmax(x: Array, axis: int) -> Array:
    """x - log(sum(exp(x))) along `axis`; the maximum is taken out first, so no exponential overflows."""
    xp = module_of(x)
    out = empty(x.shape, x)
    xp.subtract(x, x.max(axis=axis, keepdims=True), out=out)
    out -= xp.log(xp.exp(out).sum(axis=axis, keepdims=True))
    return out


def log_softmax_backward(grad: Array, log_probabilities: Array, axis: int) -> Array:
    """The gradient by x of log_softmax: grad - softmax · sum(grad)."""
    xp = module_of(grad)
    out = xp.exp(log_probabilities, out=empty(grad.shape, grad))
    out *= grad.sum(axis=axis, keepdims=True)
    return xp.subtract(grad, out, out=out)


def softmax_backward(grad: Array, probabilities: Array, axis: int) -> Array:
    """The gradient by x of softmax: softmax · (grad - sum(grad · softmax))."""
    xp = module_of(grad)
    out = xp.multiply(grad, probabilities, out=empty(grad.shape, grad))
    along = out.sum(axis=axis, keepdims=True)
    xp.subtract(grad, along, out=out)
    return xp.multiply(out, probabilities, out=out)
