"""Labels as targets of a loss: one-hot rows, and rows that are smoothed and weighted by class."""

from typing import Any, Literal

import numpy as np

from gpucnn.backend import Array, module_of, to_device
from gpucnn.errors import InputError, ShapeError
from gpucnn.kernels.dispatch import kernels_of
from gpucnn.tensor import Tensor

Reduction = Literal["mean", "sum", "none"]

IGNORED = -100  # the class number that PyTorch's losses leave out


def one_hot(labels: Array, classes: int, dtype: Any) -> Array:
    """Class numbers of any shape as a new first axis (classes, ...): 1 at the class, 0 elsewhere.

    Raises InputError for a label outside 0..classes-1.
    """
    kernels_of(type(labels)).softmax.check_labels(labels, classes)
    xp = module_of(labels)
    numbers = xp.arange(classes).reshape((classes,) + (1,) * labels.ndim)
    return (numbers == labels).astype(dtype)


def class_weights(name: str, weight: Any, logits: Tensor) -> Array:
    """A weight for each class of logits (N, C, ...), (C,), of their dtype; ones for None. Raises ShapeError."""
    classes, dtype = logits.shape[1], logits.dtype
    if weight is None:
        return module_of(logits.memory).ones(classes, dtype)  # not copied from the host, which no capture allows
    array = weight.memory if isinstance(weight, Tensor) else to_device(np.asarray(weight))
    if array.shape != (classes,):
        raise ShapeError(f"{name}: weight has shape {array.shape}; expected ({classes},), a number for each class")
    return array.astype(dtype, copy=False)


def weighted_target(
    logits: Tensor, labels: Tensor, rows: bool, reduction: Reduction, smoothing: float, weight: Any, ignored: int | None
) -> tuple[Any, float | None]:
    """A target of the logits' shape, and the scale of -sum(target · log_softmax(logits)); None for a loss each.

    `labels` are rows of probabilities, or class numbers, of which -100 is left out by default. See
    `functional.cross_entropy`.
    """
    classes = logits.shape[1]
    weights = class_weights("cross_entropy", weight, logits)
    scale = None if reduction == "none" else 1.0
    if rows:
        if ignored is not None:
            raise InputError("cross_entropy: ignore_index is a class number, but labels are rows of probabilities")
        by_class = Tensor(weights.reshape(-1, *(1,) * (logits.ndim - 2)))  # (C,) -> (C, 1, ..., 1)
        smoothed: Any = labels.to(logits.dtype) * (1 - smoothing) + smoothing / classes
        return smoothed * by_class, classes / logits.size if reduction == "mean" else scale
    ignored = IGNORED if ignored is None else ignored
    target, each = weighted_rows(labels.to_batch_last().memory, weights, ignored, smoothing)
    if reduction == "mean":
        with np.errstate(invalid="ignore"):  # of no image that counts the mean is NaN
            target = target / each.sum()
    return Tensor.from_batch_last(target), scale


def weighted_rows(labels: Array, weight: Array, ignored: int, smoothing: float) -> tuple[Array, Array]:
    """Targets (C, ..., N) of class numbers (..., N) and a weight for each class (C,), and the weights (..., N).

    The target is weight · ((1 - smoothing) · one-hot + smoothing / C), and 0 throughout where the label is `ignored`.
    The second are weight[label]: a mean divides by their sum. Raises InputError for a label outside 0..C-1; on a GPU,
    where reading them would make the host wait, its weight is NaN.
    """
    xp, dtype, classes = module_of(labels), weight.dtype, len(weight)
    counted = (labels != ignored).astype(dtype)
    numbers = xp.where(labels == ignored, 0, labels)
    rows = one_hot(numbers, classes, dtype) * counted
    weight = weight.reshape(-1, *(1,) * labels.ndim)  # (C,) -> (C, 1, ..., 1)
    weights = (rows * weight).sum(axis=0)
    if xp is not np:
        weights = xp.where((numbers < 0) | (numbers >= classes), np.nan, weights)
    rows = (rows * (1 - smoothing) + counted * (smoothing / classes)) * weight
    return rows, weights
