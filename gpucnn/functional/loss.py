"""Losses: cross-entropy and mean squared error."""

from typing import Any, Literal

import numpy as np

from gpucnn.backend import Array, empty, module_of, to_device
from gpucnn.errors import InputError, ShapeError
from gpucnn.functional.checks import check_floating
from gpucnn.geometry import Sizes
from gpucnn.kernels.choice import kernels_of
from gpucnn.tensor import Function, Tensor
from gpucnn.tensor.tensor import one

Reduction = Literal["mean", "sum", "none"]


class ClassCrossEntropy(Function):
    """logits (C, ..., N) against class numbers (..., N): one loss per place and image, (..., N)"""

    layout, images = "batch_last", 2

    def forward(self, logits: Array, labels: Array, smoothing: float) -> Array:
        losses = empty(labels.shape, logits)
        self._compute(logits, labels, smoothing, 1.0, losses)
        return losses

    def _compute(self, logits: Array, labels: Array, smoothing: float, scale: float, losses: Array) -> Array:
        self.gradient = empty(logits.shape, logits) if self.needs[0] else None
        return kernels_of(logits).softmax.cross_entropy(logits, labels, smoothing, scale, self.gradient, losses)

    def backward(self, grad: Array) -> tuple[Array | None, None]:
        if grad is one(grad):
            return self.gradient, None
        return module_of(grad).multiply(self.gradient, grad, out=self.gradient), None


class TotalClassCrossEntropy(ClassCrossEntropy):
    """The sum over places and images, times `scale`"""

    def forward(self, logits: Array, labels: Array, smoothing: float, scale: float) -> Array:  # type: ignore[override]
        return self._compute(logits, labels, smoothing, scale, empty(labels.shape, logits))


class CrossEntropy(Function):
    """logits (C, ..., N) against probabilities (C, ..., N): one loss per place and image, (..., N)"""

    layout, images = "batch_last", 2

    def forward(self, logits: Array, target: Array, smoothing: float) -> Array:
        self.keep = 1 - smoothing
        self.target = target.astype(logits.dtype, copy=False) * self.keep + smoothing / logits.shape[0]
        self.log_probabilities = kernels_of(logits).softmax.log_softmax(logits, 0)
        # A masked class, whose logit is -inf, costs nothing where the target is 0.
        known = module_of(logits).where(self.target == 0, 0, self.log_probabilities)
        return -(self.target * known).sum(axis=0)

    def backward(self, grad: Array) -> tuple[Array | None, Array | None]:
        by_logits = module_of(grad).exp(self.log_probabilities)
        by_logits *= self.target.sum(axis=0)  # 1 where the rows are probabilities
        by_logits -= self.target
        by_logits *= grad
        by_target = self.log_probabilities * (-self.keep * grad) if self.needs[1] else None
        return by_logits, by_target


class TotalCrossEntropy(CrossEntropy):
    """The sum over places and images, times `scale`"""

    def forward(self, logits: Array, target: Array, smoothing: float, scale: float) -> Array:  # type: ignore[override]
        self.scale = logits.dtype.type(scale)
        return super().forward(logits, target, smoothing).sum() * self.scale

    def backward(self, grad: Array) -> tuple[Array | None, Array | None]:
        return super().backward(grad * self.scale)


def cross_entropy(
    logits: Tensor, labels: Tensor | Array, reduction: Reduction = "mean", label_smoothing: float = 0.0
) -> Tensor:
    """-sum(target · log_softmax(logits)), the mean or sum over images, for logits (N, C) or (N, C, ...).

    `labels` are class numbers (N, ...), or one-hot or soft rows of the shape of the logits. With `label_smoothing` ε
    the target is (1 - ε) · target + ε / C. With reduction "none" the result has the shape of class numbers. Raises
    ShapeError where shapes do not fit, InputError for a label outside 0..C-1 or an unknown option.
    """
    check_floating("cross_entropy", logits)
    if logits.ndim < 2:
        raise ShapeError(f"cross_entropy: expected logits (images, classes, ...): logits {logits.shape}")
    if logits.size == 0:
        raise ShapeError(f"cross_entropy: the batch is empty: logits {logits.shape}. Give at least one image")
    if not 0 <= label_smoothing <= 1:
        raise InputError(f"cross_entropy: label_smoothing is {label_smoothing}; expected 0 to 1")
    labels = _as_tensor(labels)
    options: dict[str, float] = {"smoothing": label_smoothing}
    if _checked(reduction) != "none":
        options["scale"] = logits.shape[1] / logits.size if reduction == "mean" else 1.0
    function = _function(_are_rows(labels, logits.shape), total="scale" in options)
    return function.apply(logits, labels.to_batch_last(), **options)


def _as_tensor(labels: Tensor | Array) -> Tensor:
    """Class numbers of images are not copied: nothing keeps them."""
    if isinstance(labels, Tensor):
        return labels
    are_numbers = getattr(labels, "ndim", 0) == 1 and labels.dtype.kind in "iu"
    return Tensor.from_batch_last(to_device(labels)) if are_numbers else Tensor(labels)


def _function(rows: bool, total: bool) -> type[Function]:
    if rows:
        return TotalCrossEntropy if total else CrossEntropy
    return TotalClassCrossEntropy if total else ClassCrossEntropy


def _are_rows(labels: Tensor, shape: Sizes) -> bool:
    """Whether labels are probabilities of the logits' `shape`, not class numbers. Raises ShapeError for neither."""
    if labels.shape == shape:
        return True
    expected = (shape[0], *shape[2:])
    if labels.shape != expected or labels.dtype.kind not in "iu":
        raise ShapeError(
            f"cross_entropy: labels are {labels.dtype} of shape {labels.shape}; expected whole numbers of shape "
            f"{expected} (a class each) or rows of shape {shape} (a probability per class)"
        )
    return False


def _checked(reduction: str) -> str:
    if reduction not in ("mean", "sum", "none"):
        raise InputError(f"reduction is {reduction!r}; expected mean, sum or none")
    return reduction


def one_hot(labels: Array, classes: int, dtype: Any) -> Array:
    """Class numbers of any shape as a new first axis (classes, ...): 1 at the class, 0 elsewhere.

    Raises InputError for a label outside 0..classes-1.
    """
    kernels_of(labels).softmax.check_labels(labels, classes)
    xp = module_of(labels)
    numbers = xp.arange(classes).reshape((classes,) + (1,) * labels.ndim)
    return (numbers == labels).astype(dtype)


def mse_loss(x: Tensor, target: Tensor | Array, reduction: Reduction = "mean") -> Tensor:
    """(x - target)², the mean or sum over all elements; both of one shape. Raises ShapeError where they are not."""
    check_floating("mse_loss", x)
    if not isinstance(target, Tensor):
        target = Tensor((target if hasattr(target, "dtype") else np.asarray(target)).astype(x.dtype))
    if x.shape != target.shape:
        raise ShapeError(f"mse_loss: x {x.shape} and target {target.shape}; expected one shape")
    difference = x - target
    squares = difference * difference
    if _checked(reduction) == "none":
        return squares
    return squares.mean() if reduction == "mean" else squares.sum()
