"""Losses beside cross-entropy: of numbers, of probabilities, and of labels that are there or not."""

from collections.abc import Callable
from typing import Any

import numpy as np

from gpucnn.backend import Array, empty, module_of, to_device
from gpucnn.errors import InputError, ShapeError
from gpucnn.functional.checks import check_floating
from gpucnn.functional.targets import Reduction, as_target
from gpucnn.kernels.dispatch import kernels_of
from gpucnn.tensor import Function, Tensor
from gpucnn.tensor.quiet import quietly

__all__ = [
    "binary_cross_entropy", "binary_cross_entropy_with_logits", "l1_loss", "mse_loss", "nll_loss", "smooth_l1_loss",
]  # fmt: skip


class SummedLoss(Function):
    """scale · the sum of a loss of x (rows..., N) against a target of the same shape, which the kernel computes."""

    layout, images, reads_one = "batch_last", 2, False

    def forward(self, x: Array, target: Array, kernel: str, scale: float, options: tuple[Any, ...] = ()) -> Array:
        self.gradient = empty(x.shape, x) if self.needs[0] else None
        return quietly(kernels_of(type(x)).losses.total, kernel, x, target, options, scale, self.gradient)

    def backward(self, grad: Array) -> tuple[Array | None, None]:
        if not self.by_result_is_one:
            kernels_of(type(grad)).arithmetic.scale(self.gradient, grad, self.gradient)
        return self.gradient, None


def _summed(x: Tensor, target: Tensor, reduction: Reduction, kernel: str, options: tuple[Any, ...] = ()) -> Any:
    """The mean or the sum of a loss as a kernel computes it; None where its losses or more gradients are asked for."""
    scales = {"mean": 1 / max(x.size, 1), "sum": 1.0}
    if target.requires_grad or not x.size or reduction not in scales:
        return None
    return SummedLoss.apply(x, target, kernel=kernel, scale=scales[reduction], options=options)


def mse_loss(x: Tensor, target: Any, reduction: Reduction = "mean") -> Tensor:
    """(x - target)², its mean or sum over all elements, or each. Raises ShapeError unless both have one shape."""
    target = _like("mse_loss", x, target)
    if (total := _summed(x, target, reduction, "squared_error")) is not None:
        return total
    difference = x - target
    return _reduced(difference * difference, reduction)


def l1_loss(x: Tensor, target: Any, reduction: Reduction = "mean") -> Tensor:
    """|x - target|, its mean or sum over all elements, or each. Raises ShapeError unless both have one shape."""
    target = _like("l1_loss", x, target)
    total = _summed(x, target, reduction, "absolute_error")
    return _reduced((x - target).abs(), reduction) if total is None else total


def smooth_l1_loss(x: Tensor, target: Any, reduction: Reduction = "mean", beta: float = 1.0) -> Tensor:
    """With d = |x - target|: d² / (2 beta) where d < beta, else d - beta / 2. With beta 0 it is l1_loss.

    Shapes as l1_loss. Raises InputError for a beta below 0.
    """
    if beta < 0:
        raise InputError(f"smooth_l1_loss: beta is {beta}; expected 0 or more")
    if beta == 0:
        return l1_loss(x, target, reduction)
    target = _like("smooth_l1_loss", x, target)
    if (total := _summed(x, target, reduction, "smooth_error", (beta,))) is not None:
        return total
    distance = (x - target).abs()
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
    target = _like("binary_cross_entropy", x, target)
    return _reduced(-(target * x.log().clamp(min=-100) + (1 - target) * (1 - x).log().clamp(min=-100)), reduction)


