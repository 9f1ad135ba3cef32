"""Losses of labels that are no classes: several labels an image, numbers, and pictures."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal, Self

from gpucnn import functional as F
from gpucnn.backend import Array
from gpucnn.errors import InputError
from gpucnn.tensor import Tensor
from gpucnn.training.loss_weights import ByName, check_weights, in_order, numbers_of, on_device

Reduction = Literal["mean", "sum"]


@dataclass(frozen=True)
class BinaryCrossEntropy:
    """`functional.binary_cross_entropy_with_logits`: the mean over images and labels, or the sum over both.

    Labels are rows (N, L) of 0 and 1. `weight` multiplies the losses of each label, `pos_weight` those of images that
    have it; each is a number for all labels, or one for each, in their order or by their names. `threshold` is the
    probability from which a label counts as given. Raises InputError for options out of range.
    """

    takes: ClassVar[tuple[str, ...]] = ("several",)
    reduction: Reduction = "mean"
    weight: float | ByName | None = None
    pos_weight: float | ByName | None = None
    threshold: float | ByName = 0.5

    def __post_init__(self) -> None:
        for name in ("weight", "pos_weight"):
            check_weights(name, getattr(self, name))
        if not all(0 < each < 1 for each in numbers_of(self.threshold)):
            raise InputError(f"threshold is {self.threshold}; expected numbers between 0 and 1")

    def __call__(self, output: Tensor, labels: Array) -> Tensor:
        """output (N, L), labels (N, L) -> a scalar."""
        weights = {name: on_device(getattr(self, name), output) for name in ("weight", "pos_weight")}
        return F.binary_cross_entropy_with_logits(output, labels, self.reduction, **weights)

    def of(self, names: Sequence[str], counts: Sequence[int]) -> Self:
        """The loss with its numbers in the order of the labels of these names."""
        options = ("weight", "pos_weight", "threshold")
        return replace(self, **{name: in_order(name, getattr(self, name), names) for name in options})


@dataclass(frozen=True)
class AbsoluteError:
    """`functional.l1_loss` of numbers (N,), rows (N, K) or pictures: the mean over images and outputs, or their sum."""

    takes: ClassVar[tuple[str, ...]] = ("numbers", "pictures")
    reduction: Reduction = "mean"

    def __call__(self, output: Tensor, labels: Array) -> Tensor:
        """output (N, K), labels (N,) or (N, K) -> a scalar."""
        return F.l1_loss(output, as_rows(labels), self.reduction)


@dataclass(frozen=True)
class SmoothAbsoluteError:
    """`functional.smooth_l1_loss` of numbers, as AbsoluteError: squares up to a distance of `beta`."""

    takes: ClassVar[tuple[str, ...]] = ("numbers", "pictures")
    reduction: Reduction = "mean"
    beta: float = 1.0

    def __call__(self, output: Tensor, labels: Array) -> Tensor:
        """output (N, K), labels (N,) or (N, K) -> a scalar."""
        return F.smooth_l1_loss(output, as_rows(labels), self.reduction, self.beta)


def as_rows(labels: Array) -> Array:
    """Labels (N,) as rows (N, 1); rows as they are."""
    return labels[:, None] if labels.ndim == 1 else labels
