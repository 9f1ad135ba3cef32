"""Cross-entropy with rows of probabilities, weights of classes, and labels that are left out."""

from typing import Any

import numpy as np

from gpucnn.backend import Array, empty, module_of, to_device
from gpucnn.errors import InputError, ShapeError
from gpucnn.functional.targets import Reduction
from gpucnn.kernels.dispatch import kernels_of
from gpucnn.tensor import Function, Tensor
from gpucnn.tensor.function import wrap
from gpucnn.tensor.quiet import quietly

__all__: list[str] = []  # nothing here is public

IGNORED = -100  # the class number that PyTorch's losses leave out


class TargetEntropy(Function):
    """logits (C, ..., N) against probabilities (C, ..., N), weighted by class: losses, or scale · their sum."""

    layout, images, reads_one = "batch_last", 2, False

    def forward(
        self, logits: Array, target: Array, smoothing: float, scale: float | None, weight: Array | None = None
    ) -> Array:
        losses, self.gradient = empty(logits.shape[1:], logits), empty(logits.shape, logits)
        self.logits, self.options = logits, (weight, smoothing, 1.0 if scale is None else scale)
        target, targets = target.astype(logits.dtype, copy=False), kernels_of(type(logits)).targets
        total = quietly(targets.cross_entropy, logits, target, self.options, self.gradient, losses)
        return losses if scale is None else total

    def backward(self, grad: Array) -> tuple[Array | None, Array | None]:
        (weight, smoothing, scale), by_target = self.options, None
        if self.needs[1]:
            by_target = kernels_of(type(grad)).softmax.log_softmax(self.logits, 0) * ((smoothing - 1) * scale)
            by_target *= 1 if weight is None else weight.reshape(-1, *(1,) * (self.logits.ndim - 1))
            by_target *= 1 if self.by_result_is_one else grad
        if not self.by_result_is_one:
            kernels_of(type(grad)).arithmetic.scale(self.gradient, grad, self.gradient)
        return self.gradient, by_target


def target_entropy(
    logits: Tensor, labels: Tensor, rows: bool, reduction: Reduction, smoothing: float, weight: Any, ignored: int | None
) -> Tensor:
    """`functional.cross_entropy` with labels that are `rows`, or class numbers, of which -100 is left out by default.

    Raises InputError, ShapeError as that does.
    """
    classes, mean, labels = logits.shape[1], reduction == "mean", labels.to_batch_last()
    scale = None if reduction == "none" else classes / logits.size if mean and rows else 1.0
    if rows:
        if ignored is not None:
            raise InputError("cross_entropy: ignore_index is a class number, but labels are rows of probabilities")
        weights = None if weight is None else class_weights(weight, logits)
        return TargetEntropy.apply(logits, labels, smoothing=smoothing, scale=scale, weight=weights)
    weights, kernels = class_weights(weight, logits), kernels_of(type(logits.memory)).targets
    ignored = IGNORED if ignored is None else ignored
    target = quietly(kernels.class_targets, labels.memory, weights, ignored, smoothing, mean)
    return TargetEntropy.apply(logits, wrap(target, True), smoothing=0.0, scale=scale)


def class_weights(weight: Any, logits: Tensor) -> Array:
    """A weight for each class of logits (N, C, ...), (C,), of their dtype; ones for None. Raises ShapeError."""
    classes, dtype = logits.shape[1], logits.dtype
    if weight is None:
        return module_of(logits.memory).ones(classes, dtype)  # not copied from the host, which no capture allows
    array = weight.memory if isinstance(weight, Tensor) else to_device(np.asarray(weight))
    if array.shape != (classes,):
        raise ShapeError(f"cross_entropy: weight has shape {array.shape}; expected ({classes},), one for each class")
    return array.astype(dtype, copy=False)