class LogitLosses(Function):
    """(1 - t) x + (1 + (p - 1) t) log(1 + exp(-x)) of logits x, targets t and positive weights p: one each.

    The logarithm is computed without overflow. A gradient of its own is right at 0, where |x| has none.
    """

    layout = "elementwise"

    def forward(self, x: Array, target: Array, positive: Array) -> Array:
        xp = module_of(x)
        self.x, self.target, self.positive = x, target, positive
        self.below = xp.log1p(xp.exp(-abs(x))) + xp.maximum(-x, 0)  # log(1 + exp(-x))
        return (1 - target) * x + (1 + (positive - 1) * target) * self.below

    def backward(self, grad: Array) -> tuple[Array | None, Array | None, None]:
        by_x = grad * ((1 - self.target) - (1 + (self.positive - 1) * self.target) * self._sigmoid_of_minus())
        by_target = grad * ((self.positive - 1) * self.below - self.x) if self.needs[1] else None
        return by_x, by_target, None

    def _sigmoid_of_minus(self) -> Array:
        """1 / (1 + exp(x)), as the exponential of -x - log(1 + exp(-x)), which overflows nowhere."""
        return module_of(self.x).exp(-self.x - self.below)


def binary_cross_entropy_with_logits(
    x: Tensor, target: Any, reduction: Reduction = "mean", *, weight: Any = None, pos_weight: Any = None
) -> Tensor:
    """binary_cross_entropy of sigmoid(x), without overflow; target of x's shape, 1 where a label is there, else 0.

    Each loss is multiplied by `weight`, and where the target is 1 by `pos_weight` too; both broadcast to x's shape,
    such as (L,) for x (N, L). Raises ShapeError for shapes that do not fit.
    """
    target = _like("binary_cross_entropy_with_logits", x, target)
    factors = [None if given is None else _factor(name, x, given) for name, given in
               (("pos_weight", pos_weight), ("weight", weight))]  # fmt: skip
    if all(factor is None or _is_per_row(factor, x) for factor in factors):
        rows = tuple(None if factor is None else _per_row(factor, x) for factor in factors)
        if (total := _summed(x, target, reduction, "logit_loss", rows)) is not None:
            return total
    losses: Any = LogitLosses.apply(x, target, _factor("pos_weight", x, 1.0 if pos_weight is None else pos_weight))
    return _reduced(losses if weight is None else losses * _factor("weight", x, weight), reduction)


def _is_per_row(factor: Tensor, x: Tensor) -> bool:
    """Whether a factor is one number, or one for each of the labels of x (N, L), and never changes."""
    return x.ndim == 2 and factor.shape in ((), (1,), (x.shape[1],)) and not factor.requires_grad


def _per_row(factor: Tensor, x: Tensor) -> Array:
    """A factor for each label of x (N, L), (L,)."""
    return factor.memory if factor.shape == (x.shape[1],) else factor.memory.reshape(1).repeat(x.shape[1])


def _factor(name: str, x: Tensor, weight: Any) -> Tensor:
    """A weight as a Tensor of x's dtype that broadcasts to x's shape. Raises ShapeError."""
    if isinstance(weight, int | float):
        return Tensor(module_of(x.memory).full((), weight, x.dtype))  # not copied from the host
    array = weight.to_logical().memory if isinstance(weight, Tensor) else to_device(np.asarray(weight))
    if array.ndim > x.ndim or any(a not in (1, b) for a, b in zip(array.shape[::-1], x.shape[::-1], strict=False)):
        raise ShapeError(f"binary_cross_entropy_with_logits: {name} {array.shape} does not fit x {x.shape}; give (L,)")
    return Tensor(array.astype(x.dtype, copy=False))


def _like(name: str, x: Tensor, target: Any) -> Tensor:
    """The target as a Tensor of x's dtype. Raises ShapeError unless it has x's shape."""
    check_floating(name, x)
    if not isinstance(target, Tensor):
        target = as_target(target, x)
    if x.shape != target.shape:
        raise ShapeError(f"{name}: x {x.shape} and target {target.shape}; expected one shape")
    return target


def _reduced(losses: Tensor, reduction: Reduction) -> Tensor:
    reductions: dict[str, Callable[[], Tensor]] = {"mean": losses.mean, "sum": losses.sum, "none": lambda: losses}
    if reduction not in reductions:
        raise InputError(f"reduction is {reduction!r}; expected mean, sum or none")
    return reductions[reduction]()
