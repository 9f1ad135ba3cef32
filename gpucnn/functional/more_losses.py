"""Losses that are made of a Tensor's methods."""

from collections.abc import Callable
from typing import Any

import numpy as np

from gpucnn.errors import InputError, ShapeError
from gpucnn.functional.loss import Reduction
from gpucnn.tensor import Tensor

__all__ = ["binary_cross_entropy", "binary_cross_entropy_with_logits", "l1_loss", "nll_loss", "smooth_l1_loss"]


def l1_loss(x: Tensor, target: Any, reduction: Reduction = "mean") -> Tensor:
    """|x - target|, its mean or sum over all elements, or each. Raises ShapeError unless both have one shape."""
    return _reduced((x - _like(x, target)).abs(), reduction)


def smooth_l1_loss(x: Tensor, target: Any, reduction: Reduction = "mean", beta: float = 1.0) -> Tensor:
    """With d = |x - target|: d² / (2 beta) where d < beta, else d - beta / 2. Shapes as l1_loss."""
    distance = (x - _like(x, target)).abs()
    near = distance.clamp(max=beta)
    return _reduced(near * near / (2 * beta) + (distance - near), reduction)


def nll_loss(log_probabilities: Tensor, labels: Any, reduction: Reduction = "mean") -> Tensor:
    """-log_probabilities[i, labels[i]] for (N, C) and class numbers (N,), or (N, C, ...) and (N, ...)."""
    labels = labels if isinstance(labels, Tensor) else Tensor(labels)
    if log_probabilities.ndim < 2 or labels.shape != (log_probabilities.shape[0], *log_probabilities.shape[2:]):
        raise ShapeError(f"nll_loss: labels {labels.shape} do not fit log-probabilities {log_probabilities.shape}")
    numbers = labels.numpy()
    if numbers.size and not 0 <= numbers.min() <= numbers.max() < log_probabilities.shape[1]:
        raise InputError(f"nll_loss: labels are {numbers.min()} to {numbers.max()}; expected 0 to "
                         f"{log_probabilities.shape[1] - 1}")  # fmt: skip
    picked: Any = log_probabilities
    return _reduced(-picked.gather(1, labels.reshape(labels.shape[0], 1, *labels.shape[1:])).squeeze(1), reduction)


def binary_cross_entropy(x: Tensor, target: Any, reduction: Reduction = "mean") -> Tensor:
    """-(target · log(x) + (1 - target) · log(1 - x)) of probabilities x; logarithms end at -100, as PyTorch's."""
    target = _like(x, target)
    return _reduced(-(target * x.log().clamp(min=-100) + (1 - target) * (1 - x).log().clamp(min=-100)), reduction)


def binary_cross_entropy_with_logits(x: Tensor, target: Any, reduction: Reduction = "mean") -> Tensor:
    """binary_cross_entropy of sigmoid(x), without overflow."""
    target = _like(x, target)
    return _reduced(x.clamp(min=0) - x * target + ((-x.abs()).exp() + 1).log(), reduction)


def _like(x: Tensor, target: Any) -> Tensor:
    """The target as a Tensor of x's dtype. Raises ShapeError unless it has x's shape."""
    if not isinstance(target, Tensor):
        target = Tensor((target if hasattr(target, "dtype") else np.asarray(target)).astype(x.dtype))
    if x.shape != target.shape:
        raise ShapeError(f"x {x.shape} and target {target.shape}; expected one shape")
    return target


def _reduced(losses: Tensor, reduction: Reduction) -> Tensor:
    reductions: dict[str, Callable[[], Tensor]] = {"mean": losses.mean, "sum": losses.sum, "none": lambda: losses}
    if reduction not in reductions:
        raise InputError(f"reduction is {reduction!r}; expected mean, sum or none")
    return reductions[reduction]()
