"""Losses as modules: functional's, with their options kept."""

from typing import Any

from gpucnn import functional as F
from gpucnn.functional.loss import Reduction
from gpucnn.nn.module import Module
from gpucnn.tensor import Tensor

__all__ = ["BCELoss", "BCEWithLogitsLoss", "CrossEntropyLoss", "L1Loss", "MSELoss", "NLLLoss", "SmoothL1Loss"]


class CrossEntropyLoss(Module):
    """functional.cross_entropy."""

    def __init__(self, *, reduction: Reduction = "mean", label_smoothing: float = 0.0) -> None:
        self.reduction, self.label_smoothing = reduction, label_smoothing

    def forward(self, logits: Tensor, labels: Any) -> Tensor:
        """The loss of logits (N, C) or (N, C, ...)."""
        return F.cross_entropy(logits, labels, self.reduction, self.label_smoothing)


class Loss(Module):
    """A loss with one option, its reduction."""

    function: Any

    def __init__(self, *, reduction: Reduction = "mean") -> None:
        self.reduction = reduction

    def forward(self, x: Tensor, target: Any) -> Tensor:
        """The loss of x against the target."""
        return type(self).function(x, target, reduction=self.reduction)


def _loss(name: str, function: Any) -> type[Loss]:
    members = {"function": staticmethod(function), "__doc__": f"functional.{function.__name__}."}
    return type(name, (Loss,), {**members, "__module__": __name__})


MSELoss, L1Loss = _loss("MSELoss", F.mse_loss), _loss("L1Loss", F.l1_loss)
NLLLoss, SmoothL1Loss = _loss("NLLLoss", F.nll_loss), _loss("SmoothL1Loss", F.smooth_l1_loss)
BCELoss = _loss("BCELoss", F.binary_cross_entropy)
BCEWithLogitsLoss = _loss("BCEWithLogitsLoss", F.binary_cross_entropy_with_logits)
