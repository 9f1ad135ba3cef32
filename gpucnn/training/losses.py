"""Losses with their options: functions of a network's output and the labels."""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal, Self

from gpucnn import functional as F
from gpucnn.backend import Array
from gpucnn.functional.targets import one_hot
from gpucnn.parallel import computed
from gpucnn.tensor import Tensor
from gpucnn.training.label_losses import AbsoluteError, BinaryCrossEntropy, SmoothAbsoluteError, as_rows
from gpucnn.training.loss_weights import ByName, balanced_weights, check_weights, in_order, on_device

Loss = Callable[[Tensor, Array], Tensor]  # (output (N, C, ...), labels (N, ...) or of its shape) -> a single number
Reduction = Literal["mean", "sum"]


@dataclass(frozen=True)
class CrossEntropy:
    """`functional.cross_entropy` with these options: the mean over a minibatch's images, or pixels, or their sum.

    `weight` is a number for each class, in their order or by their names, or "balanced": the number of training images
    over that of classes and over the class's images. The mean is then over weights, as in PyTorch. Raises InputError
    for weights that are no weights.
    """

    takes: ClassVar[tuple[str, ...]] = ("classes", "pixels")
    reduction: Reduction = "mean"
    label_smoothing: float = 0.0
    weight: Literal["balanced"] | ByName | None = None
    ignore_index: int | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.weight, str):
            check_weights("weight", self.weight)

    def __call__(self, output: Tensor, labels: Array) -> Tensor:
        """output (N, C, ...), labels (N, ...) or rows (N, C) -> a scalar."""
        if labels.ndim > 2:
            labels = labels.astype("int64")  # of a class per pixel, kept in bytes
        if self.weight is None and self.ignore_index is None:
            return F.cross_entropy(output, labels, self.reduction, self.label_smoothing)
        weight = on_device(self.weight, output)
        ignored = None if labels.ndim == output.ndim else self.ignore_index
        return F.cross_entropy(
            output, labels, self.reduction, self.label_smoothing, weight=weight, ignore_index=ignored
        )

    def of(self, names: Sequence[str], counts: Sequence[int]) -> Self:
        """The loss with a weight for each class of these names and numbers of training images, in their order."""
        if self.weight == "balanced":
            return replace(self, weight=balanced_weights(counts))
        return replace(self, weight=in_order("weight", self.weight, names))


@dataclass(frozen=True)
class MeanSquaredError:
    """`functional.mse_loss`: the mean over images and outputs, or the sum over both.

    Labels are numbers (N,), rows (N, K) or pictures; whole numbers (N,) are classes, whose target is their one-hot row.
    """

    takes: ClassVar[tuple[str, ...]] = ("classes", "numbers", "pictures")
    reduction: Reduction = "mean"

    def __call__(self, output: Tensor, labels: Array) -> Tensor:
        """output (N, C), labels (N,) or rows (N, C) -> a scalar."""
        classes = labels.ndim == 1 and labels.dtype.kind in "iub"
        rows = _one_hot(labels, output) if classes else as_rows(labels)
        return F.mse_loss(output, rows, self.reduction)


def _one_hot(labels: Array, output: Tensor) -> Tensor:
    """One-hot rows (N, C) of class numbers (N,), for an output (N, C)."""
    [rows] = computed(lambda: (one_hot(labels, output.shape[-1], output.dtype),), labels)  # (C, N)
    return Tensor.from_batch_last(rows)


LOSSES: dict[str, type] = {
    "cross_entropy": CrossEntropy,
    "binary_cross_entropy_with_logits": BinaryCrossEntropy,
    "mse": MeanSquaredError,
    "l1": AbsoluteError,
    "smooth_l1": SmoothAbsoluteError,
}


def is_sum(loss: Loss) -> bool:
    """Whether `loss` returns the sum over a minibatch's images; otherwise it is taken to be their mean.

    A loss says so by an attribute `reduction`, or functools.partial(F.cross_entropy, reduction="sum") by
    its keyword.
    """
    options: dict[str, Any] = loss.keywords if isinstance(loss, functools.partial) else {}
    return getattr(loss, "reduction", options.get("reduction")) == "sum"
