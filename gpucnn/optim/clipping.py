"""Clipping gradients by their norm or their values."""

from collections.abc import Iterable

from gpucnn.backend import Array
from gpucnn.errors import InputError
from gpucnn.kernels.dispatch import kernels_of
from gpucnn.tensor import Tensor

__all__ = ["clip_grad_norm_", "clip_grad_value_", "clip_norm"]


def clip_grad_norm_(parameters: Iterable[Tensor], max_norm: float) -> float:
    """Scale all gradients so that their common norm is at most `max_norm`; return the norm before scaling.

    The norm is the root of the sum of squares over all parameters. Raises InputError unless `max_norm` is positive.
    """
    norm = clip_norm(parameters, max_norm)
    return 0.0 if norm is None else float(norm)


def clip_norm(parameters: Iterable[Tensor], max_norm: float) -> Array | None:
    """As clip_grad_norm_, but return the norm as an array () on its device, without waiting; None if no gradients."""
    if not max_norm > 0:
        raise InputError(f"clip_grad_norm_: max_norm is {max_norm}; expected more than 0")
    gradients = _gradients(parameters)
    return kernels_of(type(gradients[0])).update.clip_by_norm(gradients, max_norm) if gradients else None


def clip_grad_value_(parameters: Iterable[Tensor], clip_value: float) -> None:
    """Limit every element of every gradient to ±clip_value. Raises InputError unless `clip_value` is positive."""
    if not clip_value > 0:
        raise InputError(f"clip_grad_value_: clip_value is {clip_value}; expected more than 0")
    if gradients := _gradients(parameters):
        kernels_of(type(gradients[0])).update.clip_by_value(gradients, clip_value)


def _gradients(parameters: Iterable[Tensor]) -> list[Array]:
    return [parameter.grad.memory for parameter in parameters if parameter.grad is not None]
