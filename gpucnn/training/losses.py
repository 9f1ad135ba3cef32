"""Losses with their options: functions of a network's output and the labels."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from gpucnn import functional as F
from gpucnn.backend import Array
from gpucnn.functional.targets import one_hot
from gpucnn.tensor import Tensor

Loss = Callable[[Tensor, Array], Tensor]  # (output (N, C), labels (N,) or rows (N, C)) -> a single number
Reduction = Literal["mean", "sum"]


@dataclass(frozen=True)
class CrossEntropy:
    """`functional.cross_entropy` with these options: the mean over a minibatch's images, or their sum."""

    reduction: Reduction = "mean"
    label_smoothing: float = 0.0

    def __call__(self, output: Tensor, labels: Array) -> Tensor:
        """output (N, C), labels (N,) or rows (N, C) -> a scalar."""
        return F.cross_entropy(output, labels, self.reduction, self.label_smoothing)


@dataclass(frozen=True)
class MeanSquaredError:
    """`functional.mse_loss` against one-hot rows: the mean over images and classes, or the sum over both."""

    reduction: Reduction = "mean"

    def __call__(self, output: Tensor, labels: Array) -> Tensor:
        """output (N, C), labels (N,) or rows (N, C) -> a scalar."""
        rows = one_hot(labels, output.shape[-1], output.dtype).T if labels.ndim == 1 else labels  # (C, N) -> (N, C)
        return F.mse_loss(output, rows, self.reduction)


LOSSES: dict[str, type] = {"cross_entropy": CrossEntropy, "mse": MeanSquaredError}


def is_sum(loss: Loss) -> bool:
    """Whether `loss` returns the sum over a minibatch's images; otherwise it is taken to be their mean.

    A loss says so by an attribute `reduction`, or functools.partial(F.cross_entropy, reduction="sum") by
    its keyword.
    """
    options: dict[str, Any] = loss.keywords if isinstance(loss, functools.partial) else {}
    return getattr(loss, "reduction", options.get("reduction")) == "sum"
