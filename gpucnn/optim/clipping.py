"""Clipping gradients by their norm or their values."""

from collections.abc import Iterable

from gpucnn.autograd import Tensor
from gpucnn.backend import module_of
from gpucnn.errors import InputError


def clip_grad_norm_(parameters: Iterable[Tensor], max_norm: float) -> float:
    """Scale all gradients together so that their norm, over all parameters, is at most `max_norm`; the norm before.

    The norm is the root of the sum of squares. Raises InputError unless `max_norm` is positive.
    """
    if not max_norm > 0:
        raise InputError(f"clip_grad_norm_: max_norm is {max_norm}; expected more than 0")
    gradients = [parameter.grad.data for parameter in parameters if parameter.grad is not None]
    if not gradients:
        return 0.0
    xp = module_of(gradients[0])
    total = float(xp.sqrt(sum(xp.vdot(gradient, gradient) for gradient in gradients)))
    scale = max_norm / (total + 1e-6)  # as in PyTorch
    if scale < 1:
        for gradient in gradients:
            gradient *= scale
    return total


def clip_grad_value_(parameters: Iterable[Tensor], clip_value: float) -> None:
    """Limit every element of every gradient to ±clip_value. Raises InputError unless `clip_value` is positive."""
    if not clip_value > 0:
        raise InputError(f"clip_grad_value_: clip_value is {clip_value}; expected more than 0")
    for parameter in parameters:
        if parameter.grad is not None:
            gradient = parameter.grad.data
            module_of(gradient).clip(gradient, -clip_value, clip_value, out=gradient)
