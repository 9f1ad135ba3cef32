"""Losses beside cross-entropy in NumPy and CuPy: of numbers, and of labels that are there or not."""

from collections.abc import Callable
from typing import Any

from gpucnn.backend import Array, module_of


class Losses:
    """Losses of each number of x (rows, ..., N) against that of a target of the same shape, by name, with options.

    squared_error: (x - target)². absolute_error: |x - target|, whose slope at 0 is 0. smooth_error (beta, above 0):
    with d = |x - target|, d² / (2 beta) where d < beta, else d - beta / 2. logit_loss (positive, weight), each one
    number for each row or None for 1, of logits x and targets t:
    weight · ((1 - t) x + (1 + (positive - 1) t) log(1 + exp(-x))), without overflow.
    """

    def total(
        self, name: str, x: Array, target: Array, options: tuple[Any, ...], scale: float, gradient: Array | None
    ) -> Array:
        """scale · the sum of all losses, (); `gradient`, where it is not None, becomes the gradient by x."""
        xp = module_of(x)
        losses, slopes = LOSSES[name](xp, x, target, *options)
        if gradient is not None:
            xp.multiply(slopes, scale, out=gradient)
        return xp.asarray(losses.sum() * x.dtype.type(scale))


def _squared(xp: Any, x: Array, target: Array) -> tuple[Array, Array]:
    difference = x - target
    return difference * difference, 2 * difference


def _absolute(xp: Any, x: Array, target: Array) -> tuple[Array, Array]:
    return abs(x - target), xp.sign(x - target)


def _smooth(xp: Any, x: Array, target: Array, beta: float) -> tuple[Array, Array]:
    difference, distance = x - target, abs(x - target)
    losses = xp.where(distance < beta, difference * difference / (2 * beta), distance - beta / 2)
    return losses, xp.where(distance < beta, difference / beta, xp.sign(difference))


def _logit(xp: Any, x: Array, target: Array, positive: Array | None, weight: Array | None) -> tuple[Array, Array]:
    shape = (-1, *(1,) * (x.ndim - 1))  # (rows,) -> (rows, 1, ...)
    below = xp.log1p(xp.exp(-abs(x))) + xp.maximum(-x, 0)  # log(1 + exp(-x))
    factor = 1 if positive is None else 1 + (positive.reshape(shape) - 1) * target
    both = (1 - target) * x + factor * below, (1 - target) - factor * xp.exp(-x - below)
    return both if weight is None else (both[0] * weight.reshape(shape), both[1] * weight.reshape(shape))


LOSSES: dict[str, Callable[..., tuple[Array, Array]]] = {  # the losses, and their slopes by x
    "squared_error": _squared, "absolute_error": _absolute, "smooth_error": _smooth, "logit_loss": _logit,
}  # fmt: skip
