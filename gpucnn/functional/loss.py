"""Losses: cross-entropy and mean squared error."""

import functools
from typing import Any, Literal

import numpy as np

from gpucnn.backend import Array, empty, module_of, to_device
from gpucnn.errors import InputError, ShapeError
from gpucnn.functional.checks import check_dtypes, check_floating, no_tensor
from gpucnn.geometry import Sizes
from gpucnn.kernels.dispatch import kernels_of
from gpucnn.tensor import Function, Tensor

__all__ = ["cross_entropy", "mse_loss"]


Reduction = Literal["mean", "sum", "none"]


class ClassCrossEntropy(Function):
    """logits (C, ..., N) against class numbers (..., N): one loss per place and image, or scale · their sum."""

    layout, images, reads_one = "batch_last", 2, False

    def forward(self, logits: Array, labels: Array, smoothing: float, scale: float | None) -> Array:
        losses = empty(labels.shape, logits)
        self.gradient = empty(logits.shape, logits) if self.needs[0] else None
        softmax = kernels_of(type(logits)).softmax
        total = softmax.cross_entropy(logits, labels, smoothing, 1.0 if scale is None else scale, self.gradient, losses)
        return losses if scale is None else total

    def backward(self, grad: Array) -> tuple[Array | None, None]:
        if self.by_result_is_one:
            return self.gradient, None
        kernels_of(type(grad)).arithmetic.scale(self.gradient, grad, self.gradient)
        return self.gradient, None


class CrossEntropy(Function):
    """logits (C, ..., N) against probabilities (C, ..., N): one loss per place and image, or scale · their sum."""

    layout, images = "batch_last", 2

    def forward(self, logits: Array, target: Array, smoothing: float, scale: float | None) -> Array:
        self.keep, self.scale = 1 - smoothing, logits.dtype.type(1 if scale is None else scale)
        self.target = target.astype(logits.dtype, copy=False) * self.keep + smoothing / logits.shape[0]
        self.log_probabilities = kernels_of(type(logits)).softmax.log_softmax(logits, 0)
        # A masked class, whose logit is -inf, adds no loss where the target is 0.
        known = module_of(logits).where(self.target == 0, 0, self.log_probabilities)
        losses = -(self.target * known).sum(axis=0)
        return losses if scale is None else losses.sum() * self.scale

    def backward(self, grad: Array) -> tuple[Array | None, Array | None]:
        grad = grad * self.scale
        by_logits = module_of(grad).exp(self.log_probabilities)
        by_logits *= self.target.sum(axis=0)  # 1 where the rows are probabilities
        by_logits -= self.target
        by_logits *= grad
        by_target = self.log_probabilities * (-self.keep * grad) if self.needs[1] else None
        return by_logits, by_target


def cross_entropy(
    logits: Tensor, labels: Tensor | Array, reduction: Reduction = "mean", label_smoothing: float = 0.0
) -> Tensor:
    """-sum(target · log_softmax(logits)), the mean or sum over images, for logits (N, C) or (N, C, ...).

    `labels` are class numbers (N, ...), or one-hot or soft rows of the shape of the logits. With `label_smoothing` ε
    the target is (1 - ε) · target + ε / C. With reduction "none" the result has the shape of class numbers. Raises
    ShapeError where shapes do not fit, InputError for a label outside 0..C-1 or an unknown option.
    """
    _check_reduction(reduction)
    if not isinstance(labels, Tensor):
        # Class numbers of images are not copied: nothing keeps them.
        are_numbers = getattr(labels, "ndim", 0) == 1 and getattr(labels.dtype, "kind", "f") in "iu"
        labels = Tensor.from_batch_last(to_device(labels)) if are_numbers else Tensor(labels)
    if not isinstance(logits, Tensor):
        raise no_tensor("cross_entropy", logits)
    shape = logits.shape
    rows = _are_rows(shape, labels.shape, logits.memory.dtype, labels.memory.dtype)
    if not 0 <= label_smoothing <= 1:
        raise InputError(f"cross_entropy: label_smoothing is {label_smoothing}; expected 0 to 1")
    scales = {"none": None, "sum": 1.0, "mean": shape[1] / logits.memory.size}  # of the sum of all losses
    function = CrossEntropy if rows else ClassCrossEntropy
    return function.apply(logits, labels.to_batch_last(), smoothing=label_smoothing, scale=scales[reduction])


@functools.lru_cache(maxsize=1024)  # every step of a training asks for the same few
def _are_rows(logits: Sizes, labels: Sizes, dtype: np.dtype, label_dtype: np.dtype) -> bool:
    """Whether labels are rows of probabilities (True) or class numbers (False). Raises ShapeError for neither."""
    check_dtypes("cross_entropy", dtype)
    if len(logits) < 2:
        raise ShapeError(f"cross_entropy: expected logits (images, classes, ...): logits {logits}")
    if 0 in logits:
        raise ShapeError(f"cross_entropy: the batch is empty: logits {logits}. Give at least one image")
    if labels == logits:
        return True
    expected = (logits[0], *logits[2:])
    if labels != expected or label_dtype.kind not in "iu":
        raise ShapeError(
            f"cross_entropy: labels are {label_dtype} of shape {labels}; expected whole numbers of shape "
            f"{expected} (a class each) or rows of shape {logits} (a probability per class)"
        )
    return False


def one_hot(labels: Array, classes: int, dtype: Any) -> Array:
    """Class numbers of any shape as a new first axis (classes, ...): 1 at the class, 0 elsewhere.

    Raises InputError for a label outside 0..classes-1.
    """
    kernels_of(type(labels)).softmax.check_labels(labels, classes)
    xp = module_of(labels)
    numbers = xp.arange(classes).reshape((classes,) + (1,) * labels.ndim)
    return (numbers == labels).astype(dtype)


def mse_loss(x: Tensor, target: Tensor | Array, reduction: Reduction = "mean") -> Tensor:
    """(x - target)², its mean or sum over all elements, or each. Raises ShapeError unless both have one shape."""
    check_floating("mse_loss", x)
    if not isinstance(target, Tensor):
        target = Tensor((target if hasattr(target, "dtype") else np.asarray(target)).astype(x.dtype))
    if x.shape != target.shape:
        raise ShapeError(f"mse_loss: x {x.shape} and target {target.shape}; expected one shape")
    _check_reduction(reduction)
    difference = x - target
    squares = difference * difference
    if reduction == "none":
        return squares
    return squares.mean() if reduction == "mean" else squares.sum()


def _check_reduction(reduction: Reduction) -> None:
    """Raises InputError for an unknown reduction."""
    if reduction not in ("mean", "sum", "none"):
        raise InputError(f"reduction is {reduction!r}; expected mean, sum or none")
