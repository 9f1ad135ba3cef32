"""Cross-entropy of logits with class numbers, or with rows of probabilities."""

import functools
from typing import Any

import numpy as np

from gpucnn.backend import Array, empty, to_device
from gpucnn.errors import InputError, ShapeError
from gpucnn.functional.checks import check_dtypes, no_tensor
from gpucnn.functional.target_loss import IGNORED, target_entropy
from gpucnn.functional.targets import Reduction, as_target
from gpucnn.geometry import Sizes
from gpucnn.kernels.dispatch import kernels_of
from gpucnn.tensor import Function, Tensor
from gpucnn.tensor.function import wrap

__all__ = ["cross_entropy"]


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


def cross_entropy(
    logits: Tensor,
    labels: Tensor | Array,
    reduction: Reduction = "mean",
    label_smoothing: float = 0.0,
    *,
    weight: Any = None,
    ignore_index: int | None = None,
) -> Tensor:
    """-sum(target · log_softmax(logits)), the mean or sum over images, for logits (N, C) or (N, C, ...).

    `labels` are class numbers (N, ...), or one-hot or soft rows of the shape of the logits. With `label_smoothing` ε
    the target is (1 - ε) · target + ε / C. `weight` (C,) multiplies the target of each class. Images labelled
    `ignore_index` add no loss; by default -100, which on a GPU must be given to be ignored. The mean over class numbers
    divides by the sum of weight[label] over the others; that over rows by the number of images. With reduction "none"
    the result has the shape of class numbers. Raises ShapeError where shapes do not fit, InputError for a label outside
    0..C-1 or an unknown option.
    """
    _check_reduction(reduction)
    if not isinstance(logits, Tensor):
        raise no_tensor("cross_entropy", logits)
    if not isinstance(labels, Tensor):
        # Class numbers of images are not copied: nothing keeps them.
        are_numbers = getattr(labels, "ndim", 0) == 1 and getattr(labels.dtype, "kind", "f") in "iu"
        are_rows = getattr(labels, "shape", ()) == logits.shape
        labels = to_device(labels) if are_numbers else labels
        labels = as_target(labels, logits) if are_rows else wrap(labels, True) if are_numbers else Tensor(labels)
    shape = logits.shape
    rows = _are_rows(shape, labels.shape, logits.memory.dtype, labels.memory.dtype)
    if not 0 <= label_smoothing <= 1:
        raise InputError(f"cross_entropy: label_smoothing is {label_smoothing}; expected 0 to 1")
    if not rows and weight is None and ignore_index is None:
        scales = {"none": None, "sum": 1.0, "mean": shape[1] / logits.memory.size}  # of the sum of all losses
        try:
            return ClassCrossEntropy.apply(
                logits, labels.to_batch_last(), smoothing=label_smoothing, scale=scales[reduction]
            )
        except InputError:  # a class number out of range
            if IGNORED not in labels.memory:
                raise
    return target_entropy(logits, labels, rows, reduction, label_smoothing, weight, ignore_index)


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


def _check_reduction(reduction: Reduction) -> None:
    """Raises InputError for an unknown reduction."""
    if reduction not in ("mean", "sum", "none"):
        raise InputError(f"reduction is {reduction!r}; expected mean, sum or none")
