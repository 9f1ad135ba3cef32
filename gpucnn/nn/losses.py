"""Losses as modules: functional's, with their options kept."""

from typing import Any

from gpucnn import functional as F
from gpucnn.functional.targets import Reduction
from gpucnn.nn.module import Module
from gpucnn.tensor import Tensor

__all__ = ["BCELoss", "BCEWithLogitsLoss", "CrossEntropyLoss", "L1Loss", "MSELoss", "NLLLoss", "SmoothL1Loss"]


class CrossEntropyLoss(Module):
    """functional.cross_entropy."""

    def __init__(
        self,
        weight: Any = None,
        *,
        ignore_index: int | None = None,
        reduction: Reduction = "mean",
        label_smoothing: float = 0.0,
    ) -> None:
        self.weight, self.ignore_index = weight, ignore_index
        self.reduction, self.label_smoothing = reduction, label_smoothing

    def forward(self, logits: Tensor, labels: Any) -> Tensor:
        """The loss of logits (N, C) or (N, C, ...)."""
        options: dict[str, Any] = {"weight": self.weight, "ignore_index": self.ignore_index}
        return F.cross_entropy(logits, labels, self.reduction, self.label_smoothing, **options)


class BCEWithLogitsLoss(Module):
    """functional.binary_cross_entropy_with_logits."""

    def __init__(self, weight: Any = None, *, reduction: Reduction = "mean", pos_weight: Any = None) -> None:
        self.weight, self.reduction, self.pos_weight = weight, reduction, pos_weight

    def forward(self, x: Tensor, target: Any) -> Tensor:
        """The loss of logits x against the target, both of one shape."""
        options = {"weight": self.weight, "pos_weight": self.pos_weight}
        return F.binary_cross_entropy_with_logits(x, target, self.reduction, **options)


class SmoothL1Loss(Module):
    """functional.smooth_l1_loss."""

    def __init__(self, *, reduction: Reduction = "mean", beta: float = 1.0) -> None:
        self.reduction, self.beta = reduction, beta

    def forward(self, x: Tensor, target: Any) -> Tensor:
        """The loss of x against the target, both of one shape."""
        return F.smooth_l1_loss(x, target, self.reduction, self.beta)


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
NLLLoss, BCELoss = _loss("NLLLoss", F.nll_loss), _loss("BCELoss", F.binary_cross_entropy)
