"""What labels are to a loss: classes, several labels an image, numbers, a class per pixel, or pictures."""

import functools
from typing import Any, Literal

import numpy as np

from gpucnn import functional as F
from gpucnn import nn
from gpucnn.training.losses import Loss, MeanSquaredError

Kind = Literal["classes", "several", "numbers", "pixels", "pictures"]
MAPS = ("pixels", "pictures")  # as large as the images

_TAKES: dict[Any, Kind] = {  # functions and modules that say nothing of it themselves
    F.binary_cross_entropy_with_logits: "several", nn.BCEWithLogitsLoss: "several",
    F.l1_loss: "numbers", nn.L1Loss: "numbers", F.smooth_l1_loss: "numbers", nn.SmoothL1Loss: "numbers",
}  # fmt: skip
_EITHER = (MeanSquaredError, F.mse_loss, nn.MSELoss)  # of classes or numbers, as the labels are


def kind_of(loss: Loss, labels: np.ndarray) -> Kind | None:
    """What the labels (N,), (N, L) or (N, ...) are to the loss; None where nothing is known of either."""
    function: Any = loss.func if isinstance(loss, functools.partial) else loss
    takes: tuple[Any, ...] = getattr(loss, "takes", ())
    of_rows = [each for each in takes if each not in MAPS]
    known: Any = of_rows[0] if len(of_rows) == 1 else _TAKES.get(function) or _TAKES.get(type(function))
    if labels.ndim > 2:
        of_numbers = known == "numbers" or "pictures" in takes or function in _EITHER or type(function) in _EITHER
        return "pictures" if of_numbers else "pixels" if known != "several" and labels.dtype.kind in "iu" else None
    if known in ("several", "numbers"):
        return known
    if are_classes(labels):
        return "classes"
    return "numbers" if function in _EITHER or type(function) in _EITHER else None


def are_classes(labels: np.ndarray) -> bool:
    """Whether labels are class numbers (N,) or rows of probabilities (N, C): there is an accuracy then."""
    if labels.ndim == 1:
        return labels.dtype.kind in "iub"
    rows = labels.ndim == 2 and labels.shape[1] > 1 and labels.size and labels.min() >= 0
    return bool(rows and np.allclose(labels.sum(axis=1), 1, atol=1e-3))
